"""What a file was made from, inside it: `asset.extras` of a GLB; a PNG has it in its text (`show.png`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..glb_chunks import packed, unpacked


def stamped_glb(data: bytes, about: Mapping[str, Any]) -> bytes:
    """A GLB with `about` as its asset.extras.texsync; extras that are no object are somebody's own and stay."""
    text, body = unpacked(data)
    tree = json.loads(text)
    extras = tree["asset"].setdefault("extras", {})
    if not isinstance(extras, dict):
        return data
    extras["texsync"] = dict(about)
    return packed(tree, body)
