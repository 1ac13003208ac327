"""Where new charts go on a map that has some already: into free room, or beside the others made smaller."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_dilation

SMALLEST = 0.5  # of the density of the others, before those are made smaller
STEPS = 6


class Placement(NamedTuple):
    """others: what to scale the charts that were there by; 1 leaves them.  scale, at: of the new ones, then moved."""

    others: float
    scale: float
    at: np.ndarray


def placement(taken: np.ndarray, block: np.ndarray, margin: float) -> Placement:
    """Where a block of new charts goes.

    taken: (G, G) bool, where the map is in use, row 0 on top.  block: (2,) width and height of the new charts at the
    density of the others.  margin: to keep between islands.  Lengths are shares of the unit square.
    """
    cells = int(np.ceil(margin * len(taken))) + 1
    taken = binary_dilation(taken, np.ones((3, 3), bool), iterations=cells)
    for shrink in np.geomspace(1, SMALLEST, STEPS):
        at = free_place(taken, block * shrink)
        if at is not None:
            return Placement(1.0, float(shrink), at)
    others = 1 / (1 + max(float(block.max()), 0.05))
    scale = min(others, (1 - others - margin) / block.max())
    return Placement(others, scale, np.array([others + margin, 0.0]))


def free_place(taken: np.ndarray, block: np.ndarray) -> np.ndarray | None:
    """(2,) u and v of the lower left corner of a free rectangle of that width and height, None if there is none."""
    size = len(taken)
    width, height = (np.ceil(block * size) + 1).astype(int)
    if max(width, height) > size:
        return None
    sums = np.pad(taken.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    free = np.argwhere(inside == 0)
    if not len(free):
        return None
    row, column = free[0]
    return np.array([column + 0.5, size - row - height + 0.5]) / size
