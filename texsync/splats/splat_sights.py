"""What cameras see of splats, as every other geometry is seen: points with normals and depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..surface.cameras import Camera, rays
from .gaussians import Splats
from .projected import view_space
from .rasterise import Seen

if TYPE_CHECKING:
    from ..surface.point_pixels import PointPixels

SOLID = 0.5  # alpha from which on a pixel shows the object and not the background


def splat_pixels(splats: Splats, cameras: Sequence[Camera], seen: Sequence[Seen]) -> PointPixels:
    """N views of K splats, S x S pixels each.

    seen: of each camera.  A pixel shows the splat that gives most to it, where it is solid; depth is the mean of all
    that it shows, the position lies on its ray at that depth, and `spread` is their standard deviation along it.
    """
    from ..surface.point_pixels import PointPixels

    tables = [_view(splats, camera, one) for camera, one in zip(cameras, seen, strict=True)]
    names = ("position", "normal", "depth", "facing", "spread", "point")
    maps = {
        name: torch.as_tensor(np.stack(part))
        for name, part in zip(names, zip(*tables, strict=True), strict=True)
    }
    return PointPixels(cameras=tuple(cameras), centres=splats.means.astype(np.float64), **maps)


def _view(splats: Splats, camera: Camera, seen: Seen) -> tuple[np.ndarray, ...]:
    solid = seen.alpha >= SOLID
    depth = np.where(solid, seen.depth, np.inf).astype(np.float32)
    along = rays(camera, seen.size)
    position = camera.position + np.where(solid, seen.depth, 0.0)[..., None] * along
    normal, facing = facing_of(splats, camera, seen)
    z = view_space(splats.means.astype(np.float64), camera)[:, 2]
    apart = seen.mean(np.stack([z, z * z], axis=1)).astype(np.float64)
    spread = np.sqrt(np.maximum(apart[..., 1] - apart[..., 0] ** 2, 0.0))
    point = np.where(solid, strongest(seen), -1)
    single = (position, normal, depth, np.where(solid, facing, 0.0), np.where(solid, spread, 0.0))
    return *(part.astype(np.float32) for part in single), point


def strongest(seen: Seen) -> np.ndarray:
    """(S, S) int64, the splat that gives most to each pixel, the nearest of equals; -1 where there is none."""
    weights, found = seen.weights, np.full(seen.size**2, -1, np.int64)
    rows = np.flatnonzero(np.diff(weights.indptr))
    if len(rows):
        most = np.maximum.reduceat(weights.data, weights.indptr[rows])
        row = np.repeat(rows, np.diff(weights.indptr)[rows])
        is_most = weights.data == np.repeat(most, np.diff(weights.indptr)[rows])
        found[row[is_most][::-1]] = weights.indices[is_most][::-1]
    return found.reshape(seen.size, seen.size)


def facing_of(splats: Splats, camera: Camera, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
    """(S, S, 3) unit normals on the camera's side, and (S, S) their cosine to the line of sight; 0 on background.

    A splat's normal is its shortest axis.  The rounder a splat is, the less it has one: as it looks the same from
    everywhere, it counts as turned to the camera.
    """
    sight = camera.position - splats.means.astype(np.float64)
    sight /= np.maximum(np.linalg.norm(sight, axis=1, keepdims=True), 1e-12)
    side = np.where((splats.normals * sight).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    flat = splats.flatness[:, None]
    normal, towards = (
        _unit(seen.mean(part)) for part in (flat * side * splats.normals + (1 - flat) * sight, sight)
    )
    return normal, np.clip((normal * towards).sum(axis=-1), 0.0, 1.0)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
