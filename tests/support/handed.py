"""Meshes as Blender hands them over, written with the standard library alone."""

from __future__ import annotations

import json
from array import array
from pathlib import Path

CORNERS = [(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]
SIDES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
IDENTITY = [1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]


def grid_uvs() -> list[float]:
    """Each side of a cube in a cell of its own, three by two, with a margin; (u, v) of every corner."""
    flat: list[float] = []
    for side in range(6):
        left, bottom = side % 3 / 3, side // 3 / 2
        for u, v in ((0.02, 0.02), (0.31, 0.02), (0.31, 0.46), (0.02, 0.46)):
            flat += [left + u, bottom + v]
    return flat


def cube(name: str = "Cube", uv: list[float] | None = None, transform=IDENTITY) -> dict:
    """A cube of six quads, 24 corners."""
    return {
        "name": name,
        "transform": transform,
        "vertices": array("f", [number for corner in CORNERS for number in corner]),
        "corner_vertex": array("i", [vertex for side in SIDES for vertex in side]),
        "triangles": array("i", [4 * s + k for s in range(6) for k in (0, 1, 2, 0, 2, 3)]),
        "polygon": array("i", [s for s in range(6) for _ in range(2)]),
        **({"uv": array("f", uv)} if uv else {}),
    }


def write(
    path: Path, *parts: dict, repaint: dict | None = None, picture: dict | None = None, **header
) -> Path:
    """Write a .texmesh file: every `array` goes after the line of JSON."""
    blocks, at = [], 0

    def placed(entry: dict) -> dict:
        nonlocal at
        result = {}
        for key, value in entry.items():
            if isinstance(value, array):
                result[key] = {"at": at, "count": len(value)}
                blocks.append(value.tobytes())
                at += len(blocks[-1])
            else:
                result[key] = value
        return result

    content = {"texsync_mesh": 1, "name": path.stem, "parts": [placed(part) for part in parts]}
    for key, entry in (("picture", picture), ("repaint", repaint)):
        if entry:
            content[key] = placed(entry)
    path.write_bytes(json.dumps({**content, **header}).encode() + b"\n" + b"".join(blocks))
    return path
