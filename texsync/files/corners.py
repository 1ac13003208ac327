"""Which UV each corner of a file's faces has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..surface.types import Surface
    from .loaded import Loaded, Part


def keeps_uvs(loaded: Loaded, surface: Surface) -> bool:
    """Whether the surface is painted on the file's own UVs, perhaps moved by whole tiles, which changes nothing."""
    if loaded.uv is None or loaded.uv_faces is None:
        return False
    if len(surface.uv) != len(loaded.uv) or not np.array_equal(surface.uv_faces, loaded.uv_faces):
        return False
    moved = surface.uv - loaded.uv
    return bool(len(moved) == 0 or (np.ptp(moved, axis=0) < 1e-9).all() and np.allclose(moved, moved.round()))


def corner_uvs(loaded: Loaded, surface: Surface, part: Part) -> np.ndarray:
    """(n, 3) into `surface.uv`: the UVs of all faces of a part's shape, also of those without an area."""
    shape = loaded.shapes[part.shape]
    faces = shape.faces
    if keeps_uvs(loaded, surface) and shape.uv_faces is not None and part.kept.any():
        start = surface.uv_faces[part.faces.start, 0] - shape.uv_faces[part.kept.argmax(), 0]
        return shape.uv_faces + start
    corners = np.zeros_like(faces)
    corners[part.kept] = surface.uv_faces[part.faces]
    if part.kept.all():
        return corners
    # the same corner of a polygon in another triangle knows best, then its vertex
    for table in (faces, shape.corner if shape.corner is not None else faces):
        number = table - table.min()
        known = np.full(number.max() + 1, -1)
        known[number[part.kept]] = corners[part.kept]
        found = known[number[~part.kept]]
        corners[~part.kept] = np.where(found >= 0, found, corners[~part.kept])
    return corners
