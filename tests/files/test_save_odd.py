"""Formats that know no materials, meshes that nobody expects, and what is said of losses."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import trimesh
from jobs import TEXTURE, lines, new_uvs, own_uvs, plain, written
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from texsync.errors import TexsyncWarning
from texsync.files.corners import corner_uvs, keeps_uvs
from texsync.files.load import load
from texsync.surface.types import Surface

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


@pytest.mark.parametrize("ending", ["stl", "ply", "off"])
def test_formats_without_materials_get_a_dull_two_sided_one(tmp_path, ending):
    trimesh.creation.box().export(tmp_path / f"part.{ending}")
    loaded = load(tmp_path / f"part.{ending}")
    tree, _, obj = written(tmp_path, loaded, new_uvs(loaded))
    (material,) = tree["materials"]
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0 and material["doubleSided"] is True
    assert material["pbrMetallicRoughness"]["roughnessFactor"] == 0.9
    assert [node["name"] for node in tree["nodes"]] == ["part"] == [mesh["name"] for mesh in tree["meshes"]]
    box = trimesh.load(tmp_path / f"part.{ending}", process=False)
    assert np.allclose(lines(obj, "v"), box.vertices)


def test_faces_without_area_are_in_the_file_again(tmp_path):
    box = trimesh.creation.box()
    faces = np.concatenate([box.faces[:5], [[0, 0, 1], [2, 2, 2]], box.faces[5:]])
    loaded = load(trimesh.Trimesh(box.vertices, faces, process=False))
    surface = new_uvs(loaded)
    _, glb, obj = written(tmp_path, loaded, surface)
    assert len(lines(tmp_path / "thing.obj", "v")) == 8 and obj.read_text().count("\nf ") == 14
    mesh = next(iter(trimesh.load_scene(glb, process=False).geometry.values()))
    assert np.array_equal(mesh.vertices[mesh.faces], np.float32(box.vertices)[faces])
    uvs = corner_uvs(loaded, surface, loaded.parts[0])
    assert np.array_equal(uvs[loaded.parts[0].kept], surface.uv_faces) and uvs.max() < len(surface.uv)


def test_a_mesh_far_from_the_origin_keeps_its_shape(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=2)
    far = trimesh.Trimesh(ball.vertices + [1e7, -1e7, 3e6], ball.faces, process=False)
    loaded = load(far)
    _, glb, obj = written(tmp_path, loaded, new_uvs(loaded))
    assert np.array_equal(lines(obj, "v"), far.vertices)
    again = load(glb)
    assert np.abs(again.vertices[: len(ball.vertices)] - loaded.vertices).max() < 1e-6
    assert np.allclose(again.to_world[:3, 3], loaded.to_world[:3, 3], atol=0.01)


def test_uvs_in_another_tile_count_as_the_users_own(tmp_path):
    loaded = load(plain().write(tmp_path / "post.glb"))
    surface = own_uvs(loaded)
    assert keeps_uvs(loaded, surface)
    moved = Surface(**{**vars(surface), "uv": surface.uv - [1, 2]})
    assert keeps_uvs(loaded, moved) and not keeps_uvs(loaded, new_uvs(loaded))
    assert not keeps_uvs(loaded, Surface(**{**vars(surface), "uv": surface.uv * 0.5}))
    _, glb, _ = written(tmp_path, loaded, moved)
    assert np.allclose(load(glb).uv, loaded.uv)


def test_losses_are_said(tmp_path):
    box = trimesh.creation.box()
    box.visual.vertex_colors = np.tile([255, 0, 0, 255], (8, 1))
    with pytest.warns(TexsyncWarning, match="vertex colours"):
        loaded = load(box)
        tree, _, _ = written(tmp_path, loaded, new_uvs(loaded))
    assert "COLOR_0" not in tree["meshes"][0]["primitives"][0]["attributes"]
    (tmp_path / "in.mtl").write_text("newmtl rough\nmap_Bump bump.png\n")
    (tmp_path / "in.obj").write_text("mtllib in.mtl\nusemtl rough\n" + SQUARE + "f 1 2 3\n")
    with pytest.warns(TexsyncWarning, match="MTL pictures"):
        written(tmp_path, load(tmp_path / "in.obj"), new_uvs(load(tmp_path / "in.obj")))
    leaf = trimesh.creation.box()
    leaf.visual = TextureVisuals(uv=np.zeros((8, 2)), material=PBRMaterial(alphaMode="MASK"))
    with pytest.warns(TexsyncWarning, match="cut-outs"):
        tree, _, _ = written(tmp_path, load(leaf), new_uvs(load(leaf)))
    assert tree["materials"][0].get("alphaMode", "OPAQUE") == "OPAQUE"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written(tmp_path, load(trimesh.creation.box()), new_uvs(load(trimesh.creation.box())))


def test_a_stem_with_spaces_and_accents(tmp_path):
    loaded = load(trimesh.creation.box())
    _, _, obj = written(tmp_path, loaded, new_uvs(loaded), "mon vase é")
    assert len(load(obj).faces) == 12
    material = next(iter(trimesh.load_scene(obj).geometry.values())).visual.material
    assert np.array_equal(np.array(material.image), TEXTURE.image)
