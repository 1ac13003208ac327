"""A map of several unit squares, each with a picture of its own: one per material or object, or the tiles of UDIM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import Refused, about, option
from .types import Mesh, Squares, Surface
from .udim import FIRST, ROW, udim_tiles, why_no_udim
from .uv import map_of, only, prepare, surface_of


def prepare_apart(
    mesh: Mesh, tile: np.ndarray, names: tuple[str, ...], policy: str, texture_size: int
) -> Surface:
    """The surface with the UVs to paint on, each group of faces on a unit square and a picture of its own.

    tile: (F,) int64, which of `names` a face belongs to.  `prepare` says how each group is judged.
    """
    if len(names) == 1:
        return prepare(mesh, policy, texture_size)
    own = (np.zeros((0, 2)), np.full_like(mesh.faces, -1))
    uv, uv_faces = own if mesh.uv is None or mesh.uv_faces is None else (mesh.uv, mesh.uv_faces.copy())
    tables = [uv]
    for k, name in enumerate(names):
        group = replace(only(mesh, tile == k), stem=f"{mesh.stem} ({name})")
        table, corners = map_of(group, policy, texture_size)
        if table is not mesh.uv:
            corners = corners + sum(map(len, tables))
            tables.append(table)
        uv_faces[tile == k] = corners
    return surface_of(mesh, np.concatenate(tables), uv_faces, Squares(tile, names, np.zeros((len(names), 2))))


def prepare_udim(mesh: Mesh) -> Surface:
    """The surface on the file's own UVs, with a picture for each unit square that faces lie in, by UDIM's numbers.

    Raises InputError where faces have no UVs, or lie across borders of tiles or outside of UDIM's ten columns.
    """
    trouble = why_no_udim(mesh)
    if trouble or mesh.uv is None or mesh.uv_faces is None:
        raise Refused.uvs_unusable(
            f"{about(mesh.stem)} has no UDIM tiles: {trouble}",
            f"move them into one tile each, or use {option('atlas', 'one')}",
        )
    numbers, face = udim_tiles(mesh)
    origin = np.stack([(numbers - FIRST) % ROW, (numbers - FIRST) // ROW], axis=1).astype(float)
    tiles = Squares(face, tuple(map(str, numbers)), origin, udim=True)
    return surface_of(mesh, mesh.uv, mesh.uv_faces, tiles)
