"""A glTF document is checked once, whole, before any of it is used: after that no number in it leads nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .gltf_fields import GLTF, element_bytes
from .json_table import Ref, Wrong, leaves

DEEPEST = 1_000  # nodes below one another; trimesh walks up from each node, so time grows with the square
MOST_NODES = 50_000
MOST_PARTS = 20_000  # meshes, counted at each place; loading takes about a millisecond for each
MOST_FACES = 5_000_000
MOST_VERTICES = 60_000_000  # of all meshes, each counted where it is used: 24 bytes each, several times over
MOST_SILENT = 20_000_000  # elements of accessors that have no bytes: a short file could ask for any number
WHOLE = (5121, 5123, 5125)  # kinds of numbers that can be indices
SHAPES = {"POSITION": "VEC3", "NORMAL": "VEC3", "TEXCOORD": "VEC2"}  # by the first word


def check_document(tree: Any) -> None:
    """Raises Wrong for a value of the wrong kind, a number that leads nowhere, or nodes that are no trees."""
    for container, key, kind, where in leaves(tree, GLTF):
        value = container[key]
        wanted = kind.wants(value)
        if not wanted and isinstance(kind, Ref) and value >= len(tree.get(kind.to, [])):
            wanted = f"one of its {len(tree.get(kind.to, []))} {kind.to}"
        if wanted:
            raise Wrong(where, value, wanted)
    _check_nodes(tree.get("nodes", []), [len(mesh["primitives"]) for mesh in tree.get("meshes", [])])
    _check_primitives(tree)


def check_bytes(tree: dict[str, Any], buffers: Sequence[bytes]) -> None:
    """Raises Wrong for views that reach out of their buffers and accessors that reach out of their views."""
    for i, view in enumerate(tree.get("bufferViews", [])):
        end, size = view.get("byteOffset", 0) + view["byteLength"], len(buffers[view["buffer"]])
        if end > size:
            raise Wrong(f"the end of bufferViews[{i}]", end, f"inside its buffer of {size} bytes")
    _check_accessors(tree)


def _check_nodes(nodes: list[dict[str, Any]], pieces: list[int]) -> None:
    """Every node below one other at most, none below itself, no chain too long, and not too many.

    pieces: primitives of each mesh.
    """
    parts = sum(pieces[node["mesh"]] for node in nodes if "mesh" in node)
    if len(nodes) > MOST_NODES or parts > MOST_PARTS:
        raise Wrong(
            "its scene", f"{len(nodes)} nodes and {parts} meshes", f"at most {MOST_NODES} and {MOST_PARTS}"
        )
    parent: dict[int, int] = {}
    for number, node in enumerate(nodes):
        for child in node.get("children", []):
            if child in parent:
                raise Wrong(f"nodes[{number}].children", child, "a node of its own: it hangs in two places")
            parent[child] = number
    level, depth, seen = [n for n in range(len(nodes)) if n not in parent], 0, set[int]()
    while level:
        depth += 1
        seen.update(level)
        if depth > DEEPEST:
            raise Wrong(f"the place of nodes[{level[0]}]", depth, f"at most {DEEPEST} nodes deep")
        level = [child for number in level for child in nodes[number].get("children", [])]
    lost = set(range(len(nodes))) - seen
    if lost:
        raise Wrong(f"the parent of nodes[{min(lost)}]", parent[min(lost)], "above it: it hangs below itself")


def _check_primitives(tree: dict[str, Any]) -> None:
    """Tables of the right shape, as many rows in each, and not too many of all."""
    accessors, corners, vertices = tree.get("accessors", []), 0, 0
    for m, mesh in enumerate(tree.get("meshes", [])):
        for p, primitive in enumerate(mesh["primitives"]):
            where, attributes = f"meshes[{m}].primitives[{p}]", primitive["attributes"]
            if "indices" in primitive:
                indices = accessors[primitive["indices"]]
                corners += indices["count"]
                if indices["type"] != "SCALAR" or indices["componentType"] not in WHOLE:
                    raise Wrong(f"{where}.indices", primitive["indices"], "an accessor of whole numbers")
            if "POSITION" not in attributes:  # an extension may know where it is
                continue
            count = accessors[attributes["POSITION"]]["count"]
            vertices += count
            for table in (attributes, *primitive.get("targets", [])):
                for name, number in table.items():
                    _check_table(
                        f"{where}: {name}", accessors[number], SHAPES.get(name.partition("_")[0], ""), count
                    )
    if corners > 3 * MOST_FACES or vertices > MOST_VERTICES:
        raise Wrong("its size", max(corners, vertices), f"at most {MOST_FACES:,} faces in its meshes")


def _check_table(where: str, accessor: dict[str, Any], shape: str, count: int) -> None:
    if accessor["count"] != count:
        raise Wrong(f"{where}, its count,", accessor["count"], f"{count}, one for each vertex")
    if shape not in ("", accessor["type"]):
        raise Wrong(f"{where}, its type,", accessor["type"], shape)


def _check_accessors(tree: dict[str, Any]) -> None:
    silent = 0
    for i, accessor in enumerate(tree.get("accessors", [])):
        size = element_bytes(accessor)
        _check_inside(tree, f"accessors[{i}]", accessor, accessor["count"], size)
        silent += 0 if "bufferView" in accessor else accessor["count"]
        if silent > MOST_SILENT:
            raise Wrong(f"accessors[{i}].count", accessor["count"], f"below {MOST_SILENT:,} without bytes")
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            indices, values = sparse["indices"], sparse["values"]
            number = element_bytes({**indices, "type": "SCALAR"})
            _check_inside(tree, f"accessors[{i}].sparse.indices", indices, sparse["count"], number)
            _check_inside(tree, f"accessors[{i}].sparse.values", values, sparse["count"], size)


def _check_inside(tree: dict[str, Any], where: str, said: dict[str, Any], count: int, size: int) -> None:
    """That `count` elements of `size` bytes lie inside the view that `said` names, if it names one."""
    if "bufferView" not in said or count == 0:
        return
    view = tree["bufferViews"][said["bufferView"]]
    stride = view.get("byteStride", size)
    end = said.get("byteOffset", 0) + (count - 1) * stride + size
    if stride < size or end > view["byteLength"]:
        raise Wrong(f"the end of {where}", end, f"inside its buffer view of {view['byteLength']} bytes")
