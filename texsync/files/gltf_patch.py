"""Put a new base colour into a glTF document and leave everything else in it as it is.

Animations, skins, shape keys, cameras, extensions and extras stay because nothing here knows of them.  Geometry changes
only where normals have no length, and where UVs are new: such a primitive gets attributes of its own, with the copies
of vertices at UV seams last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np

from ..glb_chunks import packed
from ..surface.types import Surface
from .atlas import squares_of, titles
from .corners import corner_uvs, keeps_part
from .gltf_document import INDICES, NUMBERS, SAMPLER, TRIANGLES, VERTICES, Document, element_bytes
from .gltf_materials import Materials, reads_first_set, shown
from .gltf_normals import mended_normals
from .gltf_prune import prune
from .gltf_scene import GltfPlaces, place_of
from .loaded import Loaded, Part
from .shape import split

FLOAT, SHORT, LONG = 5126, 5123, 5125
MOST_SHORT = 65535  # vertices that 16-bit indices can tell apart: their last value means something else


def patched(loaded: Loaded, places: GltfPlaces, surface: Surface, pngs: Sequence[bytes]) -> bytes:
    """The file as GLB, with the surface's pictures as the base colours of every primitive of the job.

    A mesh that several nodes show is copied for each of them where their UVs are new, or their pictures differ.  A
    primitive with several pictures becomes one for each.
    """
    draft, names = Draft(places.document), titles(loaded.stem, surface)
    painted = {places.primitives[part.shape] for part in loaded.parts}
    textures = [draft.add_picture(png, name) for png, name in zip(pngs, names, strict=True)]
    materials = Materials(draft.tree, textures, names, loaded.stem, painted, loaded.finish)
    targets, done = _targets(draft, loaded, places, surface), set()
    for part in loaded.parts:
        (mesh, piece), target = places.primitives[part.shape], targets[places.nodes[part.node]]
        if (target, piece) in done:  # another node shows the same
            continue
        done.add((target, piece))
        kept = keeps_part(loaded, surface, part)
        primitive = deepcopy(places.document.tree["meshes"][mesh]["primitives"][piece])
        normals = mended_normals(places.document, primitive, loaded.shapes[part.shape])
        if normals is not None:
            primitive["attributes"]["NORMAL"] = draft.add_normals(normals)
            _drop_draco(primitive)
        faces = loaded.shapes[part.shape].faces
        moved = None
        if not kept:
            moved, faces = _give_uvs(draft, primitive, loaded, surface, part)
        place = place_of(places.document, primitive) if kept else {}
        whole = draft.tree["meshes"][target]["primitives"]
        for k, (tile, one) in enumerate(_apart(draft, primitive, faces, squares_of(loaded, surface, part))):
            _show(one, materials, moved, place, tile)
            if k:
                whole.append(one)
            else:
                whole[piece] = one
    return packed(*prune(places.document.tree, *draft.done()))


def _targets(draft: Draft, loaded: Loaded, places: GltfPlaces, surface: Surface) -> dict[int, int]:
    """The mesh that each node shows in the end: its own, or a copy that is new."""
    first: dict[
        tuple[int, int], list[int]
    ] = {}  # of each primitive, the pictures at the first node that shows it
    own: dict[int, int] = {}  # mesh -> that node
    targets: dict[int, int] = {}
    for part in loaded.parts:
        node, (mesh, piece) = places.nodes[part.node], places.primitives[part.shape]
        tile = squares_of(loaded, surface, part).tolist()
        same = first.setdefault((mesh, piece), tile) == tile and keeps_part(loaded, surface, part)
        if own.setdefault(mesh, node) == node or (same and targets.get(node, mesh) == mesh):
            targets[node] = mesh
        elif targets.get(node, mesh) == mesh:
            targets[node] = draft.add("meshes", deepcopy(places.document.tree["meshes"][mesh]))
            draft.tree["nodes"][node]["mesh"] = targets[node]
    return targets


def _apart(
    draft: Draft, primitive: dict[str, Any], faces: np.ndarray, tile: np.ndarray
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(picture, primitive) for every picture that a primitive has; all share its vertices."""
    numbers = np.unique(tile).tolist()
    if len(numbers) == 1:
        yield numbers[0], primitive
        return
    count = draft.tree["accessors"][primitive["attributes"]["POSITION"]]["count"]
    for number in numbers:
        one = deepcopy(primitive)
        one["indices"] = draft.add_indices(faces[tile == number], count)
        one.pop("mode", None)
        _drop_draco(one)
        yield number, one


def _drop_draco(primitive: dict[str, Any]) -> None:
    """The same mesh once more, which is no longer true."""
    primitive.get("extensions", {}).pop("KHR_draco_mesh_compression", None)
    if not primitive.get("extensions", True):
        del primitive["extensions"]


def _show(
    primitive: dict[str, Any], materials: Materials, moved: int | None, place: dict[str, Any], tile: int
) -> None:
    """Painted materials, no vertex colours: they would tint the texture."""
    primitive["material"] = materials.painted(primitive.get("material"), moved, place, tile)
    variants = primitive.get("extensions", {}).get("KHR_materials_variants", {})
    for variant in variants.get("mappings", []):
        variant["material"] = materials.painted(variant["material"], moved, place, tile)
    for attributes in (primitive["attributes"], *primitive.get("targets", [])):
        for colour in [name for name in attributes if name.startswith("COLOR_")]:
            del attributes[colour]


def _give_uvs(
    draft: Draft, primitive: dict[str, Any], loaded: Loaded, surface: Surface, part: Part
) -> tuple[int | None, np.ndarray]:
    """New first UVs and the vertices they need.

    Returns the set that the old ones are now, None if not needed, and the faces (F, 3).
    """
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
    _drop_draco(primitive)
    uv = np.where(rows[:, 1:] >= 0, surface.uv[np.maximum(rows[:, 1], 0)], 0.0)
    attributes["TEXCOORD_0"] = draft.add_uvs(uv)
    return moved, faces


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
        self.own: dict[int, np.ndarray] = {}  # accessors that the file does not have, until they are gathered
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

    def add_normals(self, normals: np.ndarray) -> int:
        """The number of an accessor; normals: (V, 3) float32."""
        view = self.add_view(normals.tobytes(), target=VERTICES)
        said = {"bufferView": view, "componentType": FLOAT, "count": len(normals), "type": "VEC3"}
        number = self.add("accessors", said)
        self.own[number] = normals
        return number

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
        """The number of a copy of an accessor with these elements, bit by bit, in this order."""
        if accessor in self.own:
            return self.add_normals(self.own[accessor][vertex])
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
