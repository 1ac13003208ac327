"""Pictures for people: what is rendered, labelled, animated and shown in a browser."""

from __future__ import annotations

import base64
import json
import re
import struct

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from torch import Tensor

from texsync.files.load import load
from texsync.files.save import textured_scene
from texsync.show.png import to_image
from texsync.show.render import BACKDROP, render, turntable, view_titles, viewer
from texsync.show.sheet import contact_sheet
from texsync.surface.cameras import Camera, ring
from texsync.surface.texture import bake
from texsync.surface.types import Surface

FRONT = Camera(0.0)


def plate() -> Surface:
    """A square in z = 0 that shows the whole texture to the front; half a unit a side."""
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * 0.5
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return Surface(
        vertices=corners.astype(float),
        faces=faces,
        normals=np.tile([0.0, 0.0, 1.0], (4, 1)),
        uv=corners[:, :2] + 0.5,
        uv_faces=faces,
        part=np.zeros(2, np.int64),
    )


def quarters() -> np.ndarray:
    """(64, 64, 3): red, green above; blue, white below."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:32, :32], image[:32, 32:] = (255, 0, 0), (0, 255, 0)
    image[32:, :32], image[32:, 32:] = (0, 0, 255), (255, 255, 255)
    return image


def at(picture: Tensor, x: float, y: float) -> list[float]:
    """The colour of a (3, s, s) picture where the plate has (x, y), each in [-1, 1], y up."""
    half = picture.shape[-1] / 2
    reach = half * 0.5 / (2 * np.tan(np.radians(30)))  # the plate's edge, from a distance of 2
    return picture[:, int(half - y * reach), int(half + x * reach)].tolist()


def test_the_texture_is_the_right_way_up_and_round():
    (picture,) = render(plate(), quarters(), [FRONT], 64)
    assert at(picture, -0.5, 0.5) == [1, 0, 0]
    assert at(picture, 0.5, 0.5) == [0, 1, 0]
    assert at(picture, -0.5, -0.5) == [0, 0, 1]
    assert at(picture, 0.5, -0.5) == [1, 1, 1]


def test_from_behind_left_and_right_change_places():
    (picture,) = render(plate(), quarters(), [Camera(180.0)], 64)
    assert at(picture, -0.5, 0.5) == [0, 1, 0]
    assert at(picture, 0.5, 0.5) == [1, 0, 0]


def test_around_the_object_there_is_only_backdrop():
    (picture,) = render(plate(), quarters(), [FRONT], 64)
    assert torch.equal(picture[:, 0, 0], torch.full((3,), BACKDROP))
    # the plate fills (0.5 / (2 tan 30))^2 of the frame
    share = (picture - BACKDROP).abs().amax(0).gt(1e-6).float().mean()
    assert share == pytest.approx((0.5 / (2 * np.tan(np.radians(30)))) ** 2, rel=0.1)


def test_shade_lights_from_the_cameras_upper_left_and_only_then():
    """Whatever the azimuth: the light goes with the camera.  It bends round the object, so no side is black."""
    ball = trimesh.creation.icosphere(subdivisions=3)
    vertices, faces = np.asarray(ball.vertices), np.asarray(ball.faces)
    sphere = Surface(vertices, faces, vertices, vertices[:, :2] / 2 + 0.5, faces, np.zeros(len(faces), int))
    white = np.full((8, 8, 3), 255, np.uint8)
    for camera in (Camera(0), Camera(120, 30), Camera(250, -40)):
        (plain,), (shaded,) = (render(sphere, white, [camera], 33, shade) for shade in (0.0, 1.0))
        assert plain[0, 8:25, 8:25].min() == 1
        brightest = divmod(int(shaded[0, 8:25, 8:25].argmax()), 17)
        assert brightest[0] < 8 and brightest[1] < 8 and shaded.amax() > 0.97
        assert shaded[0, 11, 11] > shaded[0, 16, 16] > shaded[0, 22, 22] > 0.05


def test_a_baked_texture_gives_back_the_pictures_it_was_baked_from():
    """Paint, look, bake, look again: inside the silhouette nothing has moved, not by half a texel."""
    from texsync.surface.pixels import look

    ramp = np.zeros((256, 256, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(256)[None, :], np.arange(256)[:, None]
    pixels = look(plate(), [FRONT], 128)
    first = render(plate(), ramp, [FRONT], 128)
    again = render(plate(), bake(plate(), pixels, first, 256).image, [FRONT], 128)
    difference = (first - again).abs()[:, :, 45:83, 45:83]
    assert difference.max() < 2 / 255


def test_contact_sheet_has_every_picture_in_its_place():
    rows = {
        "condition": torch.zeros(3, 3, 16, 16),
        "generated": torch.tensor([0.0, 0.5, 1.0])[:, None, None, None].expand(3, 3, 16, 16),
    }
    sheet = contact_sheet(rows, ["front", "side", "back"], side=32)
    margin = sheet.width - 3 * 36
    centres = [[sheet.getpixel((margin + c * 36 + 16, 26 + r * 36 + 16)) for c in range(3)] for r in range(2)]
    assert centres[0] == [(0, 0, 0)] * 3
    assert centres[1] == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]
    assert sheet.height == 26 + 2 * 36


def test_contact_sheet_goes_on_below_and_says_what_was_asked():
    rows = {kind: torch.tensor([0.0, 0.5, 1.0])[:, None, None, None].expand(3, 3, 8, 8) for kind in "ab"}
    sheet = contact_sheet(rows, ["0", "1", "2"], side=32, across=2, caption="a long story " * 30)
    margin, block = sheet.width - 2 * 36, 26 + 2 * 36
    assert sheet.height == 26 + 2 * block

    def colour(view: int, row: int) -> int:
        left, top = margin + view % 2 * 36, 26 + view // 2 * block + 26 + row * 36
        return sheet.getpixel((left + 16, top + 16))[0]

    assert [[colour(view, row) for row in range(2)] for view in range(3)] == [[0, 0], [128, 128], [255, 255]]
    head = np.asarray(sheet)[:26]
    assert (head < 128).any() and (head[:, -4:] == 255).all()


def test_contact_sheet_labels_do_not_run_into_the_pictures():
    long = "a row with quite a long title"
    sheet = np.asarray(contact_sheet({long: torch.zeros(1, 3, 8, 8)}, ["0"], side=64))
    title = sheet[26:90, : sheet.shape[1] - 68]
    assert (title < 128).any() and (title[:, -4:] == 255).all()  # written, and done before the picture begins
    assert (sheet[:26] < 128).any()  # the column has its title, too


def test_every_view_of_the_ring_has_a_title_of_its_own():
    titles = view_titles(ring())
    assert len(set(titles)) == 10
    assert titles[0] == "0°" and titles[-1] == "180°, 30° up"
    assert view_titles([Camera(90, -60)]) == ["90°, 60° down"]


def test_to_image_rounds_and_clamps():
    picture = torch.tensor([-1.0, 0.5, 2.0])[:, None, None].expand(3, 1, 2)
    assert np.asarray(to_image(picture)).tolist() == [[[0, 128, 255]] * 2]


def test_turntable_turns_once_and_moves_on(tmp_path):
    path = tmp_path / "turn.gif"
    turntable(plate(), quarters(), path, frames=8, size=32, elevation_deg=0.0, swing_deg=0.0)
    with Image.open(path) as gif:
        frames = []
        for k in range(gif.n_frames):
            gif.seek(k)
            frames.append(np.asarray(gif.convert("RGB"), float))
        assert gif.info["loop"] == 0  # for ever
        assert gif.n_frames == 8 and gif.size == (32, 32)
    painted = [(np.abs(f - 255 * BACKDROP) > 20).any(axis=2).mean() for f in frames]
    assert painted[0] > 4 * painted[2] and painted[4] > 4 * painted[2]  # broad, edge-on, broad
    assert np.abs(frames[0] - frames[4]).max() > 100  # the back is not the front


def test_turntable_shows_the_underside_at_fifteen_frames_a_second(tmp_path):
    """A plate that lies flat, red above and blue below."""
    corners = np.array([[-1, 0, 1], [1, 0, 1], [1, 0, -1], [-1, 0, -1]]) * 0.7
    corners = np.concatenate([corners, corners - [0, 0.01, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 6, 5], [4, 7, 6]])
    normals, uv = (
        np.repeat([[0.0, 1, 0], [0, -1, 0]], 4, axis=0),
        np.repeat([[0.25, 0.5], [0.75, 0.5]], 4, axis=0),
    )
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :4, 0] = image[:, 4:, 2] = 255
    turntable(
        Surface(corners, faces, normals, uv, faces, np.zeros(4, int)), image, tmp_path / "t.gif", size=32
    )
    with Image.open(tmp_path / "t.gif") as gif:
        frames, times = [], []
        for k in range(gif.n_frames):
            gif.seek(k)
            frames.append(np.asarray(gif.convert("RGB"), float))
            times.append(gif.info["duration"])
    assert sum(times) / len(times) == pytest.approx(1000 / 15)
    red, blue = (max((f[..., k] - f[..., 2 - k] > 50).mean() for f in frames) for k in (0, 2))
    assert red > 0.2 and blue > 0.1


def test_viewer_needs_nothing_else(tmp_path):
    loaded = load(trimesh.creation.box())
    from texsync.surface.pixels import look
    from texsync.surface.uv import prepare

    surface = prepare(loaded, "unwrap", 64)
    pixels = look(surface, ring(), 64)
    scene = textured_scene(loaded, surface, bake(surface, pixels, torch.rand(10, 3, 64, 64), 64))
    path = tmp_path / "viewer.html"
    viewer(scene, path)
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", page)
    (model,) = re.findall(r'base64_data="([A-Za-z0-9+/=]+)"', page)
    glb = base64.b64decode(model)
    tree = json.loads(glb[20 : 20 + struct.unpack("<I", glb[12:16])[0]])
    assert glb[:4] == b"glTF" and len(tree["meshes"]) == 1
    assert "baseColorTexture" in tree["materials"][0]["pbrMetallicRoughness"]
    assert tree["cameras"]  # the page looks through the first one
