"""The container of a PLY file: tables of numbers, as text or in either order of bytes.

Source: Greg Turk's description of the format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

MARK = b"end_header"
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


def read_elements(data: bytes | bytearray) -> dict[str, Element]:
    """All tables of a PLY file by name.

    Numbers of a binary table without lists are views of `data`: written to a bytearray's, they stand in the file.
    Raises ValueError and the like for a damaged file.
    """
    elements, order, at = read_header(data)
    body = data
    if not order:  # text becomes numbers of one kind, and is read like the others
        body, order, at = np.array(data[at:].split(), "<f8").tobytes(), "<", 0
        for element in elements.values():
            element.properties = [(name, count and "f8", "f8") for name, count, _ in element.properties]
    for name, element in elements.items():
        least = sum(np.dtype(count or kind).itemsize for _, count, kind in element.properties)
        if element.count * least > len(body) - at:
            raise ValueError(f"truncated: {element.count} of {name!r} are announced")
        at = _read(element, body, at, order) if element.count and least else at
    return elements


def read_header(data: bytes | bytearray) -> tuple[dict[str, Element], str, int]:
    """Empty tables, how numbers are stored, "<", ">" or, for text, "", and the byte where they begin."""
    end = data.find(MARK)
    if not data.startswith(b"ply") or end < 0:
        raise ValueError("no PLY header")
    elements, order = _header(data[:end].decode("latin-1"))
    at = end + len(MARK)
    return elements, order, at + (2 if data[at : at + 2] == b"\r\n" else 1)


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


def _read(element: Element, data: bytes | bytearray, at: int, order: str) -> int:
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


def _read_ragged(element: Element, data: bytes | bytearray, at: int, order: str) -> int:
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
    element: Element, data: bytes | bytearray, at: int, order: str, rows: int
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
