"""A sphere seen from its middle: the canvas of a panorama, and how pictures from there make one.

A panorama is equirectangular: 360 degrees from left to right, 180 from top to bottom.  Its middle looks along -z, as a
camera at the front of a mesh does; +x is to the right of that, +y up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .cameras import Camera
from .pixels import project
from .types import Surface

FOV_DEG = 90.0
AROUND_DEG = (0, 60, -60, 120, -120, 180)  # longitudes of the views at eye level; those of the others:
POLAR_DEG, ABOVE_DEG = 60, (0, 120, -120)
RINGS = 128  # of the sphere's faces from pole to pole; twice as many around
PINHOLE = 1e-4  # radians around the poles that faces leave free, less than any pixel
FADE = 0.15  # share of a view's side over which it fades at its border
ROWS = 64  # of a panorama at once, for memory


def outward(fov_deg: float = FOV_DEG) -> tuple[Camera, ...]:
    """Twelve cameras in the middle of the sphere that see all of it, neighbours sharing a third; the front leads."""
    ways = [(lon, 0) for lon in AROUND_DEG] + [(lon, s * POLAR_DEG) for s in (1, -1) for lon in ABOVE_DEG]
    return tuple(
        Camera.looking((0, 0, 0), way(*np.radians([lon, lat])), fov_deg=fov_deg, name=_name(lon, lat))
        for lon, lat in ways
    )


def _name(lon: int, lat: int) -> str:
    return f"{lon:g}°" + (f", {abs(lat)}° {'up' if lat > 0 else 'down'}" if lat else "")


def way(longitude: np.ndarray | float, latitude: np.ndarray | float) -> np.ndarray:
    """Unit vectors (..., 3), render frame, of angles in radians."""
    across = np.cos(latitude)
    return np.stack([np.sin(longitude) * across, np.sin(latitude), -np.cos(longitude) * across], axis=-1)


def sphere() -> Surface:
    """Radius 1, seen from inside; u is longitude and v is latitude, so its map is the panorama."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, RINGS + 1)
    latitude[[0, -1]] += [PINHOLE, -PINHOLE]
    longitude = np.linspace(-np.pi, np.pi, 2 * RINGS + 1)
    lat, lon = (grid.ravel() for grid in np.meshgrid(latitude, longitude, indexing="ij"))
    v, u = (
        grid.ravel()
        for grid in np.meshgrid(*(np.linspace(0, 1, n + 1) for n in (RINGS, 2 * RINGS)), indexing="ij")
    )
    vertices = way(lon, lat)
    corner = (np.arange(RINGS)[:, None] * (2 * RINGS + 1) + np.arange(2 * RINGS)).ravel()
    right, up = corner + 1, corner + 2 * RINGS + 1
    faces = np.concatenate([np.stack([corner, up, right], 1), np.stack([right, up, up + 1], 1)])
    return Surface(vertices, faces, -vertices, np.stack([u, v], 1), faces, np.zeros(len(faces), np.int64))


def places(height: int, rows: slice = slice(None)) -> Tensor:
    """(R, 2 height, 3) the unit vectors that the pixels of some rows of a panorama look along."""
    lat = np.pi / 2 - (np.arange(height)[rows] + 0.5) / height * np.pi
    lon = (np.arange(2 * height) + 0.5) / height * np.pi - np.pi
    return torch.as_tensor(way(*np.meshgrid(lon, lat)), dtype=torch.float32)


def panorama(pictures: Tensor, cameras: Sequence[Camera], height: int) -> Tensor:
    """(C, height, 2 height) of pictures (N, C, s, s) that cameras in the middle see; they fade into each other."""
    made = []
    for start in range(0, height, ROWS):
        ways = places(height, slice(start, start + ROWS))
        where = project(cameras, ways.reshape(-1, 3), 1)
        x, y, depth = where.unbind(-1)
        border = torch.minimum(torch.minimum(x, 1 - x), torch.minimum(y, 1 - y))
        weight = (border / FADE).clamp(0, 1) ** 2 * (depth > 0)
        grid = (where[..., :2] * 2 - 1)[:, None]
        seen = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)[:, :, 0]
        mixed = (seen * weight[:, None]).sum(0) / weight.sum(0).clamp(min=1e-9)
        made.append(mixed.view(-1, *ways.shape[:2]))
    return torch.cat(made, dim=1)
