"""The one shape of mesh that every part of a job shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Surface:
    """Triangles in the render frame: +y up, +z front, inside the unit sphere around the origin.

    vertices: (V, 3) float64.  faces: (F, 3) int64 into vertices.
    normals: (V, 3) float64, unit, smooth.
    uv: (U, 2) float64, v upwards (v = 0 is the bottom row, as in OBJ and Blender).  uv_faces: (F, 3) int64
    into uv, so that a seam in the map never splits a vertex of the mesh.
    part: (F,) int64, which mesh of the scene, and which material of it, a face came from.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    part: np.ndarray
