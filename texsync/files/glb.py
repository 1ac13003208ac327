"""One GLB of a painted scene: trimesh writes it, what trimesh cannot say is put right in its JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .shape import OLD_UV

if TYPE_CHECKING:
    import trimesh

FAR = 1000.0  # sizes away from its own origin from which a mesh loses digits as 32-bit floats
VERTICES, INDICES = 34962, 34963
REPEAT, LINEAR, SMOOTH = 10497, 9729, 9987  # wrap; magnify linear; minify with linear mip-maps


def glb_bytes(scene: trimesh.Scene, png: bytes, name: str) -> bytes:
    """The scene as GLB, with `png` as the base colour of everything that has UVs.

    scene: as `save` builds it, without base colour.  It may be changed: a mesh far from its own origin is moved there
    and its node moved instead, since GLB holds 32-bit floats.
    """
    from trimesh.exchange.gltf import export_glb

    _near_origin(scene)

    def add_picture(buffers: dict, tree: dict[str, Any]) -> None:
        buffers["texsync"] = png + bytes(-len(png) % 4)
        tree["images"].append({"name": name, "mimeType": "image/png", "bufferView": len(buffers) - 1})
        tree["textures"].append({"source": len(tree["images"]) - 1, "sampler": 0})
        _paint(tree, len(tree["textures"]) - 1)

    def finish(tree: dict[str, Any]) -> None:
        tree["asset"]["generator"] = "texsync"
        tree["samplers"] = [{"wrapS": REPEAT, "wrapT": REPEAT, "magFilter": LINEAR, "minFilter": SMOOTH}]
        _join_primitives(tree)
        _say_targets(tree)
        _tidy(tree)

    return export_glb(scene, tree_postprocessor=finish, buffer_postprocessor=add_picture)


def _near_origin(scene: trimesh.Scene) -> None:
    """Move meshes that 32-bit floats would blur to their own origin, and their nodes the other way."""
    moved = {}
    for key, mesh in scene.geometry.items():
        points = getattr(mesh, "vertices", None)
        if points is None or not len(points) or np.array_equal(points, np.float32(points)):
            continue
        low, high = points.min(axis=0), points.max(axis=0)
        if np.abs(points).max() > FAR * (high - low).max():
            moved[key] = np.eye(4)
            moved[key][:3, 3] = low + (high - low) / 2
            mesh.vertices = points - moved[key][:3, 3]
    graph = scene.graph.transforms
    for node in scene.graph.nodes_geometry:
        key = graph.node_data[node]["geometry"]
        if key in moved:
            edge = graph.edge_data[(graph.parents[node], node)]
            edge["matrix"] = np.asarray(edge.get("matrix", np.eye(4))) @ moved[key]


def _paint(tree: dict[str, Any], texture: int) -> None:
    """Every triangle primitive with UVs shows the texture; other pictures read the old UVs where there are some."""
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            attributes = primitive["attributes"]
            if "TEXCOORD_0" not in attributes:
                continue
            material = tree["materials"][primitive["material"]]
            colour = material.setdefault("pbrMetallicRoughness", {})
            colour["baseColorTexture"] = {"index": texture}
            if OLD_UV in attributes:
                attributes["TEXCOORD_1"] = attributes.pop(OLD_UV)
                _use_second_uvs(material)


def _use_second_uvs(material: dict[str, Any]) -> None:
    for key, value in [*material.items(), *material["pbrMetallicRoughness"].items()]:
        if key.endswith("Texture") and key != "baseColorTexture":
            value["texCoord"] = 1


def _join_primitives(tree: dict[str, Any]) -> None:
    """Undo what trimesh does to a mesh of several primitives: it hangs one node for each under the mesh's node."""
    nodes, meshes = tree["nodes"], tree["meshes"]
    joined: dict[tuple[int, ...], int] = {}
    gone: set[int] = set()
    for node in nodes:
        split = [child for child in node.get("children", []) if _is_primitive(tree, node, nodes[child])]
        if not split or "mesh" in node:
            continue
        pieces = tuple(nodes[child]["mesh"] for child in split)
        if pieces not in joined:
            joined[pieces] = len(meshes)
            primitives = [primitive for piece in pieces for primitive in meshes[piece]["primitives"]]
            meshes.append({**meshes[pieces[0]], "primitives": primitives})
        node["mesh"] = joined[pieces]
        node["children"] = [child for child in node["children"] if child not in split]
        gone.update(split)
    _drop_nodes(tree, gone)
    _drop_meshes(tree, {new: pieces[0] for pieces, new in joined.items()})


def _is_primitive(tree: dict[str, Any], parent: dict[str, Any], child: dict[str, Any]) -> bool:
    """Whether trimesh made this node for one primitive of the mesh that `parent` had."""
    if "mesh" not in child or child.keys() - {"name", "mesh", "extras"}:
        return False
    extras = tree["meshes"][child["mesh"]].get("extras", {})
    return extras.get("from_gltf_primitive") is True and child["name"].startswith(parent["name"] + "_")


def _drop_nodes(tree: dict[str, Any], gone: set[int]) -> None:
    """Remove nodes and renumber those that stay."""
    stay = [i for i in range(len(tree["nodes"])) if i not in gone]
    number = {old: new for new, old in enumerate(stay)}
    tree["nodes"] = [tree["nodes"][i] for i in stay]
    for node in tree["nodes"]:
        children = [number[child] for child in node.pop("children", [])]
        if children:
            node["children"] = children
    scene = tree["scenes"][0]
    scene["nodes"] = [number[i] for i in scene["nodes"] if i in number]


def _drop_meshes(tree: dict[str, Any], stands_for: dict[int, int]) -> None:
    """Remove meshes that no node shows and renumber; a joined mesh takes the place of its first piece."""
    shown = {node["mesh"] for node in tree["nodes"] if "mesh" in node}
    stay = sorted(shown, key=lambda mesh: stands_for.get(mesh, mesh))
    number = {old: new for new, old in enumerate(stay)}
    tree["meshes"] = [tree["meshes"][i] for i in stay]
    for node in tree["nodes"]:
        if "mesh" in node:
            node["mesh"] = number[node["mesh"]]


def _say_targets(tree: dict[str, Any]) -> None:
    """Tell which buffer views hold vertices and which indices, as validators like to know."""
    for primitive in (p for mesh in tree["meshes"] for p in mesh["primitives"]):
        for accessor in primitive["attributes"].values():
            tree["bufferViews"][tree["accessors"][accessor]["bufferView"]]["target"] = VERTICES
        if "indices" in primitive:
            tree["bufferViews"][tree["accessors"][primitive["indices"]]["bufferView"]]["target"] = INDICES


def _tidy(tree: dict[str, Any]) -> None:
    """Leave out trimesh's own notes and what is empty."""
    for thing in [*tree["meshes"], *tree["nodes"], *tree["scenes"]]:
        extras = thing.get("extras")
        if isinstance(extras, dict):
            extras.pop("from_gltf_primitive", None)
            if extras.get("units") == "meters":
                extras.pop("units")
        if not extras:
            thing.pop("extras", None)
