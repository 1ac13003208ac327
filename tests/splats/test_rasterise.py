"""Which splats a pixel shows: as the plain reference says, and as closed forms do."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from refusals import refused
from scipy.spatial.transform import Rotation
from splat_reference import reference
from splat_scenes import some_splats, splats_on_mesh

from texsync.splats import kernels
from texsync.splats.projected import ellipses
from texsync.splats.rasterise import contributions
from texsync.splats.splat_sights import facing_of
from texsync.surface.cameras import Camera, ring
from texsync.surface.pixels import project

CAMERAS = {
    "front": Camera(0),
    "raised": Camera(135, 30),
    "cropped": Camera(45, 10, centre=(0.3, -0.4), zoom=1.8),
    "rolled": Camera(200, -60, 1.5, 90, target=(0.2, 0.1, -0.1), roll_deg=40),
    "inside": Camera(30, 20, 0.3, target=(0.1, 0.0, 0.05)),
}


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("antialiased", [False, True], ids=["dilated", "antialiased"])
def test_equals_the_plain_reference_and_rows_sum_to_one(camera, antialiased):
    splats = some_splats(150, seed=3, size=0.05)
    seen = contributions(splats, camera, 37, antialiased=antialiased)
    weights, light = reference(splats, camera, 37, antialiased)
    assert abs(seen.weights.toarray() - weights).max() < 1e-5
    sums = seen.weights.sum(axis=1) + light
    assert abs(sums - 1).max() < 1e-5 and abs(seen.alpha.ravel() + light - 1).max() < 1e-5
    assert seen.weights.nnz > 3000 and seen.alpha.max() > 0.9


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_splats_fall_where_points_of_meshes_fall(camera):
    splats = some_splats(40, seed=5)
    told = project([camera], torch.as_tensor(splats.means), 64)[0].numpy()
    shapes = ellipses(splats, camera, 64)
    assert (
        abs(shapes.centre - told[shapes.number, :2]).max() < 1e-3 * abs(told).max()
        and len(shapes.number) > 15
    )
    assert (np.diff(told[shapes.number, 2]) >= -1e-5).all()


def test_a_lone_splat_is_a_gaussian_at_its_depth():
    """Of the width that perspective gives it, dilated by 0.3 pixels^2."""
    lone = replace(some_splats(1), means=np.float32([[0.3, 0.2, 0.4]]), opacity=np.float32([0.8]))
    round_one = replace(lone, scales=np.full((1, 3), 0.02, np.float32))
    seen = contributions(round_one, Camera(0, distance=2.0), 200)
    focal = 100 / np.tan(np.radians(30))
    row, column = np.indices((200, 200)) + 0.5
    width = (focal * 0.02 / 1.6) ** 2
    at = 100 + focal * 0.3 / 1.6, 100 - focal * 0.2 / 1.6
    # off the middle a ball is an ellipse, by the square of how far off
    expected = 0.8 * np.exp(-((column - at[0]) ** 2 + (row - at[1]) ** 2) / 2 / (width + 0.3))
    near = np.hypot(column - at[0], row - at[1]) < 4
    assert abs(seen.alpha - expected)[near].max() < 0.03
    assert np.allclose(seen.depth[near], 1.6) and np.isinf(seen.depth[0, 0])


def test_within_a_row_the_nearest_comes_first():
    splats = some_splats(80, seed=1)
    seen = contributions(splats, Camera(0), 24)
    z = -splats.means[:, 2]
    rows = np.split(seen.weights.indices, seen.weights.indptr[1:-1])
    assert all((np.diff(z[row]) >= 0).all() for row in rows) and max(map(len, rows)) > 5


def test_scene_and_camera_moved_together_show_the_same():
    splats, camera = some_splats(60, seed=2), Camera(20, 15)
    turn = Rotation.from_euler("y", 50, degrees=True).as_matrix()
    moved = splats.moved(turn, 3.0, (1.0, 2.0, 3.0))
    other = Camera(70, 15, 6.0, target=(1.0, 2.0, 3.0))
    one, two = contributions(splats, camera, 32), contributions(moved, other, 32, near=0.6)
    assert abs(one.weights - two.weights).max() < 1e-4
    shown = one.alpha > 0.01
    assert np.allclose(3 * one.depth[shown], two.depth[shown], rtol=1e-4)


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads_gives_the_same_bits(threads):
    splats, camera = some_splats(100), Camera(0)
    before = torch.get_num_threads()
    one = contributions(splats, camera, 40)
    torch.set_num_threads(threads)
    try:
        two = contributions(splats, camera, 40)
    finally:
        torch.set_num_threads(before)
    assert all(
        np.array_equal(getattr(one.weights, part), getattr(two.weights, part))
        for part in ("data", "indices", "indptr")
    )


def test_splats_on_a_ball_face_as_the_ball_does():
    """Whichever way a shortest axis points; a round splat counts as turned to the camera."""
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.8)
    splats = splats_on_mesh(ball.vertices, ball.faces, 20_000)
    camera = ring()[1]
    seen = contributions(splats, camera, 48)
    solid = seen.alpha > 0.99
    point = seen.mean(splats.means)
    point /= np.linalg.norm(point, axis=-1, keepdims=True).clip(1e-6)
    sight = camera.position - 0.8 * point
    expected = (point * sight).sum(-1) / np.linalg.norm(sight, axis=-1)
    found = facing_of(splats, camera, seen)[1]
    assert solid.mean() > 0.35 and np.median(abs(found - expected)[solid]) < 0.02
    assert (found[seen.alpha == 0] == 0).all()
    balls = replace(splats, scales=np.full_like(splats.scales, 0.02))
    assert facing_of(balls, camera, contributions(balls, camera, 48))[1][solid].min() > 0.999


@pytest.mark.parametrize(
    "change",
    [
        dict(means=np.full((2, 3), 1e30, np.float32)),
        dict(scales=np.full((2, 3), 1e30, np.float32)),
        dict(scales=np.full((2, 3), 1e-30, np.float32)),
        dict(opacity=np.zeros(2, np.float32)),
        dict(means=np.float32([[0, 0, 2], [0, 0, 1.9]])),  # in the camera, and in front of its near plane
    ],
    ids=["far", "huge", "tiny", "clear", "near"],
)
def test_extreme_splats_give_finite_pictures(change):
    seen = contributions(replace(some_splats(2), **change), Camera(0), 16)
    assert np.isfinite(seen.weights.data).all() and not np.isnan(seen.depth).any()
    assert abs(seen.weights.sum(axis=1) - seen.alpha.ravel()).max() < 1e-5


def test_want_of_memory_says_how_many_fit():
    splats = some_splats(500)
    needed = contributions(splats, Camera(0), 32).weights.nnz * 8
    with refused("memory", thing="splats", value=500) as caught:
        contributions(splats, Camera(0), 32, room=needed // 2)
    assert "250 fit" in str(caught.value) or "249 fit" in str(caught.value)
    contributions(splats, Camera(0), 32, room=needed)


def test_without_numba_its_package_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "texsync.splats.kernels", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with refused("package-missing", thing="numba") as caught:
        contributions(some_splats(2), Camera(0), 8)
    assert 'pip install "texsync[splats]"' in str(caught.value)


def test_where_nothing_can_be_kept_on_the_disk_loops_are_compiled_all_the_same(monkeypatch):
    asked = []

    def as_numba_does(cache: bool = False, **how):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(kernels, "njit", as_numba_does)
    assert kernels.quick(len) is len and asked == [True, False]
