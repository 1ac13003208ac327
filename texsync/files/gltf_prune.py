"""Drop what a change to a glTF document has left without use: an old base colour, vertices that were replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .gltf_materials import texture_infos

KINDS = (
    "textures",
    "images",
    "samplers",
    "accessors",
    "bufferViews",
)  # each is referred to by those before it
DRACO, INSTANCES = "KHR_draco_mesh_compression", "EXT_mesh_gpu_instancing"
KNOWN = (
    *(DRACO, INSTANCES, "KHR_materials_", "KHR_texture_", "EXT_texture_", "KHR_lights_"),
    *("KHR_node_visibility", "KHR_mesh_quantization", "KHR_animation_pointer"),
)


def prune(before: dict[str, Any], tree: dict[str, Any], body: bytearray) -> tuple[dict[str, Any], bytearray]:
    """The tree, which is changed, and its one buffer without what was in use `before` and is no longer.

    What the file itself never used stays.  So does everything where an extension that is not known here
    may refer to things in a way of its own.
    """
    if not all(
        name.startswith(KNOWN) for name in [*tree.get("extensionsUsed", []), *tree.get("extensions", [])]
    ):
        return tree, body
    for kind in KINDS:
        gone = used(before, kind) - used(tree, kind)
        if gone:
            _drop(tree, kind, gone)
            if kind == "bufferViews":
                body = _closed_up(tree, body)
    return tree, body


def used(tree: dict[str, Any], kind: str) -> set[int]:
    """Numbers of all things of a kind that something refers to."""
    return {container[key] for container, key, of in references(tree) if of == kind and key in container}


def references(tree: dict[str, Any]) -> Iterator[tuple[Any, Any, str]]:
    """(container, key, kind) for every place where container[key], if it is there, is a number of that kind."""
    yield from _pictures(tree)
    yield from _geometry(tree)
    for skin in tree.get("skins", []):
        yield skin, "inverseBindMatrices", "accessors"
    for sampler in (s for animation in tree.get("animations", []) for s in animation.get("samplers", [])):
        yield sampler, "input", "accessors"
        yield sampler, "output", "accessors"
    for accessor in tree.get("accessors", []):
        yield accessor, "bufferView", "bufferViews"
        for half in ("indices", "values") if "sparse" in accessor else ():
            yield accessor["sparse"][half], "bufferView", "bufferViews"


def _pictures(tree: dict[str, Any]) -> Iterator[tuple[Any, Any, str]]:
    for material in tree.get("materials", []):
        for _, info in texture_infos(material):
            yield info, "index", "textures"
    for texture in tree.get("textures", []):
        yield texture, "sampler", "samplers"
        for said in (texture, *texture.get("extensions", {}).values()):
            yield said, "source", "images"
    for image in tree.get("images", []):
        yield image, "bufferView", "bufferViews"


def _geometry(tree: dict[str, Any]) -> Iterator[tuple[Any, Any, str]]:
    for primitive in (p for mesh in tree.get("meshes", []) for p in mesh["primitives"]):
        yield primitive, "indices", "accessors"
        for attributes in (primitive["attributes"], *primitive.get("targets", [])):
            for key in attributes:
                yield attributes, key, "accessors"
        yield primitive.get("extensions", {}).get(DRACO, {}), "bufferView", "bufferViews"
    for node in tree.get("nodes", []):
        attributes = node.get("extensions", {}).get(INSTANCES, {}).get("attributes", {})
        for key in attributes:
            yield attributes, key, "accessors"


def _drop(tree: dict[str, Any], kind: str, gone: set[int]) -> None:
    """Remove things of a kind and renumber all references to the others."""
    stay = [i for i in range(len(tree[kind])) if i not in gone]
    number = {old: new for new, old in enumerate(stay)}
    for container, key, of in list(references(tree)):
        if of == kind and container.get(key) in number:
            container[key] = number[container[key]]
    tree[kind] = [tree[kind][i] for i in stay]
    if not stay:
        del tree[kind]


def _closed_up(tree: dict[str, Any], body: bytearray) -> bytearray:
    """The buffer without the bytes that no view shows; views are moved by multiples of four."""
    closed, end, shift = bytearray(), 0, 0
    for view in sorted(tree.get("bufferViews", []), key=lambda view: view.get("byteOffset", 0)):
        start = view.get("byteOffset", 0)
        if start >= end:  # else it overlaps the one before and moves with it
            closed += bytes(-len(closed) % 4)
            end = start - start % 4
            shift = end - len(closed)
        stop = start + view["byteLength"]
        closed += body[end:stop]
        end = max(end, stop)
        view["byteOffset"] = start - shift
    tree["buffers"][0]["byteLength"] = len(closed)
    return closed
