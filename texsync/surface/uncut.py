"""A UV map for polygons: a corner has one UV, so a chart border may not run through a polygon's inside.

xatlas knows triangles only, and some two in a hundred quads of a smooth mesh end up with a triangle in either chart.
"""

from __future__ import annotations

import numpy as np

from .charts import charts
from .faces import areas


def uncut(
    vertices: np.ndarray,
    faces: np.ndarray,
    polygon: np.ndarray,
    uv: np.ndarray,
    uv_faces: np.ndarray,
    texture_size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The same map, except that every polygon that it cuts lies flat in a chart of its own.

    vertices: (V, 3).  faces, uv_faces: (F, 3) int64.  polygon: (F,) int64.  uv: (U, 2).
    Returns uv and uv_faces; what was given if nothing is cut.  Raises InputError if the charts find no room.
    """
    torn = cut(faces, polygon, uv, uv_faces)
    if not torn.any():
        return uv, uv_faces
    scale = (
        np.sqrt(areas(uv[uv_faces[~torn]]).sum() / max(areas(vertices[faces[~torn]]).sum(), 1e-300))
        if (~torn).any()
        else 1
    )
    flat, flat_faces = flattened(vertices, faces[torn], polygon[torn])
    table = np.concatenate([uv, flat * scale])
    corners = uv_faces.copy()
    corners[torn] = flat_faces + len(uv)
    return packed(table, corners, texture_size)


def cut(faces: np.ndarray, polygon: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    """(F,) bool: triangles of polygons that have a vertex with two different UVs."""
    owner, vertex = np.repeat(polygon, 3), faces.ravel()
    order = np.lexsort((vertex, owner))
    owner, vertex, place = owner[order], vertex[order], uv[uv_faces.ravel()[order]]
    same = (owner[1:] == owner[:-1]) & (vertex[1:] == vertex[:-1])
    apart = same & (place[1:] != place[:-1]).any(axis=1)
    return np.isin(polygon, owner[1:][apart])


def flattened(vertices: np.ndarray, faces: np.ndarray, polygon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every polygon seen along its own normal: coordinates (M, 2) in mesh units and (F, 3) into them."""
    number = np.unique(polygon, return_inverse=True)[1].reshape(-1)
    edge = vertices[faces] - vertices[faces[:, :1]]
    normal = np.zeros((number.max() + 1, 3))
    np.add.at(normal, number, np.cross(edge[:, 1], edge[:, 2]))
    first = np.zeros_like(normal)
    first[number] = edge[:, 1]  # any edge of the polygon
    across = _unit(np.cross(normal, first))
    along = _unit(np.cross(across, normal))
    key = np.repeat(number, 3) * (faces.max() + 1) + faces.ravel()
    _, one, corners = np.unique(key, return_index=True, return_inverse=True)
    point, owner = vertices[faces.ravel()[one]], np.repeat(number, 3)[one]
    flat = np.stack([(point * along[owner]).sum(axis=1), (point * across[owner]).sum(axis=1)], axis=1)
    return flat, corners.reshape(-1, 3)


def packed(uv: np.ndarray, uv_faces: np.ndarray, texture_size: int) -> tuple[np.ndarray, np.ndarray]:
    """All charts, as they are, side by side in the unit square with padding; faces keep their order."""
    # the packer joins what shares coordinates, so islands are set apart before
    return charts([(uv, uv_faces)], texture_size)[0]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-300)
