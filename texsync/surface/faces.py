"""Faces and their neighbours: which have an area, hang together, look outward; smooth normals that trust no winding."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def solid(vertices: np.ndarray, faces: np.ndarray, thinnest: float = 1e-10) -> np.ndarray:
    """(F,) bool: faces with an area.  thinnest: height over longest edge from which a face counts."""
    normal = face_normals(vertices, faces)
    edges = vertices[np.roll(faces, -1, axis=1)] - vertices[faces]
    longest = (edges**2).sum(axis=2).max(axis=1)
    return np.sqrt((normal**2).sum(axis=1)) > thinnest * longest


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3), twice the area long, by the right-hand rule."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def areas(corners: np.ndarray) -> np.ndarray:
    """(F,) of triangles (F, 3, 2 or 3)."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    if corners.shape[-1] == 2:
        return np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    return np.linalg.norm(np.cross(a, b), axis=1) / 2


def weld(vertices: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(V,) int64: one number for all vertices of a group that stand on the same spot, bit for bit."""
    order = np.lexsort((*vertices.T, group))
    sorted_, groups = vertices[order], group[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (sorted_[1:] != sorted_[:-1]).any(axis=1) | (groups[1:] != groups[:-1])
    spot = np.zeros(len(order), np.int64)
    spot[order] = np.cumsum(fresh) - 1
    return spot


def pieces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) int: a number for all faces that hang together by vertices or by vertices on one spot."""
    spot = weld(vertices, np.zeros(len(vertices), np.int64))[faces]
    rows, columns = spot[:, :2].ravel(), spot[:, 1:].ravel()
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(len(vertices),) * 2)
    return connected_components(graph, directed=False)[1][spot[:, 0]]


def smooth_normals(vertices: np.ndarray, faces: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, area-weighted, smooth over seams, outward and consistent whatever the winding.

    vertices: (V, 3).  faces: (F, 3), none degenerate.  group: (V,) int, vertices weld within a group only.
    """
    spot = weld(vertices, group)
    normal = face_normals(vertices, faces)
    normal *= winding(spot[faces], normal, vertices[faces].mean(axis=1))[:, None]
    welded = _gather(normal, spot[faces], spot.max() + 1)[spot]
    own = _gather(normal, faces, len(vertices))
    some = np.zeros_like(vertices)
    some[faces.ravel()] = np.repeat(normal, 3, axis=0)
    # the two sides of a sheet cancel where they are welded, and may do so even in one vertex
    sums = _usable(welded, _usable(own, some, normal, faces), normal, faces)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(length > 0, sums / np.where(length > 0, length, 1), [0.0, 1.0, 0.0])


def two_sided(
    vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with a vertex split in two where faces with opposite sides share it, as in `f 1 2 3` and `f 3 2 1`.

    vertices: (V, 3).  faces: (F, 3).  normals: (V, 3) unit.  New vertices come last and have a normal of their own.
    """
    flat = face_normals(vertices, faces)
    if _cancelled(
        flat, faces, len(vertices)
    ).any():  # which faces that are only wound the wrong way cause too
        spot = weld(vertices, np.zeros(len(vertices), np.int64))
        flat = flat * winding(spot[faces], flat, vertices[faces].mean(axis=1))[:, None]
    split = _cancelled(flat, faces, len(vertices))[faces] & ((normals[faces] * flat[:, None]).sum(axis=2) < 0)
    if not split.any():
        return vertices, faces, normals
    (double,) = np.nonzero(np.bincount(faces[split], minlength=len(vertices)))
    twin = np.zeros(len(vertices), np.int64)
    twin[double] = len(vertices) + np.arange(len(double))
    faces = np.where(split, twin[faces], faces)
    return np.concatenate([vertices, vertices[double]]), faces, np.concatenate([normals, -normals[double]])


def _cancelled(normal: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """(count,) bool: vertices whose faces' normals add up to nothing."""
    area = np.bincount(faces.ravel(), np.repeat(np.linalg.norm(normal, axis=1), 3), minlength=count)
    return np.linalg.norm(_gather(normal, faces, count), axis=1) < 1e-3 * area


def _gather(normal: np.ndarray, corners: np.ndarray, count: int) -> np.ndarray:
    """(count, 3): the sum of the face normals around each vertex."""
    return np.stack(
        [np.bincount(corners.ravel(), np.repeat(normal[:, k], 3), minlength=count) for k in range(3)], axis=1
    )


def _usable(sums: np.ndarray, other: np.ndarray, normal: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """`sums` where something is left of them, else `other`."""
    area = np.linalg.norm(normal, axis=1)
    total = np.bincount(faces.ravel(), np.repeat(area, 3), minlength=len(sums))
    return np.where((np.linalg.norm(sums, axis=1) > 1e-6 * total)[:, None], sums, other)


def winding(faces: np.ndarray, normal: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """(F,) in {1, -1}: -1 where a face is wound against its neighbours, or its whole piece inside out.

    faces: (F, 3) welded vertex numbers.  normal: (F, 3), twice the area long.  centre: (F, 3).
    A piece that no consistent winding exists for (a Moebius strip) is left as it is.
    """
    a, b, same = neighbours(faces)
    count = len(faces)
    # every face twice, as it is and turned over: what hangs together is wound alike
    rows = np.concatenate([a, a + count])
    columns = np.concatenate([np.where(same, b, b + count), np.where(same, b + count, b)])
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(2 * count, 2 * count))
    label = connected_components(graph, directed=False)[1]
    upright, turned = label[:count], label[count:]
    sign = np.where(upright <= turned, 1, -1)
    piece = np.minimum(upright, turned)
    sign = sign * _outward(piece, normal * sign[:, None], centre, sign)
    return np.where(upright == turned, 1, sign)


def neighbours(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of faces that share an edge with nobody else: (E,), (E,) and whether they are wound alike."""
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    key = np.minimum(start, end) * (faces.max() + 1) + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-1) > 0)
    first = first[np.diff(first, append=len(ordered)) == 2]
    one, two = order[first], order[first + 1]
    return one // 3, two // 3, (start[one] < end[one]) != (start[two] < end[two])


def _outward(piece: np.ndarray, normal: np.ndarray, centre: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """(F,) in {1, -1}: whether the piece that a face is in must be turned over to look outward.

    piece: (F,) int.  sign: (F,) how `normal` was turned from the file's winding.
    The vote is the flux through the piece of the rays from its centre: the signed volume where it is closed.
    A flat piece has no outside; there the side that most of its area shows in the file wins.
    """
    area = np.linalg.norm(normal, axis=1)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(piece, values)

    whole = np.maximum(total(area), np.finfo(float).tiny)
    middle = np.stack([total(area * centre[:, k]) / whole for k in range(3)], axis=1)[piece]
    ray = centre - middle
    flux = total((normal * ray).sum(axis=1))
    most = total(area * np.linalg.norm(ray, axis=1))
    least = np.maximum(
        1e-3 * most, 1e-12 * np.abs(centre).max() * whole
    )  # of one triangle there is rounding only
    vote = np.where(np.abs(flux) > least, flux, total(area * sign))
    return np.where(vote[piece] < 0, -1, 1)
