"""Splats as ellipses in the picture of a camera (EWA splatting).

Source: Zwicker et al., EWA Volume Splatting (2001), as 3D Gaussian Splatting has it; `antialiased` is Mip-Splatting's
(Yu et al., 2024) as gsplat has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..surface.cameras import Camera
from .gaussians import Splats

NEAR = 0.2  # view-space z of the near plane, units of the splats
DILATION = 0.3  # added to an ellipse's variances, pixels^2
BORDER = 0.3  # how far past the picture the perspective is followed, half widths of the whole picture
LEAST_ALPHA = 1.0 / 255.0  # what covers less of a pixel is left out


@dataclass(frozen=True)
class Ellipses:
    """M of K splats, those that may touch the picture, the nearest first.

    number: (M,) int32, which of the K.  centre: (M, 2) column and row, pixels; the centre of the first is 0.5, 0.5.
    conic: (M, 3) xx, xy and yy of the inverse covariance, 1 / pixels^2.  opacity: (M,).
    limit: (M,) squared Mahalanobis distance at which alpha is 1/255.  rows: (M, 2) int32 from, to.
    """

    number: np.ndarray
    centre: np.ndarray
    conic: np.ndarray
    opacity: np.ndarray
    limit: np.ndarray
    rows: np.ndarray


def view_space(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Points (K, 3) as the camera has them, float64: +x right, +y down, +z forward."""
    return (points - camera.position) @ _world_to_view(camera).T


def ellipses(
    splats: Splats, camera: Camera, size: int, *, antialiased: bool = False, near: float = NEAR
) -> Ellipses:
    """The splats in a picture of size x size pixels.

    antialiased: opacity falls as the dilation widens a splat, so that small ones do not swell.
    near: nothing nearer is shown, units of the splats.
    """
    view = view_space(splats.means.astype(np.float64), camera)
    (front,) = np.nonzero(view[:, 2] > near)
    view, focal = view[front], size / camera.extent
    middle = size / 2 * (1 + camera.zoom * np.array([-1, 1]) * camera.centre)
    centre = focal * view[:, :2] / view[:, 2:] + middle
    covariance = _covariance(splats.half_covariance[front], view, camera, focal, middle, size)
    plain = _determinant(covariance)
    covariance[:, [0, 2]] += DILATION
    wide = _determinant(covariance)
    opacity = splats.opacity[front].astype(np.float64)
    if antialiased:
        opacity = opacity * np.sqrt(np.maximum(plain / wide, 0.0))
    limit = 2 * np.log(np.maximum(opacity, 1e-30) / LEAST_ALPHA)
    with np.errstate(invalid="ignore", over="ignore"):  # a splat as large as the world
        reach = np.sqrt(np.maximum(limit, 0.0)[:, None] * covariance[:, [0, 2]])
        low, high = np.clip(centre - reach, 0, size), np.clip(centre + reach, 0, size)
        shown = (limit > 0) & (wide > 0) & np.isfinite(wide) & (low < high).all(axis=1)
    (kept,) = np.nonzero(shown)
    kept = kept[np.argsort(view[kept, 2], kind="stable")]
    rows = np.stack([np.floor(low[kept, 1]), np.ceil(high[kept, 1])], axis=1).astype(np.int32)
    xx, xy, yy = covariance[kept].T / wide[kept]
    conic = np.stack([yy, -xy, xx], axis=1)
    return Ellipses(front[kept].astype(np.int32), centre[kept], conic, opacity[kept], limit[kept], rows)


def _world_to_view(camera: Camera) -> np.ndarray:
    return np.stack([camera.right, -camera.up, -camera.direction])


def _determinant(covariance: np.ndarray) -> np.ndarray:
    xx, xy, yy = covariance.T
    return xx * yy - xy * xy


def _covariance(half, view, camera: Camera, focal: float, middle: np.ndarray, size: int) -> np.ndarray:
    """(M, 3) xx, xy and yy of the ellipses, pixels^2, not yet dilated.

    half: (M, 3, 3), see `Splats.half_covariance`.  view: (M, 3).  middle: (2,) where the line of sight is.
    """
    depth = view[:, 2]
    margin = BORDER * size / 2
    slope = np.clip(
        view[:, :2] / depth[:, None], -(middle + margin) / focal, (size - middle + margin) / focal
    )
    jacobian = np.zeros((len(view), 2, 3))
    jacobian[:, 0, 0] = jacobian[:, 1, 1] = focal / depth
    jacobian[:, :, 2] = -focal * slope / depth[:, None]
    flat = jacobian @ _world_to_view(camera) @ half
    x, y = flat[:, 0], flat[:, 1]
    return np.stack([(x * x).sum(1), (x * y).sum(1), (y * y).sum(1)], axis=1)
