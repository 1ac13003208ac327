"""Cameras as JSON: the ring comes back to the bit, every form says one camera, and what is wrong is told in a line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from refusals import refused

from texsync.files.camera_file import WorldFrame, cameras_json, read_cameras
from texsync.files.load import load
from texsync.surface.cameras import Camera, framed, ring
from texsync.surface.pixels import look
from texsync.surface.uv import prepare

PLACES = [  # position, look-at, up
    ((3.0, 1.0, 2.0), (0.2, 0.1, -0.3), (0, 1, 0)),
    ((0.1, 0.2, 0.1), (0.4, -0.1, 0.9), (0.3, 1, 0.2)),
    ((0.0, 4.0, 0.0), (0.0, 0.0, 0.0), (0.6, 0, 0.8)),
    ((0.0, -4.0, 0.0), (0.0, 0.0, 0.0), (1, 0, 0)),
]


def box(tmp_path, ending="glb", **moved):
    mesh = trimesh.creation.box((4, 2, 3))
    mesh.apply_translation((5, -1, 2))
    mesh.export(tmp_path / f"box.{ending}")
    return load(tmp_path / f"box.{ending}", **moved)


def written(tmp_path, content) -> str:
    (tmp_path / "cameras.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return tmp_path / "cameras.json"


@pytest.mark.parametrize("told", [False, True], ids=["plain", "for other programs"])
def test_cameras_through_a_file_are_the_same_to_the_bit(tmp_path, told):
    loaded = box(tmp_path)
    cameras = (
        *ring(),
        *framed(ring("paper"), loaded.vertices),
        Camera(
            1 / 3, -1 / 7, 1e-3, 33, target=(0.1, 0.2, 1 / 3), roll_deg=5, prompt="{prompt}, red", name="a"
        ),
    )
    path = written(tmp_path, cameras_json(cameras, loaded if told else None))
    assert read_cameras(path, loaded) == cameras


@pytest.mark.parametrize(("position", "look_at", "up"), PLACES)
def test_a_camera_looks_from_its_place_to_its_place(position, look_at, up):
    camera = Camera.looking(position, look_at, up)
    assert np.allclose(camera.position, position) and np.allclose(camera.target, look_at)
    away = np.subtract(position, look_at)
    assert np.allclose(camera.direction, away / np.linalg.norm(away))
    flat = np.array(up) - (np.array(up) @ camera.direction) * camera.direction
    assert np.allclose(camera.up, flat / np.linalg.norm(flat))
    assert np.allclose(np.cross(camera.right, camera.up), camera.direction)


@pytest.mark.parametrize("camera", [*ring(), Camera(33, -70, roll_deg=120), Camera(20, 90), Camera(0, -90)])
def test_looking_finds_the_orbit_again(camera):
    again = Camera.looking(camera.position, camera.target, camera.up)
    assert np.allclose(again.position, camera.position) and np.allclose(again.up, camera.up)
    level = abs(camera.elevation_deg) < 90
    assert not level or np.cos(np.radians(again.roll_deg - camera.roll_deg)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("ending", "turned"),
    [("glb", {}), ("stl", {}), ("obj", {}), ("glb", {"front": "x"}), ("stl", {"up": "y"})],
)
def test_every_form_says_the_same_camera(tmp_path, ending, turned):
    """A place, an orbit and both kinds of matrix, in the coordinates of files with other axes, scale and place."""
    loaded = box(tmp_path, ending, **turned)
    camera = Camera(200, 25, 1.7, 50, target=(0.3, -0.2, 0.4), roll_deg=-20)
    told, scale = cameras_json([camera], loaded)["cameras"][0], loaded.to_world

    def world(point):
        return (scale[:3, :3] @ point + scale[:3, 3]).tolist()

    radius = np.linalg.norm(scale[:3, 0])
    forms = [
        {
            "position": world(camera.position),
            "look_at": world(camera.target),
            "up": (scale[:3, :3] @ camera.up).tolist(),
        },
        {
            "azimuth_deg": 200,
            "elevation_deg": 25,
            "distance": 1.7 * radius,
            "target": world(camera.target),
            "roll_deg": -20,
        },
        {"transform_matrix": told["opengl_matrix"], "convention": "opengl"},
        {"transform_matrix": told["blender_matrix"], "convention": "blender"},
    ]
    for form in forms:
        (same,) = read_cameras({"cameras": [{**form, "fov_deg": 50}]}, loaded)
        for part in ("position", "direction", "up"):
            assert np.allclose(getattr(same, part), getattr(camera, part), atol=1e-9), (form, part)
        assert same.extent == camera.extent


@pytest.mark.parametrize("ending", ["glb", "obj", "stl", "ply"])
def test_blenders_world_is_where_its_importers_put_the_file(tmp_path, ending):
    """glTF's and OBJ's (x, y, z) stands at (x, -z, y) there; STL's and PLY's stays where it is."""
    loaded = box(tmp_path, ending)
    point = np.array([1.0, 2.0, 3.0])
    there = np.array([1.0, -3.0, 2.0]) if ending in ("glb", "obj") else point
    assert np.allclose(WorldFrame.of(loaded).place(point), WorldFrame.of(loaded, blender=True).place(there))


def test_the_pinhole_told_to_others_is_where_points_fall(tmp_path):
    loaded = box(tmp_path)
    surface = prepare(loaded, policy="unwrap", texture_size=64)
    camera = framed([Camera(30, 20, roll_deg=10)], loaded.vertices)[0]
    told = cameras_json([camera], loaded)["cameras"][0]
    pixels = look(surface, [camera], 64)
    row, column = (int(index[7]) for index in pixels.mask[0].nonzero(as_tuple=True))
    place = np.append(pixels.position[0, row, column].double().numpy(), 1)
    x, y, z, _ = np.linalg.inv(told["opengl_matrix"]) @ loaded.to_world @ place
    across, down = told["middle"]
    assert (across + told["focal"] * x / -z) * 64 == pytest.approx(column + 0.5, abs=0.01)
    assert (down - told["focal"] * y / -z) * 64 == pytest.approx(row + 0.5, abs=0.01)


ONE = {"azimuth_deg": 0}
WRONG = {
    "{": "it is no JSON",
    "[]": "not an object",
    "{}": "'cameras'",
    '{"cameras": []}': "at least 1",
    '{"cameras": [NaN]}': "no number",
    '{"cameras": [{}]}': "cameras[0] needs one of azimuth_deg, position, transform_matrix",
    '{"cameras": [{"azimuth_deg": 1, "position": [0,0,0]}]}': "azimuth_deg and position",
    '{"cameras": [{"azimuth_deg": "1"}]}': "cameras[0]: azimuth_deg",
    '{"cameras": [{"azimuth_deg": 0}, {"position": [1,2]}]}': "cameras[1]",
    '{"cameras": [{"position": [1,2,3]}]}': "'look_at'",
    '{"cameras": [{"position": [1,2,3], "look_at": [1,2,3]}]}': "stands where it looks",
    '{"cameras": [{"position": [1,2,3], "look_at": [1,2,4], "up": [0,0,1]}]}': "its own up",
    '{"cameras": [{"azimuth_deg": 0, "fovdeg": 30}]}': "'fovdeg'",
    '{"cameras": [{"azimuth_deg": 0, "fov_deg": 180}]}': "from 1 to 170",
    '{"cameras": [{"azimuth_deg": 0, "distance": 0}]}': "distance",
    '{"cameras": [{"azimuth_deg": 0, "prompt": " "}]}': "is empty",
    '{"cameras": [{"azimuth_deg": 0, "prompt": 3}]}': "a text",
    '{"camera": [], "cameras": [{"azimuth_deg": 0}]}': "'camera'",
    '{"frame": "world", "cameras": [{"azimuth_deg": 0}]}': "mesh, render",
    '{"cameras": [{"transform_matrix": [[1,0,0,0]], "convention": "opengl"}]}': "transform_matrix",
    '{"cameras": [{"transform_matrix": [[1,0,0,0],[0,1,0,0],[0,0,-1,0],[0,0,0,1]], "convention": "opengl"}]}': "alone",
    '{"cameras": [{"transform_matrix": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}]}': "'convention'",
    "\xff": "no text",
}


@pytest.mark.parametrize("content", WRONG)
def test_what_is_wrong_is_told_in_one_line(tmp_path, content):
    loaded = box(tmp_path)
    path = tmp_path / "cameras.json"
    path.write_bytes(content.encode("latin-1"))
    with refused("cameras-file") as told:
        read_cameras(path, loaded)
    assert WRONG[content] in told.value.line() and "\n" not in told.value.line()


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    loaded = box(tmp_path)
    for path in (tmp_path / "none.json", tmp_path):
        with refused("cameras-file", thing=str(path)):
            read_cameras(path, loaded)


def test_prompts_and_crops_belong_to_their_camera(tmp_path):
    said = {**ONE, "prompt": "{prompt}, with a red door", "zoom": 2, "centre": [0.5, -0.5], "name": "door"}
    (camera,) = read_cameras({"cameras": [said]}, box(tmp_path))
    assert camera == replace(Camera(0, prompt=said["prompt"], name="door"), zoom=2, centre=(0.5, -0.5))
