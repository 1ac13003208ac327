"""A view from the top or from below is added where it shows much that the ten around the mesh do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from texsync.files.load import load
from texsync.surface.cameras import Camera, ring, view_name
from texsync.surface.extra import extra_views
from texsync.surface.pixels import project
from texsync.surface.types import Surface
from texsync.surface.uv import prepare

SOLIDS = {
    "a flat box": (trimesh.creation.box(extents=[1.0, 0.2, 1.0]), {"top", "bottom"}),
    "a tall box": (trimesh.creation.box(extents=[0.08, 1.0, 0.08]), set()),
    "a wall": (trimesh.creation.box(extents=[1.0, 1.0, 0.02]), set()),
    "a pyramid": (trimesh.creation.cone(0.5, 1.0, sections=4).apply_transform(np.eye(4)[[0, 2, 1, 3]]), None),
}


def surface_of(mesh: trimesh.Trimesh) -> Surface:
    return prepare(load(mesh), texture_size=64)


@pytest.mark.parametrize("name", SOLIDS)
def test_tops_and_undersides_get_a_view_where_they_have_an_area(name):
    mesh, expected = SOLIDS[name]
    extra = extra_views(surface_of(mesh), ring())
    names = {view_name(camera) for camera in extra.cameras}
    if expected is None:  # upright on its base, of which the slopes show in the ring
        expected = {"bottom" if mesh.center_mass[1] < mesh.bounds.mean(axis=0)[1] else "top"}
    assert names == expected
    assert extra.after >= extra.before and (extra.after > 0.99 or not names)


def test_shares_are_those_of_the_surfaces_area():
    """A box whose sides are seen head on, whose underside is not, and whose top the raised views see in part."""
    surface = surface_of(trimesh.creation.box(extents=[1.0, 0.25, 1.0]))
    high = surface.vertices.max(axis=0)
    x, z = (g.ravel() for g in np.meshgrid(*2 * [np.linspace(-high[0], high[0], 101)]))
    above = np.stack([Camera(a, 30).position for a in (0, 180)])[:, None] - np.stack(
        [x, 0 * x + high[1], z], 1
    )
    top = ((above[..., 1] / np.linalg.norm(above, axis=2)).max(axis=0) >= 0.5).mean()
    extra = extra_views(surface, ring())
    assert extra.before == pytest.approx(1 / 3 + top / 3, abs=0.02) and extra.after == pytest.approx(
        1, abs=0.01
    )
    assert "50 % of the surface was seen by no view better than 60 degrees, now 1 % is" in str(extra)
    assert str(extra).startswith("added a top view and a bottom view: ")
    assert extra.report()["names"] == ["top", "bottom"]


def test_what_is_hidden_from_above_too_calls_for_no_view():
    """A table's underside under a lid: neither the ring nor the extra views see between two plates."""
    plate = trimesh.creation.box(extents=[1.0, 0.01, 1.0])
    stack = trimesh.util.concatenate([plate.copy().apply_translation([0, 0.03 * k, 0]) for k in range(4)])
    extra = extra_views(surface_of(stack), ring())
    assert len(extra.cameras) == 2 and extra.after < 0.35


def test_from_straight_above_the_front_is_below_and_from_underneath_it_is_above():
    points = torch.tensor([[0.0, 0, 0.5], [0.5, 0, 0]])
    for camera, side in ((Camera(0, 90), 1), (Camera(0, -90), -1)):
        front, right = project([camera], points, 100)[0]
        assert side * (front[1] - 50) > 5 and abs(front[0] - 50) < 1e-3
        assert right[0] > 55 and abs(right[1] - 50) < 1e-3
