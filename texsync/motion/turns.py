"""Rotations as quaternions (..., 4), w first, and as the first two columns of a matrix (6 numbers)."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation


def between(one: np.ndarray, other: np.ndarray) -> Rotation:
    """The shortest turn that takes directions `one` (M, 3) to `other` (M, 3); of opposite ones, about any axis."""
    one, other = (v / np.linalg.norm(v, axis=1, keepdims=True).clip(1e-12) for v in (one, other))
    axis, cos = np.cross(one, other), (one * other).sum(axis=1, keepdims=True)
    aside = np.where(np.abs(one[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]])
    axis = np.where(cos < -1 + 1e-9, np.cross(one, aside), axis)
    quaternion = np.concatenate([axis, np.where(cos < -1 + 1e-9, 0.0, 1 + cos)], axis=1)
    return Rotation.from_quat(quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True))


def six(turn: Rotation) -> np.ndarray:
    """(M, 6): first and second column of the matrices (Zhou et al. 2019, arXiv:1812.07035)."""
    matrix = turn.as_matrix()
    return np.concatenate([matrix[:, :, 0], matrix[:, :, 1]], axis=1)


def from_six(numbers: np.ndarray) -> Rotation:
    """The turn whose first two columns are nearest, by Gram and Schmidt; numbers (M, 6)."""
    first = numbers[:, :3] / np.linalg.norm(numbers[:, :3], axis=1, keepdims=True).clip(1e-12)
    third = np.cross(first, numbers[:, 3:])
    third /= np.linalg.norm(third, axis=1, keepdims=True).clip(1e-12)
    return Rotation.from_matrix(np.stack([first, np.cross(third, first), third], axis=-1))
