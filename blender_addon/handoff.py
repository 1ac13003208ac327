# SPDX-License-Identifier: GPL-3.0-or-later
"""Write .texmesh files, the form in which meshes go to the worker, and read UVs that come back.  No bpy here.

One line of JSON that says where each array is, then the arrays: float32 and int32, little-endian.
"""

from __future__ import annotations

import json
import sys
from array import array
from pathlib import Path

VERSION = 1


def write(
    path: Path, name: str, parts: list[dict], repaint: dict | None = None, picture: dict | None = None
) -> None:
    """Write `parts` (name, transform, vertices, corner_vertex, triangles, polygon and perhaps uv) to a file.

    repaint: uv of the chosen triangles, perhaps weights, how much of each corner is painted, and width, height and
    pixels of the picture they are on.  picture: the same three of what the map shows now.
    Values that are `array` go into the binary part, all others into the JSON.
    """
    blocks: list[array] = []
    header = {"texsync_mesh": VERSION, "name": name, "parts": [_placed(part, blocks) for part in parts]}
    if repaint:
        header["repaint"] = _placed(repaint, blocks)
    if picture:
        header["picture"] = _placed(picture, blocks)
    with path.open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        for block in blocks:
            _little(block).tofile(file)


def _placed(entry: dict, blocks: list[array]) -> dict:
    """The entry with {"at": byte, "count": numbers} for every array, which goes to `blocks`."""
    result = {}
    for key, value in entry.items():
        if isinstance(value, array):
            at = sum(len(block) * block.itemsize for block in blocks)
            result[key] = {"at": at, "count": len(value)}
            blocks.append(value)
        else:
            result[key] = value
    return result


def read_uvs(path: Path, corners: list[int]) -> list[array]:
    """The new map of each part, corners * 2 floats; raises ValueError if the file has another length."""
    flat = array("f")
    flat.frombytes(path.read_bytes())
    flat = _little(flat)
    if len(flat) != 2 * sum(corners):
        raise ValueError(f"{path} has {len(flat)} numbers, not {2 * sum(corners)}")
    tables, start = [], 0
    for count in corners:
        tables.append(flat[start : start + 2 * count])
        start += 2 * count
    return tables


def _little(block: array) -> array:
    if sys.byteorder == "big":
        block = array(block.typecode, block)
        block.byteswap()
    return block
