"""The panorama's canvas: views from the middle see all of it, and what they show comes back, seam and poles too."""

from __future__ import annotations

import numpy as np
import torch

from texsync.surface.pixels import look, project
from texsync.surface.sphere import outward, panorama, places, sphere, way

HIGH = 64


def waves(ways: torch.Tensor) -> torch.Tensor:
    """Smooth colours (..., 3) of directions (..., 3)."""
    x, y, z = ways.unbind(-1)
    return torch.stack([(3 * x + y).sin(), (2 * z - y).cos(), x * y + z], dim=-1) / 4 + 0.5


def test_every_pixel_of_every_view_shows_the_canvas_where_it_looks():
    pixels = look(sphere(), outward(), 48)
    assert pixels.mask.all() and (pixels.facing > 0.999).all() and not pixels.behind.any()
    u, v = pixels.uv.double().unbind(-1)
    along = torch.as_tensor(way((2 * u.numpy() - 1) * np.pi, (v.numpy() - 0.5) * np.pi))
    straight = torch.nn.functional.normalize(pixels.position.double(), dim=-1)
    assert (along * straight).sum(-1).min() > np.cos(np.radians(0.3))  # a pixel is some 2 degrees


def test_all_directions_are_seen_by_views_that_share_a_third():
    inside = project(outward(), places(HIGH).reshape(-1, 3), 1)
    seen = ((inside[..., :2] - 0.5).abs() < 0.5).all(-1) & (inside[..., 2] > 0)
    assert seen.any(0).all()  # no hole, at the poles neither
    assert (seen.sum(0) >= 2).float().mean() > 0.6
    assert len(outward()) == 12 and outward()[0].name == "0°"


def test_what_views_show_is_the_panorama_closed_at_its_seam_and_poles():
    pixels = look(sphere(), outward(), 128)
    shown = waves(torch.nn.functional.normalize(pixels.position, dim=-1)).permute(0, 3, 1, 2)
    made = panorama(shown, outward(), HIGH)
    assert made.shape == (3, HIGH, 2 * HIGH)
    right = waves(places(HIGH)).permute(2, 0, 1)
    assert (made - right).abs().max() < 0.01
    step = (made[:, :, 1:] - made[:, :, :-1]).abs().amax()
    assert (made[:, :, 0] - made[:, :, -1]).abs().max() <= step + 1e-6
    for row in (0, -1):
        assert made[:, row].std(dim=-1).max() < 0.02  # one place


def test_the_middle_looks_along_minus_z_with_x_on_the_right():
    middle = places(HIGH)[HIGH // 2, [HIGH, HIGH * 3 // 2]]
    assert torch.allclose(middle, torch.tensor([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), atol=0.05)
    ways = project(outward()[:1], torch.tensor([[0.1, 0.2, -1.0]]), 100)[0, 0]
    assert ways[0] > 50 and ways[1] < 50
