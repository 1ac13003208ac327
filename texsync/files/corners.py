"""Which UV each corner of a file's faces has now."""

from __future__ import annotations

import numpy as np

from ..surface.types import Surface
from .loaded import Loaded, Part


def keeps_uvs(loaded: Loaded, surface: Surface) -> bool:
    """Whether the surface is painted on the file's own UVs, perhaps moved by whole tiles, which changes nothing."""
    if loaded.uv is None or loaded.uv_faces is None:
        return False
    if len(surface.uv) != len(loaded.uv) or not np.array_equal(surface.uv_faces, loaded.uv_faces):
        return False
    return _by_tiles(surface.uv - loaded.uv)


def keeps_own(loaded: Loaded, surface: Surface) -> bool:
    """Whether all faces that have UVs in the file are painted on them; others may have new ones."""
    if loaded.uv is None or loaded.uv_faces is None or len(surface.uv) < len(loaded.uv):
        return False
    own = (loaded.uv_faces >= 0).all(axis=1)
    used = np.unique(loaded.uv_faces[own])
    same = np.array_equal(surface.uv_faces[own], loaded.uv_faces[own])
    return same and _by_tiles(surface.uv[used] - loaded.uv[used])


def keeps_part(loaded: Loaded, surface: Surface, part: Part) -> bool:
    """`keeps_own` for one part, all of which has UVs in the file."""
    shape = loaded.shapes[part.shape]
    if not part.has_uv or shape.uv is None or shape.uv_faces is None or not part.kept.any():
        return False
    now, old = surface.uv_faces[part.faces], shape.uv_faces[part.kept]
    if not (now - old == now[0, 0] - old[0, 0]).all():
        return False
    return _by_tiles((surface.uv[now] - shape.uv[old]).reshape(-1, 2))


def _by_tiles(moved: np.ndarray) -> bool:
    """Whether all UVs are moved alike (n, 2), by whole tiles."""
    return not len(moved) or bool((np.ptp(moved, axis=0) < 1e-9).all() and np.allclose(moved, moved.round()))


def corner_uvs(loaded: Loaded, surface: Surface, part: Part) -> np.ndarray:
    """(n, 3) into `surface.uv`: the UVs of all faces of a part's shape, also of those without an area."""
    shape = loaded.shapes[part.shape]
    faces = shape.faces
    if shape.uv_faces is not None and keeps_part(loaded, surface, part):
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
