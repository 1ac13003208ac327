"""The same picture seen in other ways: turned, mirrored, sheared, cut up, negated, and one after the other.

Every way is a signed permutation of the pixels, so it can be undone exactly and white noise stays white, which is
what a diffusion model needs (Geng et al. 2023, arXiv:2311.17919, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import Refused, about, got
from .base import Views, lookup
from .plane import grid

BLOCKS = 8  # a side of the patches that change places
SHEAR = 1.5  # rows that a column slips per column of distance from the middle
TAB = 4  # radius of a puzzle piece's tab, in twentieths of a piece
RADIUS = 3 / 8  # of the disc that turns, in sides

Seen = np.ndarray
"""A table (size, size) of the cell that each pixel shows, row-major; ways of seeing take one to another."""


def ambiguous(names: Sequence[str], size: int, seed: int = 0) -> Views:
    """One view of a square canvas per name; sizes in latent cells.

    names: of `NAMES`, or several joined by "+", done from left to right: "rotate90+negate".
    seed: which permutation "patches", "pixels" and "jigsaw" are.
    Raises InputError on an unknown name, or a size that a view cannot do; it says which it can.
    """
    tables = [table(name, size, seed) for name in names]
    signs = np.stack([np.full((size, size), sign) for _, sign in tables])
    return lookup(np.stack([cells for cells, _ in tables]), (size, size), signs)


def view_of(picture: Tensor, name: str, *, cells: int | None = None, seed: int = 0) -> Tensor:
    """What a view shows of a picture (..., H, H), same shape: so that a result can be seen as it is meant.

    name and seed as in `ambiguous`.  Latents and pictures that are centred on 0 are negated by a change of sign;
    for pictures in [0, 1] see `shown`.  cells: side of the grid on which "pixels" change places, a divisor of H;
    give the size of the canvas, and larger pictures of it are cut in the same way.  None: H itself.
    """
    size = picture.shape[-1]
    if picture.shape[-2] != size:
        raise Refused.size_unfit(
            f"the {about('picture')} is {got(size)} x {picture.shape[-2]}", "give a square one"
        )
    seen, sign = table(name, size, seed, cells)
    index = torch.as_tensor(np.ascontiguousarray(seen).ravel(), device=picture.device)
    return sign * picture.flatten(-2)[..., index].view(picture.shape)


def shown(picture: Tensor, name: str, *, cells: int | None = None, seed: int = 0) -> Tensor:
    """`view_of` for pictures in [0, 1], whose negative is 1 minus them."""
    return view_of(picture - 0.5, name, cells=cells, seed=seed) + 0.5


def commutes(name: str) -> bool:
    """May it be done on an autoencoder's latents?  Turns and mirrors may: decoding the turned is turning the decoded.

    To the accuracy of the autoencoder, that is.  A negated latent is not a negated picture, and pieces that change
    places leave their neighbours, which a decoder looks at.  Raises InputError on an unknown name.
    """
    return all(part in RIGID for part in parts(name))


def parts(name: str) -> list[str]:
    """The single views that a composition is made of, in order.  Raises InputError on an unknown one."""
    found = name.split("+")
    for part in found:
        if part not in NAMES:
            raise Refused.option_choice(
                f"unknown {about('view')} {got(part)!r}",
                f"use one of {', '.join(NAMES)}, or several joined by +",
            )
    return found


def table(name: str, size: int, seed: int = 0, cells: int | None = None) -> tuple[Seen, int]:
    """The cell that each pixel shows, (size, size), and the sign it shows it with."""
    seen, sign = grid(size, size), 1
    for part in parts(name):
        sign = -sign if part == "negate" else sign
        seen = _one(part, seed, cells or size)(seen)
    return seen, sign


def _one(part: str, seed: int, cells: int) -> Callable[[Seen], Seen]:
    if part == "patches":
        return lambda seen: _blocks(seen, BLOCKS, seed, "patches")
    if part == "pixels":
        return lambda seen: _blocks(seen, cells, seed, "pixels")
    if part == "jigsaw":
        return lambda seen: _jigsaw(seen, seed)
    return SIMPLE[part]


def _skew(seen: Seen) -> Seen:
    """Column i slides down by 1.5 rows per column from the middle, round the edge."""
    size = len(seen)
    rows, columns = np.ogrid[:size, :size]
    slip = np.trunc(SHEAR * (columns - size // 2)).astype(np.int64)
    return seen[(rows - slip) % size, columns]


def _inner_circle(seen: Seen) -> Seen:
    """The disc in the middle turned upside down."""
    middle = (
        np.arange(len(seen)) * 2 + 1 - len(seen)
    )  # in half pixels, so that the disc is exactly round about it
    inside = middle[:, None] ** 2 + middle**2 <= (2 * RADIUS * len(seen)) ** 2
    return np.where(inside, seen[::-1, ::-1], seen)


def _blocks(seen: Seen, blocks: int, seed: int, name: str) -> Seen:
    """blocks x blocks squares change places at random."""
    size = len(seen)
    _divides(name, size, blocks)
    side = size // blocks
    cut = seen.reshape(blocks, side, blocks, side).swapaxes(1, 2).reshape(-1, side, side)
    order = torch.randperm(blocks**2, generator=torch.Generator().manual_seed(seed)).numpy()
    return cut[order].reshape(blocks, blocks, side, side).swapaxes(1, 2).reshape(size, size)


def _jigsaw(seen: Seen, seed: int) -> Seen:
    """The pieces of a 4 x 4 puzzle change places; each fits where it comes to lie.

    The puzzle looks the same after a quarter turn, so the four corners may be turned about the middle of the
    picture, and so may the four inner pieces and both kinds of edge pieces; the two edge pieces of one side have
    one shape and may be exchanged.
    """
    size = len(seen)
    _divides("jigsaw", size, 4)
    draw = torch.Generator().manual_seed(seed)
    turns = torch.randint(1, 4, (4,), generator=draw).tolist()
    swaps = torch.randint(0, 2, (4,), generator=draw).tolist()
    piece = _pieces(size)
    out = seen.copy()
    for turn, members in zip(turns, CLASSES, strict=True):
        here = np.isin(piece, members)
        out[here] = np.rot90(seen, turn)[here]
    for swap, (left, right) in zip(swaps, SIDES, strict=True):
        if swap:
            a, b = np.argwhere(piece == left), np.argwhere(piece == right)  # one shape, so in the same order
            out[tuple(a.T)], out[tuple(b.T)] = out[tuple(b.T)], out[tuple(a.T)]
    return out


CLASSES = ((0, 3, 15, 12), (5, 6, 10, 9), (1, 7, 14, 8), (2, 11, 13, 4))  # each closed under quarter turns
SIDES = ((1, 2), (7, 11), (13, 14), (4, 8))


def _pieces(size: int) -> np.ndarray:
    """Which of the pieces 0 ... 15, row by row, each pixel belongs to.

    Each seam has a round tab in the middle: on the rim they point clockwise, from the rim inwards, and between the
    inner pieces clockwise.  So the puzzle is its own quarter turn, and the edge pieces of a side are alike.
    """
    place = (
        2 * np.arange(size) + 1
    )  # in half pixels: seams and tabs lie on whole numbers, so nothing is rounded
    side = size // 2
    piece = 4 * (place[:, None] // side) + place // side
    for owner, (row, column) in _tabs():
        apart = (20 * place[:, None] - row * side) ** 2 + (20 * place - column * side) ** 2
        piece[apart < (TAB * side) ** 2] = owner
    return piece


def _tabs() -> list[tuple[int, tuple[int, int]]]:
    """(owner, centre in twentieths of a piece) of all 24 tabs: six, turned four times, two beyond the seam."""
    first = [((0, k), (10, 20 * k + 22)) for k in range(3)]
    first += [((0, k), (22, 20 * k + 10)) for k in (1, 2)]
    first += [((1, 1), (30, 42))]
    found = []
    for (y, x), (row, column) in first:
        for _ in range(4):
            found.append((4 * y + x, (row, column)))
            (y, x), (row, column) = (x, 3 - y), (column, 80 - row)
    return found


def _divides(name: str, size: int, by: int) -> None:
    if size % by:
        near = sorted({max(1, size // by) * by, (size // by + 1) * by})
        raise Refused.size_unfit(
            f"{about(name)} cannot cut {size} pixels into {by}",
            f"use {' or '.join(map(str, near))}, a multiple of {by}",
        )


RIGID: dict[str, Callable[[Seen], Seen]] = {
    "identity": lambda seen: seen,
    "rotate90": lambda seen: np.rot90(seen, 1),
    "rotate180": lambda seen: np.rot90(seen, 2),
    "rotate270": lambda seen: np.rot90(seen, 3),
    "flip": lambda seen: seen[::-1],
    "mirror": lambda seen: seen[:, ::-1],
}
"""Turns (counterclockwise) and mirrors; "flip" is upside down."""

SIMPLE: dict[str, Callable[[Seen], Seen]] = {
    **RIGID,
    "negate": lambda seen: seen,
    "skew": _skew,
    "inner_circle": _inner_circle,
}
NAMES = (*SIMPLE, "patches", "pixels", "jigsaw")
