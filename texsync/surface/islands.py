"""Islands of a UV map: which faces hang together on it, which island a shared texel belongs to, where it is cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .faces import weld


class Mapped(Protocol):
    """What has a map: see `types.Surface`, which asks for its islands."""

    @property
    def vertices(self) -> np.ndarray: ...
    @property
    def faces(self) -> np.ndarray: ...
    @property
    def flat(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Seams:
    """E edges of the surface that two faces share, but not side by side on the map.

    faces: (E, 2) the two.  ends: (E, 2, 2, 2) where the edge's ends lie on the map, for each of them; the same end of
    the edge first.  middle: (E, 2, 2) the centres of the two faces on the map.
    """

    faces: np.ndarray
    ends: np.ndarray
    middle: np.ndarray


@dataclass(frozen=True)
class _Edges:
    """All 3 F edges of faces, sorted so that equal ones lie together.

    face: (3F,).  spot: (3F, 2) welded vertices, the lower number first.  uv: (3F, 2, 2) where these lie on the map.
    side: (3F,) in {-1, 0, 1}, on which side of the edge the face lies on the map.
    alike: (3F,) number of the UV edge: equal for edges that are one on the surface and on the map.
    """

    face: np.ndarray
    spot: np.ndarray
    uv: np.ndarray
    side: np.ndarray
    alike: np.ndarray


def islands(surface: Mapped) -> np.ndarray:
    """(F,) int: a number for each piece of the map that could be cut out and laid flat.

    Faces hang together where they share an edge on the surface and on the map and lie on different sides of it
    there: mirrored halves, which lie on top of each other, are two islands even if they meet at the mirror's line.
    """
    edges = _edges(surface)
    a, b = _side_by_side(edges)
    count = len(surface.faces)
    graph = coo_matrix((np.ones(len(a), np.int8), (edges.face[a], edges.face[b])), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def seams(surface: Mapped) -> Seams:
    """Where the map is cut although the surface goes on; edges of one face or of more than two are left out."""
    edges = _edges(surface)
    fresh = np.ones(len(edges.face), bool)
    fresh[1:] = (np.diff(edges.spot, axis=0) != 0).any(axis=1)
    first = np.flatnonzero(fresh)
    a = first[np.diff(first, append=len(fresh)) == 2]
    whole, _ = _side_by_side(edges)
    a = np.setdiff1d(a, whole, assume_unique=True)
    pair = np.stack([a, a + 1], axis=1)
    faces = edges.face[pair]
    return Seams(faces, edges.uv[pair], surface.flat[faces].mean(axis=2))


def heights(island: np.ndarray, worth: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(F, 3) in [0, 1]: how high the corners of each face lie over the map, so that from above one sees owners only.

    island: (F,).  worth: (F,) added up per island; of islands that share texels the one of more worth lies higher,
    of equals the first.  corners: (F, 3, 3) places on the surface: an island that lies on itself, a spiral, changes
    hands along a line and not from texel to texel.
    """
    total = np.bincount(island, worth)
    level = np.empty(len(total))
    level[np.argsort(-total, kind="stable")] = np.arange(len(total), 0, -1) - 1
    place = corners.sum(axis=2)
    tilt = (place - place.min()) / max(np.ptp(place), 1e-12)
    return (level[island][:, None] + 0.5 * tilt) / len(total)


def _edges(surface: Mapped) -> _Edges:
    spot = weld(surface.vertices, np.zeros(len(surface.vertices), np.int64))[surface.faces]
    uv = surface.flat
    ends = np.stack([spot, np.roll(spot, -1, axis=1)], axis=2).reshape(-1, 2)
    places = np.stack([uv, np.roll(uv, -1, axis=1)], axis=2).reshape(-1, 2, 2)
    swap = ends[:, 0] > ends[:, 1]
    ends[swap], places[swap] = ends[swap, ::-1], places[swap, ::-1]
    across, third = places[:, 1] - places[:, 0], np.roll(uv, -2, axis=1).reshape(-1, 2) - places[:, 0]
    side = np.sign(across[:, 0] * third[:, 1] - across[:, 1] * third[:, 0])
    face = np.repeat(np.arange(len(spot)), 3)
    order = np.lexsort((face, side, *places.reshape(-1, 4).T, ends[:, 1], ends[:, 0]))
    ends, places = ends[order], places[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (np.diff(ends, axis=0) != 0).any(axis=1) | (np.diff(places, axis=0) != 0).any(axis=(1, 2))
    return _Edges(face[order], ends, places, side[order], np.cumsum(fresh))


def _side_by_side(edges: _Edges) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of edges, by their place in the table, along which two faces lie side by side on the map."""
    a = np.flatnonzero((np.diff(edges.alike) == 0) & (edges.side[:-1] * edges.side[1:] < 0))
    return a, a + 1
