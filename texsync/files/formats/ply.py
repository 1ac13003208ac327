"""PLY as it stands in the file: polygons of any size, strips, UVs of vertices or of corners, colours.

trimesh's reader takes polygons of one size only from binary files, loses their UVs and renumbers vertices.
Source: Greg Turk's description of the format, and what scanners and MeshLab have added to it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...ply_tables import Element, End, read_elements
from ..polygons import Polygons, shape_of_polygons
from ..shape import Shape
from ..source import TrimeshSource, alone
from . import Z_UP, Format

UVS = (("texture_u", "texture_v"), ("u", "v"), ("s", "t"))
NORMALS, COLOURS = ("nx", "ny", "nz"), ("red", "green", "blue")
CORNERS = ("vertex_indices", "vertex_index")


def read_ply(path: Path) -> tuple[Shape, dict[str, np.ndarray]]:
    """The mesh of a PLY file, and its "vertex_colors" (V, 3) or "face_colors" (F, 3) uint8, if it has some.

    Raises ValueError and the like for a damaged file.
    """
    elements = read_elements(path.read_bytes())
    vertex, face = elements.get("vertex", Element(0)), elements.get("face", Element(0))
    vertices = vertex.columns(("x", "y", "z"))
    if vertices is None:
        raise ValueError("its vertices have no x, y and z")
    polygons = _with_strips(
        next((face.lists[name] for name in CORNERS if name in face.lists), _none()), elements
    )
    uv = next((uv for uv in map(vertex.columns, UVS) if uv is not None), None)
    shape = shape_of_polygons(
        path.name,
        vertices,
        Polygons(*polygons),
        uv=uv,
        corner_uv=face.lists.get("texcoord"),
        normals=vertex.columns(NORMALS),
    )
    return shape, _colours(vertex, face, shape)


def _colours(vertex: Element, face: Element, shape: Shape) -> dict[str, np.ndarray]:
    of_vertex, of_face = vertex.columns(COLOURS), face.columns(COLOURS)
    if of_vertex is not None:
        return {"vertex_colors": of_vertex.clip(0, 255).astype(np.uint8)}
    if of_face is None or shape.polygon is None or not face.count:
        return {}
    # strips come after the faces and have no colours
    return {"face_colors": of_face.clip(0, 255).astype(np.uint8)[np.minimum(shape.polygon, face.count - 1)]}


def _none() -> End:
    return np.zeros(0, np.int64), np.zeros(0, np.int64)


def _with_strips(polygons: End, elements: dict[str, Element]) -> End:
    """The polygons, and the triangles of strips, in which -1 begins a new one (as in the Stanford scans)."""
    strips = elements.get("tristrips", Element(0)).lists
    sizes, corners = polygons
    for flat in (values.astype(np.int64) for _, values in strips.values()):
        k = np.arange(max(len(flat) - 2, 0))
        inside = (flat[k] >= 0) & (flat[k + 1] >= 0) & (flat[k + 2] >= 0) if len(k) else np.zeros(0, bool)
        start = np.maximum.accumulate(np.where(flat < 0, np.arange(len(flat)) + 1, 0))[k]
        odd = (k - start) % 2  # every other triangle is turned round
        triangles = flat[np.stack([k, k + 1 + odd, k + 2 - odd], axis=1)][inside]
        sizes = np.concatenate([sizes, np.full(len(triangles), 3)])
        corners = np.concatenate([corners, triangles.ravel()])
    return sizes, corners


def read(path: Path) -> TrimeshSource:
    """The mesh of a file."""
    return alone(path.stem, *read_ply(path))


FORMAT = Format(("ply",), read, axes=Z_UP)
