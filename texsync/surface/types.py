"""The two shapes of mesh that every part of a job shares: before it has a map to paint on, and after."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .faces import pieces
from .islands import islands


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """Everything that is to be painted, perhaps without UVs to paint on.

    stem: what to call it, a file's name without its ending.
    vertices: (V, 3) float64, render frame: +y up, +z front, bounding box centred on the origin, farthest vertex at
    radius 1.  faces: (F, 3) int64, none without an area.  normals: (V, 3) unit, smooth over UV seams, outward.
    part: (F,) int64, which faces may have shared a texture: a number for each mesh, or for each material of one.
    uv: (U, 2) float64, v up, and uv_faces: (F, 3) int64: its own UVs, -1 for all three corners of a face that has none;
    both None if no face has any.  names: what to call each part in `part`.
    polygon: (F,) int64, which polygon a triangle is part of; None where there are triangles only.
    """

    stem: str
    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    part: np.ndarray
    uv: np.ndarray | None
    uv_faces: np.ndarray | None
    polygon: np.ndarray | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Squares:
    """The K unit squares of a map that has a picture for each; the pictures stand side by side in one row.

    face: (F,) int64, which of them a face lies in.  names: what to call each.  origin: (K, 2) its lower left corner.
    udim: whether the names are UDIM's numbers.
    """

    face: np.ndarray
    names: tuple[str, ...]
    origin: np.ndarray
    udim: bool = False


@dataclass(frozen=True)
class Surface:
    """Triangles in the render frame: +y up, +z front, inside the unit sphere around the origin.

    vertices: (V, 3) float64.  faces: (F, 3) int64 into vertices.
    normals: (V, 3) float64, unit, smooth.
    uv: (U, 2) float64, v upwards (v = 0 is the bottom row, as in OBJ and Blender).  uv_faces: (F, 3) int64
    into uv, so that a seam in the map never splits a vertex of the mesh.
    part: (F,) int64, which mesh of the scene, and which material of it, a face came from.
    squares: where the map has several pictures; None: all of it lies in the unit square.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    part: np.ndarray
    squares: Squares | None = None

    @property
    def across(self) -> int:
        """Pictures of the map, side by side."""
        return len(self.squares.names) if self.squares else 1

    @property
    def flat(self) -> np.ndarray:
        """(F, 3, 2) where the corners of each face lie on the row of pictures: u in 0..across, v in 0..1."""
        corners = self.uv[self.uv_faces]
        if self.squares is None:
            return corners
        moved = np.column_stack([np.arange(self.across), np.zeros(self.across)]) - self.squares.origin
        return corners + moved[self.squares.face][:, None]

    @cached_property
    def piece(self) -> np.ndarray:
        """(F,) int, a number for all faces that hang together, over seams in the map too."""
        return pieces(self.vertices, self.faces)

    @cached_property
    def island(self) -> np.ndarray:
        """(F,) int, see `islands.islands`."""
        return islands(self)
