"""A painted scene as trimesh holds it: as it was, with new UVs and a new base colour."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import trimesh
from trimesh.visual import TextureVisuals

from ..surface.types import Surface
from .atlas import squares_of
from .corners import corner_uvs, keeps_part
from .loaded import Loaded, Part
from .pbr import maps
from .shape import as_trimesh, with_faces

TILE = "texsync_picture"  # in a mesh's metadata, which of the pictures it has, if not the first


def painted_scene(
    loaded: Loaded, surface: Surface, images: Sequence[Any]
) -> tuple[trimesh.Scene, dict[str, list[str]]]:
    """The scene with new UVs, and the further pieces of meshes that have several materials.

    Every mesh of the job has a material whose base colour is its picture of `images`.  In trimesh a mesh has one
    material: the first piece has the mesh's name, the others come last in the scene and no node shows them.
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
    taken: dict[str, list[int]] = {}
    first: dict[str, int] = {}
    for part in loaded.parts:
        name, kept, tile = part.shape, keeps_part(loaded, surface, part), squares_of(loaded, surface, part)
        if name in scene.geometry and not (kept and taken.get(name) == tile.tolist()):
            # an instance that got texels of its own
            name = trimesh.util.unique_name(name, scene.geometry)
            scene.graph.transforms.node_data[part.node]["geometry"] = name
        if name not in scene.geometry:
            scene.geometry[name], *more[name] = _meshes(loaded, surface, part, kept, tile, images, first)
            taken[name] = tile.tolist()
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


def _meshes(
    loaded: Loaded,
    surface: Surface,
    part: Part,
    kept: bool,
    tile: np.ndarray,
    images: Sequence[Any],
    first: dict[str, int],
) -> list[trimesh.Trimesh]:
    """One part with the UVs of the surface: a trimesh for each material and picture, all with the same vertices.

    tile: (n,) see `squares_of`.  first: the picture that the material of a name had first.
    """
    shape, source = loaded.shapes[part.shape], loaded.scene.geometry[part.shape]
    names, which = shape.materials
    number = which * len(images) + tile
    pairs = [divmod(int(k), len(images)) for k in np.unique(number)]
    if surface.squares is None:  # also of a material that no face has
        pairs = [(k, 0) for k in range(len(names))]
    materials = [loaded.source.material(loaded, part.shape, names[m], images[k]) for m, k in pairs]
    for material, (_, k) in zip(materials, pairs, strict=True):
        if surface.squares and first.setdefault(material.name, k) != k:  # trimesh writes equal materials once
            material.name = f"{material.name}_{surface.squares.names[k]}"
    if kept:
        whole = as_trimesh(shape)
    else:
        corners = corner_uvs(loaded, surface, part)
        whole = as_trimesh(shape, surface.uv, corners, keep_old=any(map(maps, materials)))
    whole.metadata.update(deepcopy(source.metadata))
    whole.units = source.units
    chosen = [number == m * len(images) + k for m, k in pairs]
    meshes = [whole] if len(pairs) == 1 else [with_faces(whole, faces) for faces in chosen]
    for mesh, material, (_, k) in zip(meshes, materials, pairs, strict=True):
        mesh.visual = TextureVisuals(uv=whole.visual.uv, material=material)
        if k:
            mesh.metadata[TILE] = k
    return meshes
