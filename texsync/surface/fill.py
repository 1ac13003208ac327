"""Colours for places that no view sees: heat that flows over the surface from all that are seen.

The texels are a graph: neighbours on the map within an island, and across the map's seams through the mesh, so nothing
flows between islands that only lie side by side, nor through a thin wall.  On it the colours solve Laplace's equation,
which has no bumps of its own: coarsely by a direct solver, then finer and finer by conjugate gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, cg, splu
from scipy.spatial import cKDTree

from ..errors import Refused, about, option
from .islands import seams
from .pixels import outward_normals
from .types import Surface

DIRECT = 30_000  # unknowns that are solved for exactly; larger grids start from every 4th texel of a side
BLOCK = 4
ROUNDS = 30  # of conjugate gradients after a coarser solution: they only have to even out its blocks
INSET = 0.75  # texels from a seam at which the texel beside it is looked for
NEIGHBOURS = 4  # seen places that one without any way to them is mixed from
DONORS = 100_000  # seen places to choose from
NORMAL_REACH = 0.3  # how far apart, in render-frame units, opposite sides of a sheet count as


@dataclass(frozen=True)
class Places:
    """The M covered texels of a map, by row from the top.

    shape: (height, width) of the picture.  unit: the same of one unit square.  texel: (M,) flat index.
    face: (M,).  point, normal: (M, 3) on the surface.  area: (M,) of the surface per texel.
    nearest: (height, width) flat index of the covered texel nearest on the map.
    """

    shape: tuple[int, int]
    unit: tuple[int, int]
    texel: np.ndarray
    face: np.ndarray
    point: np.ndarray
    normal: np.ndarray
    area: np.ndarray
    nearest: np.ndarray


@dataclass(frozen=True)
class Fill:
    """A compiled fill of U of M places; call it with the colours (M, C), in which only seen places count.

    open, border: which of the M the heat flows to (U,), and from (B,).  flow: (U, B) how much.  levels: see `_Level`.
    shut: those that no seen place is linked to; they are mixed from the `donor` (Z, K) by `share` (Z, K).
    """

    open: np.ndarray
    border: np.ndarray
    flow: sparse.csr_array
    levels: list[_Level]
    shut: np.ndarray
    donor: np.ndarray
    share: np.ndarray

    def __call__(self, colours: np.ndarray) -> np.ndarray:
        """(M, C) float32 with the unseen places filled in; seen places stay."""
        filled = colours.astype(np.float32)
        filled[self.shut] = (self.share[..., None] * filled[self.donor]).sum(axis=1)
        if len(self.open):
            filled[self.open] = _solve(self.levels, self.flow @ filled[self.border])
        return filled


@dataclass(frozen=True)
class _Level:
    """One grid.  matrix: (U, U) Laplace's.  exact: its factors, on the coarsest grid.  block: (U,) the coarser cell."""

    matrix: sparse.csr_array
    exact: Any = None
    block: np.ndarray | None = None


def fill(surface: Surface, places: Places, seen: np.ndarray) -> Fill:
    """Compile the fill of all places that are not seen.  seen: (M,) bool.

    Raises InputError if none is seen.
    """
    if not seen.any():
        raise Refused.mesh_unseen(
            f"no view sees enough of the {about('surface')} to paint it: it is too thin, or out of sight",
            f"raise {option('view_size')}, or check {option('up')} and {option('front')}",
        )
    a, b, weight = _links(surface, places, seen)
    reached = _reached(a, b, seen)
    shut = np.flatnonzero(~seen & ~reached)
    donor, share = _donors(places, seen, shut)
    opened = np.flatnonzero(~seen & reached)
    flow, matrix, border = _system(a, b, weight, seen, opened)
    cell = places.texel[opened]
    island = surface.island[places.face[opened]]
    return Fill(
        opened,
        border,
        flow,
        _levels(matrix, *np.divmod(cell, places.shape[1]), island),
        shut,
        donor,
        share,
    )


def _links(surface: Surface, places: Places, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of places, at least one of them unseen, between which heat flows, and how easily."""
    number = np.full(places.shape[0] * places.shape[1], -1, np.int32)
    number[places.texel] = np.arange(len(places.texel), dtype=np.int32)
    grid = number.reshape(places.shape)
    island = surface.island
    found = [_seam_links(surface, places, grid, island)]
    for one, two in ((grid[:, :-1], grid[:, 1:]), (grid[:-1], grid[1:])):
        both = (one >= 0) & (two >= 0)
        a, b = one[both], two[both]
        kept = ~(seen[a] & seen[b])
        a, b = a[kept], b[kept]
        alike = island[places.face[a]] == island[places.face[b]]
        a, b = a[alike], b[alike]
        apart = ((places.point[a] - places.point[b]) ** 2).sum(axis=1)
        room = np.sqrt(places.area[a] * places.area[b])
        # what is wide and short lets more through; on a map that keeps shapes this is 1
        found.append((a, b, (room / apart.clip(1e-20)).clip(0.02, 50.0)))
    a, b, weight = (np.concatenate(column) for column in zip(*found, strict=True))
    kept = ~(seen[a] & seen[b]) & (a != b)
    a, b = a[kept], b[kept]
    return a, b, (weight[kept] * _ease(surface, places.face[a], places.face[b])).astype(np.float32)


def _ease(surface: Surface, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """(E,) in (0, 1]: 1 within a plane, next to nothing over a sharp edge, so that sides keep their own colours."""
    normal = outward_normals(surface)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-300)
    ease = np.ones(len(one))
    differ = one != two
    cosine = (normal[one[differ]] * normal[two[differ]]).sum(axis=1)
    ease[differ] = (((1 + cosine) / 2).clip(0, 1) ** 8).clip(1e-3)
    return ease


def _seam_links(surface: Surface, places: Places, grid: np.ndarray, island: np.ndarray):
    """The two texels on either side of every seam, a texel's width at a time."""
    cut = seams(surface)
    high, wide = places.unit
    # in shares of a texel's height, so that steps are texels on pictures that are not square, too
    length = np.linalg.norm((cut.ends[:, :, 1] - cut.ends[:, :, 0]) * [wide / high, 1], axis=2).max(axis=1)
    count = np.ceil(length * high).clip(1, max(places.unit)).astype(np.int64)
    edge = np.repeat(np.arange(len(count)), count)
    along = (np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[edge]
    pair = []
    for side in (0, 1):
        start, end = cut.ends[edge, side, 0], cut.ends[edge, side, 1]
        at = start + along[:, None] * (end - start)
        inward = cut.middle[edge, side] - at
        far = np.linalg.norm(inward, axis=1, keepdims=True).clip(1e-12)
        at = at + inward * np.minimum(INSET / min(places.unit) / far, 0.5)
        pair.append(_texel_at(places, grid, island, at, cut.faces[edge, side]))
    a, b = pair
    there = (a >= 0) & (b >= 0)
    return a[there], b[there], np.ones(there.sum(), np.float32)


def _texel_at(places: Places, grid: np.ndarray, island: np.ndarray, at: np.ndarray, face: np.ndarray):
    """The place (M numbers) that shows `at` (E, 2) on the map, or the nearest on the face's own island, or -1."""
    column = np.floor(at[:, 0] * places.unit[1]).astype(np.int64).clip(0, places.shape[1] - 1)
    row = np.floor((1 - at[:, 1]) * places.unit[0]).astype(np.int64).clip(0, places.shape[0] - 1)
    here = grid[row, column]
    near = grid.ravel()[places.nearest[row, column]]
    own = island[places.face[near]] == island[face]
    return np.where(here >= 0, here, np.where(own, near, -1))


def _reached(a: np.ndarray, b: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(M,) bool: places that are linked, by whatever way, to one that is seen."""
    graph = sparse.coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(seen), len(seen)))
    label = connected_components(graph, directed=False)[1]
    lit = np.zeros(len(seen), bool)
    lit[label[seen]] = True
    return lit[label]


def _system(a: np.ndarray, b: np.ndarray, weight: np.ndarray, seen: np.ndarray, opened: np.ndarray):
    """(U, B) flow from the border, (U, U) Laplace's matrix among the open places, and the border (B,)."""
    place = np.full(len(seen), -1, np.int32)
    place[opened] = np.arange(len(opened), dtype=np.int32)
    a, b, weight = np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([weight, weight])
    mine = place[a] >= 0
    row, other, weight = place[a[mine]], b[mine], weight[mine]
    outside = seen[other]
    border, column = np.unique(other[outside], return_inverse=True)
    count = len(opened)
    flow = sparse.csr_array((weight[outside], (row[outside], column)), shape=(count, len(border)))
    inside = ~outside
    among = sparse.csr_array((weight[inside], (row[inside], place[other[inside]])), shape=(count, count))
    total = np.bincount(row, weight, minlength=count).astype(np.float32)
    return flow, sparse.csr_array(sparse.diags_array(total) - among), border


def _levels(
    matrix: sparse.csr_array, row: np.ndarray, column: np.ndarray, island: np.ndarray
) -> list[_Level]:
    """Grids from the finest to one that is small enough; a coarse cell is a block of texels of one island."""
    made = []
    while matrix.shape[0] > DIRECT:
        row, column = row // BLOCK, column // BLOCK
        cells, first, block = np.unique(
            np.stack([island, row, column]), axis=1, return_index=True, return_inverse=True
        )
        if len(first) > matrix.shape[0] / 2:  # nothing but crumbs
            break
        block = block.ravel()
        made.append(_Level(matrix, block=block))
        gather = sparse.csr_array(
            (np.ones(len(block), np.float32), (block, np.arange(len(block)))), shape=(len(first), len(block))
        )
        matrix = sparse.csr_array(gather @ matrix @ gather.T)
        island, row, column = cells
    exact = None
    if 0 < matrix.shape[0] <= 4 * DIRECT:
        exact = splu(
            sparse.csc_array(matrix, dtype=np.float64),
            permc_spec="MMD_AT_PLUS_A",
            options={"SymmetricMode": True},
        )
    return [*made, _Level(matrix, exact)]


def _solve(levels: list[_Level], given: np.ndarray) -> np.ndarray:
    """Laplace's equation on the finest grid.  given: (U, C) what flows in from the border."""
    level, *coarser = levels
    if level.exact is not None:
        return level.exact.solve(given.astype(np.float64)).astype(np.float32)
    start = np.zeros_like(given)
    if level.block is not None:
        cells = coarser[0].matrix.shape[0]
        sums = [np.bincount(level.block, column, minlength=cells) for column in given.T]
        start = _solve(coarser, np.stack(sums, axis=1).astype(np.float32))[level.block]
    inverse = 1 / level.matrix.diagonal()
    scaled = LinearOperator(level.matrix.shape, matvec=lambda x: inverse * x, dtype=np.float32)
    columns = [
        cg(level.matrix, b, x0, rtol=1e-4, maxiter=ROUNDS, M=scaled)[0]
        for b, x0 in zip(given.T, start.T, strict=True)
    ]
    return np.stack(columns, axis=1)


def _donors(places: Places, seen: np.ndarray, shut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of `shut` the nearest seen places on the surface (Z, K), and their shares.

    Nearest in space with the normal as a soft fourth direction, so that the two sides of a sheet stay apart.
    """
    source = np.flatnonzero(seen)
    # a sample of the donors and a tolerance are as good to the eye and ten times faster
    source = source[:: max(1, len(source) // DONORS)]
    count = min(NEIGHBOURS, len(source))
    if not len(shut):
        return np.zeros((0, count), np.int64), np.zeros((0, count), np.float32)
    place = np.concatenate([places.point, NORMAL_REACH / 2 * places.normal], axis=1)
    distance, near = cKDTree(place[source]).query(place[shut], k=count, eps=0.2, workers=-1)
    share = 1 / (distance.reshape(-1, count) + 1e-6)
    share /= share.sum(axis=1, keepdims=True)
    return source[near.reshape(-1, count)], share.astype(np.float32)
