"""Polygons of a file as triangles: fans where a fan is right, ear clipping in the polygon's own plane elsewhere.

Concave polygons, holes on a bridge (the same two corners there and back), corners on one line and repeated corners keep
their shape.  A polygon that is not flat is cut as it looks along its mean normal.  One that crosses itself has no right
triangles; it gets those of the ear clipping, or a fan where it has no side to look at.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ..errors import Refused, about, got
from .path import EXPORT_AGAIN

BLOCK = 200_000  # polygons at a time, for the memory
STARTS = 4  # corners that a fan is tried from
THIN = 1e-13  # of the squared size: below that an area is rounding


def triangulate(sizes: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of polygons: (F, 3) int64 into the list of corners, and (F,) int64, the polygon of each.

    sizes: (P,) corners of each polygon.  points: (sum of sizes, 3), where the corners stand.
    Triangles keep the polygons' order and winding; every corner of three or more is in at least one of them.
    """
    start = np.cumsum(sizes) - sizes
    found = [_of_size(int(n), np.flatnonzero(sizes == n), start, points) for n in np.unique(sizes[sizes > 2])]
    if not found:
        return np.zeros((0, 3), np.int64), np.zeros(0, np.int64)
    corner, polygon = (np.concatenate(pieces) for pieces in zip(*found, strict=True))
    order = np.argsort(polygon, kind="stable")
    return corner[order], polygon[order]


def check_corners(name: str, vertex: np.ndarray, count: int) -> None:
    """Raises InputError unless all corners are at vertices 0 to count - 1; the message counts from 1."""
    wrong = vertex[(vertex < 0) | (vertex >= count)]
    if len(wrong):
        raise Refused.mesh_damaged(
            f"{about(name)}: a face refers to vertex {got(wrong.max() + 1)} of {count}", EXPORT_AGAIN
        )


def _of_size(
    n: int, polygon: np.ndarray, start: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of all polygons of n corners."""
    first = _fan_starts(n, start[polygon], points)
    easy = first >= 0
    local = (first[easy, None] + np.arange(n)) % n + start[polygon[easy], None]
    k = np.arange(1, n - 1)
    fans = local[:, np.stack([np.zeros_like(k), k, k + 1], axis=1)].reshape(-1, 3)
    hard = polygon[~easy]
    ears = _ears(points[start[hard, None] + np.arange(n)])  # counted through all of them
    owner = hard[ears[:, 0] // n]
    corners = np.concatenate([fans, ears % n + start[owner, None]])
    return corners, np.concatenate([np.repeat(polygon[easy], n - 2), owner])


def _fan_starts(n: int, start: np.ndarray, points: np.ndarray) -> np.ndarray:
    """For each polygon the corner whose fan is right, -1 where none of the first few is."""
    first = np.zeros(len(start), np.int64)
    if n == 3:
        return first
    for at in range(0, len(start), BLOCK):
        first[at : at + BLOCK] = _block_starts(points[start[at : at + BLOCK, None] + np.arange(n)])
    return first


def _block_starts(polygons: np.ndarray) -> np.ndarray:
    """`_fan_starts` for (K, n, 3).

    Signed areas over a fan add up to 1 inside a polygon and 0 outside, so a fan without negative ones is right.
    """
    n = polygons.shape[1]
    first, least = np.full(len(polygons), -1), np.full(len(polygons), -np.inf)
    todo = np.arange(len(polygons))
    for turn in range(min(n - 2, STARTS)):
        smallest, any_area = _smallest(np.roll(polygons[todo], -turn, axis=1))
        right = smallest > THIN
        # two triangles are all that four corners have: the better pair; and nothing can be done without an area
        better = right | ~any_area | (n == 4) & (smallest > least[todo])
        first[todo[better]], least[todo] = turn, np.maximum(smallest, least[todo])
        todo = todo[~right & any_area]
        if not len(todo):
            break
    return first


def _smallest(polygons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest signed area of each fan from corner 0, over the squared size; and whether there is any area."""
    with np.errstate(all="ignore"):  # numbers that are none are refused later
        arms = polygons[:, 1:] - polygons[:, :1]
        arms = arms / np.abs(arms).max(axis=(1, 2), keepdims=True)
        areas = np.cross(arms[:, :-1], arms[:, 1:])
        normal = areas.sum(axis=1)
        length = np.linalg.norm(normal, axis=1)
        signed = np.einsum("knd,kd->kn", areas, normal) / length[:, None]
    return np.nan_to_num(signed, nan=-1.0).min(axis=1), length > THIN


def _ears(polygons: np.ndarray) -> np.ndarray:
    """(F, 3) triangles of (K, n, 3) by ear clipping, into all corners; a corner that it leaves out gets a flat one."""
    count, n = polygons.shape[:2]
    flat = _seen_flat(polygons)
    table, every = flat.reshape(-1, 2), np.arange(count * n).reshape(count, n)
    clipped = [_clipped(flat[k], ring) for k, ring in enumerate(every)]
    for k in np.flatnonzero(
        ~_covered(table, clipped, every)
    ).tolist():  # rounding opens spikes, and it trips over them
        rest, spikes = _without_spikes(table, every[k])
        again = np.concatenate([_clipped(table[rest], rest), spikes])
        clipped[k] = again if _covered(table, [again], every[k : k + 1])[0] else clipped[k]
    ears = np.concatenate([np.zeros((0, 3), np.int64), *clipped])
    ears = np.where((_areas(table, ears) < 0)[:, None], ears[:, ::-1], ears)
    before, after = np.roll(every, 1, axis=1).ravel(), np.roll(every, -1, axis=1).ravel()
    left = np.setdiff1d(every, ears)
    return np.concatenate([ears, np.stack([before[left], left, after[left]], axis=1)])


def _seen_flat(polygons: np.ndarray) -> np.ndarray:
    """(K, n, 2) polygons (K, n, 3) seen along their mean normals, counter-clockwise, about as large as 1."""
    arms = polygons - polygons[:, :1]
    arms = arms / np.abs(arms).max(axis=(1, 2), keepdims=True, initial=0)
    normal = np.cross(arms[:, 1:-1], arms[:, 2:]).sum(axis=1)
    across = np.cross(normal, np.eye(3)[np.abs(normal).argmin(axis=1)])
    along = np.cross(normal, across)
    axes = [axis / np.linalg.norm(axis, axis=1, keepdims=True) for axis in (across, along)]
    return np.einsum("knc,akc->kna", arms, np.stack(axes))


def _clipped(flat: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """(m, 3) ears of the polygon (n, 2), with the numbers that its corners have in `ring`."""
    from mapbox_earcut import triangulate_float64

    found = triangulate_float64(flat, np.array([len(flat)], np.uint32))
    return ring[found.reshape(-1, 3).astype(np.int64)]


def _covered(table: np.ndarray, clipped: list[np.ndarray], rings: np.ndarray) -> np.ndarray:
    """(K,) bool: whether triangles have their polygon's area, so that none is missing or laid on another."""
    x, y = np.moveaxis(table[rings], -1, 0)
    area = np.abs((x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)) / 2
    owner = np.repeat(np.arange(len(clipped)), [len(ears) for ears in clipped])
    ears = np.concatenate([np.zeros((0, 3), np.int64), *clipped])
    found = np.bincount(owner, np.abs(_areas(table, ears)), minlength=len(clipped))
    return np.abs(found - area) <= 1e-9 * area


def _without_spikes(table: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ring without corners on a line with their neighbours, one after the other, and their flat triangles."""
    ring, spikes, tried = deque(corners.tolist()), [], 0
    while tried < len(ring) > 3:
        triangle = [ring[-1], ring[0], ring[1]]
        if abs(_areas(table, np.array([triangle]))[0]) < THIN:
            spikes.append(triangle)
            ring.popleft()
            ring.rotate(2)  # the two before it may be on a line now
            tried = max(tried - 2, 0)
        else:
            ring.rotate(-1)
            tried += 1
    return np.sort(ring), np.array(spikes, np.int64).reshape(-1, 3)


def _areas(table: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """(F,) signed, of triangles."""
    a, b = table[corner[:, 1]] - table[corner[:, 0]], table[corner[:, 2]] - table[corner[:, 0]]
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
