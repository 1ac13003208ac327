"""A textured mesh comes back as the mesh it was."""

from __future__ import annotations

import struct
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from jobs import TEXTURE, new_uvs, own_uvs, written
from PIL import Image
from trimesh.transformations import rotation_matrix, translation_matrix
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from texsync.files.load import load
from texsync.files.save import textured_scene

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def picture_of(glb, tree, index) -> np.ndarray:
    data = glb.read_bytes()
    start = 28 + struct.unpack("<I", data[12:16])[0]
    view = tree["bufferViews"][tree["images"][tree["textures"][index]["source"]]["bufferView"]]
    first = start + view.get("byteOffset", 0)
    return np.array(Image.open(BytesIO(data[first : first + view["byteLength"]])))


def corners(loaded) -> np.ndarray:
    """(F, 3, 5): world position and UV of every corner of every face, however vertices are shared."""
    world = loaded.vertices @ loaded.to_world[:3, :3].T + loaded.to_world[:3, 3]
    return np.concatenate([world[loaded.faces], loaded.uv[loaded.uv_faces]], axis=-1)


def steel(**more) -> PBRMaterial:
    return PBRMaterial(name="steel", metallicFactor=1.0, roughnessFactor=0.25, doubleSided=True, **more)


def workshop(**more) -> trimesh.Scene:
    """Two boxes of one mesh, one of them on a turned arm, and a ball; names, UVs, normals and materials."""
    scene = trimesh.Scene()
    box = trimesh.creation.box()
    box.visual = TextureVisuals(uv=box.vertices[:, :2] + 0.5, material=steel(**more))
    ball = trimesh.creation.icosphere(subdivisions=1)
    brass = PBRMaterial(
        name="brass", metallicFactor=0.75, roughnessFactor=0.5, baseColorFactor=[255, 0, 0, 255]
    )
    ball.visual = TextureVisuals(uv=ball.vertices[:, :2] / 2 + 0.5, material=brass)
    for mesh in (box, ball):
        assert mesh.vertex_normals is not None  # asking for them makes trimesh write them
    scene.add_geometry(box, node_name="block", geom_name="box", transform=translation_matrix([3, 0, 1]))
    scene.graph.update(frame_to="arm", frame_from="world", matrix=rotation_matrix(0.5, [0, 1, 0]))
    scene.graph.update(
        frame_to="tool", frame_from="arm", matrix=translation_matrix([0, 2, 0]), geometry="box"
    )
    scene.add_geometry(ball, node_name="knob", geom_name="ball", parent_node_name="arm")
    return scene


@pytest.fixture
def scene_file(tmp_path):
    path = tmp_path / "workshop.glb"
    workshop().export(path)
    return path


@pytest.fixture(params=["file", "memory"])
def job(request, scene_file):
    """The workshop as a file and as a trimesh scene: two ways through the code, one law."""
    return load(scene_file if request.param == "file" else workshop())


# ---- the scene comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("uvs", [own_uvs, new_uvs])
def test_nodes_hierarchy_places_and_names_come_back(tmp_path, scene_file, job, uvs):
    _, glb, _ = written(tmp_path, job, uvs(job))
    old, new = trimesh.load_scene(scene_file), trimesh.load_scene(glb)
    assert set(new.graph.nodes) == set(old.graph.nodes)
    assert new.graph.transforms.parents == old.graph.transforms.parents
    for node in old.graph.nodes:
        assert np.allclose(new.graph[node][0], old.graph[node][0])
    for node in old.graph.nodes_geometry:
        was, now = old.geometry[old.graph[node][1]], new.geometry[new.graph[node][1]]
        count = len(was.vertices)
        assert np.array_equal(now.vertices[:count], was.vertices)
        assert np.array_equal(now.vertices[now.faces], was.vertices[was.faces])
        assert np.allclose(now.vertex_normals[:count], was.vertex_normals, atol=1e-6)


@pytest.mark.parametrize("uvs", [own_uvs, new_uvs])
@pytest.mark.parametrize("kind", ["glb", "obj"])
def test_every_corner_has_its_place_and_its_new_uv(tmp_path, job, uvs, kind):
    loaded = job
    surface = uvs(loaded)
    _, glb, obj = written(tmp_path, loaded, surface)
    again = load(glb if kind == "glb" else obj)
    wanted = corners(SimpleNamespace(**{**vars(loaded), "uv": surface.uv, "uv_faces": surface.uv_faces}))

    def sorted_faces(table):
        flat = table.reshape(len(table), -1).round(5)
        return flat[np.lexsort(flat.T)]

    assert np.allclose(sorted_faces(corners(again)), sorted_faces(wanted), atol=3e-5)


def test_materials_keep_all_but_their_base_colour(tmp_path, job):
    tree, glb, _ = written(tmp_path, job, own_uvs(job))
    materials = {material["name"]: material for material in tree["materials"]}
    assert set(materials) == {"steel", "brass"}
    assert materials["steel"]["doubleSided"] is True and not materials["brass"].get("doubleSided")
    for name, metallic, roughness in (("steel", 1.0, 0.25), ("brass", 0.75, 0.5)):
        colour = materials[name]["pbrMetallicRoughness"]
        assert (colour["metallicFactor"], colour["roughnessFactor"]) == (metallic, roughness)
        assert colour.get("baseColorFactor", [1, 1, 1, 1]) == [1, 1, 1, 1]
        assert np.array_equal(picture_of(glb, tree, colour["baseColorTexture"]["index"]), TEXTURE.image)
    assert len(tree["images"]) == 1  # one atlas, stored once


def maps() -> dict:
    return dict(
        normalTexture=Image.new("RGB", (4, 4), (128, 128, 255)),
        metallicRoughnessTexture=Image.new("RGB", (4, 4), (0, 80, 200)),
        emissiveTexture=Image.new("RGB", (4, 4), (9, 9, 9)),
        emissiveFactor=[0.5, 0.25, 1.0],
    )


@pytest.mark.parametrize("from_file", [True, False])
def test_other_pictures_keep_reading_the_uvs_they_were_made_for(tmp_path, from_file):
    workshop(**maps()).export(tmp_path / "in.glb")
    loaded = load(tmp_path / "in.glb" if from_file else workshop(**maps()))
    for surface, channel in ((own_uvs(loaded), 0), (new_uvs(loaded), 1)):
        tree, glb, _ = written(tmp_path, loaded, surface)
        steel = next(material for material in tree["materials"] if material["name"] == "steel")
        found = [
            steel["normalTexture"],
            steel["emissiveTexture"],
            steel["pbrMetallicRoughness"]["metallicRoughnessTexture"],
        ]
        assert [texture.get("texCoord", 0) for texture in found] == [channel] * 3
        assert [picture_of(glb, tree, texture["index"])[0, 0, 2] for texture in found] == [255, 9, 200]
        assert steel["emissiveFactor"] == [0.5, 0.25, 1.0]
        assert steel["pbrMetallicRoughness"]["baseColorTexture"].get("texCoord", 0) == 0
        boxes = [mesh for mesh in tree["meshes"] if mesh["name"].startswith("box")]
        assert all((f"TEXCOORD_{channel}" in mesh["primitives"][0]["attributes"]) for mesh in boxes)


def test_the_second_uvs_are_the_old_ones(tmp_path):
    workshop(**maps()).export(tmp_path / "in.glb")
    loaded = load(tmp_path / "in.glb")
    scene = textured_scene(loaded, new_uvs(loaded), TEXTURE)
    mesh = scene.geometry[scene.graph["tool"][1]]
    old = mesh.vertex_attributes["_TEXCOORD_1"]
    assert np.allclose(old * [1, -1] + [0, 1], mesh.vertices[:, :2] + 0.5, atol=1e-6)


def test_instances_share_a_mesh_only_while_they_share_texels(tmp_path, job):
    kept, _, _ = written(tmp_path, job, own_uvs(job))
    assert sorted(mesh["name"] for mesh in kept["meshes"]) == ["ball", "box"]
    apart, _, _ = written(tmp_path, job, new_uvs(job))
    assert len(apart["meshes"]) == 3
    shown = {node["name"]: node.get("mesh") for node in apart["nodes"]}
    assert shown["tool"] != shown["block"]


@pytest.mark.parametrize("from_file", [True, False])
def test_a_mesh_of_several_primitives_stays_one_mesh(tmp_path, from_file):
    box, ball = trimesh.creation.box(), trimesh.creation.icosphere(subdivisions=1)
    for mesh, name in ((box, "wood"), (ball, "glass")):
        mesh.visual = TextureVisuals(
            uv=mesh.vertices[:, :2], material=PBRMaterial(name=name, roughnessFactor=0.5)
        )

    def join(tree):
        tree["meshes"] = [
            {"name": "lamp", "primitives": [p for m in tree["meshes"] for p in m["primitives"]]}
        ]
        tree["nodes"] = [{"name": "lamp on the left", "mesh": 0, "translation": [1, 2, 3]}]
        tree["scenes"][0]["nodes"] = [0]

    (tmp_path / "in.glb").write_bytes(
        trimesh.Scene([box, ball]).export(file_type="glb", tree_postprocessor=join)
    )
    loaded = load(
        tmp_path / "in.glb" if from_file else trimesh.load_scene(tmp_path / "in.glb", process=False)
    )
    assert len(loaded.parts) == 2
    tree, _, _ = written(tmp_path, loaded, new_uvs(loaded))
    assert [node["name"] for node in tree["nodes"] if "mesh" in node] == ["lamp on the left"]
    (mesh,) = tree["meshes"]
    names = [tree["materials"][p["material"]]["name"] for p in mesh["primitives"]]
    assert mesh["name"] == "lamp" and names == ["wood", "glass"]


def test_the_scene_that_was_read_is_not_touched(scene_file):
    loaded = load(scene_file)
    before = {
        name: (mesh.vertices.copy(), mesh.visual.material.name)
        for name, mesh in loaded.scene.geometry.items()
    }
    nodes = dict(loaded.scene.graph.transforms.node_data)
    textured_scene(loaded, new_uvs(loaded), TEXTURE)
    assert loaded.scene.graph.transforms.node_data == nodes and set(loaded.scene.geometry) == set(before)
    for name, (vertices, material) in before.items():
        mesh = loaded.scene.geometry[name]
        assert np.array_equal(mesh.vertices, vertices) and mesh.visual.material.name == material
        assert mesh.visual.material.baseColorTexture is None


def test_the_textured_scene_shows_the_texture(scene_file):
    loaded = load(scene_file)
    scene = textured_scene(loaded, own_uvs(loaded), TEXTURE)
    for mesh in scene.geometry.values():
        assert np.array_equal(np.array(mesh.visual.material.baseColorTexture), TEXTURE.image)
