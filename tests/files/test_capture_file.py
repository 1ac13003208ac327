"""Cameras of a capture: points fall where COLMAP's and NeRF's own formulas put them, whatever form says it."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from refusals import refused
from scipy.spatial.transform import Rotation

from texsync import TexsyncWarning
from texsync.files.axes import rotation
from texsync.files.camera_file import read_cameras
from texsync.surface.pixels import project

NAMES = ("b 2.jpg", "a.jpg")  # a blank, and not by the alphabet
SIZE, FOCAL, MIDDLE = (640, 480), (500.0, 500.0), (310.0, 250.0)
LENS = {"PINHOLE": 1, "OPENCV": 4}


@dataclass(frozen=True)
class Somewhere:
    """A thing twice as large as the render frame, which lies elsewhere in its file."""

    axes: tuple[str, str] = ("-y", "-z")
    to_world: np.ndarray = field(
        default_factory=lambda: np.block(
            [[2 * rotation("-y", "-z").T, np.array([[3.0], [-1], [2]])], [np.zeros((1, 3)), 1]]
        )
    )


def poses() -> list[tuple[np.ndarray, np.ndarray]]:
    """(quaternion, shift) from the world to COLMAP's camera, which looks at (3, -1, 2)."""
    turns = [Rotation.from_euler("yxz", angles, degrees=True) for angles in ((20, 10, 5), (-60, 30, -15))]
    away = np.array([0.1, -0.2, 4.0])
    return [(t.as_quat(scalar_first=True), away - t.apply([3.0, -1, 2])) for t in turns]


def colmap_text(folder, model="PINHOLE", more=()):
    values = " ".join(map(str, (*FOCAL, *MIDDLE, *more)))
    (folder / "cameras.txt").write_text(f"# Camera list\n7 {model} {SIZE[0]} {SIZE[1]} {values}\n")
    lines = ["# Image list"]
    for k, (name, (turn, shift)) in enumerate(zip(NAMES, poses(), strict=True)):
        lines += [" ".join(map(str, (k + 1, *turn, *shift, 7, name))), "1.5 2.5 -1 3 4 9" if k else ""]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    return folder / "images.txt"


def colmap_binary(folder, model="PINHOLE", more=()):
    values = (*FOCAL, *MIDDLE, *more)
    lens = struct.pack(f"<QiiQQ{len(values)}d", 1, 7, LENS[model], *SIZE, *values)
    (folder / "cameras.bin").write_bytes(lens)
    data = struct.pack("<Q", len(NAMES))
    for k, (name, (turn, shift)) in enumerate(zip(NAMES, poses(), strict=True)):
        data += struct.pack("<i7di", k + 1, *turn, *shift, 7) + name.encode() + b"\0"
        data += struct.pack("<Q", k) + struct.pack("<ddq", 1.5, 2.5, -1) * k
    (folder / "images.bin").write_bytes(data)
    return folder / "images.bin"


def nerf(folder, whole=True):
    frames = []
    for name, (turn, shift) in zip(NAMES, poses(), strict=True):
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = Rotation.from_quat(turn, scalar_first=True).as_matrix(), shift
        inverse = np.linalg.inv(matrix) @ np.diag([1.0, -1, -1, 1])
        frames.append({"file_path": f"./images/{name}", "transform_matrix": inverse.tolist()})
    lens = dict(fl_x=FOCAL[0], fl_y=FOCAL[1], cx=MIDDLE[0], cy=MIDDLE[1], w=SIZE[0], h=SIZE[1], aabb_scale=4)
    lens = lens if whole else {"camera_angle_x": 2 * np.arctan(0.5)}
    (folder / "transforms.json").write_text(json.dumps({**lens, "frames": frames}))
    return folder / "transforms.json"


@pytest.mark.parametrize("write", [colmap_text, colmap_binary, nerf])
def test_points_fall_where_the_capture_has_them(tmp_path, write):
    """In the square in the middle of its pictures, by a file's path and by its folder's."""
    place, points = Somewhere(), np.random.default_rng(0).uniform(-1, 1, (50, 3))
    cameras = read_cameras(write(tmp_path), place)
    assert [camera.name for camera in cameras] == ["a", "b 2"]
    assert read_cameras(tmp_path, place) == cameras
    world = points @ place.to_world[:3, :3].T + place.to_world[:3, 3]
    found = project(cameras, torch.tensor(points, dtype=torch.float64).float(), 480).numpy()
    for camera, (turn, shift) in enumerate(poses()[::-1]):
        x, y, z = (Rotation.from_quat(turn, scalar_first=True).apply(world) + shift).T
        column, row = FOCAL[0] * x / z + MIDDLE[0] - 80, FOCAL[1] * y / z + MIDDLE[1]
        assert np.abs(found[camera] - np.stack([column, row, z / 2], 1)).max() < 2e-3


def test_an_angle_is_enough_of_a_lens(tmp_path):
    first, _ = read_cameras(nerf(tmp_path, whole=False), Somewhere())
    assert first.extent == pytest.approx(1.0) and first.centre == (0, 0)


@pytest.mark.parametrize("write", [colmap_text, colmap_binary])
def test_a_lens_that_bends_is_said(tmp_path, write):
    with pytest.warns(TexsyncWarning, match="distortion"):
        read_cameras(write(tmp_path, "OPENCV", (0.1, 0, 0, 0)), Somewhere())


def test_of_many_cameras_some_are_taken(tmp_path):
    said = json.loads(nerf(tmp_path).read_text())
    said["frames"] = [{**said["frames"][0], "file_path": f"{k:03d}.png"} for k in range(100)]
    (tmp_path / "transforms.json").write_text(json.dumps(said))
    with pytest.warns(TexsyncWarning, match="of 100 cameras 24"):
        cameras = read_cameras(tmp_path, Somewhere())
    assert len(cameras) == 24 and [one.name for one in cameras[:3]] == ["000", "004", "008"]


def spoilt(path, name, old, new):
    text = path.with_name(name).read_text()
    assert old in text
    path.with_name(name).write_text(text.replace(old, new))


SPOILED = {
    "cut": (colmap_binary, lambda path: path.write_bytes(path.read_bytes()[:90])),
    "no images": (colmap_binary, lambda path: path.write_bytes(bytes(8))),
    "another lens": (colmap_text, lambda p: p.with_name("cameras.txt").write_text("7 WIDE 640 480 1 2 3\n")),
    "no lens": (colmap_text, lambda path: path.with_name("cameras.txt").unlink()),
    "words": (colmap_text, lambda path: path.write_text("the quick brown fox\n")),
    "not a number": (colmap_text, lambda path: spoilt(path, "cameras.txt", "500.0", "nan")),
    "no frames": (nerf, lambda path: path.write_text('{"frames": []}')),
    "no matrix": (nerf, lambda path: path.write_text('{"camera_angle_x": 1, "frames": [{}]}')),
    "no angle": (
        nerf,
        lambda path: path.write_text(json.dumps({"frames": [{"transform_matrix": np.eye(4).tolist()}]})),
    ),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_broken_capture_is_told_in_one_line(tmp_path, kind):
    write, spoil = SPOILED[kind]
    path = write(tmp_path)
    spoil(path)
    with refused("cameras-file"):
        read_cameras(path, Somewhere())


def test_cameras_of_a_capture_serve_meshes(tmp_path):
    """Through the door: what a mesh's views are and, since the file is noted, a run again."""
    import trimesh

    from texsync import mesh_views

    box = trimesh.creation.box((2, 2, 2))
    box.apply_translation((3, -1, 2))
    box.export(tmp_path / "box.ply")
    colmap_binary(tmp_path)
    made = mesh_views(tmp_path / "box.ply", cameras=tmp_path, view_size=32)
    assert len(made.cameras) == 2 and all(one.mask.any() for one in made.pixels())
    assert [file["path"] for file in made.report["files"] if file["option"] == "cameras"] == [
        str(tmp_path / "images.bin")
    ]
