"""Wavefront OBJ as it stands in the file: trimesh's reader renumbers vertices at UV seams and merges objects."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from .encoding import Reading, legacy, lines_of_text, reading, shown_name
from .shape import Section
from .triangulate import check_corners, triangulate


@dataclass(frozen=True)
class ObjFile:
    """Triangles of an OBJ file.  Corners count from 0; -1 where a corner names no UV or normal.

    vertices: (V, 3).  colours: (V, 3) bytes of theirs, or None.  uv: (U, 2).  normals: (N, 3).
    faces, uv_faces, normal_faces: (F, 3) int64.
    objects: names of the `o` lines, in order.  owner: (F,) object of each face.  home: (V,) object of each vertex.
    polygon: (F,) number of the `f` line of each triangle.  corner: (F, 3) which of all corners of `f` lines each is.
    run: (F,) into runs.  libraries: files of `mtllib` lines.
    lost: what the file has and a result cannot have.  reading: how its bytes became text.
    """

    vertices: np.ndarray
    colours: np.ndarray | None
    uv: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    uv_faces: np.ndarray
    normal_faces: np.ndarray
    objects: tuple[str, ...]
    owner: np.ndarray
    home: np.ndarray
    polygon: np.ndarray
    corner: np.ndarray
    run: np.ndarray
    runs: tuple[Section, ...]
    libraries: tuple[str, ...]
    lost: tuple[str, ...]
    reading: Reading


def read_obj(path: Path) -> ObjFile:
    """Read an OBJ file; polygons become triangles.  Raises ValueError, IndexError on malformed text."""
    data = path.read_bytes()
    read = reading(data) or legacy(data)
    lines = Lines([line.strip() for line in _whole_lines(read(data))])
    v_at, f_at = lines.at("v"), lines.at("f")
    objects, object_at = lines.named("o", shown_name(path.stem), f_at)
    sizes, corners = _corners(lines, f_at, v_at)
    vertices = lines.numbers("v", v_at, 3)
    check_corners(path.name, corners[:, 0], len(vertices))
    corner, source = triangulate(sizes, vertices[corners[:, 0]])
    faces, uv_faces, normal_faces = (corners[corner, k] for k in range(3))
    owner = np.searchsorted(object_at, f_at[source], side="right") - 1
    home = _homes(faces, owner, np.searchsorted(object_at, v_at, side="right") - 1)
    if home is None:  # objects that share vertices cannot be told apart without renumbering
        objects, owner, home = (shown_name(path.stem),), np.zeros_like(owner), np.zeros(len(v_at), np.int64)
    run, runs = _runs(lines, f_at)
    return ObjFile(
        vertices=vertices,
        colours=_colours(lines, v_at),
        uv=lines.numbers("vt", lines.at("vt"), 2),
        normals=lines.numbers("vn", lines.at("vn"), 3),
        faces=faces,
        uv_faces=uv_faces,
        normal_faces=normal_faces,
        objects=objects,
        owner=owner,
        home=home,
        polygon=source,
        corner=corner,
        run=run[source],
        runs=runs,
        libraries=tuple(lines.lines[i][7:].strip() for i in lines.at("mtllib")),
        lost=_lost(lines, v_at, owner, normal_faces),
        reading=read,
    )


def _whole_lines(text: str) -> list[str]:
    """Lines, where a backslash at the end makes one of two."""
    return lines_of_text(text.replace("\\\r\n", " ").replace("\\\n", " ").replace("\t", " "))


class Lines:
    """The lines of an OBJ file, looked up by keyword."""

    def __init__(self, lines: list[str]):
        self.lines = lines
        self.where: defaultdict[str, list[int]] = defaultdict(list)
        for i, line in enumerate(lines):
            self.where[line.partition(" ")[0]].append(i)

    def at(self, keyword: str) -> np.ndarray:
        """Numbers of the lines that begin with keyword."""
        return np.array(self.where.get(keyword, []), np.int64)

    def numbers(self, keyword: str, at: np.ndarray, width: int) -> np.ndarray:
        """(len(at), width) float64, the first numbers of each line; what a line lacks is 0 (a lone u is legal)."""
        rows = [self.lines[i].split(None, width + 1)[1 : width + 1] for i in at]
        if any(len(row) < width for row in rows):
            if width == 3:
                raise ValueError(f"a '{keyword}' line has fewer than 3 numbers")
            rows = [row + ["0"] * (width - len(row)) for row in rows]
        flat = np.fromiter(map(float, chain.from_iterable(rows)), np.float64, len(rows) * width)
        return flat.reshape(-1, width)

    def named(self, keyword: str, default: str, used: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        """Names and first lines of the sections that hold any of the lines `used`."""
        at = np.concatenate([[-1], self.at(keyword)]).astype(np.int64)
        filled = np.unique(np.searchsorted(at, used, side="right") - 1)
        names = [self.lines[i][len(keyword) :].strip() if i >= 0 else default for i in at[filled]]
        # lines before the first filled section belong to it
        return tuple(names) or (default,), np.concatenate([[-1], at[filled[1:]]]).astype(np.int64)


def _corners(lines: Lines, f_at: np.ndarray, v_at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) how many corners each `f` line has, and (C, 3) vertex, UV and normal of all of them."""
    words = [lines.lines[i][2:].split() for i in f_at]
    sizes = np.fromiter(map(len, words), np.int64, len(words))
    tokens = list(chain.from_iterable(words))
    table = {token: k for k, token in enumerate(dict.fromkeys(tokens))}
    parsed = np.array([_corner(token) for token in table] or np.zeros((0, 3)), np.int64)
    corner = parsed[np.fromiter(map(table.__getitem__, tokens), np.int64, len(tokens))]
    line_of = np.repeat(np.arange(len(f_at)), sizes)
    for k, defined in enumerate((v_at, lines.at("vt"), lines.at("vn"))):
        before = np.searchsorted(defined, f_at)[line_of]  # negative numbers count back from the face's line
        corner[:, k] = np.where(corner[:, k] < 0, before + corner[:, k], corner[:, k] - 1)
    if len(corner) and corner[:, 0].min() < 0:
        raise IndexError("a face refers to vertex 0 or to one before the first")
    return sizes, corner


def _corner(token: str) -> tuple[int, int, int]:
    """'7/2/5', '7//5', '7/2' or '7' as (vertex, uv, normal); 0 for what is not there."""
    v, uv, normal = (*token.split("/"), "", "")[:3]
    return int(v), int(uv or 0), int(normal or 0)


def _homes(faces: np.ndarray, owner: np.ndarray, section: np.ndarray) -> np.ndarray | None:
    """(V,) the object that each vertex belongs to, never falling; None if objects share or mix vertices."""
    count = len(section)
    if faces.size == 0:
        return section
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(low, faces.ravel(), np.repeat(owner, 3))
    np.maximum.at(high, faces.ravel(), np.repeat(owner, 3))
    used = high >= 0
    if (low[used] != high[used]).any() or (np.diff(high[used]) < 0).any():
        return None
    return np.maximum(np.maximum.accumulate(high), 0)  # an unused vertex goes with the one before it


def _runs(lines: Lines, f_at: np.ndarray) -> tuple[np.ndarray, tuple[Section, ...]]:
    """(n,) which run each `f` line belongs to, and the runs in the order of the file."""
    sections = [(word, lines.at(word)) for word in ("o", "g", "usemtl", "s")]
    before = np.stack([np.searchsorted(at, f_at) for _, at in sections], axis=1).reshape(-1, 4)
    names = [[None, *(lines.lines[i][len(word) :].strip() or None for i in at)] for word, at in sections]
    table: dict[Section, int] = {}
    changes = np.append(True, (np.diff(before, axis=0) != 0).any(axis=1))[: len(f_at)]
    number = [
        table.setdefault(Section(*(name[k] for name, k in zip(names, row, strict=True))), len(table))
        for row in before[changes].tolist()
    ]
    return np.array(number, np.int64)[np.cumsum(changes) - 1], tuple(table)


def _colours(lines: Lines, v_at: np.ndarray) -> np.ndarray | None:
    """(V, 3) bytes, where each `v` line has red, green and blue in [0, 1] after its place."""
    if not _has_colours(lines, v_at) or any(len(lines.lines[i].split()) < 7 for i in v_at):
        return None
    try:
        shares = lines.numbers("v", v_at, 6)[:, 3:]
    except ValueError:  # words, such as a remark
        return None
    return (np.nan_to_num(shares) * 255).round().clip(0, 255).astype(np.uint8)


def _has_colours(lines: Lines, v_at: np.ndarray) -> bool:
    return bool(len(v_at)) and len(lines.lines[v_at[0]].split()) >= 7


def _lost(lines: Lines, v_at: np.ndarray, owner: np.ndarray, normal_faces: np.ndarray) -> tuple[str, ...]:
    """What the file has and a result cannot have."""
    coloured = _has_colours(lines, v_at)
    curves = any(len(lines.at(word)) for word in ("curv", "curv2", "surf"))
    some, all_of = (normal_faces >= 0).any(axis=1), (normal_faces >= 0).all(axis=1)
    found = {
        "normals, which some corners lack": bool(np.isin(owner[some], owner[~all_of]).any()),
        "lines and points": bool(len(lines.at("l")) or len(lines.at("p"))),
        "vertex colours; the texture has the colour now": bool(
            coloured or len(lines.at("#MRGB"))
        ),  # ZBrush's
        "free-form curves and surfaces": curves,
    }
    return tuple(what for what, is_there in found.items() if is_there)
