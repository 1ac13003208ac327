"""Colours of splats from pictures of them: the very ones, where pictures agree; sober ones where they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from refusals import refused
from splat_scenes import some_splats, splats_on_mesh

from texsync.splats.painted_splats import filled, solve
from texsync.splats.rasterise import Seen, contributions
from texsync.surface.cameras import Camera, ring

CAMERAS = (*ring()[::2], Camera(60, -40), Camera(240, -40), Camera(150, 50))
SKY = (0.2, 0.4, 0.6)


def painted(splats, seen: list[Seen], sky=SKY) -> np.ndarray:
    """(N, S, S, 3) pictures of splats in front of the sky."""
    return np.stack(
        [
            (one.weights @ splats.colour).reshape(one.size, one.size, 3)
            + (1 - one.alpha[..., None]) * np.float32(sky)
            for one in seen
        ]
    )


@pytest.fixture(scope="module")
def scene():
    splats = some_splats(200, seed=4, size=0.04)
    return splats, [contributions(splats, camera, 40) for camera in CAMERAS]


@pytest.fixture(scope="module")
def ball():
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=0.8)
    splats = splats_on_mesh(mesh.vertices, mesh.faces, 400)
    colours = np.random.default_rng(2).uniform(0, 1, (400, 3))
    return splats.coloured(colours), [contributions(splats, camera, 32) for camera in CAMERAS]


@pytest.mark.parametrize("which", ["scene", "ball"])
def test_colour_render_solve_returns_the_colours(which, request):
    """Of all splats that are seen, 1e-3 exact; of those that are not, no number is outside of what the seen have."""
    splats, seen = request.getfixturevalue(which)
    found = solve(seen, painted(splats, seen), splats.means, background=SKY)
    assert abs(found.colour - splats.colour)[found.seen].max() < 1e-3
    assert found.seen.mean() > 0.9 and found.residual < 1e-4 and found.clipped < 0.01
    low, high = found.colour[found.seen].min(0), found.colour[found.seen].max(0)
    assert ((found.colour >= low - 1e-6) & (found.colour <= high + 1e-6)).all()


def test_pixels_without_trust_say_nothing(scene):
    """Nor does what a picture shows where there are no splats."""
    splats, seen = scene
    pictures = painted(splats, seen)
    trust = np.ones(pictures.shape[:3])
    trust[:, :, :13] = 0
    pictures[:, :, :13] = 9.0
    pictures[np.stack([one.alpha for one in seen]) == 0] = 5.0
    found = solve(seen, pictures, splats.means, background=SKY, trust=trust)
    assert abs(found.colour - splats.colour)[found.seen].max() < 1e-3 and found.seen.mean() > 0.7


def test_one_view_that_contradicts_the_others_is_outvoted(ball):
    splats, seen = ball
    pictures = painted(splats, seen)
    twice = [*seen, *seen, seen[0]]
    wrong = np.concatenate([pictures, pictures, 1 - pictures[:1]])
    limits = dict(background=SKY, iterations=40)
    errors = [
        abs(solve(twice, wrong, splats.means, robust=robust, **limits).colour - splats.colour).mean()
        for robust in (True, False)
    ]
    assert errors[0] < errors[1] / 5 and errors[1] > 0.02


def test_noise_does_not_run_away_with_splats_that_are_barely_seen(ball):
    """The ridge comes from how much pictures and splats differ: nothing is far outside of what pixels show."""
    splats, seen = ball
    grey = replace(splats, colour=np.full_like(splats.colour, 0.5))
    rng = np.random.default_rng(0)
    pictures = painted(grey, seen)
    found = solve(seen, pictures + rng.normal(0, 0.1, pictures.shape), splats.means, background=SKY)
    assert abs(found.colour - 0.5).mean() < 0.05 and abs(found.colour - 0.5).max() < 0.4
    assert found.noise == pytest.approx(0.1, rel=0.4)


def test_colours_stay_in_range_and_as_near_to_the_pictures_as_the_range_allows(ball):
    """A bound that holds one splat changes what is best for its neighbours: better than to cut what is best without."""
    splats, seen = ball
    wide = splats.coloured(1.6 * splats.colour - 0.3)
    pictures = painted(wide, seen)
    found = solve(seen, pictures, splats.means, background=SKY)
    assert found.colour.min() == 0 and found.colour.max() == 1 and 0.2 < found.clipped < 0.5
    cut = splats.coloured(np.clip(wide.colour, 0, 1))
    cut_residual = np.sqrt(np.mean((painted(cut, seen) - pictures)[_shown(seen)] ** 2))
    found_residual = np.sqrt(
        np.mean((painted(splats.coloured(found.colour), seen) - pictures)[_shown(seen)] ** 2)
    )
    assert found_residual < cut_residual


def _shown(seen: list[Seen]) -> np.ndarray:
    return np.stack([one.alpha for one in seen]) > 0


def test_what_no_view_sees_takes_its_neighbours_colour(scene):
    """By distance squared; a splat on top of a seen one has its colour."""
    means = np.float32([[0, 0, 0], [1, 0, 0], [0.25, 0, 0], [1, 0, 0], [9, 0, 0]])
    colour = np.float32([[0, 0, 0], [1, 0.5, 0], [7, 7, 7], [7, 7, 7], [7, 7, 7]])
    known = np.array([True, True, False, False, False])
    found = filled(means, colour, known)
    share = 1 / 0.75**2 / (1 / 0.75**2 + 1 / 0.25**2)
    assert np.allclose(found[2], [share, share / 2, 0]) and np.allclose(found[3], [1, 0.5, 0], atol=1e-4)
    assert np.array_equal(found[:2], colour[:2]) and 0.5 < found[4, 0] < 0.6

    splats, seen = scene
    half = [replace(one, weights=_without(one.weights, 60)) for one in seen]
    found = solve(half, painted(splats, seen), splats.means, background=SKY, rounds=1)
    assert not found.seen[:60].any() and found.seen[60:].mean() > 0.9


def _without(weights, count: int):
    """Weights with none for the first splats."""
    dropped = weights.copy()
    dropped.data[dropped.indices < count] = 0
    return dropped


def test_a_prior_holds_where_pictures_say_little(scene):
    splats, seen = scene
    prior = np.full((len(splats), 3), 0.9)
    pictures = painted(splats, seen) + np.random.default_rng(0).normal(0, 0.2, (len(seen), 40, 40, 3))
    near, free = (
        solve(seen, pictures, splats.means, background=SKY, prior=kind).colour for kind in (prior, None)
    )
    total = sum(one.weights.power(2).sum(axis=0) for one in seen)
    faint = (total > 0.01) & (total < 1)
    assert abs(near - 0.9)[faint].mean() < abs(free - 0.9)[faint].mean() and faint.sum() > 10


def test_threads_do_not_change_a_bit(scene):
    splats, seen = scene
    before, found = torch.get_num_threads(), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            found.append(solve(seen, painted(splats, seen), splats.means, background=SKY, rounds=2).colour)
        finally:
            torch.set_num_threads(before)
    assert np.array_equal(*found)


def test_nothing_seen_and_pictures_that_do_not_fit_are_refused(scene):
    splats, seen = scene
    pictures = painted(splats, seen)
    with refused("mesh-unseen", thing="splats"):
        solve(seen, pictures, splats.means, trust=np.zeros(pictures.shape[:3]))
    with refused("views-wrong", thing="pictures"):
        solve(seen, pictures[1:], splats.means)
    with refused("views-wrong", thing="pictures"):
        solve(seen, pictures, splats.means, trust=np.ones((2, 2, 2)))
