"""Meshes as they go from Blender to texsync and UVs as they come back: files, and what damaged ones get."""

from __future__ import annotations

from pathlib import Path

import handed
import numpy as np
import pytest

import texsync
from blender_addon import handoff
from texsync.errors import InputError
from texsync.files.formats.texmesh import new_uvs, read_handed
from texsync.files.load import load
from texsync.surface.uv import prepare


def test_what_the_addon_writes_is_what_the_worker_reads(tmp_path):
    """Both writers agree byte for byte, and the reader gives the numbers back."""
    part, path = handed.cube(uv=handed.grid_uvs()), tmp_path / "box.texmesh"
    handoff.write(path, "box", [part])
    (tmp_path / "same").mkdir()
    assert path.read_bytes() == handed.write(tmp_path / "same" / "box.texmesh", part).read_bytes()
    (read,) = read_handed(path).parts
    assert read.shape.vertices.tolist() == [list(corner) for corner in handed.CORNERS]
    assert read.shape.uv.ravel().tolist() == list(part["uv"]) and read.corners == 24
    assert read.shape.faces.shape == (12, 3) and read.shape.polygon.max() == 5


def test_axes_are_blenders(tmp_path):
    """+z up, -y front, and the object's own matrix is applied."""
    matrix = [2.0, 0, 0, 5, 0, 1, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1]
    loaded = load(handed.write(tmp_path / "box.texmesh", handed.cube(transform=matrix)))
    radius = np.sqrt(4 + 1 + 9)
    assert np.allclose(loaded.vertices.max(axis=0), np.array([2, 3, 1]) / radius)
    assert np.allclose(loaded.to_world[:3, 3], [5, 0, 0])
    low_y = int(np.argmin(loaded.vertices @ [0, 0, -1]))  # the nearest to the front camera
    assert handed.CORNERS[low_y][1] == -1


def test_uvs_come_back_corner_by_corner(tmp_path):
    """Kept ones not at all; new ones for every corner, the same for both triangles of a quad."""
    path = handed.write(
        tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()), handed.cube("Other", handed.grid_uvs())
    )
    read, loaded = read_handed(path), load(path)
    assert new_uvs(read, loaded, prepare(loaded, "keep", 256)) is None
    surface = prepare(loaded, "unwrap", 256)
    first, second = handoff.read_uvs(_bytes(tmp_path, new_uvs(read, loaded, surface)), [24, 24])
    assert len(first) == len(second) == 48 and first != second
    table = np.frombuffer(first, np.float32).reshape(-1, 2)
    assert np.allclose(table[read.parts[0].triangles], surface.uv[surface.uv_faces[:12]], atol=1e-6)


def _bytes(folder: Path, content: bytes) -> Path:
    path = folder / "uvs.bin"
    path.write_bytes(content)
    return path


def test_uvs_of_another_mesh_are_refused(tmp_path):
    with pytest.raises(ValueError, match="has 2 numbers, not 8"):
        handoff.read_uvs(_bytes(tmp_path, bytes(8)), [4])


def damaged(kind: str, good: bytes) -> bytes:
    line, _, data = good.partition(b"\n")
    return {
        "empty line": b"\n" + data,
        "not JSON": b"v 1 2 3\n",
        "a list": b"[]\n",
        "newer": line.replace(b'"texsync_mesh": 1', b'"texsync_mesh": 2') + b"\n" + data,
        "cut short": good[:-100],
        "no parts": b'{"texsync_mesh": 1, "name": "x"}\n',
        "wild corner": good[: -12 * 4 - 1] + b"\x7f" + good[-12 * 4 :],
        "nested": b"[" * 100_000 + b"\n",
        "negative": line.replace(b'"at": 0', b'"at": -4') + b"\n" + data,
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "empty line",
        "not JSON",
        "a list",
        "newer",
        "cut short",
        "no parts",
        "wild corner",
        "nested",
        "negative",
    ],
)
def test_a_damaged_hand_off_is_told(tmp_path, kind):
    good = handed.write(tmp_path / "good.texmesh", handed.cube()).read_bytes()
    path = tmp_path / "bad.texmesh"
    path.write_bytes(damaged(kind, good))
    with pytest.raises(InputError, match="bad.texmesh"):
        load(path)


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
def test_the_shell_textures_a_hand_off(tmp_path, tiny_model):
    """What Blender handed over can be run again without Blender."""
    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()))
    result = texsync.texture_mesh(path, "stone", model=str(tiny_model), steps=2, texture_size=64)
    assert (result.save(tmp_path / "out") / "box.glb").is_file()
