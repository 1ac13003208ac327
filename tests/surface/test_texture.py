"""The final texture: right colours in the right texels, nothing of the backdrop, no holes, no seams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from refusals import refused
from zoo import make_surface

from texsync.errors import InputError
from texsync.files.load import load
from texsync.surface.cameras import Camera, ring
from texsync.surface.fill import Places, fill
from texsync.surface.pixels import look
from texsync.surface.texels import uv_texels
from texsync.surface.texture import bake, bake_tables
from texsync.surface.types import Surface
from texsync.surface.uv import prepare

SIZE = 256
MESHES = Path(__file__).parents[2] / "meshes"
MAGENTA = torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1)


def painted(surface, pixels=256):
    """Views that show each point's position as a colour, on a magenta backdrop."""
    seen = look(surface, ring(), pixels)
    position = seen.position.permute(0, 3, 1, 2) * 0.5 + 0.5
    return seen, torch.where(seen.mask[:, None], position, MAGENTA)


def texel_positions(surface) -> np.ndarray:
    """(SIZE, SIZE, 3) in [0, 1], the colour that `painted` gives each texel."""
    face, bary = uv_texels(surface.uv, surface.uv_faces, SIZE)
    return np.einsum("ijk,ijkd->ijd", bary, surface.vertices[surface.faces[face.clip(0)]]) * 0.5 + 0.5


@pytest.fixture(scope="module")
def ring_shape():
    torus = trimesh.creation.torus(0.6, 0.25)
    return prepare(load(torus), texture_size=SIZE)


@pytest.fixture(scope="module")
def baked(ring_shape):
    pixels, images = painted(ring_shape)
    return bake(ring_shape, pixels, images, SIZE)


def test_seen_texels_have_the_colour_of_their_own_place(ring_shape, baked):
    error = np.abs(baked.image / 255 - texel_positions(ring_shape))[baked.seen]
    assert error.max() < 0.02 and error.mean() < 0.004
    assert baked.seen.sum() / baked.covered.sum() > 0.6


def test_filled_texels_take_a_colour_from_nearby_on_the_surface(ring_shape, baked):
    error = np.abs(baked.image / 255 - texel_positions(ring_shape))[baked.covered & ~baked.seen]
    assert len(error) > 50
    assert np.median(error) < 0.06 and error.max() < 0.35


@pytest.mark.parametrize("name", ["crate.glb", "teapot.obj", "monkey.obj"])
def test_the_backdrop_reaches_no_texel(name):
    surface = prepare(load(MESHES / name), texture_size=SIZE)
    pixels = look(surface, ring(), 256)
    green = torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1)
    texture = bake(surface, pixels, torch.where(pixels.mask[:, None], green, MAGENTA), SIZE)
    assert texture.seen.sum() > 1000
    assert (texture.image == [0, 255, 0]).all()


def test_a_thin_plate_keeps_its_two_colours_apart():
    plate = trimesh.creation.box(extents=[1.0, 1.0, 0.004])
    surface = prepare(load(plate), texture_size=SIZE)
    pixels = look(surface, ring(), 256)
    red, blue = (torch.tensor(c).view(1, 3, 1, 1) for c in ([1.0, 0, 0], [0, 0, 1.0]))
    ahead = torch.tensor([camera.position[2] > 0 for camera in pixels.cameras]).view(-1, 1, 1, 1)
    texture = bake(surface, pixels, torch.where(ahead, red, blue).expand(-1, 3, 256, 256), SIZE)
    face, bary = uv_texels(surface.uv, surface.uv_faces, SIZE)
    side = surface.normals[surface.faces[face.clip(0)]].mean(2)[..., 2]
    for sign, colour in ((1, [255, 0, 0]), (-1, [0, 0, 255])):
        flat = (face >= 0) & (sign * side > 0.5)
        assert flat.sum() > 1000 and np.abs(texture.image[flat].astype(int) - colour).max() < 8


def test_thin_wires_and_silhouettes_take_nothing_from_a_white_backdrop():
    wires = [
        trimesh.creation.cylinder(0.01, 2, sections=8).apply_translation([x, 0, 0]) for x in (-0.4, 0, 0.4)
    ]
    surface = prepare(load(trimesh.util.concatenate(wires)), texture_size=SIZE)
    pixels = look(surface, ring(), 256)
    images = torch.where(pixels.mask[:, None], torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1))
    try:
        texture = bake(surface, pixels, images, SIZE)
    except InputError as refusal:
        assert "no view sees" in str(refusal)
    else:
        assert texture.image.max() == 0


def test_padding_repeats_the_nearest_covered_texel(baked):
    rows, columns = np.nonzero(~baked.covered)
    spots = np.argwhere(baked.covered)
    for row, column in list(zip(rows, columns, strict=True))[::997]:
        distance = ((spots - [row, column]) ** 2).sum(axis=1)
        nearest = spots[distance == distance.min()]
        assert any((baked.image[row, column] == baked.image[r, c]).all() for r, c in nearest)


def test_occluded_parts_do_not_take_the_colour_of_what_hides_them():
    wall = trimesh.creation.box(extents=[2.0, 2.0, 0.1]).apply_translation([0, 0, 0.6])
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.4).apply_translation([0, 0, -0.3])
    surface = prepare(load(trimesh.util.concatenate([wall, ball])), texture_size=SIZE)
    pixels = look(surface, [Camera(0), Camera(180)], 256)
    is_ball = torch.as_tensor((pixels.position[..., 2] < 0.1) & pixels.mask)
    images = torch.where(
        is_ball[:, None],
        torch.tensor([0.0, 1, 0]).view(1, 3, 1, 1),
        torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1),
    )
    texture = bake(surface, pixels, images, SIZE)
    face, _ = uv_texels(surface.uv, surface.uv_faces, SIZE)
    on_ball = (face >= len(wall.faces)) & (face >= 0)
    assert texture.seen[on_ball].mean() > 0.2
    assert (texture.image[on_ball & texture.seen] == [0, 255, 0]).all()


def test_more_facing_views_count_for_more(ring_shape):
    ball = prepare(load(trimesh.creation.icosphere(subdivisions=3)), texture_size=SIZE)
    pixels = look(ball, [Camera(0), Camera(45)], 128)
    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 128, 128)
    texture = bake(ball, pixels, images, SIZE)
    place = texel_positions(ball) * 2 - 1
    angle = np.degrees(np.arctan2(place[..., 0], place[..., 2]))
    level = texture.seen & (np.abs(place[..., 1]) < 0.2)
    value = texture.image[..., 0] / 255
    assert value[level & (angle < 0) & (angle > -30)].mean() < 0.1
    assert value[level & (angle > 45) & (angle < 75)].mean() > 0.9
    assert value[level & (np.abs(angle - 22.5) < 3)].mean() == pytest.approx(0.5, abs=0.15)


def test_area_adds_up_to_the_surface(ring_shape, baked):
    corners = ring_shape.vertices[ring_shape.faces]
    whole = (
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
        / 2
    )
    assert baked.area.sum() == pytest.approx(whole, rel=0.02)


def test_tables_serve_pictures_of_any_resolution(ring_shape):
    pixels, images = painted(ring_shape)
    tables = bake_tables(ring_shape, pixels, SIZE)
    half = torch.nn.functional.avg_pool2d(images, 2)
    full, small = tables.apply(images), tables.apply(half)
    assert np.abs(full.image.astype(int) - small.image)[full.seen].mean() < 3


def test_a_map_without_room_and_a_surface_out_of_sight_are_refused(ring_shape):
    pixels, images = painted(ring_shape)
    nowhere = replace(ring_shape, uv=np.zeros_like(ring_shape.uv))
    with refused("uvs-room", thing="UV map"):
        bake(nowhere, pixels, images, 64)
    blind = look(ring_shape, [Camera(0, distance=-2.0)], 64)
    blind = replace(blind, depth=torch.full_like(blind.depth, torch.inf))
    with refused("mesh-unseen"):
        bake(ring_shape, blind, images[:1], 64)


def test_a_sheet_takes_nothing_of_the_view_behind_another_sheet():
    """Wound alike and nearer than the depth test can tell apart; each has texels of its own."""
    one = trimesh.Trimesh([[-0.7, -0.7, 0], [0.7, -0.7, 0], [0, 0.7, 0]], [[0, 1, 2]], process=False)
    both = trimesh.util.concatenate([one, one.copy().apply_translation([0, 0, -0.004])])
    surface = prepare(load(both), texture_size=SIZE)
    pixels = look(surface, [Camera(0), Camera(180)], 256)
    red, blue = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]]).view(2, 3, 1, 1)
    texture = bake(surface, pixels, torch.stack([red, blue]).expand(-1, -1, 256, 256), SIZE)
    face, _ = uv_texels(surface.uv, surface.uv_faces, SIZE)
    own = (face == 0) & texture.seen
    assert own.sum() > 500 and (texture.image[own] == [255, 0, 0]).all()


def plates(count: int, gap: float) -> Surface:
    """Upright squares in a row, each with a part of the map; they touch on the map, and in space if gap is 0."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    middle = (count + gap * (count - 1)) / 2
    places = [(corners - [middle - k * (1 + gap), 0.5, 0]) * 1.2 / count for k in range(count)]
    uv = [(corners[:, :2] + [k, 0]) / count for k in range(count)]
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return make_surface(
        np.concatenate(places), np.concatenate([faces + 4 * k for k in range(count)]), np.concatenate(uv)
    )


def filled(surface: Surface, seen, colours) -> tuple[np.ndarray, np.ndarray]:
    """Places (M, 3) on the surface and their colours (M,), from the ones of `seen(places)` by the fill alone."""
    face, bary = uv_texels(surface.uv, surface.uv_faces, 64)
    texel = np.flatnonzero(face.ravel() >= 0)
    face, bary = face.ravel()[texel], bary.reshape(-1, 3)[texel]
    point = np.einsum("mk,mkd->md", bary, surface.vertices[surface.faces[face]])
    area = np.full(len(texel), 1.0)
    places = Places(
        (64, 64),
        (64, 64),
        texel,
        face,
        point,
        surface.normals[surface.faces[face, 0]],
        area,
        np.zeros((64, 64), int),
    )
    lit = seen(point)
    given = np.where(lit, colours(point), np.nan)[:, None]
    return point, fill(surface, places, lit)(np.nan_to_num(given, nan=9.0))[:, 0]


def test_what_is_filled_in_is_smooth_between_all_borders():
    """Between two seen strips of a plate the harmonic function is a straight line."""
    point, value = filled(
        plates(1, 0), lambda p: np.abs(p[:, 0]) > 0.4, lambda p: np.where(p[:, 0] > 0, 1.0, 0.0)
    )
    middle = np.abs(point[:, 0]) < 0.38
    assert np.abs(value - (point[:, 0] / 0.82 + 0.5))[middle].max() < 0.03


def test_colours_flow_over_seams_but_not_between_islands_that_only_touch_on_the_map():
    """Four plates, the first and the last painted; where they meet in space colours flow, else each keeps to itself."""

    def ends(p):
        return np.abs(p[:, 0]) > 0.55

    point, value = filled(plates(4, 0), ends, lambda p: (p[:, 0] > 0) * 1.0)
    dark = ~ends(point)
    assert np.abs(value - (point[:, 0] / 1.11 + 0.5))[dark].max() < 0.03
    point, value = filled(plates(2, 0.5), lambda p: np.abs(p[:, 0]) > 0.6, lambda p: (p[:, 0] > 0) * 1.0)
    assert np.array_equal(value > 0.5, point[:, 0] > 0) and set(value.round(5)) <= {0.0, 1.0}


def test_a_piece_that_nobody_sees_takes_the_colours_next_to_it():
    point, value = filled(plates(3, 0.1), lambda p: np.abs(p[:, 0]) > 0.35, lambda p: (p[:, 0] > 0) * 1.0)
    hidden = np.abs(point[:, 0]) < 0.2
    assert hidden.any() and value[hidden & (point[:, 0] < -0.1)].max() < 0.3
    assert value[hidden & (point[:, 0] > 0.1)].min() > 0.7


def test_a_large_fill_is_as_exact_as_a_small_one(monkeypatch):
    """Coarse grids and a few rounds on the fine one against the direct solution."""
    scene = plates(2, 0), lambda p: np.hypot(p[:, 0] - 0.1, p[:, 1]) > 0.25, lambda p: np.sin(9 * p[:, 0])
    _, exact = filled(*scene)
    monkeypatch.setattr("texsync.surface.fill.DIRECT", 60)
    _, quick = filled(*scene)
    assert np.abs(exact - quick).max() < 0.02
