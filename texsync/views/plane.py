"""Views of a flat canvas: crops, flips, turns and any other shuffle of its pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .base import Views, lookup


def identity(height: int, width: int, count: int = 1) -> Views:
    """`count` views of the same whole canvas; sizes in latent cells."""
    return stack([_cells(height, width)] * count, (height, width))


def windows(width: int, height: int, window: int, step: int) -> Views:
    """Square windows that slide over a canvas larger than the model can see, left to right, then down.

    All in latent cells.  Raises InputError unless the windows end flush with the canvas.
    """
    across, down = (_starts(side, window, step) for side in (width, height))
    cells = _cells(height, width)
    return stack([cells[y : y + window, x : x + window] for y in down for x in across], (height, width))


def flip(size: int) -> Views:
    """A square picture and the same picture upside down (Geng et al. 2023, arXiv:2311.17919)."""
    cells = _cells(size, size)
    return stack([cells, cells[::-1]], (size, size))


def rotations(size: int) -> Views:
    """A square picture turned by 0, 90, 180 and 270 degrees, counterclockwise."""
    cells = _cells(size, size)
    return stack([np.rot90(cells, turn) for turn in range(4)], (size, size))


def stack(pictures: Sequence[np.ndarray], canvas: tuple[int, int]) -> Views:
    """Views from one table each: pictures[n][y, x] is the cell, y * width + x, that the pixel shows."""
    return lookup(np.stack(pictures), canvas)


def _cells(height: int, width: int) -> np.ndarray:
    return np.arange(height * width).reshape(height, width)


def _starts(side: int, window: int, step: int) -> range:
    if not (0 < step <= window <= side) or (side - window) % step:
        raise InputError(
            f"windows of {window} cells every {step} do not fill {side}",
            "make the side one window plus a whole number of steps, and the step no longer than a window",
        )
    return range(0, side - window + 1, step)
