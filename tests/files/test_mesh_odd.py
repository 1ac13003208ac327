"""Every coupling paints a mesh, and odd meshes are painted like ordinary ones."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
import trimesh
from painted import CRATE, Watch, apart, ball
from refusals import refused
from trimesh import Trimesh

from texsync.couplings import names
from texsync.errors import TexsyncWarning
from texsync.files.save import save_model

pytestmark = [
    # the random model knows few words, and reads 20 tokens
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]


# ---- every way to couple ----------------------------------------------------------------------------------------


WAYS = {
    "syncsde": {},
    "paper's integrator": {"integrator": "paper"},
    "mean": {"blend": "mean"},
    "synctweedies": {"coupling": "synctweedies"},
    "none": {"coupling": "none"},
    "weak": {"strength": 0.5},
    "paper's order": {"view_order": "paper"},
    "whole frame": {"framing": "paper"},
    "ring alone": {"extra_views": "none"},
    "own noise": {"noise": "independent"},
}


def test_every_coupling_and_integrator_runs_and_differs(paint):
    made = {name: paint(ball(), steps=3, **way) for name, way in WAYS.items()}
    for name, one in made.items():
        assert torch.isfinite(one.views).all(), name
        for other in list(made)[: list(made).index(name)]:
            assert apart(one, made[other]).max() > 1, (name, other)


def test_strength_nought_is_no_coupling(paint):
    nothing, alone = paint(ball(), strength=0), paint(ball(), coupling="none")
    assert apart(nothing, alone).max() == 0


@pytest.mark.parametrize(
    "name", [name for name in names() if name not in ("syncsde", "synctweedies", "none")]
)
def test_every_baseline_paints_a_mesh_or_says_why_not(paint, name):
    if name == "csg":
        with refused("coupling-unfit", thing="CSG"):
            paint(ball(), coupling=name)
        return
    made = paint(ball(), coupling=name)
    assert torch.isfinite(made.views).all()
    assert apart(made, paint(ball(), coupling="none")).max() > 1


# ---- odd meshes -------------------------------------------------------------------------------------------------

SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
CORNERS = [*SQUARE[:3], [0, 0, 1], [0, -1, 0]]


def plain(vertices, faces) -> Trimesh:
    return Trimesh(np.array(vertices, float), faces, process=False)


def two_balls() -> Trimesh:
    other = ball()
    other.apply_translation([0.5, 0, 0])
    return trimesh.util.concatenate([ball(), other])


ODD = {
    "ordinary": ball(),
    "one triangle": plain(SQUARE[:3], [[0, 1, 2]]),
    "standing square": plain(SQUARE, [[0, 1, 2], [0, 2, 3]]),
    "lying square": plain(np.array(SQUARE)[:, [0, 2, 1]], [[0, 1, 2], [0, 2, 3]]),
    "two-sided sheet": plain(SQUARE, [[0, 1, 2], [0, 2, 3], [2, 1, 0], [3, 2, 0]]),
    "non-manifold fins": plain(CORNERS, [[0, 1, 2], [0, 1, 3], [0, 1, 4]]),
    "bodies that cut each other": two_balls(),
    "huge": plain(ball().vertices * 1e20, ball().faces),
    "tiny": plain(ball().vertices * 1e-20, ball().faces),
    "far away": plain(ball().vertices + [1e7, -3e6, 2e6], ball().faces),
    "unused vertices": plain([*ball().vertices, [90, 90, 90]], ball().faces),
    "faces without area": plain(ball().vertices, [*ball().faces, [0, 0, 1], [5, 5, 5]]),
    "holes": plain(ball().vertices, ball().faces[::2]),
}


@pytest.fixture(scope="module")
def paint_odd(paint):
    return cache(lambda name: paint(ODD[name]))


@pytest.mark.parametrize("name", ODD)
def test_odd_meshes_are_painted(paint_odd, name, tmp_path):
    """Painted where something is seen, filled elsewhere; and the GLB gives the mesh back in its size and place."""
    mesh, made = ODD[name], paint_odd(name)
    assert made.baked.seen.any() and torch.isfinite(made.views).all()
    assert made.texture[made.baked.covered].std(axis=0).min() > 1  # a picture, not a flat fill
    glb = save_model(made.loaded, made.surface, made.baked, tmp_path, "mesh")[0]
    back = trimesh.load_scene(glb).to_geometry()
    used = mesh.vertices[np.unique(mesh.faces)]
    size = np.ptp(used, axis=0).max()
    if name != "unused vertices":
        assert np.allclose(back.bounds, [used.min(axis=0), used.max(axis=0)], atol=2e-5 * size, rtol=1e-12)


@pytest.mark.parametrize("name", ["huge", "tiny", "far away", "unused vertices", "faces without area"])
def test_size_place_and_leftovers_do_not_change_the_picture(paint_odd, name):
    """The views are those of the plain ball, but for rounding where a number far away lost its digits."""
    ordinary, odd = paint_odd("ordinary"), paint_odd(name)
    assert torch.equal(ordinary.condition > 0, odd.condition > 0)
    assert (ordinary.views - odd.views).abs().max() < 0.02


@pytest.mark.parametrize("share", [0.3, 1.0], ids=["mixed", "inside out"])
def test_wrong_winding_gets_the_right_texture(paint, crate, share):
    """The same UVs, the same picture; where faces touch, a ray may meet the other one."""
    scene = trimesh.load_scene(CRATE)
    mesh = next(iter(scene.geometry.values()))
    faces = np.array(mesh.faces)
    flipped = np.random.default_rng(0).random(len(faces)) < share
    faces[flipped] = faces[flipped, ::-1]
    mesh.faces = faces
    wrong = paint(scene)
    assert np.allclose(wrong.surface.uv, crate.surface.uv, atol=1e-6)
    difference = apart(wrong, crate)
    assert difference.mean() < 1 and (difference > 8).mean() < 0.02


def test_what_no_view_can_see_is_told_before_the_work(paint):
    wire = plain(ball().vertices * [1, 0.001, 0.001], ball().faces)
    watch = Watch()
    with refused("mesh-unseen"):
        paint(wire, on_progress=watch)
    assert watch.calls[-1][0] == "geometry"


def test_a_stray_face_that_makes_all_else_small_is_named_before_the_work(paint):
    far = plain([*ball().vertices, *(np.eye(3) + 20)], [*ball().faces, len(ball().vertices) + np.arange(3)])
    with pytest.warns(TexsyncWarning, match="pixels wide in its views because of 1 face far away"):
        paint(far)
