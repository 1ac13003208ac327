"""Drop what a change to a glTF document has left without use: an old base colour, vertices that were replaced."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from .gltf_fields import DRACO, GLTF, INSTANCES, VRM
from .json_table import Ref, leaves, only

KINDS = (
    "textures",
    "images",
    "samplers",
    "accessors",
    "bufferViews",
)  # each is referred to by those before it
KNOWN = (
    *(DRACO, INSTANCES, VRM, "VRMC_", "KHR_materials_", "KHR_texture_", "EXT_texture_", "KHR_lights_"),
    *("KHR_node_visibility", "KHR_mesh_quantization", "KHR_animation_pointer"),
)
REFERENCES = only(GLTF, Ref)


def prune(before: dict[str, Any], tree: dict[str, Any], body: bytearray) -> tuple[dict[str, Any], bytearray]:
    """The tree, which is changed, and its one buffer without what was in use `before` and is no longer.

    What the file itself never used stays.  So does everything where an extension that is not known here
    may refer to things in a way of its own.
    """
    if not all(
        name.startswith(KNOWN) for name in [*tree.get("extensionsUsed", []), *tree.get("extensions", {})]
    ):
        return tree, body
    earlier = references(before)
    for kind in KINDS:
        now = references(tree)[kind]
        gone = {c[k] for c, k in earlier[kind]} - {c[k] for c, k in now}
        if gone:
            _drop(tree, kind, gone, now)
            if kind == "bufferViews":
                body = _closed_up(tree, body)
    _forget_extensions(before, tree)
    return tree, body


def used(tree: dict[str, Any], kind: str) -> set[int]:
    """Numbers of all things of a kind that something refers to."""
    return {container[key] for container, key in references(tree)[kind]}


def references(tree: dict[str, Any]) -> dict[str, list[tuple[Any, Any]]]:
    """(container, key) of every place where container[key] is the number of a thing, by kind of thing."""
    found: defaultdict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for container, key, kind, _ in leaves(tree, REFERENCES):
        if container[key] >= 0:
            found[kind.to].append((container, key))
    return found


def _drop(tree: dict[str, Any], kind: str, gone: set[int], places: list[tuple[Any, Any]]) -> None:
    """Remove things of a kind and renumber the places that refer to the others."""
    stay = [i for i in range(len(tree[kind])) if i not in gone]
    number = {old: new for new, old in enumerate(stay)}
    for container, key in places:
        container[key] = number[container[key]]
    tree[kind] = [tree[kind][i] for i in stay]
    if not stay:
        del tree[kind]


def _forget_extensions(before: dict[str, Any], tree: dict[str, Any]) -> None:
    """A reader need not know an extension of which nothing is left: the old picture was a WebP, for instance."""
    gone = extensions_in(before) - extensions_in(tree)
    for key in ("extensionsUsed", "extensionsRequired"):
        if gone & set(tree.get(key, [])):
            tree[key] = [name for name in tree[key] if name not in gone]
            if not tree[key]:
                del tree[key]


def extensions_in(tree: dict[str, Any]) -> set[str]:
    """Names of all extensions that anything in a document has."""
    found: set[str] = set()
    todo: list[Any] = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            found |= set(value["extensions"]) if isinstance(value.get("extensions"), dict) else set()
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return found


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
