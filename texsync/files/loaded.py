"""A scene as one job, and what its file said about every piece of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..surface.types import Mesh
from .mtl import Mtl
from .pbr import Finish
from .shape import Shape

if TYPE_CHECKING:
    import trimesh

    from .gltf_scene import GltfSource


@dataclass(frozen=True)
class ObjSource:
    """What else stands in an OBJ file.  materials: by name.  lost: what a result cannot have."""

    materials: dict[str, Mtl]
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """One mesh at one place in the scene.

    node, shape: names in the scene graph and in `Loaded.shapes`.  transform: (4, 4), from the shape to the file's
    world.  vertices: its vertices in the job; all of the shape's, in order.  faces: its faces in the job, which are
    the shape's faces where `kept`, (n,) bool, is True: the others have no area.
    """

    node: str
    shape: str
    transform: np.ndarray
    vertices: slice
    faces: slice
    kept: np.ndarray
    has_uv: bool


@dataclass(frozen=True, kw_only=True)
class Loaded(Mesh):
    """A scene ready to be unwrapped and painted: its arrays, and what stands where in the file.

    scene: as read, never modified.  format: "obj", "glb", ... or "trimesh".  shapes: the meshes as in the file.
    to_world: (4, 4), from the render frame to the file's.
    gltf: where the shapes are in a GLB or glTF file.  obj: what else stands in an OBJ file.
    finish: how the new material takes light, where that is known.
    """

    scene: trimesh.Scene
    format: str
    parts: tuple[Part, ...]
    shapes: dict[str, Shape]
    to_world: np.ndarray
    gltf: GltfSource | None = None
    obj: ObjSource | None = None
    finish: Finish | None = None
