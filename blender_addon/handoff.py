# SPDX-License-Identifier: GPL-3.0-or-later
"""Write .texmesh files, the form in which meshes go to the worker, and read them and UVs that come back.  No bpy here.

One line of JSON that says where each array is, then the arrays: float32 and int32, little-endian.
"""

from __future__ import annotations

import json
import sys
from array import array
from pathlib import Path
from typing import BinaryIO

VERSION = 1
FLOATS = ("vertices", "uv")  # arrays of a part that are float32; the others are int32


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


def read_parts(path: Path) -> list[dict]:
    """The parts of a file that `write` wrote; raises OSError or ValueError for another."""
    with path.open("rb") as file:
        parts = json.loads(file.readline())["parts"]
        return [{key: _read(file, key, value) for key, value in part.items()} for part in parts]


def _read(file: BinaryIO, key: str, value):
    """An array, where the header says where it is; else the value itself.  The file stands behind its first line."""
    if not isinstance(value, dict):
        return value
    block, start = array("f" if key in FLOATS else "i"), file.tell()
    file.seek(value["at"], 1)
    block.fromfile(file, value["count"])
    file.seek(start)
    return _little(block)


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
