"""Maps whose places share texels: who owns one, and that it is one island as a whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from zoo import make_surface

from texsync.surface.cameras import Camera, ring
from texsync.surface.islands import islands, seams
from texsync.surface.pixels import look
from texsync.surface.texels import uv_texels
from texsync.surface.texture import bake, owners
from texsync.surface.types import Surface

SIZE = 128


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (side^2, 2) in the unit square and triangles between them."""
    x, y = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side))
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    right, up = corner + 1, corner + side
    return np.stack([x.ravel(), y.ravel()], 1), np.concatenate(
        [np.stack([corner, right, up], 1), np.stack([right, up + 1, up], 1)]
    )


def butterfly() -> Surface:
    """Two halves that meet at x = 0 and lie on top of each other on the map; the meeting line is one vertex row."""
    points, faces = grid(9)
    left = np.column_stack([-points[:, 0] * 0.7, points[:, 1] - 0.5, 0 * points[:, 0]])
    right = left * [-1, 1, 1]
    on_line = points[:, 0] == 0
    number = np.where(on_line, np.arange(81), 80 + np.cumsum(~on_line))
    return make_surface(
        np.concatenate([left, right[~on_line]]),
        np.concatenate([faces[:, ::-1], number[faces]]),
        np.concatenate([points, points[~on_line]]),
    )


def stacked(count: int) -> Surface:
    """Plates one behind the other that all take the whole map; only the first is in sight of the front."""
    points, faces = grid(5)
    places = [np.column_stack([points - 0.5, np.full(25, 0.4 - 0.3 * k)]) for k in range(count)]
    every = np.concatenate([faces + 25 * k for k in range(count)])
    return make_surface(np.concatenate(places), every, np.tile(points, (count, 1)))


def screw() -> Surface:
    """A ramp of two turns whose map is its plan: one island that lies on itself."""
    turn = np.repeat(np.linspace(0, 4 * np.pi, 97), 2)
    radius = np.tile([0.3, 0.9], 97)
    plan = np.stack([radius * np.cos(turn), radius * np.sin(turn)], 1)
    corner = 2 * np.arange(96)
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + 2], 1), np.stack([corner + 1, corner + 3, corner + 2], 1)]
    )
    return make_surface(np.column_stack([plan[:, 0], turn / 20, plan[:, 1]]), faces, plan / 2 + 0.5)


SHARED = {"butterfly": butterfly, "stack of three": lambda: stacked(3)}


def owned(surface: Surface, cameras) -> np.ndarray:
    """(SIZE, SIZE) the island that has each texel, -1 for none."""
    face, _ = uv_texels(surface.uv, surface.uv_faces, SIZE, owners(surface, look(surface, cameras, 64)))
    return np.where(face >= 0, islands(surface)[face], -1)


@pytest.mark.parametrize("name", SHARED)
def test_a_place_on_the_map_that_islands_share_has_one_owner(name):
    surface = SHARED[name]()
    assert islands(surface).max() == {"butterfly": 1, "stack of three": 2}[name]
    assert len(np.unique(owned(surface, ring()))) == 1


@pytest.mark.parametrize("front", [0, 180])
def test_the_owner_is_the_island_that_the_views_see_best(front):
    owner = owned(stacked(3), [Camera(front)])
    assert (owner == (0 if front == 0 else 2)).all()


def test_an_island_that_lies_on_itself_changes_hands_along_lines():
    surface = screw()
    assert islands(surface).max() == 0
    face, _ = uv_texels(surface.uv, surface.uv_faces, SIZE, owners(surface, look(surface, ring(), 64)))
    turn = surface.vertices[surface.faces].mean(1)[:, 1] * 20 // (2 * np.pi)
    level = np.where(face >= 0, turn[face], -1)
    inner = (level[1:, 1:] >= 0) & (level[:-1, 1:] >= 0) & (level[1:, :-1] >= 0)
    changes = (inner & ((level[1:, 1:] != level[:-1, 1:]) | (level[1:, 1:] != level[1:, :-1]))).sum()
    assert inner.sum() > 5000 and changes < 3 * SIZE


@pytest.mark.parametrize("name", SHARED)
def test_shared_texels_show_one_place_and_no_patchwork(name):
    """Every place is painted its island's own shade: the baked texture has one shade, but for what a
    picture mixes where the halves meet."""
    surface = SHARED[name]()
    pixels = look(surface, ring(), 128)
    shade = torch.as_tensor(islands(surface))[pixels.face.clamp(min=0)] / 4.0 + 0.25
    texture = bake(surface, pixels, shade[:, None].expand(-1, 3, -1, -1).float(), SIZE)
    level = texture.image[texture.covered].astype(int)
    assert (np.abs(level - np.median(level)) <= 1).mean() > 0.95


def test_seams_are_where_the_map_is_cut_and_the_surface_is_not():
    tube = trimesh.creation.cylinder(0.4, 1, sections=16)
    turn = np.arctan2(tube.vertices[:, 0], tube.vertices[:, 1])
    flat = np.column_stack([turn / 7 + 0.5, tube.vertices[:, 2] / 3 + 0.5])
    corners = flat[tube.faces]
    wrapped = np.ptp(corners[..., 0], axis=1) > 0.5
    corners[wrapped, :, 0] += (corners[wrapped, :, 0] < 0.5) * 2 * np.pi / 7
    side = (np.abs(tube.face_normals[:, 2]) < 0.5).nonzero()[0]
    surface = Surface(
        np.array(tube.vertices),
        np.array(tube.faces)[side],
        np.array(tube.vertex_normals),
        corners[side].reshape(-1, 2),
        np.arange(3 * len(side)).reshape(-1, 3),
        np.zeros(len(side), int),
    )
    assert islands(surface).max() == 0
    cut = seams(surface)
    assert len(cut.faces) == 1
    assert abs(np.diff(cut.ends[0, :, :, 0], axis=0)) == pytest.approx(2 * np.pi / 7, abs=1e-6)
    folded = seams(butterfly())
    assert len(folded.faces) == 8 and np.allclose(folded.ends[:, 0], folded.ends[:, 1])
