"""PLY as it stands in the file: polygons of any size, strips, UVs of vertices or of corners, colours.

trimesh's reader takes polygons of one size only from binary files, loses their UVs and renumbers vertices.
Source: Greg Turk's description of the format, and what scanners and MeshLab have added to it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..polygons import Polygons, shape_of_polygons
from ..shape import Shape
from ..source import TrimeshSource, alone
from . import Z_UP, Format

TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4"},
    **{
        "double": "f8",
        "int8": "i1",
        "uint8": "u1",
        "int16": "i2",
        "uint16": "u2",
        "int32": "i4",
        "uint32": "u4",
    },
    **{"int64": "i8", "uint64": "u8", "float16": "f2", "float32": "f4", "float64": "f8"},
}
FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
UVS = (("texture_u", "texture_v"), ("u", "v"), ("s", "t"))
NORMALS, COLOURS = ("nx", "ny", "nz"), ("red", "green", "blue")
CORNERS = ("vertex_indices", "vertex_index")
End = tuple[np.ndarray, np.ndarray]


@dataclass
class Element:
    """A table.  properties: (name, type of the count of a list or "", type).  lists: (sizes, all values) by name."""

    count: int
    properties: list[tuple[str, str, str]] = field(default_factory=list)
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    lists: dict[str, End] = field(default_factory=dict)

    def columns(self, names: tuple[str, ...]) -> np.ndarray | None:
        """(count, len(names)) float64, None unless all are there."""
        if not all(name in self.numbers for name in names):
            return None
        return np.stack([self.numbers[name] for name in names], axis=1).astype(np.float64)


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


def read_elements(data: bytes) -> dict[str, Element]:
    """All tables of a PLY file by name."""
    head, mark, rest = data.partition(b"end_header")
    if not data.startswith(b"ply") or not mark:
        raise ValueError("no PLY header")
    elements, order = _header(head.decode("latin-1"))
    body = rest[2:] if rest.startswith(b"\r\n") else rest[1:]
    if not order:  # text becomes numbers of one kind, and is read like the others
        body, order = np.array(body.split(), "<f8").tobytes(), "<"
        for element in elements.values():
            element.properties = [(name, count and "f8", "f8") for name, count, _ in element.properties]
    at = 0
    for name, element in elements.items():
        least = sum(np.dtype(count or kind).itemsize for _, count, kind in element.properties)
        if element.count * least > len(body) - at:
            raise ValueError(f"truncated: {element.count} of {name!r} are announced")
        at = _read(element, body, at, order) if element.count and least else at
    return elements


def _header(text: str) -> tuple[dict[str, Element], str]:
    """Empty tables, and how numbers are stored: "<", ">" or, for text, ""."""
    elements: dict[str, Element] = {}
    order = None
    for words in (line.split() for line in text.splitlines()):
        if words[:1] == ["format"]:
            order = FORMATS[words[1]]
        elif words[:1] == ["element"]:
            elements[words[1]] = latest = Element(int(words[2]))
        elif words[:2] == ["property", "list"]:
            latest.properties.append((words[4], TYPES[words[2]], TYPES[words[3]]))
        elif words[:1] == ["property"]:
            latest.properties.append((words[2], "", TYPES[words[1]]))
    if order is None or any(element.count < 0 for element in elements.values()):
        raise ValueError("no PLY header")
    return elements, order


def _read(element: Element, data: bytes, at: int, order: str) -> int:
    """Fill a table from byte `at` on and return where it ends; all at once where all its rows are alike."""
    first, _ = _walk(element, data, at, order, 1)
    fields: list[tuple] = []
    for k, ((_, count, kind), sizes) in enumerate(zip(element.properties, first, strict=True)):
        fields += [(f"{k} count", order + count)] if count else []
        fields.append((f"{k}", order + kind, (int(sizes[0]),)) if count else (f"{k}", order + kind))
    rows = np.dtype(fields)
    if at + element.count * rows.itemsize <= len(data):
        table = np.frombuffer(data, rows, element.count, at)
        if all((table[name] == table[name][0]).all() for name in rows.names or () if name.endswith("count")):
            for k, (name, count, _) in enumerate(element.properties):
                values = table[f"{k}"]
                if count:
                    element.lists[name] = np.full(len(values), values.shape[1]), values.ravel()
                else:
                    element.numbers[name] = values
            return at + element.count * rows.itemsize
    return _read_ragged(element, data, at, order)


def _read_ragged(element: Element, data: bytes, at: int, order: str) -> int:
    """`_read` for rows with lists of different lengths."""
    sizes, places = _walk(element, data, at, order, element.count)
    flat = np.frombuffer(data, np.uint8)
    for (name, count, kind), number, place in zip(element.properties, sizes, places, strict=True):
        size = np.dtype(kind).itemsize
        total = np.cumsum(number)
        inside = np.arange(total[-1]) - np.repeat(total - number, number)
        where = np.repeat(place, number) + size * inside
        values = flat[where[:, None] + np.arange(size)].view(order + kind)[:, 0]
        if count:
            element.lists[name] = number, values
        else:
            element.numbers[name] = values
    return int(places[-1][-1] + sizes[-1][-1] * np.dtype(element.properties[-1][2]).itemsize)


def _walk(
    element: Element, data: bytes, at: int, order: str, rows: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """How many values each property has in each row, and the byte where they begin."""
    codes = [
        struct.Struct(order + np.dtype(count).char) if count else None for _, count, _ in element.properties
    ]
    widths = [np.dtype(kind).itemsize for _, _, kind in element.properties]
    sizes, places = [[] for _ in codes], [[] for _ in codes]  # type: tuple[list[list[int]], list[list[int]]]
    steps = list(zip(codes, widths, sizes, places, strict=True))
    for _ in range(rows):
        for code, width, number, place in steps:
            n = 1
            if code is not None:
                n = int(code.unpack_from(data, at)[0])
                at += code.size
            if n < 0 or at + n * width > len(data):
                raise ValueError(f"truncated: a list of {n} values ends behind the file")
            number.append(n)
            place.append(at)
            at += n * width
    return [np.array(x, np.int64) for x in sizes], [np.array(x, np.int64) for x in places]


def read(path: Path) -> TrimeshSource:
    """The mesh of a file."""
    return alone(path.stem, *read_ply(path))


FORMAT = Format(("ply",), read, axes=Z_UP)
