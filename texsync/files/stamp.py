"""What a file was made from, inside it: `asset.extras` of a GLB; a PNG has it in its text (`show.png`)."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

GLB_HEAD = "<4s3I4s"  # magic, version, bytes in all, bytes of the JSON, its kind


def stamped_glb(data: bytes, about: Mapping[str, Any]) -> bytes:
    """A GLB with `about` as its asset.extras.texsync; extras that are no object are somebody's own and stay."""
    *head, _, size, kind = struct.unpack_from(GLB_HEAD, data)
    start = struct.calcsize(GLB_HEAD)
    tree = json.loads(data[start : start + size])
    extras = tree["asset"].setdefault("extras", {})
    if not isinstance(extras, dict):
        return data
    extras["texsync"] = dict(about)
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    rest = data[start + size :]
    return struct.pack(GLB_HEAD, *head, start + len(text) + len(rest), len(text), kind) + text + rest
