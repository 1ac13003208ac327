"""Closer views: the part of each picture that shows something, cut into tiles that overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .cameras import Camera
from .pixels import Pixels

OVERLAP = 1 / 16  # of a tile's side, at least
MARGIN = 0.02  # of a tile's side, around what is shown


def tiles(pixels: Pixels, times: int) -> tuple[Camera, ...]:
    """The same cameras, each picture cut into tiles at `times` its resolution, in the cameras' order.

    pixels: what the cameras see; a picture that shows nothing has no tile.
    """
    found: list[Camera] = []
    for camera, mask in zip(pixels.cameras, pixels.mask.cpu().numpy(), strict=True):
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if len(rows):
            across = places(*_ends(columns, pixels.size), 2 / times)
            down = places(*_ends(rows, pixels.size), 2 / times)
            found += [_tile(camera, x, -y, times) for y in down for x in across]
    return tuple(found)


def places(low: float, high: float, wide: float) -> list[float]:
    """The middles of as few tiles as cover low..high and overlap, evenly spread; all in one unit."""
    low, high = low - MARGIN * wide, high + MARGIN * wide
    if high - low <= wide:
        return [(low + high) / 2]
    lap = OVERLAP * wide
    count = math.ceil((high - low - lap) / (wide - lap) - 1e-9)
    return np.linspace(low + wide / 2, high - wide / 2, count).tolist()


def showing(pixels: Pixels, least: float = 0.002) -> list[int]:
    """Which views show something on at least that share of their pixels."""
    share = pixels.mask.float().mean(dim=(1, 2))
    return torch.nonzero(share >= least).flatten().tolist()


def some(pixels: Pixels, which: Sequence[int]) -> Pixels:
    """Some of the views."""
    every: dict[str, Any] = {field.name: getattr(pixels, field.name) for field in fields(pixels)}
    tables: dict[str, Any] = {
        name: table[list(which)] for name, table in every.items() if isinstance(table, Tensor)
    }
    return replace(pixels, cameras=tuple(pixels.cameras[i] for i in which), **tables)


def _ends(hit: np.ndarray, size: int) -> tuple[float, float]:
    """First and last border of the pixels that are hit, from -1 to 1 over the picture."""
    return float(hit[0]) / size * 2 - 1, float(hit[-1] + 1) / size * 2 - 1


def _tile(camera: Camera, x: float, y: float, times: int) -> Camera:
    """What lies around a place of a camera's picture, in its half widths, +y up."""
    centre = camera.centre[0] + x / camera.zoom, camera.centre[1] + y / camera.zoom
    return replace(camera, centre=centre, zoom=camera.zoom * times)
