"""UDIM: a map spread over unit squares that are numbered from 1001, ten in a row, each with a picture of its own."""

from __future__ import annotations

import numpy as np

from .types import Mesh

FIRST, ROW = 1001, 10  # number of the unit square at the origin; squares in a row
EDGE = 1e-4  # of a unit square that UVs may reach over its border


def why_no_udim(mesh: Mesh) -> str:
    """What keeps a mesh's UVs from being tiles; empty if nothing does."""
    if mesh.uv is None or mesh.uv_faces is None or (mesh.uv_faces < 0).any():
        return "faces have no UVs"
    corners, square = mesh.uv[mesh.uv_faces], squares(mesh)
    over = ((corners < square[:, None] - EDGE) | (corners > square[:, None] + 1 + EDGE)).any(axis=(1, 2))
    if over.any():
        return f"{over.sum()} faces lie across the borders of tiles"
    wild = (square[:, 0] < 0) | (square[:, 0] >= ROW) | (square[:, 1] < 0)
    return f"{wild.sum()} faces lie outside of the tiles from {FIRST} on" if wild.any() else ""


def squares(mesh: Mesh) -> np.ndarray:
    """(F, 2) int64, column and row of the unit square that each face lies in.  mesh: with UVs."""
    assert mesh.uv is not None
    return np.floor(mesh.uv[mesh.uv_faces].mean(axis=1)).astype(np.int64)


def udim_tiles(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the tiles that faces lie in (K,), and which of them each face does (F,)."""
    square = squares(mesh)
    numbers, face = np.unique(FIRST + square[:, 0] + ROW * square[:, 1], return_inverse=True)
    return numbers, face.ravel()
