"""Normals that no reader can divide by, in a file that is otherwise left as it is: glTF allows length 1 only."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gltf_document import Document
from .shape import Shape

NEAR = 0.1  # how far from length 1 a normal may be and stay as it is; those in whole numbers never hit it


def mended_normals(document: Document, primitive: dict[str, Any], shape: Shape) -> np.ndarray | None:
    """(V, 3) float32 for a primitive's vertices; None where those of its file will do, or it has none.

    shape: the same primitive, with normals of length 1.
    """
    number = primitive["attributes"].get("NORMAL")
    if number is None or shape.normals is None or shape.normal_faces is None:
        return None
    table = document.numbers(number)
    with np.errstate(all="ignore"):
        wrong = ~(np.abs(np.linalg.norm(table, axis=1) - 1) < NEAR)
    if not wrong.any():
        return None
    made = np.where(wrong[:, None], [0.0, 0.0, 1.0], table).astype(np.float32)
    corners = wrong[shape.faces]
    made[shape.faces[corners]] = shape.normals[shape.normal_faces[corners]]
    return made
