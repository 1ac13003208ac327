"""Views of points: what a mesh's views say, said of its corners alone, and what points do that a mesh does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from refusals import refused
from zoo import CAMERAS, FINE, LATENT, blob_pixels, blob_views, cloud_pixels

from texsync.surface.cameras import Camera
from texsync.surface.point_pixels import PointPixels
from texsync.views import noise, point_views, shared_noise


def told_points(views, pixels) -> tuple[np.ndarray, np.ndarray]:
    """Whether each pixel is told anything, (P,), and the point (P, 3) that it is told about."""
    prefix = views.prefix(None, "best-facing")
    told = prefix.reference(pixels.position.permute(0, 3, 1, 2).double())
    return prefix.mask.numpy().ravel() > 0, told.permute(0, 2, 3, 1).numpy().reshape(-1, 3)


def test_a_cloud_is_told_what_its_mesh_is():
    """The same pixels hear something, of the same places, though nothing but points is known."""
    cloud = point_views(cloud_pixels(LATENT), cloud_pixels(FINE))
    (heard, there), (mesh, where) = (
        told_points(views, blob_pixels(LATENT)) for views in (cloud, blob_views())
    )
    assert mesh.sum() > 120 and (heard == mesh).mean() > 0.97
    both = heard & mesh
    pixel = CAMERAS[0].extent * 2 / LATENT
    assert (np.linalg.norm(there - where, axis=1)[both] < pixel).mean() > 0.95


@pytest.mark.parametrize("draw", [noise, shared_noise])
def test_noise_keeps_unit_variance(draw):
    """Over many seeds: every latent pixel, of whatever the views share."""
    views = point_views(cloud_pixels(LATENT), cloud_pixels(FINE))
    drawn = torch.stack([draw(views, 1, torch.Generator().manual_seed(seed)) for seed in range(400)])
    assert drawn.mean(0).abs().max() < 0.3 and (drawn.var(0) - 1).abs().max() < 0.45
    assert (drawn.var(0) - 1).mean().abs() < 0.01


APART = (Camera(0), Camera(20))


def flat(depth: float, count: int, size: int, cameras=APART) -> PointPixels:
    """A wall of points in the plane z = depth, seen by cameras round the origin; count: points along its side."""
    side = np.linspace(-2, 2, count)
    centres = np.stack([*np.meshgrid(side, side), np.full((count, count), depth)], -1).reshape(-1, 3)
    rows = []
    for camera in cameras:
        y, x = np.mgrid[:size, :size] + 0.5
        plane = np.stack([2 * x / size - 1, 1 - 2 * y / size], -1) * camera.extent / 2
        ray = plane[..., :1] * camera.right + plane[..., 1:] * camera.up - camera.direction
        rows.append((ray, camera.position + ray * ((depth - camera.position[2]) / ray[..., 2])[..., None]))
    ray, position = (torch.tensor(np.stack(part), dtype=torch.float32) for part in zip(*rows, strict=True))
    normal = torch.tensor([0.0, 0, 1]).expand_as(position)
    place = torch.tensor(np.stack([camera.position for camera in cameras]), dtype=torch.float32)
    towards = torch.nn.functional.normalize(place[:, None, None] - position, dim=-1)
    away = torch.tensor(np.stack([camera.direction for camera in cameras]), dtype=torch.float32)
    z = ((place[:, None, None] - position) * away[:, None, None]).sum(-1)
    nearest = np.rint((np.clip(position[..., :2].numpy(), -2, 2) + 2) / 4 * (count - 1)).astype(int)
    point = torch.tensor(nearest[..., 1] * count + nearest[..., 0])
    return PointPixels(
        cameras=cameras,
        position=position,
        normal=normal,
        depth=z,
        facing=(towards[..., 2]).clamp(0, 1),
        point=point,
        centres=centres,
    )


@pytest.mark.parametrize("count", [3, 400], ids=["huge", "tiny"])
def test_points_of_any_size_leave_a_view_its_own_pixels(count):
    """A point that fills half of a picture does not make its pixels one; what views share does not hang on it."""
    views = point_views(flat(0.0, count, 16), flat(0.0, count, 64))
    cells = views.look.indices.reshape(2, -1)
    assert all(len(set(one.tolist())) == 256 for one in cells)
    assert views.prefix().mask[1].mean() > 0.6


def test_the_depth_test_knows_how_far_a_pixel_reaches():
    """A wall behind a thin veil: seen through the veil only where its pixels say that they reach so far."""
    wall, veil = flat(0.0, 400, 16), flat(0.0, 400, 64)
    shallow = replace(veil, depth=veil.depth - 0.3)
    assert point_views(wall, shallow).prefix().mask.mean() < 0.05  # but for points that both show
    deep = replace(shallow, spread=torch.full_like(veil.depth, 0.35))
    assert point_views(wall, deep).prefix().mask[1].mean() > 0.6


def test_from_behind_only_the_very_same_point_is_seen():
    cameras = Camera(0), Camera(180)
    pixels, fine = flat(0.0, 400, 16, cameras), flat(0.0, 400, 64, cameras)
    back = torch.tensor([1.0, -1.0])[:, None, None, None]
    sheet, finer = (replace(one, normal=one.normal * back, facing=one.facing.abs()) for one in (pixels, fine))
    sheet, finer = (
        replace(one, facing=torch.ones_like(one.facing), depth=one.depth.abs()) for one in (sheet, finer)
    )
    assert point_views(sheet, finer).prefix().mask[1].mean() > 0.5
    apart = torch.tensor([0, 10**6])[:, None, None]
    other = [
        replace(one, point=one.point + apart, centres=np.zeros((2 * 10**6, 3))) for one in (sheet, finer)
    ]
    assert not point_views(*other).prefix().mask.any()


@pytest.mark.parametrize("options", [dict(exponent=-1.0), dict(inside=2.0), dict(reach=-1.0)])
def test_bad_values_are_refused(options):
    with refused("views-wrong"):
        point_views(cloud_pixels(LATENT), cloud_pixels(FINE), **options)
