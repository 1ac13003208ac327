"""Cameras that see almost all of a surface well, from below and from inside too; and what sees nothing is told."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from refusals import refused
from zoo import blob

from texsync import TexsyncWarning
from texsync.surface import coverage
from texsync.surface.cameras import Camera, ring
from texsync.surface.coverage import check_sight, cover, seen_from
from texsync.surface.extra import samples
from texsync.surface.types import Surface


def surface_of(mesh: trimesh.Trimesh) -> Surface:
    """Flat shading; the UVs do not matter."""
    corners, faces = np.array(mesh.triangles).reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3)
    normals = np.repeat(mesh.face_normals, 3, axis=0)
    return Surface(corners, faces, normals, corners[:, :2], faces, np.zeros(len(faces), np.int64))


def room() -> trimesh.Trimesh:
    """Walls with thickness, closed: nothing of the inner half of its faces is seen from outside."""
    inner = trimesh.creation.box((0.9, 0.7, 1.0))
    inner.invert()
    return trimesh.util.concatenate([trimesh.creation.box((1.1, 0.9, 1.2)), inner])


def table() -> trimesh.Trimesh:
    parts = [trimesh.creation.box((1.4, 0.08, 0.9))]
    for x in (-0.62, 0.62):
        for z in (-0.37, 0.37):
            leg = trimesh.creation.box((0.08, 0.7, 0.08))
            leg.apply_translation((x, -0.39, z))
            parts.append(leg)
    return trimesh.util.concatenate(parts)


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    """Fewer places to ask, and fewer cameras to try: seconds, not minutes."""
    monkeypatch.setattr("texsync.surface.extra.SAMPLES", 4000)
    monkeypatch.setattr(coverage, "AROUND", 40)
    monkeypatch.setattr(coverage, "BADLY_SEEN", 16)


@pytest.mark.parametrize("make", [room, table])
def test_almost_all_that_can_be_seen_is_seen_well(make):
    surface = surface_of(make())
    found = cover(surface, ring())
    assert found.after >= 0.98 and found.before < 0.9 and len(found.cameras) <= 24
    assert found.reachable > 0.95
    # what it says is so: the framed cameras themselves see that much
    facing = seen_from(surface, found.cameras, samples(surface)).max(axis=0)
    assert (facing >= 0.5).mean() == pytest.approx(found.after * found.reachable, abs=0.02)
    assert cover(surface, ring()) == found
    inside = [camera for camera in found.cameras if np.abs(camera.position).max() < 0.5]
    assert bool(inside) == (make is room)


def test_the_front_leads_and_each_next_view_meets_those_before_it():
    found = cover(blob_surface := blob(), ring())
    assert found.cameras[0].direction[2] == max(camera.direction[2] for camera in found.cameras) > 0.9
    well = seen_from(blob_surface, found.cameras, samples(blob_surface)) >= 0.5
    for k in range(1, len(well)):
        known = well[:k].any(axis=0)
        shares = [(well[i] & known).sum() / well[i].sum() for i in range(k, len(well))]
        assert shares[0] == pytest.approx(max(shares), abs=0.05)


def test_the_count_has_a_limit():
    found = cover(surface_of(room()), ring(), most=3)
    assert len(found.cameras) == 3 and 0.2 < found.after < 0.9


def test_a_camera_that_sees_nothing_is_named_and_one_inside_is_told():
    surface = surface_of(trimesh.creation.icosphere(subdivisions=3))
    away = Camera.looking((0, 0, 3), (0, 0, 6), name="door")
    with refused("camera-blind", thing="cameras[1] (door)"):
        check_sight(surface, [Camera(0), away])
    with pytest.warns(TexsyncWarning, match=r"cameras\[0\] sees the surface from its inner side alone"):
        check_sight(surface, [Camera(0, distance=0.1)])
