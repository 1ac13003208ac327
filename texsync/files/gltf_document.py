"""A glTF or GLB file as it stands: its JSON, its bytes, and what accessors and primitives say.

Source: the glTF 2.0 specification of the Khronos Group, section 3 (accessors 3.6.2, primitives 3.7.2.1).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import numpy as np
from trimesh.resolvers import FilePathResolver

from ..errors import Refused, about
from ..glb_chunks import unpacked
from .gltf_check import check_bytes, check_document
from .gltf_fields import NUMBERS as NUMBERS
from .gltf_fields import element_bytes as element_bytes
from .json_table import Wrong, read_json

COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression")
TRIANGLES, STRIP, FAN = 4, 5, 6
PLAIN = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9}}  # where a file says nothing
MAGIC = ((b"\x89PNG", "image/png"), (b"RIFF", "image/webp"), (b"\xabKTX", "image/ktx2"), (b"", "image/jpeg"))
VERTICES, INDICES = 34962, 34963  # what buffer views are for
SAMPLER = {  # of the texture: repeat; magnify linear; minify with linear mip-maps
    "wrapS": 10497,
    "wrapT": 10497,
    "magFilter": 9729,
    "minFilter": 9987,
}


@dataclass(frozen=True)
class Document:
    """A file, never modified.

    tree: its JSON, checked (`gltf_check`).  buffers: the bytes of each of its buffers.  pictures: of images in files
    beside it or in data URIs, by number; those that are not there are missing here too.
    """

    tree: dict[str, Any]
    buffers: tuple[bytes, ...] = field(repr=False)
    pictures: dict[int, bytes] = field(repr=False)

    def view(self, index: int) -> bytes:
        """The bytes of a buffer view."""
        view = self.tree["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self.buffers[view["buffer"]][start : start + view["byteLength"]]

    def elements(self, index: int) -> np.ndarray:
        """(count, bytes) uint8: an accessor's elements one after the other, without gaps, sparse ones filled in."""
        accessor = self.tree["accessors"][index]
        count, size = accessor["count"], element_bytes(accessor)
        if "bufferView" in accessor:
            table = self._table(accessor["bufferView"], accessor.get("byteOffset", 0), count, size)
        else:
            table = np.zeros((count, size), np.uint8)
        sparse = accessor.get("sparse")
        if sparse is None:
            return table
        where, what = sparse["indices"], sparse["values"]
        number = np.dtype(NUMBERS[where["componentType"]])
        at = self._table(where["bufferView"], where.get("byteOffset", 0), sparse["count"], number.itemsize)
        table, places = table.copy(), np.ascontiguousarray(at).view(number)[:, 0]
        if len(places) and places.max() >= count:
            raise Wrong(f"a place in accessors[{index}].sparse", int(places.max()), f"one of its {count}")
        table[places] = self._table(what["bufferView"], what.get("byteOffset", 0), sparse["count"], size)
        return table

    def _table(self, view: int, start: int, count: int, size: int) -> np.ndarray:
        stride = self.tree["bufferViews"][view].get("byteStride", size)
        data = np.frombuffer(self.view(view), np.uint8)
        return np.lib.stride_tricks.as_strided(data[start:], (count, size), (stride, 1), writeable=False)

    def numbers(self, index: int) -> np.ndarray:
        """(count, components) float64; whole numbers that stand for fractions are turned into them."""
        accessor = self.tree["accessors"][index]
        number = np.dtype(NUMBERS[accessor["componentType"]])
        table = np.ascontiguousarray(self.elements(index)).view(number).astype(np.float64)
        if accessor.get("normalized"):
            table = np.maximum(table / np.iinfo(number).max, -1.0)
        return table

    def faces(self, primitive: dict[str, Any]) -> np.ndarray:
        """(F, 3) int64 triangles of a primitive, none if it is of points or lines; strips and fans are taken apart."""
        mode = primitive.get("mode", TRIANGLES)
        if "indices" in primitive:
            flat = self.numbers(primitive["indices"])[:, 0].astype(np.int64)
        else:
            flat = np.arange(self.tree["accessors"][primitive["attributes"]["POSITION"]]["count"])
        k = np.arange(max(len(flat) - 2, 0))
        if mode == TRIANGLES:
            return flat.reshape(-1, 3)
        if mode == STRIP:  # every other triangle is turned round
            return flat[np.stack([k, k + 1 + k % 2, k + 2 - k % 2], axis=1)]
        if mode == FAN:
            return flat[np.stack([k + 1, k + 2, 0 * k], axis=1)]
        return np.zeros((0, 3), np.int64)

    def picture(self, image: int) -> tuple[bytes, str] | None:
        """The bytes of an image and its media type, or None if its file is missing."""
        said = self.tree["images"][image]
        if "bufferView" in said:
            data = self.view(said["bufferView"])
        elif image in self.pictures:
            data = self.pictures[image]
        else:
            return None
        return data, said.get("mimeType") or next(kind for start, kind in MAGIC if data.startswith(start))


def read_gltf(path: Path) -> Document:
    """Read a .glb or .gltf file and whatever it names, all of it inside the file's folder.

    Raises InputError for compressed geometry, OSError, ValueError and the like for what is missing or damaged.
    """
    data = path.read_bytes()
    binary = path.suffix.lower() in (".glb", ".vrm") or data[:4] == b"glTF"
    text, body = unpacked(data) if binary else (data, b"")
    tree = read_json(text)
    _check_version(tree)
    check_document(tree)
    refused = _only_compressed(tree, bool(body))
    if refused:
        raise Refused.mesh_kind(
            f"{about(path.name)} needs {', '.join(refused)}", "export it without mesh compression"
        )
    fetch = FilePathResolver(str(path)).get  # refuses what lies outside the folder
    buffers = tuple(
        _buffer(said, b"" if i else body, fetch) for i, said in enumerate(tree.get("buffers", []))
    )
    check_bytes(tree, buffers)
    return Document(tree, buffers, _pictures(tree, fetch))


def _only_compressed(tree: dict[str, Any], body: bool) -> list[str]:
    """The compressions that hide geometry: those required, and those without a plain copy, whatever the file says."""
    found = [name for name in tree.get("extensionsRequired", []) if name in COMPRESSED]
    accessors = tree.get("accessors", [])
    for primitive in (p for mesh in tree.get("meshes", []) for p in mesh["primitives"]):
        said = [accessors[k] for k in (*primitive["attributes"].values(), *_indices(primitive))]
        if any("bufferView" not in accessor and "sparse" not in accessor for accessor in said):
            found += [name for name in primitive.get("extensions", {}) if name in COMPRESSED]
    for view in tree.get("bufferViews", []):
        plain = "uri" in tree["buffers"][view["buffer"]] or body and view["buffer"] == 0
        found += [name for name in view.get("extensions", {}) if name in COMPRESSED and not plain]
    return list(dict.fromkeys(found))


def _indices(primitive: dict[str, Any]) -> list[int]:
    return [primitive["indices"]] if "indices" in primitive else []


def _check_version(tree: Any) -> None:
    """The first thing to ask: an older file has other fields."""
    asset = tree.get("asset") if isinstance(tree, dict) else None
    version = asset.get("version", "2.0") if isinstance(asset, dict) else "2.0"
    if str(version).split(".")[0] != "2":
        raise ValueError(f"version {version}, not 2")


def _buffer(said: dict[str, Any], body: bytes, fetch: Callable[[str], bytes]) -> bytes:
    data = _from_uri(said["uri"], fetch) if "uri" in said else body
    if len(data) < said["byteLength"]:
        raise ValueError(f"a buffer has {len(data)} of {said['byteLength']} bytes")
    return data[: said["byteLength"]]


def _from_uri(uri: str, fetch: Callable[[str], bytes]) -> bytes:
    return from_data_uri(uri) if uri.startswith("data:") else fetch(unquote(uri))


def _pictures(tree: dict[str, Any], fetch: Callable[[str], bytes]) -> dict[int, bytes]:
    found = {}
    for i, image in enumerate(tree.get("images", [])):
        if "uri" in image:
            try:
                found[i] = _from_uri(image["uri"], fetch)
            except (OSError, ValueError):  # a mesh can be painted without its pictures
                continue
    return found


def from_data_uri(uri: str) -> bytes:
    """The bytes that a data URI spells out (RFC 2397)."""
    head, _, body = uri.partition(",")
    return base64.b64decode(body) if head.endswith(";base64") else unquote_to_bytes(body)
