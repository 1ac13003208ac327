"""Views of a flat canvas: windows that slide over it, whole pictures of it, and how windows become one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from ..errors import Refused, about, got
from .base import Views, lookup


def identity(height: int, width: int, count: int = 1) -> Views:
    """`count` views of the same whole canvas; sizes in latent cells."""
    return stack([grid(height, width)] * count, (height, width))


def windows(width: int, height: int, window: int, step: int, *, loop: bool = False) -> Views:
    """Square windows that slide over a canvas larger than the model can see, left to right, then down.

    All in latent cells.  The last window ends flush with the canvas, so it may overlap more than the others.
    loop: the longer side (the width of a square) has no ends, as a view of 360 degrees: windows wrap round to the
    first ones.  There is one more of them, which hears both ends of what is done so far and has a free stretch
    between them to join them in; those after it only tidy up.
    Neighbours overlap by window - step.  Raises InputError unless that is at least one cell and less than a
    window, or if the canvas is smaller than a window.
    """
    if min(width, height) < window:
        raise Refused.size_unfit(
            f"a {about('canvas')} of {got(width)} x {height} cells is smaller than a window of {window}",
            f"make both sides at least {window}",
        )
    if not 0 < step < window:
        raise Refused.size_unfit(
            f"{about('windows')} of {got(window)} cells overlap by {window - step}",
            f"use an overlap of 1 to {window - 1} cells",
        )
    round_x, round_y = loop and width >= height, loop and width < height
    across, down = _starts(width, window, step, round_x), _starts(height, window, step, round_y)
    rows, columns = (_runs(starts, window, side) for starts, side in ((down, height), (across, width)))
    cells = grid(height, width)
    return stack([cells[np.ix_(y, x)] for y in rows for x in columns], (height, width))


def latest(views: Views) -> Views:
    """The same views, each cell with the last one that shows it alone: later pictures lie on top.

    `latest(views).f_inv(x)` is how the paper joins a wide image's windows (SyncSDE, section 3.3.3).
    """
    spoken = views.merge.tocoo()
    view = spoken.col // (views.shape[1] * views.shape[2])
    last = np.full(spoken.shape[0], -1)
    np.maximum.at(last, spoken.row, view)
    keep = (view == last[spoken.row]) & (spoken.data != 0)
    merge = sparse.csr_array((spoken.data[keep], (spoken.row[keep], spoken.col[keep])), shape=spoken.shape)
    return Views(views.look, merge, views.shape, views.canvas, views.shares)


def feathered(views: Views) -> Views:
    """The same views with blend weights that fall towards their borders, so that joining them leaves no edge.

    The weight is the distance to the nearest side border times that to the nearest upper or lower one, in pixels,
    so that windows in one row fade alike in all its rows.  `feathered(views).f_inv(x)` blends.
    """
    count, height, width = views.shape
    down, across = (np.minimum(np.arange(side), np.arange(side)[::-1]) + 1.0 for side in (height, width))
    tent = down[:, None] * across
    weight = sparse.diags_array(np.tile(tent.ravel(), count))
    return Views(views.look, sparse.csr_array(views.merge @ weight), views.shape, views.canvas, views.shares)


def flip(size: int) -> Views:
    """A square picture and the same picture upside down (Geng et al. 2023, arXiv:2311.17919)."""
    cells = grid(size, size)
    return stack([cells, cells[::-1]], (size, size))


def rotations(size: int) -> Views:
    """A square picture turned by 0, 90, 180 and 270 degrees, counterclockwise."""
    cells = grid(size, size)
    return stack([np.rot90(cells, turn) for turn in range(4)], (size, size))


def stack(pictures: Sequence[np.ndarray], canvas: tuple[int, int]) -> Views:
    """Views from one table each: pictures[n][y, x] is the cell, y * width + x, that the pixel shows."""
    return lookup(np.stack(pictures), canvas)


def grid(height: int, width: int) -> np.ndarray:
    """Every cell's own number, (height, width)."""
    return np.arange(height * width).reshape(height, width)


def _starts(side: int, window: int, step: int, loop: bool) -> list[int]:
    if not loop:
        return [*range(0, side - window, step), side - window]
    starts = list(range(0, side, step))
    before = [start for start in starts if start + window <= side - step // 2]
    done = before[-1] + window if before else side
    bridge = done - (window - (side - done)) // 2
    if not 0 < done - bridge < window - (side - done):  # the ends are too near, or too far for one window
        return starts
    return list(dict.fromkeys([*before, bridge, *starts]))


def _runs(starts: list[int], window: int, side: int) -> np.ndarray:
    """The cells along one side that each window shows, (windows, window)."""
    return (np.array(starts)[:, None] + np.arange(window)) % side
