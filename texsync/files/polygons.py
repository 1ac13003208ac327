"""A mesh of polygons, as PLY and OFF files have it, as a shape of triangles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .shape import Shape
from .triangulate import check_corners, triangulate


class Polygons(NamedTuple):
    """sizes: (P,) corners of each polygon.  corners: (sum of sizes,) their vertices."""

    sizes: np.ndarray
    corners: np.ndarray


def shape_of_polygons(
    name: str,
    vertices: np.ndarray,
    polygons: Polygons,
    uv: np.ndarray | None = None,
    corner_uv: tuple[np.ndarray, np.ndarray] | None = None,
    normals: np.ndarray | None = None,
) -> Shape:
    """The triangles of polygons.

    vertices: (V, 3).  uv: (V, 2) of vertices, or corner_uv: for each polygon its number of values and all values, two
    for each corner; a polygon with another number has none.  normals: (V, 3) of vertices.
    Raises InputError for corners that are at no vertex.
    """
    sizes, vertex = (np.asarray(column, np.int64) for column in polygons)
    check_corners(name, vertex, len(vertices))
    corner, polygon = triangulate(sizes, vertices[vertex])
    faces = vertex[corner]
    uv_faces = None if uv is None else faces
    if corner_uv is not None and len(corner_uv[0]) == len(sizes):
        uv, of_corner = _corner_uvs(sizes, *corner_uv)
        uv_faces = of_corner[corner]
    return Shape(
        vertices=vertices,
        faces=faces,
        uv=uv,
        uv_faces=uv_faces,
        normals=normals,
        normal_faces=None if normals is None else faces,
        polygon=polygon,
        corner=corner,
    )


def _corner_uvs(sizes: np.ndarray, counts: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A table of all different UVs, and (C,) which each corner has, -1 for none."""
    there = np.repeat(counts == 2 * sizes, counts)
    u, v = values[there].astype(np.float64).reshape(-1, 2).T
    different, number = np.unique(u + 1j * v, return_inverse=True)
    of_corner = np.full(sizes.sum(), -1)
    of_corner[np.repeat(counts == 2 * sizes, sizes)] = number.reshape(-1)
    return np.stack([different.real, different.imag], axis=1), of_corner
