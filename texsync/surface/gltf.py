"""What trimesh's glTF reader gets wrong or drops without a word, found in the file's own JSON."""

from __future__ import annotations

import json
import struct
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from ..errors import InputError, TexsyncWarning

COMPRESSED = (
    "KHR_draco_mesh_compression",
    "EXT_meshopt_compression",
    "KHR_meshopt_compression",
    "KHR_mesh_quantization",
)
FLOAT = 5126
RAW_UV = "_TEXSYNC_UV"  # the UVs as in the file; trimesh turns v over in 32 bits, which loses some
PLAIN = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9}}


def open_gltf(path: Path) -> BytesIO:
    """A .glb or .gltf file as trimesh should see it.

    Warns (TexsyncWarning) of what will not be in the result.  Raises InputError for compressed geometry, ValueError and
    the like for a damaged file.
    """
    data = path.read_bytes()
    binary = path.suffix.lower() == ".glb"
    text, rest = _chunks(data) if binary else (data, b"")
    tree = json.loads(text)
    refused = [name for name in tree.get("extensionsRequired", []) if name in COMPRESSED]
    if refused:
        raise InputError(f"{path.name} needs {', '.join(refused)}", "export it without mesh compression")
    lost = losses(tree)
    if lost:
        message = f"{path.stem}: the result will have no {', no '.join(lost)}"
        warnings.warn(message, TexsyncWarning, stacklevel=5)
    _mend(tree)
    text = json.dumps(tree).encode()
    return BytesIO(_joined(text, rest) if binary else text)


def losses(tree: dict[str, Any]) -> list[str]:
    """What the file has and a trimesh scene cannot hold."""
    primitives = [p for mesh in tree.get("meshes", []) for p in mesh.get("primitives", [])]
    extensions = {name for material in tree.get("materials", []) for name in material.get("extensions", {})}
    found = {
        "animation": bool(tree.get("animations")),
        "skeleton": bool(tree.get("skins")),
        "shape keys": any(p.get("targets") for p in primitives),
        "second UV map": any("TEXCOORD_1" in p.get("attributes", {}) for p in primitives),
        "camera but the first": len(tree.get("cameras", [])) > 1,
        f"material extras ({', '.join(sorted(extensions))})": bool(extensions),
    }
    return [what for what, is_there in found.items() if is_there]


def _mend(tree: dict[str, Any]) -> None:
    """Let trimesh see UVs that it would pass over or misread.

    It reads none where a primitive has no material, and takes whole-number UVs for coordinates.
    """
    accessors = tree.get("accessors", [])
    for primitive in (p for mesh in tree.get("meshes", []) for p in mesh.get("primitives", [])):
        uv = primitive.get("attributes", {}).get("TEXCOORD_0")
        if uv is None:
            continue
        if accessors[uv].get("componentType") != FLOAT:
            del primitive["attributes"]["TEXCOORD_0"]
            continue
        primitive["attributes"][RAW_UV] = uv
        if "material" not in primitive:
            materials = tree.setdefault("materials", [])
            if not materials or materials[-1] != PLAIN:
                materials.append(dict(PLAIN))
            primitive["material"] = len(materials) - 1


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """The JSON of a GLB, and all that follows it."""
    magic, version, length, size, kind = struct.unpack_from("<4s2I2I", data)
    if magic != b"glTF" or kind != 0x4E4F534A:
        raise ValueError("no GLB header")
    if version != 2:
        raise ValueError(f"version {version}, not 2")
    if length > len(data):
        raise ValueError(f"truncated: {len(data)} of {length} bytes")
    return data[20 : 20 + size], data[20 + size :]


def _joined(text: bytes, rest: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    size = 20 + len(text) + len(rest)
    return struct.pack("<4s2I2I", b"glTF", 2, size, len(text), 0x4E4F534A) + text + rest
