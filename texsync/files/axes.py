"""Which way a file's axes point, and the frame that meshes are rendered in."""

from __future__ import annotations

import numpy as np

from ..options.geometry import check_axes
from .formats import Y_UP

FRONT_OF = {"x": "z", "y": "z", "z": "-y", "-x": "z", "-y": "-z", "-z": "y"}


def axes(up: str, front: str, own: tuple[str, str] = Y_UP) -> tuple[str, str]:
    """Which axes of the file point up and to the front: what was asked for, else its format's own.

    Raises InputError on an unknown axis, or if both lie on one line.
    """
    check_axes(up, front)
    if up == "auto":
        up = own[0]
        if front.lstrip("-") == up:
            up = "z" if up == "y" else "y"
    if front == "auto":
        front = FRONT_OF[up]
    check_axes(up, front)
    return up, front


def rotation(up: str, front: str) -> np.ndarray:
    """(3, 3) rotation that turns `up` to +y and `front` to +z."""
    y, z = _unit(up), _unit(front)
    return np.stack([np.cross(y, z), y, z])


def _unit(axis: str) -> np.ndarray:
    return (-1.0 if axis[0] == "-" else 1.0) * np.eye(3)["xyz".index(axis[-1])]


def normalised(vertices: np.ndarray, used: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Into the render frame: turned, bounding-box centre at the origin, farthest used vertex at radius 1.

    vertices: (V, 3) float64.  used: (V,) bool, the vertices that faces refer to.  turn: (3, 3) rotation.
    Returns the new vertices and the (4, 4) matrix that takes them back.
    """
    # the centre is taken off first, so that a mesh far from the origin keeps its digits
    low, high = vertices[used].min(axis=0), vertices[used].max(axis=0)
    centre = low + (high - low) / 2
    local = (vertices - centre) @ turn.T
    size = np.abs(local[used]).max()  # squares of huge or tiny numbers overflow
    radius = size * np.linalg.norm(local[used] / size, axis=1).max()
    to_world = np.eye(4)
    to_world[:3, :3], to_world[:3, 3] = radius * turn.T, centre
    return local / radius, to_world
