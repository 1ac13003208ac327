"""Splats in the render frame, and where in it their object is: stray ones far out do not count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..splats.gaussians import Splats
from .axes import axes as axes_of
from .axes import normalised, rotation

AXES = ("-y", "-z")  # of a capture: COLMAP's +y points down, and its first camera looks along +z
MOST = 0.95  # quantile of distances from the middle that tells how large the object is
BEYOND = 1.5  # times that distance: what is farther out is stray
OPAQUE = 0.1  # least opacity of what tells where the object is


@dataclass(frozen=True)
class PlacedSplats:
    """K splats as cameras have them.

    splats: in the render frame, where those that are not stray lie in the unit sphere.  kept: (K,) bool, which these
    are.  to_world, axes: see `world_frame.Placed`.
    """

    splats: Splats
    kept: np.ndarray
    to_world: np.ndarray
    axes: tuple[str, str]

    @property
    def scale(self) -> float:
        """How long one unit of the render frame is in the file."""
        return float(np.linalg.norm(self.to_world[:3, 0]))


def place(splats: Splats, up: str = "auto", front: str = "auto") -> PlacedSplats:
    """Turned upright, in the middle, and as large as the unit sphere.

    up, front: axes of the file; auto is a capture's.  Raises InputError on an unknown axis, or if both are one.
    """
    axes = axes_of(up, front, AXES)
    turn, kept = rotation(*axes), not_stray(splats)
    means = splats.means.astype(np.float64)
    if not np.ptp(means[kept], axis=0).any():  # all in one place: as large as they are
        means = means + 3 * splats.scales.max() * np.linspace(-1, 1, len(means))[:, None]
        means = np.concatenate([means, means[:1] + 6 * splats.scales.max()])
        to_world = normalised(means, np.ones(len(means), bool), turn)[1]
    else:
        to_world = normalised(means, kept, turn)[1]
    scale = float(np.linalg.norm(to_world[:3, 0]))
    moved = splats.moved(turn, 1 / scale, -turn @ to_world[:3, 3] / scale)
    return PlacedSplats(moved, kept, to_world, axes)


def not_stray(splats: Splats) -> np.ndarray:
    """(K,) bool: those that are opaque enough and not much farther out than 95 of 100."""
    opaque = splats.opacity >= min(OPAQUE, float(splats.opacity.max()))
    means = splats.means.astype(np.float64)
    away = np.linalg.norm(means - np.median(means[opaque], axis=0), axis=1)
    return opaque & (away <= BEYOND * np.quantile(away[opaque], MOST))
