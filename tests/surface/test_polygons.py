"""New maps that cut no polygon."""

from __future__ import annotations

import numpy as np

from texsync.surface.texels import covered_share
from texsync.surface.uncut import cut, uncut
from texsync.surface.uv import unwrap


def lumpy_quads(n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bumpy ball of quads, whose best charts run through some of them: vertices, triangles, polygon of each."""
    u, v = np.meshgrid(
        np.linspace(0, 2 * np.pi, 2 * n, endpoint=False), np.linspace(0.2, np.pi - 0.2, n), indexing="ij"
    )
    r = 1 + 0.25 * np.sin(3 * u) * np.sin(4 * v)
    points = np.stack([r * np.sin(v) * np.cos(u), r * np.cos(v), r * np.sin(v) * np.sin(u)], -1).reshape(
        -1, 3
    )
    index = np.arange(2 * n * n).reshape(2 * n, n)
    following = np.roll(index, -1, axis=0)
    quads = np.stack([index[:, :-1], following[:, :-1], following[:, 1:], index[:, 1:]], -1).reshape(-1, 4)
    return points, quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3), np.repeat(np.arange(len(quads)), 2)


def test_new_maps_cut_no_polygon():
    """xatlas tears some quads of this mesh; afterwards none is torn, nothing overlaps, and texels are as large."""
    vertices, faces, polygon = lumpy_quads()
    uv, uv_faces = unwrap(vertices, faces, 1024)
    torn = cut(faces, polygon, uv, uv_faces)
    assert torn.any()
    uv, uv_faces = uncut(vertices, faces, polygon, uv, uv_faces, 1024)
    assert not cut(faces, polygon, uv, uv_faces).any()
    assert uv.min() >= 0 and uv.max() <= 1
    corners = uv[uv_faces]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    flat = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    assert covered_share(uv, uv_faces, 1024) > 0.98 * flat.sum()
    real = (
        np.linalg.norm(np.cross(*(vertices[faces[:, k]] - vertices[faces[:, 0]] for k in (1, 2))), axis=1) / 2
    )
    density = flat / real
    assert 0.8 < density[torn].mean() / density[~torn].mean() < 1.25


def test_a_map_that_cuts_nothing_is_left_alone():
    vertices, faces, _ = lumpy_quads(8)
    uv, uv_faces = unwrap(vertices, faces, 256)
    same, same_faces = uncut(vertices, faces, np.arange(len(faces)), uv, uv_faces, 256)
    assert same is uv and same_faces is uv_faces
