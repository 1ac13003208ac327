"""Views of points without triangles between them: latent pixels look at points, points take the views that see them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .base import Views
from .surface import check_given, compiled, flat

if TYPE_CHECKING:
    from ..surface.point_pixels import PointPixels

NEAR = 0.05  # quantile of depths at which a pixel is measured; the least is a floater's


def point_views(
    pixels: PointPixels,
    fine: PointPixels,
    *,
    facing_cutoff_deg: float = 80.0,
    exponent: float = 1.0,
    inside: float = 1.0,
    reach: float = 1.5,
) -> Views:
    """N pictures of one cloud of points, compiled once for the whole run.

    pixels: what every latent pixel sees.  fine: the same cameras a whole number of times finer, for the depth test and
    the silhouette.  All else is as in `surface_views`, with points for texels: a cell is a point that some pixel
    shows, or where it is larger than half a pixel, a piece of it, so that a large one does not blur what a view shows.
    From behind, a point is seen where the very same one shows, and not another one close by.
    Raises InputError on other values, or when `fine` is not a multiple of `pixels`.
    """
    check_given(
        pixels, fine, facing_cutoff_deg=facing_cutoff_deg, exponent=exponent, inside=inside, reach=reach
    )
    limit = math.cos(math.radians(facing_cutoff_deg))
    return compiled(pixels, fine, _pieces(pixels), None, limit, exponent, inside, reach)


def _pieces(pixels: PointPixels) -> np.ndarray:
    """(P,) a number for each point that a pixel shows, or for each piece of it."""
    on, point = flat(pixels.mask), pixels.point.cpu().numpy().ravel()
    number = np.full(len(on), -1, np.int64)
    if not on.any():
        return number
    off = flat(pixels.position, 3)[on] - pixels.centres[point[on]]
    steps = np.round(off / _step(pixels)).astype(np.int64)
    _, number[on] = np.unique(np.column_stack([point[on], steps]), axis=0, return_inverse=True)
    return number


def _step(pixels: PointPixels) -> float:
    """Half of what a pixel measures on what is near, render-frame units."""
    extent = np.array([camera.extent for camera in pixels.cameras])[:, None, None]
    measures = pixels.depth.cpu().numpy() * extent / pixels.size
    return float(np.quantile(measures[np.isfinite(measures)], NEAR)) / 2
