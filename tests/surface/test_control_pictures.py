"""Pictures for ControlNets: depth as the authors have it, normals of a sphere in closed form, lines at edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from test_raster import CROPPED, lump, surface_of  # noqa: F401
from torchvision.transforms.functional import gaussian_blur

from texsync.options.control_kinds import CONTROL_KINDS, KNOWN
from texsync.surface.cameras import Camera, ring
from texsync.surface.control_pictures import depth, edges, normals, rendered
from texsync.surface.pixels import depth_condition, look


def authors_depth(z: torch.Tensor) -> torch.Tensor:
    """Their steps as our notes say them: far away is 100, 1/z, from the object's least to the greatest, blur 5 / 2."""
    on = torch.isfinite(z)
    near = 1 / torch.where(on, z, 100.0)
    low, high = near[on].min(), near.max()
    picture = ((near - low) / (high - low)).clamp(0, 1)
    return gaussian_blur(picture.expand(1, 3, -1, -1), 5, 2.0)[0]


def test_official_depth_is_the_authors(lump):  # noqa: F811
    pixels = look(surface_of(lump), ring()[:3], 96)
    ours = depth(pixels, "official")
    theirs = torch.stack([authors_depth(z) for z in pixels.depth])
    torch.testing.assert_close(ours, theirs, atol=3e-6, rtol=0)
    sharp = depth(pixels, "sharp")
    assert torch.equal(sharp, depth_condition(pixels)) and (sharp - ours).abs().max() > 0.15


@pytest.mark.parametrize("cameras", [(Camera(0), Camera(70, 25), Camera(180, -60)), CROPPED[2:4]])
def test_normals_of_a_sphere_in_closed_form(cameras):
    """A ray through each pixel meets the sphere at a point that is its own normal; red is left, green up, blue near."""
    ball = trimesh.creation.icosphere(subdivisions=5, radius=1.0)
    pixels = look(surface_of(ball), cameras, 64)
    colour = normals(pixels)
    for camera, shown, mask in zip(cameras, colour, pixels.mask, strict=True):
        right = np.cross(camera.up, camera.direction)
        axis = (1 - (2 * np.arange(64) + 1) / 64) / camera.zoom  # +1 on the left and on top
        x, y = np.meshgrid(-axis + camera.centre[0], axis + camera.centre[1])
        wide = np.tan(np.radians(camera.fov_deg / 2))
        ray = x[..., None] * wide * right + y[..., None] * wide * camera.up - camera.direction
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        along = -(ray @ camera.position)
        inside = along**2 - camera.distance**2 + 1
        point = camera.position + (along - np.sqrt(inside.clip(0)))[..., None] * ray
        expected = np.stack([point @ -right, point @ camera.up, point @ camera.direction]) / 2 + 0.5
        well = mask.numpy() & (inside > 0.02)
        assert np.abs(shown.numpy() - expected)[:, well].max() < 0.01
        assert well.sum() > 500
        outside = shown[:, ~mask]
        assert torch.equal(outside, torch.tensor([0.5, 0.5, 1.0])[:, None].expand_as(outside))


def test_a_ball_has_a_silhouette_and_a_box_has_creases():
    """A smooth surface and a steep plane have no lines inside; lines lie on the object, one pixel wide."""
    ball = look(surface_of(trimesh.creation.icosphere(subdivisions=4, radius=0.9)), [Camera(0)], 128)
    border = ball.mask & ~(torch.nn.functional.max_pool2d((~ball.mask).float(), 3, 1, 1) == 0)
    drawn = edges(ball) >= 0.5
    assert (drawn & ~border).sum() == 0 and (drawn & border).sum() > 0.7 * border.sum()

    box = trimesh.creation.box(extents=[1.0, 1.0, 1.0])
    turned = look(surface_of(box), [Camera(30, 20)], 128)
    lines = edges(turned)[0] >= 0.5
    column = lines[:, 64].sum()
    assert 3 <= column <= 4, "its top edge, the one between top and front, and the lower one"
    face = turned.face[0]
    inside = torch.nn.functional.max_pool2d(lines[None].float(), 3, 1, 1)[0] == 0
    kinds = {int(f) for f in face[inside & turned.mask[0]].unique()}
    assert len(kinds) >= 5, "faces themselves are free of lines"
    assert lines[~turned.mask[0]].sum() == 0


def test_a_step_of_two_parallel_plates_is_a_line_and_a_slope_is_none():
    def plate(z, shift, slope=0.0):
        corners = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]], float)
        corners[:, 2] = z + slope * corners[:, 0]
        corners[:, 0] = corners[:, 0] * 0.6 + shift
        return trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], process=False)

    step = trimesh.util.concatenate([plate(0.0, -0.2), plate(0.4, 0.2)])
    stepped = edges(look(surface_of(step), [Camera(0)], 96))[0]
    assert (stepped[36:60, 40:60].max(dim=1).values >= 0.5).all(), "one over the other"
    slope = edges(look(surface_of(plate(0.0, 0.0, slope=1.2)), [Camera(0)], 96))[0]
    assert slope[40:56, 44:52].max() == 0


@pytest.mark.parametrize("kind", [kind for kind in CONTROL_KINDS if kind not in KNOWN])
def test_every_kind_is_a_finite_picture(lump, kind):  # noqa: F811
    """Also of a view that shows nothing."""
    plate = trimesh.Trimesh([[-0.9, -0.9, 0], [0.9, -0.9, 0], [0, 0.9, 0]], [[0, 1, 2]], process=False)
    for mesh in (lump, plate):
        picture = rendered(look(surface_of(mesh), [Camera(0), Camera(90)], 48), kind)
        assert picture.shape == (2, 3, 48, 48) and picture.isfinite().all()
        assert picture.min() >= 0 and picture.max() <= 1
        assert picture[0].std() > 0
    assert len(picture[1].flatten(1).unique(dim=1)[0]) == 1, "nothing to be seen is one colour"
