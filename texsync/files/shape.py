"""One mesh as its file has it, and the same mesh with one vertex per corner that differs, as glTF wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import trimesh


class Section(NamedTuple):
    """What an OBJ file says before a row of faces: the rest of the `o`, `g`, `usemtl` and `s` lines in force."""

    object: str | None = None
    group: str | None = None
    material: str | None = None
    smooth: str | None = None


@dataclass(frozen=True)
class Shape:
    """One mesh of a file, untouched.

    vertices: (V, 3) float64.  faces: (F, 3) int64.  uv: (U, 2) float64, v up, or None.  uv_faces: (F, 3) int64 or None.
    normals: (N, 3) float64 as in the file, or None.  normal_faces: (F, 3) int64 or None.
    polygon: (F,) int64, which polygon of the file each triangle is from, where it says so; a new UV map cuts none.
    corner: (F, 3) int64, a number for each corner of the polygons, rising along each of them.
    run: (F,) int64 into runs, of OBJ files only.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray | None = None
    uv_faces: np.ndarray | None = None
    normals: np.ndarray | None = None
    normal_faces: np.ndarray | None = None
    polygon: np.ndarray | None = None
    corner: np.ndarray | None = None
    run: np.ndarray | None = None
    runs: tuple[Section, ...] = ()

    @property
    def has_uv(self) -> bool:
        """Whether every corner of every face has a UV that is a number."""
        return bool(len(self.faces) and self.mapped.all())

    @property
    def mapped(self) -> np.ndarray:
        """(F,) bool: faces of which every corner has a UV that is a number; all or none of a polygon."""
        if self.uv is None or self.uv_faces is None or not len(self.uv):
            return np.zeros(len(self.faces), bool)
        inside = (self.uv_faces >= 0) & (self.uv_faces < len(self.uv))
        near = (np.abs(self.uv) < FARTHEST).all(axis=1)[np.where(inside, self.uv_faces, 0)]  # False for NaN
        mapped = (inside & near).all(axis=1)
        if self.polygon is None or mapped.all():
            return mapped
        return ~np.isin(self.polygon, self.polygon[~mapped])

    @property
    def materials(self) -> tuple[list[str | None], np.ndarray]:
        """Names of its materials in the order of the file, and (F,) int64, which of them each face has."""
        if self.run is None:
            return [None], np.zeros(len(self.faces), np.int64)
        used = [self.runs[k].material for k in np.unique(self.run)]
        names = list(dict.fromkeys(used))
        number = [names.index(run.material) if run.material in names else 0 for run in self.runs]
        return names, np.array(number, np.int64)[self.run]


FARTHEST = 1e6  # tiles from the first one: GLB's 32-bit floats hold no texels there
OLD_UV = "_TEXCOORD_1"  # trimesh writes attributes of one's own with an underscore only


def as_trimesh(
    shape: Shape, uv: np.ndarray | None = None, uv_faces: np.ndarray | None = None, keep_old: bool = False
) -> trimesh.Trimesh:
    """One vertex per (vertex, UV, normal) that occurs; see `split`.

    uv, uv_faces: instead of the shape's own.  keep_old: with the shape's own as attribute OLD_UV, v down as in glTF.
    """
    own = (shape.uv, shape.uv_faces) if shape.has_uv else None
    asked = {
        "normal": (shape.normals, shape.normal_faces),
        "uv": own if uv is None else (uv, uv_faces),
        "old": own if keep_old else None,
    }
    tables = {name: pair for name, pair in asked.items() if pair is not None and pair[0] is not None}
    columns: list[Any] = [shape.faces, *(faces for _, faces in tables.values())]
    source, faces, rows = split(len(shape.vertices), columns)
    value = {name: _picked(table, rows[:, k + 1]) for k, (name, (table, _)) in enumerate(tables.items())}
    mesh = trimesh.Trimesh(
        vertices=shape.vertices[source], faces=faces, vertex_normals=value.get("normal"), process=False
    )
    if "uv" in value:
        mesh.visual = trimesh.visual.TextureVisuals(uv=value["uv"])
    if "old" in value:
        mesh.vertex_attributes[OLD_UV] = (value["old"] * [1, -1] + [0, 1]).astype(np.float32)
    return mesh


def with_faces(mesh: trimesh.Trimesh, chosen: np.ndarray) -> trimesh.Trimesh:
    """Some faces of a mesh, with all of its vertices; chosen: (F,) bool."""
    given = "vertex_normals" in mesh._cache.cache  # else asking would compute them
    piece = trimesh.Trimesh(
        vertices=mesh.vertices,
        faces=mesh.faces[chosen],
        vertex_normals=mesh.vertex_normals if given else None,
        vertex_attributes=dict(mesh.vertex_attributes),
        metadata=dict(mesh.metadata),
        process=False,
    )
    piece.units = mesh.units
    return piece


def split(count: int, columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make one vertex of every combination of indices that corners use.

    count: vertices of the mesh.  columns: (F, 3) int64 each, the first into the vertices.
    Returns source (W,), the old vertex of each new one: first all old ones in their order, then the copies;
    faces (F, 3) into them; rows (W, len(columns)), what each new vertex takes from each table, -1 for nothing.
    """
    corners = np.stack([column.ravel() for column in columns], axis=1)
    combination = corners[:, 0].copy()
    for k in range(1, corners.shape[1]):
        key = combination * (corners[:, k].max(initial=0) + 1) + corners[:, k]
        combination = np.unique(key, return_inverse=True)[1].reshape(-1)
    _, first, inverse = np.unique(combination, return_index=True, return_inverse=True)
    order = np.argsort(first)  # combinations by first corner: the first one of a vertex keeps its number
    vertex = corners[first[order], 0]
    leader = np.zeros(len(order), bool)
    leader[np.unique(vertex, return_index=True)[1]] = True
    number = np.zeros(len(order), np.int64)
    number[order] = np.where(leader, vertex, count + np.cumsum(~leader) - 1)
    rows = np.full((count + int((~leader).sum()), corners.shape[1]), -1, np.int64)
    rows[:, 0] = np.concatenate([np.arange(count), vertex[~leader]])
    rows[number] = corners[first]
    return rows[:, 0], number[inverse.reshape(-1)].reshape(-1, 3), rows


def _picked(table: Any, rows: np.ndarray) -> np.ndarray:
    """Rows of a table; the last column's unit vector's worth of nothing, (0, 0) or (0, 0, 1), where there is none."""
    picked: np.ndarray = table[np.maximum(rows, 0)].copy()
    if (rows < 0).any():
        picked[rows < 0] = np.eye(3)[2] if table.shape[1] == 3 else 0.0
    return picked
