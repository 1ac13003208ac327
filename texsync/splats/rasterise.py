"""Which splats every pixel of a camera shows, and how much of each.

With shape and opacity fixed, a picture is linear in the splats' colours: `Seen.weights @ colour`.
Rules as in 3D Gaussian Splatting (Kerbl et al. 2023): sorted by the depth of centres, alpha at most 0.99, less than
1/255 left out, nothing after 1e-4 of the light is left.  One difference: there, a splat ends with the tiles that three
standard deviations touch; here, as in gsplat, where its alpha falls below 1/255.  On a CPU only: ellipses are those of
gsplat's plain PyTorch to rounding, but its compositing, which needs CUDA, was not at hand to compare with.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import torch
from scipy import sparse

from ..errors import Refused, about, got, option
from ..surface.cameras import Camera
from .gaussians import Splats
from .projected import LEAST_ALPHA, NEAR, ellipses, view_space

BAND = 16  # rows that are drawn together, so that they stay in the cache
BYTES_EACH = 8  # of an entry: float32, int32


@dataclass(frozen=True)
class Seen:
    """What a camera sees of K splats, S x S pixels, row 0 at the top.

    weights: (S*S, K) CSR, float32: what each splat gives to each pixel; within a row the nearest first.
    A row's sum is the pixel's alpha, and the background has the rest.
    alpha: (S, S) float32 in [0, 1].  depth: (S, S) float32, mean view-space z of what a pixel shows, units of the
    splats; inf where it shows nothing.  The centre of the first pixel is at 0.5, 0.5.
    """

    weights: sparse.csr_array
    alpha: np.ndarray
    depth: np.ndarray

    @property
    def size(self) -> int:
        """Pixels along one side."""
        return len(self.alpha)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """(S, S, C): the mean of the splats' values (K, C) in each pixel, 0 where it shows nothing."""
        total = np.asarray(self.weights @ values.astype(np.float32))
        alpha = self.alpha.reshape(-1, 1)
        mean = np.divide(total, alpha, out=np.zeros_like(total), where=alpha > 0)
        return mean.reshape(self.size, self.size, -1)


def contributions(
    splats: Splats,
    camera: Camera,
    size: int,
    *,
    antialiased: bool = False,
    near: float = NEAR,
    room: int | None = None,
) -> Seen:
    """What the camera sees of the splats in size x size pixels.

    antialiased: small splats do not swell, see `ellipses`; for captures that were trained so.
    near: nothing nearer to the camera is shown, units of the splats.
    room: bytes that the weights may take.  Raises InputError if they take more, or if numba is not installed.
    """
    composite = compiled("composite")
    shapes = ellipses(splats, camera, size, antialiased=antialiased, near=near)
    count, light = np.zeros(size * size, np.int64), np.ones(size * size)
    tables = shapes.centre, shapes.conic, shapes.opacity, shapes.limit, shapes.rows, LEAST_ALPHA

    def draw(starts: np.ndarray, columns: np.ndarray, values: np.ndarray) -> None:
        def band(first: int) -> None:
            end = min(first + BAND, size)
            composite(
                first, end, size, *tables, starts, count, light, shapes.number, columns, values
            )  # bands share nothing

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(band, range(0, size, BAND)))

    draw(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    starts = np.concatenate([[0], np.cumsum(count)])
    _check_room(int(starts[-1]), len(splats), room)
    columns, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    draw(starts, columns, values)
    small = starts.astype(np.int32) if starts[-1] < 2**31 else starts
    weights = sparse.csr_array((values, columns, small), shape=(size * size, len(splats)))
    return _seen(weights, 1.0 - light, view_space(splats.means, camera)[:, 2], size)


def _seen(weights: sparse.csr_array, alpha: np.ndarray, z: np.ndarray, size: int) -> Seen:
    total = np.asarray(weights @ z.astype(np.float32))
    depth = np.divide(total, alpha, out=np.full(len(alpha), np.inf), where=alpha > 0)
    return Seen(weights, *(part.reshape(size, size).astype(np.float32) for part in (alpha, depth)))


def compiled(name: str) -> Callable[..., None]:
    """A function of `kernels`; raises InputError if numba is not installed."""
    try:
        kernels = import_module(".kernels", __package__)
    except ImportError:
        raise Refused.package_missing(
            f"splats need the package {about('numba')}", 'pip install "texsync[splats]"'
        ) from None
    return getattr(kernels, name)


def _check_room(entries: int, count: int, room: int | None) -> None:
    needed = entries * BYTES_EACH
    if room is None or needed <= room:
        return
    fit = int(count * room / needed)
    raise Refused.memory(
        f"{got(count):,} {about('splats')} need {needed / 2**30:.1f} GB for their weights in one view, "
        f"about {fit:,} fit in the {room / 2**30:.1f} GB that are free",
        f"leave some out, or lower {option('view_size')}",
    )
