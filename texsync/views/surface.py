"""Views of a textured surface: latent pixels look at texels, texels take the views that see them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from scipy.spatial import cKDTree
from torch.nn import functional

from ..errors import Refused, about, got
from .base import Views

if TYPE_CHECKING:
    from ..surface.pixels import Pixels, Sights

SPACES = ("surface", "uv")
RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "texels": (lambda value: value >= 1, "1 or more"),
    "facing_cutoff_deg": (lambda value: 0 < value <= 90, "degrees in (0, 90]"),
    "exponent": (lambda value: 0 <= value < math.inf, "a number >= 0"),
    "space": (lambda value: value in SPACES, f"one of {', '.join(SPACES)}"),
    "inside": (lambda value: 0 <= value <= 1, "a share in [0, 1]"),
    "reach": (lambda value: value >= 0, "pixels, >= 0"),
}


def surface_views(
    pixels: Pixels,
    fine: Pixels,
    texels: int,
    *,
    facing_cutoff_deg: float = 80.0,
    exponent: float = 1.0,
    space: str = "surface",
    inside: float = 1.0,
    reach: float = 1.5,
) -> Views:
    """N pictures of one texture, compiled once for the whole run.

    pixels: what every latent pixel sees.  fine: the same cameras a whole number of times finer, for the depth
    test and the silhouette.  texels: side of the latent texture of a unit square.
    Its cells are the texels that some pixel hits, by row from v = 0, then one
    private cell per background pixel, which no other view knows.

    `f` is nearest lookup.  In `f_inv` a texel that view j hits takes the mean of those pixels; one that j sees
    between its pixels takes what j says about the nearest texel that it hits (Voronoi filling); views are
    weighed by cos(normal, line of sight)^exponent (SyncSDE, Eq. 19; its code has exponent 1).
    facing_cutoff_deg: steeper sights have no say, in (0, 90].  space: where "nearest" is measured, on the 3-D
    "surface" or, as in the paper, in "uv", where neighbours on the map need not be neighbours on the mesh.
    inside: share of a latent pixel that must lie on the object for it to count, in [0, 1]; 1 drops the
    silhouette, whose latents mix in the background.  A view has no say about a texel that falls on a pixel of it
    which has none, nor about one further than `reach` pixels from its nearest hit, so that a thin strap is not
    told the colour of the bag behind it.
    An open sheet shows the same texels from behind: its two sides tell each other what they know.
    Overlapping UVs: a texel stands where its first pixel is, and all pixels that hit it share its value.
    Raises InputError on other values, or when `fine` is not a multiple of `pixels`.
    """
    check_given(
        pixels,
        fine,
        texels=texels,
        facing_cutoff_deg=facing_cutoff_deg,
        exponent=exponent,
        space=space,
        inside=inside,
        reach=reach,
    )
    place = None if space == "surface" else flat(pixels.uv, 2)
    limit = math.cos(math.radians(facing_cutoff_deg))
    return compiled(pixels, fine, _texels(pixels, texels), place, limit, exponent, inside, reach)


def compiled(
    pixels: Sights,
    fine: Sights,
    number: np.ndarray,
    place: np.ndarray | None,
    limit: float,
    exponent: float,
    inside: float,
    reach: float,
) -> Views:
    """N pictures of any geometry, whose P pixels show the shared cells that `number`, (P,) ints, tells apart.

    place: (P, 2 or 3) where "nearest" is measured; None: in space.  limit: the least cosine that has a say.
    """
    cell, first = _cells(flat(pixels.mask), number)
    table = _table(pixels, fine, cell, place, limit, exponent, inside)
    sights = _sights(pixels, fine, first, limit, exponent)

    merge = _private(cell, len(first))
    for view, (weight, pixel, apart) in enumerate(zip(*sights, strict=True)):
        texel = _Texels(table.place[first], table.position[first], weight, pixel, reach * apart)
        merge = merge + _contribution(table, texel, table.view == view, merge.shape)
    look = sparse.csr_array((np.ones(len(cell)), cell, np.arange(len(cell) + 1)), shape=merge.shape[::-1])
    count, height, width = pixels.mask.shape
    return Views(look, merge, (count, height, width), (merge.shape[0],))


@dataclass(frozen=True)
class _Table:
    """All P pixels, flat."""

    view: np.ndarray  # (P,)
    cell: np.ndarray  # (P,) the cell each shows
    position: np.ndarray  # (P, 3) on the surface
    place: np.ndarray  # (P, 3) or (P, 2) where "nearest" is measured
    weight: np.ndarray  # (P,) cos^exponent, 0 for those that do not count


@dataclass(frozen=True)
class _Texels:
    """The T shared cells as one view sees them."""

    place: np.ndarray  # (T, 3) or (T, 2)
    position: np.ndarray  # (T, 3)
    weight: np.ndarray  # (T,) cos^exponent, 0 where the view does not see the texel
    pixel: np.ndarray  # (T,) the pixel on which they fall, if they are seen
    reach: np.ndarray  # (T,) how far on the surface the view may be filled in


def _contribution(table: _Table, texel: _Texels, own: np.ndarray, shape: tuple[int, int]):
    """What one view says: its (K, P) part of `merge`.  own: (P,) bool, its pixels."""
    (giving,) = np.nonzero(own & (table.weight > 0))
    if not len(giving):
        return sparse.csr_array(shape)
    mean = _means(table.cell, giving, shape)
    source, weight = texel.pixel.copy(), texel.weight * (table.weight[texel.pixel] > 0)
    (seen,) = np.nonzero(weight)
    near = giving[cKDTree(table.place[giving]).query(texel.place[seen])[1]]
    gap = np.linalg.norm(texel.position[seen] - table.position[near], axis=1)
    source[seen], weight[seen] = near, weight[seen] * (gap <= texel.reach[seen])
    # about what it hits a view knows what those pixels know, wherever the texel's first pixel happens to be
    hits = table.cell[own & (table.cell < len(weight))]
    weight[hits] = (mean @ table.weight)[hits]
    source[table.cell[giving]] = giving
    (rows,) = np.nonzero(weight)
    said = sparse.diags_array(weight[rows]) @ mean[table.cell[source[rows]]]
    place = sparse.csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(shape[0], len(rows)))
    return place @ said


def _means(cell: np.ndarray, giving: np.ndarray, shape: tuple[int, int]):
    """(K, P) sparse: the mean of those pixels, `giving`, that hit each cell."""
    count = np.bincount(cell[giving], minlength=shape[0])
    rows = cell[giving]
    return sparse.csr_array((1.0 / count[rows], (rows, giving)), shape=shape)


def _private(cell: np.ndarray, shared: int):
    """(K, P) sparse: every background pixel counts for its own cell."""
    (alone,) = np.nonzero(cell >= shared)
    return sparse.csr_array(
        (np.ones(len(alone)), (cell[alone], alone)), shape=(shared + len(alone), len(cell))
    )


def _texels(pixels: Pixels, texels: int) -> np.ndarray:
    """(P,) the texel that each pixel shows, numbered by row from v = 0."""
    across = pixels.surface.across
    last = [texels * across - 1, texels - 1]
    column, row = np.clip(np.floor(flat(pixels.uv, 2) * texels), 0, last).astype(np.int64).T
    return row * texels * across + column


def _cells(on: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell each pixel shows (P,), and the first pixel of each of the T shared cells (T,).

    on: (P,) bool, on the object.  number: (P,) what tells cells apart.
    """
    _, first, shared = np.unique(number[on], return_index=True, return_inverse=True)
    cell = np.zeros(len(on), np.int64)
    cell[on] = shared
    cell[~on] = len(first) + np.arange((~on).sum())
    return cell, np.nonzero(on)[0][first]


def _table(pixels: Sights, fine: Sights, cell, place, limit, exponent, inside) -> _Table:
    count, size, _ = pixels.mask.shape
    share = functional.avg_pool2d(fine.mask.float(), fine.size // size)
    facing = flat(pixels.facing)
    weighted = flat(pixels.mask) & (flat(share) >= inside) & (facing >= limit)
    position = flat(pixels.position, 3)
    view = np.repeat(np.arange(count), size * size)
    weight = np.where(weighted, facing**exponent, 0.0)
    return _Table(view, cell, position, position if place is None else place, weight)


def _sights(pixels: Sights, fine: Sights, first: np.ndarray, limit: float, exponent: float):
    """Each texel from each view, all (N, T): the sight's blend weight, on which of the P pixels it falls, and
    how far apart that view's pixels are there on the surface."""
    from ..surface.pixels import camera_positions, shows_piece_of, visible

    at = torch.as_tensor(first, device=pixels.position.device)
    point, normal = (part.reshape(-1, 3)[at] for part in (pixels.position, pixels.normal))
    inner = None if pixels.behind is None else pixels.behind.reshape(-1, 1)[at]
    outward = normal if inner is None else torch.where(inner, -normal, normal)
    face = pixels.number.ravel()[at]
    seen, facing, where = visible(fine, point, outward, face)
    # normals are turned to the camera that hit the texel: from behind, a sheet shows it, another layer does not
    front = (normal * (camera_positions(fine.cameras, point[None]) - point)).sum(-1) > 0
    seen &= front | shows_piece_of(fine, face, where)
    shown, cosine, place = (part.double().cpu().numpy() for part in (seen, facing, where))
    weight = np.where((shown > 0) & (cosine >= limit), cosine**exponent, 0.0)

    count, size = len(place), pixels.size
    column, row = np.clip(place[..., :2] * size // fine.size, 0, size - 1).astype(np.int64).transpose(2, 0, 1)
    slope = np.array([camera.extent / size for camera in pixels.cameras])
    apart = place[..., 2] * slope[:, None] / np.maximum(cosine, limit)
    return weight, (np.arange(count)[:, None] * size + row) * size + column, apart


def flat(values: torch.Tensor, channels: int = 0) -> np.ndarray:
    """(N, S, S) to (P,), or (N, S, S, channels) to (P, channels)."""
    array = values.cpu().numpy()
    array = array.reshape(-1, channels) if channels else array.ravel()
    return array if array.dtype == bool else array.astype(np.float64)


def check_given(pixels: Sights, fine: Sights, **given: Any) -> None:
    """Raises InputError for views of other cameras or sizes, and for values out of their ranges."""
    if fine.cameras != pixels.cameras or fine.size % pixels.size:
        raise Refused.views_wrong(
            f"{about('views')} of {got(pixels.size)} and {fine.size} pixels do not fit",
            "use the same cameras, one size a multiple",
        )
    for name, value in given.items():
        good, remedy = RANGES[name]
        if not good(value):
            raise Refused.views_wrong(f"{about(name)} is {got(value)}", f"give {remedy}")
