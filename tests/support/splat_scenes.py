"""Splats for tests and benchmarks."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from texsync.splats.gaussians import Splats


def some_splats(count: int, seed: int = 0, size: float = 0.1) -> Splats:
    """Splats of all shapes, sizes and opacities around the origin, within radius 1."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(count, 3))
    means *= rng.uniform(0, 0.9, (count, 1)) / np.linalg.norm(means, axis=1, keepdims=True)
    rotations = Rotation.random(count, rng=rng).as_quat(scalar_first=True)
    scales = size * np.exp(rng.normal(size=(count, 3)))
    return _made(means, scales, rotations, rng.uniform(0, 1, count), rng.uniform(0, 1, (count, 3)))


def splats_on_mesh(
    vertices: np.ndarray, faces: np.ndarray, count: int, seed: int = 0, opacity: float = 0.95
) -> Splats:
    """Flat discs on a mesh, as large as `count` of them need to be to hide what is behind; grey.

    vertices: (V, 3).  faces: (F, 3).
    """
    rng = np.random.default_rng(seed)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double = np.linalg.norm(normals, axis=1)
    # evenly along the area, not at random: no holes
    face = np.searchsorted(np.cumsum(double), (np.arange(count) + rng.random(count)) / count * double.sum())
    face = np.minimum(face, len(faces) - 1)
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    a, b, c = corners[face].transpose(1, 0, 2)
    means = a + u * (b - a) + v * (c - a)
    radius = np.sqrt(double.sum() / 2 / count)
    scales = np.tile([radius, radius, radius / 20], (count, 1))
    shades = np.full((count, 3), 0.5)
    return _made(means, scales, _turned(normals[face] / double[face, None]), np.full(count, opacity), shades)


def _turned(normals: np.ndarray) -> np.ndarray:
    """Quaternions (K, 4) that turn +z to the normals (K, 3)."""
    helper = np.eye(3)[np.abs(normals).argmin(axis=1)]
    right = np.cross(helper, normals)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    matrix = np.stack([right, np.cross(normals, right), normals], axis=-1)
    return Rotation.from_matrix(matrix).as_quat(scalar_first=True)


def _made(*parts: np.ndarray) -> Splats:
    return Splats(*(np.ascontiguousarray(part, np.float32) for part in parts))
