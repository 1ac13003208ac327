"""Normals of unit length: readers divide by what they find, and glTF allows nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .shape import Shape

UNIT = 1e-3  # how far from length 1 a normal may be and stay as it is, to the last bit


def with_unit_normals(shapes: dict[str, Shape]) -> dict[str, Shape]:
    """The shapes with normals of length 1; corners whose normal is zero or no number get one from their faces."""
    scaled: dict[int, np.ndarray] = {}  # objects of one OBJ file share a table, and go on sharing it
    return {name: _mended(shape, scaled) for name, shape in shapes.items()}


def _mended(shape: Shape, scaled: dict[int, np.ndarray]) -> Shape:
    table, corners = shape.normals, shape.normal_faces
    if table is None or corners is None or not len(corners):
        return shape
    if id(table) not in scaled:
        scaled[id(table)] = _scaled(table)
    unit = scaled[id(table)]
    wrong = ~(np.abs(np.linalg.norm(unit, axis=1) - 1) < 0.1)[corners]  # zero
    if not wrong.any():
        return shape if unit is table else replace(shape, normals=unit)
    vertex, number = np.unique(shape.faces[wrong], return_inverse=True)
    corners = corners.copy()
    corners[wrong] = len(unit) + number.reshape(-1)
    around = _around(shape.vertices, shape.faces, wrong)[vertex]
    return replace(shape, normals=np.concatenate([unit, around]), normal_faces=corners)


def _scaled(table: np.ndarray) -> np.ndarray:
    """(N, 3) of length 1, or 0 where that cannot be; the table itself if all of it is right."""
    with np.errstate(all="ignore"):
        length = np.linalg.norm(table, axis=1, keepdims=True)
        if (np.abs(length - 1) < UNIT).all():
            return table
        near = np.abs(length - 1) < UNIT
        return np.where(near, table, np.where((length > 1e-12) & np.isfinite(length), table / length, 0.0))


def _around(vertices: np.ndarray, faces: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """(V, 3) unit: the mean of the faces with wrong corners, (F, 3) bool, at each vertex, weighted by area."""
    with np.errstate(all="ignore"):
        a, b, c = (vertices[faces[:, k]] for k in range(3))
        normal = np.nan_to_num(np.cross(b - a, c - a), posinf=0, neginf=0)
        sums = np.zeros_like(vertices)
        normal = normal / max(np.abs(normal).max(), 1e-300)
        np.add.at(sums, faces[wrong], np.repeat(normal[:, None], 3, axis=1)[wrong])
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        return np.where(length > 0, sums / np.where(length > 0, length, 1), [0.0, 0.0, 1.0])
