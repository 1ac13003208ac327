"""OFF: polygons by their corners, in text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..encoding import read_text
from ..polygons import Polygons, shape_of_polygons
from ..shape import Shape
from ..source import TrimeshSource, alone
from . import Z_UP, Format


def read(path: Path) -> TrimeshSource:
    """The mesh of a file."""
    return alone(path.stem, read_off(path), {})


def read_off(path: Path) -> Shape:
    """The mesh of an OFF file; of its variants (COFF, NOFF, STOFF) places only.

    Raises ValueError for a damaged one.
    """
    lines = [line.partition("#")[0].split() for line in read_text(path.read_bytes()).splitlines()]
    words = [line for line in lines if line]
    head = words[0][0].upper() if words else ""
    if not head.endswith("OFF") or "BINARY" in words[0]:
        raise ValueError("no OFF header in text")
    words = [words[0][1:], *words[1:]] if len(words[0]) > 1 else words[1:]
    vertices, faces = int(words[0][0]), int(words[0][1])
    if not 0 <= vertices + faces < len(words):
        raise ValueError(f"truncated: {len(words) - 1} of {vertices + faces} lines")
    points = np.array([line[:3] for line in words[1 : vertices + 1]], np.float64).reshape(-1, 3)
    rings = [line[1 : int(line[0]) + 1] for line in words[vertices + 1 : vertices + faces + 1]]
    corners = np.array([word for ring in rings for word in ring], np.int64)
    return shape_of_polygons(
        path.name, points, Polygons(np.array([len(ring) for ring in rings], np.int64), corners)
    )


FORMAT = Format(("off",), read, axes=Z_UP)
