"""A painted scene as Wavefront OBJ, in the words of the OBJ file that it came from, if it came from one."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from ..surface.types import Surface
from .corners import corner_uvs, keeps_uvs
from .loaded import Loaded, Part
from .mtl import Library
from .shape import Section, Shape

KEYWORDS = (("o", "object"), ("g", "group"), ("usemtl", "material"), ("s", "smooth"))


def obj_text(loaded: Loaded, surface: Surface, mtllib: str, library: Library) -> str:
    """All parts in world coordinates; adds their materials to the library.

    Vertices are in the file's order.  Faces of an OBJ file keep their order, objects, groups, smoothing and materials,
    and its polygons stay polygons where the corners' UVs still hang together.
    """
    lines = ["# texsync", f"mtllib {mtllib}"]
    lines += [_rows("v", _world(loaded, part)) for part in loaded.parts]
    uv = loaded.uv if loaded.uv is not None and keeps_uvs(loaded, surface) else surface.uv
    normals, starts = _world_normals(loaded)
    lines += [_rows("vt", uv), _rows("vn", normals)]
    before = Section()
    for part, start in zip(loaded.parts, starts, strict=True):
        sections, which = loaded.source.sections(loaded, part, library)
        triangle, faces = _polygons(loaded, surface, part, start)
        number = np.asarray(which)[triangle]
        edges = np.flatnonzero(np.diff(number, prepend=-1, append=-1)).tolist()
        for first, last in pairwise(edges):
            lines += _changes(before, sections[number[first]])
            before = sections[number[first]]
            lines += faces[first:last]
    return "\n".join(filter(None, lines)) + "\n"


def _changes(before: Section, now: Section) -> list[str]:
    pairs = [(word, getattr(before, name), getattr(now, name)) for word, name in KEYWORDS]
    return [f"{word} {value}" for word, old, value in pairs if value not in (old, None)]


def _world(loaded: Loaded, part: Part) -> np.ndarray:
    """(n, 3) vertices of a part in the file's world; untouched, to the last bit, where nothing moves them."""
    vertices = loaded.shapes[part.shape].vertices
    if np.array_equal(part.transform, np.eye(4)):
        return vertices
    return vertices @ part.transform[:3, :3].T + part.transform[:3, 3]


def _world_normals(loaded: Loaded) -> tuple[np.ndarray, list[int]]:
    """All normals that files came with, turned into the world, and where each part's begin; -1 for none."""
    tables: list[np.ndarray] = [np.zeros((0, 3))]
    starts, total, known = [], 0, {}
    for part in loaded.parts:
        normals = loaded.shapes[part.shape].normals
        if normals is None:
            starts.append(-1)
            continue
        key = (id(normals), part.transform.tobytes())  # objects of one OBJ file share a table
        if key not in known:
            known[key] = total
            tables.append(_turned(normals, part.transform[:3, :3]))
            total += len(normals)
        starts.append(known[key])
    return np.concatenate(tables), starts


def _turned(normals: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    if np.array_equal(matrix, np.eye(3)):
        return normals
    a, b, c = (
        matrix  # the cofactor matrix is the inverse transpose up to a factor, and exists for flat parts too
    )
    turned = normals @ np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)]).T
    return np.asarray(turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-300))


def _polygons(
    loaded: Loaded, surface: Surface, part: Part, normal_start: int
) -> tuple[np.ndarray, list[str]]:
    """The first triangle of every polygon of a part, (P,), and its `f` line."""
    shape = loaded.shapes[part.shape]
    uv_faces = corner_uvs(loaded, surface, part)
    columns = [shape.faces + part.vertices.start + 1, uv_faces + 1]
    if shape.normal_faces is not None:
        columns.append(shape.normal_faces + normal_start + 1)
    owner, at = _rings(shape, uv_faces)
    fresh = np.diff(owner, prepend=-1) != 0
    one = "/".join(["%d"] * len(columns))
    words = np.array([f" {one}", f"\nf {one}"], object)[fresh.astype(np.int64)]
    numbers = np.stack([column.ravel()[at] for column in columns], axis=1).ravel()
    text = "".join(words.tolist()) % tuple(
        numbers.tolist()
    )  # one formatting of all is ten times as fast as many
    return owner[fresh], text[1:].split("\n")


def _rings(shape: Shape, uv_faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners of all polygons, ring after ring: its polygon's first triangle, and where in (F, 3) each stands.

    A polygon with a corner that has several UVs now is taken apart into its triangles.
    """
    triangle = np.repeat(np.arange(len(uv_faces)), 3)
    if shape.polygon is None or shape.corner is None:
        return triangle, np.arange(3 * len(uv_faces))
    _, start, which = np.unique(shape.polygon, return_index=True, return_inverse=True)
    _, one, number = np.unique(shape.corner, return_index=True, return_inverse=True)
    which, number, uv = which.reshape(-1), number.reshape(-1), uv_faces.ravel()
    torn = np.zeros(len(start), bool)
    torn[which[triangle[uv != uv[one[number]]]]] = True
    apart = torn[which[triangle]]
    at = np.concatenate([np.flatnonzero(apart), one[~apart[one]]])
    owner = np.where(apart[at], triangle[at], start[which[triangle[at]]])
    order = np.lexsort((np.where(apart[at], at, number[at]), owner))
    return owner[order], at[order]


def _rows(word: str, table: np.ndarray) -> str:
    """A line for each row, which reads back to the same numbers; as few digits as the file's own precision needs."""
    with np.errstate(over="ignore"):
        single = bool((table.astype(np.float32) == table).all())
    row = " ".join([word, *["%.9g" if single else "%r"] * table.shape[1]])
    text = "\n".join([row] * len(table)) % tuple(table.ravel().tolist())
    return text if single else re.sub(r"\.0(?=[ \n]|$)", "", text)
