"""Put a new base colour into a glTF document and leave everything else in it as it is.

Animations, skins, shape keys, cameras, extensions and extras stay because nothing here knows of them.  Geometry changes
only where UVs are new: such a primitive gets attributes of its own, with the copies of vertices at UV seams last.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np

from ..glb_chunks import packed
from ..surface.types import Surface
from .corners import corner_uvs, keeps_part
from .gltf_document import INDICES, NUMBERS, SAMPLER, TRIANGLES, VERTICES, Document, element_bytes
from .gltf_materials import Materials, reads_first_set, shown
from .gltf_prune import prune
from .gltf_scene import GltfPlaces, place_of
from .loaded import Loaded, Part
from .shape import split

FLOAT, SHORT, LONG = 5126, 5123, 5125
MOST_SHORT = 65535  # vertices that 16-bit indices can tell apart: their last value means something else


def patched(loaded: Loaded, places: GltfPlaces, surface: Surface, png: bytes, name: str) -> bytes:
    """The file as GLB, with `png` as the base colour of every primitive of the job.

    A mesh that several nodes show is copied for each of them where their UVs are new.
    """
    draft = Draft(places.document)
    painted = {places.primitives[part.shape] for part in loaded.parts}
    materials = Materials(draft.tree, draft.add_picture(png, name), loaded.stem, painted, loaded.finish)
    shown_by: dict[int, int] = {}  # mesh -> the node that has the mesh itself, not a copy
    copy_of: dict[int, int] = {}  # node -> its mesh
    for part in loaded.parts:
        kept = keeps_part(loaded, surface, part)
        node, (mesh, piece) = places.nodes[part.node], places.primitives[part.shape]
        if shown_by.setdefault(mesh, node) == node or kept:
            target = mesh
        else:
            if node not in copy_of:
                copy_of[node] = draft.add("meshes", deepcopy(places.document.tree["meshes"][mesh]))
                draft.tree["nodes"][node]["mesh"] = copy_of[node]
            target = copy_of[node]
        primitive = deepcopy(places.document.tree["meshes"][mesh]["primitives"][piece])
        moved = None if kept else _give_uvs(draft, primitive, loaded, surface, part)
        _show(primitive, materials, moved, place_of(places.document, primitive) if kept else {})
        draft.tree["meshes"][target]["primitives"][piece] = primitive
    return packed(*prune(places.document.tree, *draft.done()))


def _show(primitive: dict[str, Any], materials: Materials, moved: int | None, place: dict[str, Any]) -> None:
    """Painted materials, no vertex colours: they would tint the texture."""
    primitive["material"] = materials.painted(primitive.get("material"), moved, place)
    variants = primitive.get("extensions", {}).get("KHR_materials_variants", {})
    for variant in variants.get("mappings", []):
        variant["material"] = materials.painted(variant["material"], moved, place)
    for attributes in (primitive["attributes"], *primitive.get("targets", [])):
        for colour in [name for name in attributes if name.startswith("COLOR_")]:
            del attributes[colour]


def _give_uvs(
    draft: Draft, primitive: dict[str, Any], loaded: Loaded, surface: Surface, part: Part
) -> int | None:
    """New first UVs and the vertices they need; returns the set that the old ones are now, None if not needed."""
    moved = _move_old_set(draft, primitive)
    shape, attributes = loaded.shapes[part.shape], primitive["attributes"]
    vertex, faces, rows = split(len(shape.vertices), [shape.faces, corner_uvs(loaded, surface, part)])
    if draft.is_shared(attributes["POSITION"]):  # or each primitive would copy the vertices of all
        stay, faces = np.unique(faces, return_inverse=True)
        vertex, faces, rows = vertex[stay], faces.reshape(-1, 3), rows[stay]
    same = np.array_equal(vertex, np.arange(len(shape.vertices)))
    if not same:
        for table in (attributes, *primitive.get("targets", [])):
            table.update({key: draft.gathered(accessor, vertex) for key, accessor in table.items()})
    if not same or primitive.get("mode", TRIANGLES) != TRIANGLES:
        primitive["indices"] = draft.add_indices(faces, len(vertex))
        primitive.pop("mode", None)
    primitive.get("extensions", {}).pop("KHR_draco_mesh_compression", None)  # the same mesh, with the old UVs
    if not primitive.get("extensions", True):
        del primitive["extensions"]
    uv = np.where(rows[:, 1:] >= 0, surface.uv[np.maximum(rows[:, 1], 0)], 0.0)
    attributes["TEXCOORD_0"] = draft.add_uvs(uv)
    return moved


def _move_old_set(draft: Draft, primitive: dict[str, Any]) -> int | None:
    """Make the first UVs the last set if a picture other than the base colour reads them, else drop them."""
    attributes = primitive["attributes"]
    number = sum(key.startswith("TEXCOORD_") for key in attributes)
    originals = draft.document.tree.get("materials", [])
    needed = any(reads_first_set(originals[material]) for material in shown(primitive))
    for table in (attributes, *primitive.get("targets", [])):
        old = table.pop("TEXCOORD_0", None)
        if old is not None and needed:
            table[f"TEXCOORD_{number}"] = old
    return number if needed and number else None


class Draft:
    """A document that is being changed: its JSON and one buffer, which only grows.

    The bytes of the file's own buffers come first, as they were.
    """

    def __init__(self, document: Document):
        self.document = document
        self.tree: dict[str, Any] = deepcopy(document.tree)
        self.tree.setdefault("asset", {"version": "2.0"})
        self.body = bytearray()
        starts = [self._append(data) for data in document.buffers]
        views = self.tree.get("bufferViews", [])
        for view in [*views, *(x for v in views for x in v.get("extensions", {}).values() if "buffer" in x)]:
            if starts[view["buffer"]]:
                view["byteOffset"] = view.get("byteOffset", 0) + starts[view["buffer"]]
                view["buffer"] = 0
        for i, image in enumerate(self.tree.get("images", [])):
            found = document.picture(i) if i in document.pictures else None
            if found is not None:
                del image["uri"]
                image.update(bufferView=self.add_view(found[0]), mimeType=found[1])

    def _append(self, data: bytes) -> int:
        """Where the bytes begin; all of ours begin at multiples of four."""
        self.body += bytes(-len(self.body) % 4)
        self.body += data
        return len(self.body) - len(data)

    def done(self) -> tuple[dict[str, Any], bytearray]:
        """The JSON and the buffer that it describes."""
        first = {k: v for k, v in (self.tree.get("buffers") or [{}])[0].items() if k != "uri"}
        self.tree["buffers"] = [{**first, "byteLength": len(self.body)}]
        return self.tree, self.body

    def add(self, kind: str, thing: dict[str, Any]) -> int:
        """Append to one of the lists of the JSON and return its number there."""
        self.tree.setdefault(kind, []).append(thing)
        return len(self.tree[kind]) - 1

    def add_view(self, data: bytes, **more: int) -> int:
        start = self._append(data)
        return self.add("bufferViews", {"buffer": 0, "byteOffset": start, "byteLength": len(data), **more})

    def add_picture(self, png: bytes, name: str) -> int:
        """The number of a texture, repeating and smooth."""
        image = {"name": name, "mimeType": "image/png", "bufferView": self.add_view(png)}
        texture = {"source": self.add("images", image), "sampler": self.add("samplers", dict(SAMPLER))}
        return self.add("textures", texture)

    def add_uvs(self, uv: np.ndarray) -> int:
        """The number of an accessor; uv: (V, 2), v up."""
        table = (uv * [1, -1] + [0, 1]).astype(np.float32)
        view = self.add_view(table.tobytes(), target=VERTICES)
        said = {"bufferView": view, "componentType": FLOAT, "count": len(table), "type": "VEC2"}
        return self.add("accessors", said)

    def add_indices(self, faces: np.ndarray, vertices: int) -> int:
        """The number of an accessor; faces: (F, 3) into that many vertices."""
        number, kind = (SHORT, np.uint16) if vertices <= MOST_SHORT else (LONG, np.uint32)
        view = self.add_view(faces.astype(kind).tobytes(), target=INDICES)
        said = {"bufferView": view, "componentType": number, "count": faces.size, "type": "SCALAR"}
        return self.add("accessors", said)

    def is_shared(self, accessor: int) -> bool:
        """Whether several primitives of the file have their vertices from one accessor."""
        return self._shown[accessor] > 1

    @cached_property
    def _shown(self) -> Counter[int]:
        meshes = self.document.tree["meshes"]
        return Counter(p["attributes"].get("POSITION") for mesh in meshes for p in mesh["primitives"])

    def gathered(self, accessor: int, vertex: np.ndarray) -> int:
        """The number of a copy of one of the file's accessors with these elements, bit by bit, in this order."""
        said = deepcopy(self.document.tree["accessors"][accessor])
        size = element_bytes(said)
        table = np.zeros((len(vertex), size + -size % 4), np.uint8)  # vertices begin at multiples of four
        picked = table[:, :size] = self.document.elements(accessor)[vertex]
        if "min" in said:
            values = np.ascontiguousarray(picked).view(NUMBERS[said["componentType"]])
            said |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        stride = {} if size % 4 == 0 else {"byteStride": table.shape[1]}
        for key in ("byteOffset", "sparse"):
            said.pop(key, None)
        view = self.add_view(table.tobytes(), target=VERTICES, **stride)
        return self.add("accessors", {**said, "bufferView": view, "count": len(vertex)})
