"""One GLB of a scene of any format: trimesh writes it, and it is painted as a glTF file is (`gltf_materials`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import trimesh
from trimesh.exchange.gltf import export_glb

from ..surface.types import Surface
from .atlas import titles
from .gltf_document import INDICES, SAMPLER, VERTICES
from .gltf_materials import paint
from .loaded import Loaded
from .painted_scene import TILE, painted_scene
from .shape import OLD_UV

FAR = 1000.0  # sizes away from its own origin from which a mesh loses digits as 32-bit floats


def glb_bytes(loaded: Loaded, surface: Surface, pngs: Sequence[bytes]) -> bytes:
    """The scene as GLB, with the surface's pictures as the base colours of the job's meshes.

    A mesh far from its own origin is moved there and its node moved instead, since GLB holds 32-bit floats.
    """
    scene, pieces = painted_scene(loaded, surface, [None] * len(pngs))
    pieces |= _gathered(scene)
    _near_origin(scene)

    def add_picture(buffers: dict, tree: dict[str, Any]) -> None:
        textures = []
        for k, (png, name) in enumerate(zip(pngs, titles(loaded.stem, surface), strict=True)):
            buffers[f"texsync{k or ''}"] = png + bytes(-len(png) % 4)
            tree["images"].append({"name": name, "mimeType": "image/png", "bufferView": len(buffers) - 1})
            tree["textures"].append({"source": len(tree["images"]) - 1, "sampler": 0})
            textures.append(len(tree["textures"]) - 1)
        _paint(tree, textures)

    def finish(tree: dict[str, Any]) -> None:
        tree["asset"]["generator"] = "texsync"
        tree["samplers"] = [dict(SAMPLER)]
        _put_together(tree["meshes"], pieces)
        _say_targets(tree)
        _tidy(tree)

    return export_glb(scene, tree_postprocessor=finish, buffer_postprocessor=add_picture)


def _gathered(scene: trimesh.Scene) -> dict[str, list[str]]:
    """Meshes of several pieces as trimesh has read them from a GLB, each under a node of its own, shown as one again.

    Returns the names of further pieces by that of the first; they are the last in the scene, and no node shows them.
    """
    graph, pieces = scene.graph.transforms, {}
    for parent, children in list(graph.children.items()):
        split = [child for child in children if _is_piece(scene, parent, child)]
        if split and "geometry" not in graph.node_data.get(parent, {}):
            first, *more = [graph.node_data[child]["geometry"] for child in split]
            for child in split:
                graph.remove_node(child)
            graph.node_data[parent]["geometry"] = first
            pieces[first] = more
    for piece in dict.fromkeys(name for more in pieces.values() for name in more):
        scene.geometry[piece] = scene.geometry.pop(piece)
    return pieces


def _is_piece(scene: trimesh.Scene, parent: str, child: str) -> bool:
    """Whether trimesh made this node for one primitive of the mesh that `parent` had."""
    graph = scene.graph.transforms
    mesh = scene.geometry.get(graph.node_data.get(child, {}).get("geometry"))
    moved = graph.edge_data[(parent, child)].get("matrix")
    return (
        mesh is not None
        and mesh.metadata.get("from_gltf_primitive") is True
        and not graph.children.get(child)
        and child.startswith(f"{parent}_")
        and (moved is None or np.array_equal(moved, np.eye(4)))
    )


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


def _paint(tree: dict[str, Any], textures: list[int]) -> None:
    """Every triangle primitive with UVs shows its texture; other pictures read the old UVs where there are some."""
    told = [(primitive, mesh) for mesh in tree["meshes"] for primitive in mesh["primitives"]]
    for primitive, mesh in told:
        attributes, texture = primitive["attributes"], textures[mesh.get("extras", {}).get(TILE, 0)]
        if "TEXCOORD_0" in attributes:
            moved = 1 if OLD_UV in attributes else None
            if moved:
                attributes["TEXCOORD_1"] = attributes.pop(OLD_UV)
            paint(tree["materials"][primitive["material"]], texture, moved, {}, set())


def _put_together(meshes: list[dict[str, Any]], pieces: dict[str, list[str]]) -> None:
    """Make further pieces, the last of the meshes, primitives of those that they belong to."""
    by_name = {mesh["name"]: mesh for mesh in meshes if "name" in mesh}
    for name, more in pieces.items():
        by_name[name]["primitives"] += [one for piece in more for one in by_name[piece]["primitives"]]
    gone = {piece for more in pieces.values() for piece in more}
    meshes[:] = [mesh for mesh in meshes if mesh.get("name") not in gone]


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
            extras.pop(TILE, None)
            if extras.get("units") == "meters":
                extras.pop("units")
        if not extras:
            thing.pop("extras", None)
