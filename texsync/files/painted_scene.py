"""A painted scene as trimesh holds it: as it was, with new UVs and a new base colour."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import trimesh
from trimesh.visual import TextureVisuals

from ..surface.types import Surface
from .corners import corner_uvs, keeps_part
from .loaded import Loaded, Part
from .pbr import maps
from .shape import as_trimesh, with_faces


def painted_scene(loaded: Loaded, surface: Surface, image: Any) -> tuple[trimesh.Scene, dict[str, list[str]]]:
    """The scene with new UVs, and the further pieces of meshes that have several materials.

    Every mesh of the job has a material with base colour `image`.  In trimesh a mesh has one material: the first piece
    has the mesh's name, the others come last in the scene and no node shows them.
    """
    old = loaded.scene
    scene = trimesh.Scene(
        graph=old.graph.copy(),
        metadata=deepcopy(old.metadata),
        camera=old.camera.copy() if old.has_camera else None,
    )
    shown = {old.graph[node][1] for node in old.graph.nodes_geometry} - {part.shape for part in loaded.parts}
    scene.geometry.update({name: old.geometry[name].copy() for name in old.geometry if name in shown})
    more: dict[str, list[trimesh.Trimesh]] = {}
    for part in loaded.parts:
        name, kept = part.shape, keeps_part(loaded, surface, part)
        if name in scene.geometry and not kept:  # an instance that got texels of its own
            name = trimesh.util.unique_name(name, scene.geometry)
            scene.graph.transforms.node_data[part.node]["geometry"] = name
        if name not in scene.geometry:
            scene.geometry[name], *more[name] = _meshes(loaded, surface, part, kept, image)
    return scene, {name: _added(scene, name, meshes) for name, meshes in more.items() if meshes}


def _added(scene: trimesh.Scene, name: str, meshes: list[trimesh.Trimesh]) -> list[str]:
    """Put the further pieces of a mesh into the scene; their names."""
    names = []
    for mesh in meshes:
        names.append(trimesh.util.unique_name(name, scene.geometry))
        scene.geometry[names[-1]] = mesh
    return names


def hang(scene: trimesh.Scene, pieces: dict[str, list[str]]) -> None:
    """Show all pieces of a mesh below its nodes, as trimesh shows the primitives of a glTF mesh."""
    data = scene.graph.transforms.node_data
    for parent in [node for node in scene.graph.nodes_geometry if data[node]["geometry"] in pieces]:
        name = data[parent].pop("geometry")
        for k, piece in enumerate([name, *pieces[name]]):
            scene.geometry[piece].metadata["from_gltf_primitive"] = True
            node = trimesh.util.unique_name(f"{parent}_{k}", scene.graph.nodes)
            scene.graph.update(frame_from=parent, frame_to=node, matrix=np.eye(4), geometry=piece)


def _meshes(loaded: Loaded, surface: Surface, part: Part, kept: bool, image: Any) -> list[trimesh.Trimesh]:
    """One part with the UVs of the surface: a trimesh for each of its materials, all with the same vertices."""
    shape, source = loaded.shapes[part.shape], loaded.scene.geometry[part.shape]
    names, which = shape.materials
    materials = [loaded.source.material(loaded, part.shape, name, image) for name in names]
    if kept:
        whole = as_trimesh(shape)
    else:
        corners = corner_uvs(loaded, surface, part)
        whole = as_trimesh(shape, surface.uv, corners, keep_old=any(map(maps, materials)))
    whole.metadata.update(deepcopy(source.metadata))
    whole.units = source.units
    meshes = [whole] if len(names) == 1 else [with_faces(whole, which == k) for k in range(len(names))]
    for mesh, material in zip(meshes, materials, strict=True):
        mesh.visual = TextureVisuals(uv=whole.visual.uv, material=material)
    return meshes
