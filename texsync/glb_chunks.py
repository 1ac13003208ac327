"""The container of a GLB file: the JSON of a glTF document, and one buffer (glTF 2.0, section 4.4)."""

from __future__ import annotations

import json
import struct
from typing import Any

JSON_CHUNK, BIN_CHUNK = 0x4E4F534A, 0x004E4942


def unpacked(data: bytes) -> tuple[bytes, bytes]:
    """The JSON of a GLB and its binary chunk, empty if there is none.  Raises ValueError for what is no whole GLB."""
    magic, version, length, size, kind = struct.unpack_from("<4s2I2I", data)
    if magic != b"glTF" or kind != JSON_CHUNK:
        raise ValueError("no GLB header")
    if version != 2:
        raise ValueError(f"version {version}, not 2")
    if length > len(data):
        raise ValueError(f"truncated: {len(data)} of {length} bytes")
    at = 20 + size
    while at + 8 <= length:
        count, kind = struct.unpack_from("<2I", data, at)
        if kind == BIN_CHUNK:
            return data[20 : 20 + size], data[at + 8 : at + 8 + count]
        at += 8 + count
    return data[20 : 20 + size], b""


def packed(tree: dict[str, Any], body: bytes | bytearray) -> bytes:
    """A GLB of a JSON tree and its one buffer."""
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<2I", len(text), JSON_CHUNK) + text
    if body:
        body = bytes(body) + bytes(-len(body) % 4)
        chunks += struct.pack("<2I", len(body), BIN_CHUNK) + body
    return struct.pack("<4s2I", b"glTF", 2, 12 + len(chunks)) + chunks
