"""Formats of mesh files are found by their modules; a new one is one file."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import trimesh
from jobs import TEXTURE, new_uvs

from texsync import InputError
from texsync.files import formats as package
from texsync.files.formats import formats, known
from texsync.files.load import load
from texsync.files.save import save_model

TOY = """
from texsync.files.formats import Z_UP, Format
from texsync.files.source import read_by_trimesh

FORMAT = Format(("stl_ascii",), read_by_trimesh, axes=Z_UP)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A format more, of files that no other module knows."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "toy.py").write_text(TOY)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "room")])
    formats.cache_clear()
    yield
    sys.modules.pop(f"{package.__name__}.toy", None)
    formats.cache_clear()


def test_a_new_format_is_one_file(toy, tmp_path):
    box = trimesh.creation.box((1, 2, 3))
    path = tmp_path / "box.stl_ascii"
    path.write_text(box.export(file_type="stl_ascii"))
    loaded = load(path)
    assert np.ptp(loaded.vertices, axis=0).argmax() == 1  # its own +z points up
    paths = save_model(loaded, new_uvs(loaded), TEXTURE, tmp_path, "out")
    assert {p.suffix for p in paths} == {".glb", ".obj", ".mtl", ".png"}
    scene = trimesh.load_scene(tmp_path / "out.glb")
    (mesh,) = scene.geometry.values()
    assert np.allclose(scene.bounds, box.bounds) and len(mesh.faces) == 12
    assert np.array_equal(np.array(mesh.visual.material.baseColorTexture), TEXTURE.image)
    (tmp_path / "box.fbx").write_bytes(b"FBX")
    with pytest.raises(InputError) as told:
        load(tmp_path / "box.fbx")
    assert "stl_ascii" in told.value.remedy


def test_what_the_add_on_hands_over_is_no_format_for_users():
    assert "texmesh" in formats() and "texmesh" not in known()
    assert {"obj", "glb", "gltf", "vrm", "ply", "stl", "off"} == set(known())
