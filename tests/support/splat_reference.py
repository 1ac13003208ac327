"""Gaussian splats rendered the slow way: pixel by pixel, every splat, float64, numpy's own matrices."""

from __future__ import annotations

import numpy as np

from texsync.splats.gaussians import Splats
from texsync.surface.cameras import Camera


def rotation_of(quaternion: np.ndarray) -> np.ndarray:
    """(3, 3) of w, x, y, z: turns the columns of the unit matrix by q v q*."""
    w, v = quaternion[0], quaternion[1:]
    return np.stack([e + 2 * w * np.cross(v, e) + 2 * np.cross(v, np.cross(v, e)) for e in np.eye(3)], axis=1)


def fallen(point: np.ndarray, camera: Camera, size: int) -> np.ndarray:
    """Column and row of a point (3,) of the world."""
    away = point - camera.position
    depth = -away @ camera.direction
    flat = np.array([away @ camera.right, away @ camera.up]) / depth / (camera.extent / 2)
    return size / 2 * (1 + (flat - camera.zoom * np.array(camera.centre)) * [1, -1])


def flattened(splats: Splats, k: int, camera: Camera, size: int) -> np.ndarray:
    """(2, 2) covariance of one splat in the picture, by differences of where nearby points fall."""
    turn = rotation_of(splats.rotations[k].astype(float))
    covariance = turn @ np.diag(splats.scales[k].astype(float) ** 2) @ turn.T
    world = np.stack([camera.right, -camera.up, -camera.direction])
    centre = world @ (splats.means[k] - camera.position)
    focal = size / camera.extent
    middle = fallen(camera.position - camera.direction, camera, size)
    # the perspective of a point beside the picture is that of the border, 0.3 half widths past it
    at = np.clip(focal * centre[:2] / centre[2] + middle, -0.15 * size, 1.15 * size)
    centre = np.array([*(at - middle) * centre[2] / focal, centre[2]])
    step = 1e-6 * centre[2]

    def fall(point: np.ndarray) -> np.ndarray:
        return focal * point[:2] / point[2]

    jacobian = np.stack(
        [(fall(centre + step * e) - fall(centre - step * e)) / (2 * step) for e in np.eye(3)], axis=1
    )
    return jacobian @ world @ covariance @ world.T @ jacobian.T


def reference(
    splats: Splats, camera: Camera, size: int, antialiased: bool = False, near: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """What each splat gives to each pixel (S*S, K), and what is left for the background (S*S,)."""
    weights = np.zeros((size * size, len(splats)))
    light, done = np.ones(size * size), np.zeros(size * size, bool)
    columns, rows = np.tile(np.arange(size) + 0.5, size), np.repeat(np.arange(size) + 0.5, size)
    view = (splats.means.astype(float) - camera.position) @ -camera.direction
    for k in np.argsort(view, kind="stable"):
        if view[k] <= near:
            continue
        plain = flattened(splats, k, camera, size)
        wide = plain + 0.3 * np.eye(2)
        opacity = float(splats.opacity[k])
        if antialiased:
            opacity *= np.sqrt(max(np.linalg.det(plain) / np.linalg.det(wide), 0))
        column, row = fallen(splats.means[k].astype(float), camera, size)
        offset = np.stack([columns - column, rows - row])
        distance = (offset * (np.linalg.inv(wide) @ offset)).sum(axis=0)
        alpha = np.minimum(0.99, opacity * np.exp(-0.5 * distance))
        shown = (alpha >= 1 / 255) & ~done
        done |= shown & (light * (1 - alpha) < 1e-4)
        shown &= ~done
        weights[shown, k] = alpha[shown] * light[shown]
        light[shown] *= 1 - alpha[shown]
    return weights, light
