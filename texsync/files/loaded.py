"""A scene as one job, and what its file said about every piece of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import trimesh

from ..surface.partial import Repaint
from ..surface.types import Mesh, Surface
from .colour import Colour, Tint
from .mtl import Library
from .pbr import Finish
from .shape import Section, Shape


class Source(Protocol):
    """What was read, and how it is given back painted; what all formats answer (`source.TrimeshSource` has an answer
    for each, which a format overrules where its files say more than trimesh holds).

    scene: as trimesh has it, never modified.  shapes: its meshes as the file has them, by geometry name.
    """

    @property
    def scene(self) -> trimesh.Scene: ...
    @property
    def shapes(self) -> dict[str, Shape]: ...

    def painted(self, loaded: Loaded, surface: Surface, pngs: Sequence[bytes]) -> bytes:
        """The scene as GLB with the surface's pictures as base colours."""

    def material(self, loaded: Loaded, shape: str, name: str | None, image: Any) -> Any:
        """A PBRMaterial of a shape with `image` as base colour.  name: which of the shape's `materials`."""

    def keys(self, part: Part, by_object: bool) -> list[tuple[Hashable, str]]:
        """For each of a part's materials, or for the object that it is of: what tells it from others, and its name."""

    def sections(self, loaded: Loaded, part: Part, library: Library) -> tuple[list[Section], list[int]]:
        """What an OBJ file says before faces, and which of it for each face; adds materials to the library."""

    def colour(self, shape: str, name: str | None) -> Colour:
        """The base colour that a shape has in the file.  name: which of the shape's `materials`."""

    def tint(self, shape: str) -> Tint | None:
        """The colours that a shape's vertices or faces have in the file; None: none."""

    def material_names(self, shape: str) -> tuple[list[str | None], np.ndarray]:
        """What people call a shape's materials, and (F,) which of them each face has."""

    def object_names(self, part: Part) -> tuple[str, ...]:
        """What people call the object that a part is of."""

    @property
    def asked(self) -> Repaint | None:
        """What the scene's sender asks to be painted anew."""

    @property
    def picture(self) -> np.ndarray | None:
        """What the scene shows now, (H, W, 4) uint8 on its UVs, where its sender says it in one picture."""

    def other_pictures(self, loaded: Loaded) -> dict[str, bytes | None]:
        """Pictures that go beside an OBJ file: by the name that materials call them; None for what is not there."""

    def lost(self, loaded: Loaded) -> list[str]:
        """What the file has and a result cannot have."""


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

    source: what was read.  to_world: (4, 4), from the render frame to the file's.
    axes: which axes of the file point up and to the front, by its format.
    finish: how the new material takes light, where that is known.
    """

    source: Source
    parts: tuple[Part, ...]
    to_world: np.ndarray
    axes: tuple[str, str]
    finish: Finish | None = None

    @property
    def scene(self) -> trimesh.Scene:
        """As read, never modified."""
        return self.source.scene

    @property
    def shapes(self) -> dict[str, Shape]:
        """The meshes as in the file, by name."""
        return self.source.shapes
