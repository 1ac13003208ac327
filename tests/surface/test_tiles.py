"""Views cut into tiles: they cover what is shown, larger, and bake back what they show."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from zoo import blob

from texsync.show.render import render
from texsync.surface.cameras import framed, ring
from texsync.surface.pixels import look, project
from texsync.surface.texture import Sum, bake_tables, sights, sights_of_tiles, texels_of
from texsync.surface.tiles import places, showing, some, tiles

VIEWS = framed(ring()[:3], blob().vertices)


@pytest.mark.parametrize("wide", [1.0, 0.5, 0.25])
def test_tiles_cover_and_overlap(wide):
    rng = np.random.default_rng(0)
    for low, high in np.sort(rng.uniform(-1, 1, (50, 2)), axis=1):
        middles = places(low, high, wide)
        assert middles[0] - wide / 2 <= low and middles[-1] + wide / 2 >= high
        assert all(b - a <= wide * 15 / 16 + 1e-9 for a, b in zip(middles, middles[1:], strict=False))


@pytest.mark.parametrize("times", [2, 4])
def test_a_tile_is_a_part_of_its_view_so_many_times_larger(times):
    """Every seen point of the surface falls on a tile, and two points are `times` as many pixels apart there."""
    pixels = look(blob(), VIEWS, 64)
    made = tiles(pixels, times)
    assert len(made) < len(VIEWS) * (times + 1) ** 2
    points = pixels.position[0][pixels.mask[0]][::37]
    whole = project(VIEWS[:1], points, 64)[0, :, :2]
    mine = [camera for camera in made if camera.position == pytest.approx(VIEWS[0].position)]
    where = project(mine, points, 64)[..., :2]
    assert ((where > 0) & (where < 64)).all(-1).any(0).all()
    assert torch.allclose(where[:, 1:] - where[:, :1], times * (whole[1:] - whole[:1])[None], atol=1e-2)


def test_empty_tiles_are_left_out_and_some_views_are_those():
    pixels = look(blob(), tiles(look(blob(), VIEWS, 64), 4), 32)
    left = some(pixels, showing(pixels))
    assert 0 < len(left.cameras) <= len(pixels.cameras) and left.mask.flatten(1).any(1).all()
    assert left.cameras[-1] == pixels.cameras[showing(pixels)[-1]]


def test_tiles_hold_details_that_views_do_not():
    """A fine pattern baked from what tiles show of it is nearer to it than from what views show."""
    size = 512
    rows, columns = np.indices((size, size))
    pattern = np.where((rows // 3 + columns // 3) % 2, 220, 30).astype(np.uint8)[..., None].repeat(3, -1)
    pixels = look(blob(), VIEWS, 128)
    texels = texels_of(blob(), size)
    close = look(blob(), tiles(pixels, 4), 128)
    errors = []
    for views, found in ((pixels, sights(pixels, texels)), (close, sights_of_tiles(close, texels))):
        said = Sum(len(texels.texel))
        for camera, sight in zip(views.cameras, found, strict=True):
            said.add(render(blob(), pattern, [camera], 128)[0], *sight)
        # only what the views see well, away from the rims
        gap = (said.mean().numpy() * 255 - pattern.reshape(-1, 3)[texels.texel])[
            said.total[:, 0].numpy() > 0.9
        ]
        errors.append(float(np.abs(gap).mean()))
    assert errors[1] < 0.6 * errors[0], errors


def test_looking_at_what_falls_on_a_picture_only_gives_the_same_sights():
    pixels = look(blob(), tiles(look(blob(), VIEWS[:1], 64), 2), 64)
    texels = texels_of(blob(), 128)
    for whole, part in zip(sights(pixels, texels), sights_of_tiles(pixels, texels), strict=True):
        assert torch.equal(whole[0], part[0]) and torch.allclose(whole[2], part[2], atol=1e-6)


def test_what_is_near_the_frame_counts_less():
    """A picture that cuts the surface off is not believed at its edge, where the model has seen half of a thing."""
    (tile, *_) = tiles(look(blob(), VIEWS[:1], 64), 2)
    pixels = look(blob(), [tile], 64)
    ((_, grid, weight),) = bake_tables(blob(), pixels, 128).sights
    edge = grid.abs().amax(dim=1) > 1 - 2 * 2 / 64
    assert edge.any() and weight[edge].max() < 0.6 * weight.max()
