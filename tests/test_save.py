"""A textured mesh comes back as the mesh it was."""

from __future__ import annotations

import errno
import json
import os
import struct
import warnings
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.transformations import rotation_matrix, translation_matrix
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from texsync.errors import InputError, TexsyncWarning
from texsync.surface.folder import atomic_folder
from texsync.surface.load import load
from texsync.surface.save import corner_uvs, keeps_uvs, save_model, textured_scene
from texsync.surface.types import Surface

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
TEXTURE = SimpleNamespace(image=np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3))


def own_uvs(loaded) -> Surface:
    """Painted on the UVs that the file has."""
    return Surface(loaded.vertices, loaded.faces, loaded.normals, loaded.uv, loaded.uv_faces, loaded.part)


def new_uvs(loaded) -> Surface:
    """A map where every face is an island of its own."""
    count = len(loaded.faces)
    corner = np.stack([np.arange(count), np.zeros(count)], axis=1) / (count + 1)
    uv = (corner[:, None] + np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]) / (count + 1)).reshape(-1, 2)
    return Surface(
        loaded.vertices, loaded.faces, loaded.normals, uv, np.arange(3 * count).reshape(-1, 3), loaded.part
    )


def saved(tmp_path, loaded, surface, stem="thing"):
    """What the GLB and the OBJ say: (JSON of the GLB, its path, the OBJ's path)."""
    glb, obj, library, picture = save_model(loaded, surface, TEXTURE, tmp_path, stem)
    assert all(path.is_file() for path in (glb, obj, library, picture))
    return tree_of(glb), glb, obj


def tree_of(glb) -> dict:
    data = glb.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack("<I", data[12:16])[0]])


def picture_of(glb, tree, index) -> np.ndarray:
    data = glb.read_bytes()
    start = 28 + struct.unpack("<I", data[12:16])[0]
    view = tree["bufferViews"][tree["images"][tree["textures"][index]["source"]]["bufferView"]]
    first = start + view.get("byteOffset", 0)
    return np.array(Image.open(BytesIO(data[first : first + view["byteLength"]])))


def lines(path, keyword) -> list[list[float]]:
    """The numbers of all lines that begin with keyword."""
    rows = [line.split() for line in path.read_text().splitlines()]
    return [[float(x) for x in row[1:]] for row in rows if row and row[0] == keyword]


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


# ---- the scene comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("uvs", [own_uvs, new_uvs])
def test_nodes_hierarchy_places_and_names_come_back(tmp_path, scene_file, uvs):
    loaded = load(scene_file)
    _, glb, _ = saved(tmp_path, loaded, uvs(loaded))
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
def test_every_corner_has_its_place_and_its_new_uv(tmp_path, scene_file, uvs, kind):
    loaded = load(scene_file)
    surface = uvs(loaded)
    _, glb, obj = saved(tmp_path, loaded, surface)
    again = load(glb if kind == "glb" else obj)
    wanted = corners(SimpleNamespace(**{**vars(loaded), "uv": surface.uv, "uv_faces": surface.uv_faces}))

    def sorted_faces(table):
        flat = table.reshape(len(table), -1).round(5)
        return flat[np.lexsort(flat.T)]

    assert np.allclose(sorted_faces(corners(again)), sorted_faces(wanted), atol=3e-5)


def test_materials_keep_all_but_their_base_colour(tmp_path, scene_file):
    loaded = load(scene_file)
    tree, glb, _ = saved(tmp_path, loaded, own_uvs(loaded))
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


def test_other_pictures_keep_reading_the_uvs_they_were_made_for(tmp_path):
    workshop(**maps()).export(tmp_path / "in.glb")
    loaded = load(tmp_path / "in.glb")
    for surface, channel in ((own_uvs(loaded), 0), (new_uvs(loaded), 1)):
        tree, glb, _ = saved(tmp_path, loaded, surface)
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


def test_instances_share_a_mesh_only_while_they_share_texels(tmp_path, scene_file):
    loaded = load(scene_file)
    kept, _, _ = saved(tmp_path, loaded, own_uvs(loaded))
    assert sorted(mesh["name"] for mesh in kept["meshes"]) == ["ball", "box"]
    apart, _, _ = saved(tmp_path, loaded, new_uvs(loaded))
    assert len(apart["meshes"]) == 3
    shown = {node["name"]: node.get("mesh") for node in apart["nodes"]}
    assert shown["tool"] != shown["block"]


def test_a_mesh_of_several_primitives_stays_one_mesh(tmp_path):
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
    loaded = load(tmp_path / "in.glb")
    assert len(loaded.parts) == 2
    tree, _, _ = saved(tmp_path, loaded, new_uvs(loaded))
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


# ---- OBJ --------------------------------------------------------------------------------------------------------


def test_an_obj_keeps_its_vertices_in_order_and_to_the_last_digit(tmp_path):
    text = "o a\n" + SQUARE + "v 0.1234567890123 1e-7 3\nf 1 2 3 4\no b\nv 7 7 7\nv 8 7 7\nv 7 8 7\nf 6 7 8\n"
    (tmp_path / "in.obj").write_text(text)
    loaded = load(tmp_path / "in.obj")
    _, _, obj = saved(tmp_path, loaded, new_uvs(loaded))
    assert lines(obj, "v") == lines(tmp_path / "in.obj", "v")
    said = obj.read_text().splitlines()
    assert [line for line in said if line.startswith("o ")] == ["o a", "o b"]
    assert [line for line in said if line.startswith("usemtl")] == ["usemtl thing_material"]
    assert len(lines(obj, "vt")) == 9 and "map_Kd thing_texture.png" in (tmp_path / "thing.mtl").read_text()


def test_an_objs_own_uvs_and_normals_go_back_unchanged(tmp_path):
    tables = "vt 0.125 0.5\nvt 1 0\nvt 1 1\nvt 0.3 0.7\nvn 0 0 1\nvn 0 0.6 0.8\n"
    (tmp_path / "in.obj").write_text(SQUARE + tables + "f 1/1/1 2/2/1 3/3/2\nf 1/4/1 3/3/2 4/1/2\n")
    loaded = load(tmp_path / "in.obj")
    tree, glb, obj = saved(tmp_path, loaded, own_uvs(loaded))
    assert lines(obj, "vt") == lines(tmp_path / "in.obj", "vt") and lines(obj, "vn") == [
        [0, 0, 1],
        [0, 0.6, 0.8],
    ]
    assert [line for line in obj.read_text().splitlines() if line.startswith("f ")] == [
        "f 1/1/1 2/2/1 3/3/2",
        "f 1/4/1 3/3/2 4/1/2",
    ]
    mesh = next(iter(trimesh.load_scene(glb, process=False).geometry.values()))
    assert len(mesh.vertices) == 5 and np.array_equal(mesh.vertices[:4], loaded.shapes["in"].vertices)
    assert np.array_equal(mesh.vertices[4], [0, 0, 0])  # the copy for the seam comes last
    assert np.allclose(mesh.vertex_normals[2], [0, 0.6, 0.8])


def test_an_objs_shininess_stays(tmp_path):
    (tmp_path / "in.mtl").write_text("newmtl shiny\nKd 1 0 0\nKs 0.5 0.25 0\nNs 42\n")
    (tmp_path / "in.obj").write_text("mtllib in.mtl\nusemtl shiny\n" + SQUARE + "f 1 2 3\n")
    loaded = load(tmp_path / "in.obj")
    tree, _, _ = saved(tmp_path, loaded, new_uvs(loaded))
    said = (tmp_path / "thing.mtl").read_text().splitlines()
    assert {"Ks 0.5 0.25 0", "Ns 42", "Kd 1 1 1"} <= set(said)
    assert tree["materials"][0]["name"] == "shiny"


@pytest.mark.parametrize("ending", ["stl", "ply", "off"])
def test_formats_without_materials_get_a_dull_two_sided_one(tmp_path, ending):
    trimesh.creation.box().export(tmp_path / f"part.{ending}")
    loaded = load(tmp_path / f"part.{ending}")
    tree, _, obj = saved(tmp_path, loaded, new_uvs(loaded))
    (material,) = tree["materials"]
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0 and material["doubleSided"] is True
    assert material["pbrMetallicRoughness"]["roughnessFactor"] == 0.9
    assert [node["name"] for node in tree["nodes"]] == ["part"] == [mesh["name"] for mesh in tree["meshes"]]
    box = trimesh.load(tmp_path / f"part.{ending}", process=False)
    assert np.allclose(lines(obj, "v"), box.vertices)


# ---- odd meshes -------------------------------------------------------------------------------------------------


def test_faces_without_area_are_in_the_file_again(tmp_path):
    box = trimesh.creation.box()
    faces = np.concatenate([box.faces[:5], [[0, 0, 1], [2, 2, 2]], box.faces[5:]])
    loaded = load(trimesh.Trimesh(box.vertices, faces, process=False))
    surface = new_uvs(loaded)
    _, glb, obj = saved(tmp_path, loaded, surface)
    assert len(lines(tmp_path / "thing.obj", "v")) == 8 and obj.read_text().count("\nf ") == 14
    mesh = next(iter(trimesh.load_scene(glb, process=False).geometry.values()))
    assert np.array_equal(mesh.vertices[mesh.faces], np.float32(box.vertices)[faces])
    uvs = corner_uvs(loaded, surface, loaded.parts[0])
    assert np.array_equal(uvs[loaded.parts[0].kept], surface.uv_faces) and uvs.max() < len(surface.uv)


def test_a_mesh_far_from_the_origin_keeps_its_shape(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=2)
    far = trimesh.Trimesh(ball.vertices + [1e7, -1e7, 3e6], ball.faces, process=False)
    loaded = load(far)
    _, glb, obj = saved(tmp_path, loaded, new_uvs(loaded))
    assert np.array_equal(lines(obj, "v"), far.vertices)
    again = load(glb)
    assert np.abs(again.vertices[: len(ball.vertices)] - loaded.vertices).max() < 1e-6
    assert np.allclose(again.to_world[:3, 3], loaded.to_world[:3, 3], atol=0.01)


def test_uvs_in_another_tile_count_as_the_users_own(tmp_path, scene_file):
    loaded = load(scene_file)
    surface = own_uvs(loaded)
    assert keeps_uvs(loaded, surface)
    moved = Surface(**{**vars(surface), "uv": surface.uv - [1, 2]})
    assert keeps_uvs(loaded, moved) and not keeps_uvs(loaded, new_uvs(loaded))
    assert not keeps_uvs(loaded, Surface(**{**vars(surface), "uv": surface.uv * 0.5}))
    _, glb, _ = saved(tmp_path, loaded, moved)
    assert np.allclose(load(glb).uv, loaded.uv)


def test_losses_are_said(tmp_path):
    box = trimesh.creation.box()
    box.visual.vertex_colors = np.tile([255, 0, 0, 255], (8, 1))
    with pytest.warns(TexsyncWarning, match="vertex colours"):
        loaded = load(box)
        tree, _, _ = saved(tmp_path, loaded, new_uvs(loaded))
    assert "COLOR_0" not in tree["meshes"][0]["primitives"][0]["attributes"]
    (tmp_path / "in.mtl").write_text("newmtl rough\nmap_Bump bump.png\n")
    (tmp_path / "in.obj").write_text("mtllib in.mtl\nusemtl rough\n" + SQUARE + "f 1 2 3\n")
    with pytest.warns(TexsyncWarning, match="MTL pictures"):
        saved(tmp_path, load(tmp_path / "in.obj"), new_uvs(load(tmp_path / "in.obj")))
    leaf = trimesh.creation.box()
    leaf.visual = TextureVisuals(uv=np.zeros((8, 2)), material=PBRMaterial(alphaMode="MASK"))
    with pytest.warns(TexsyncWarning, match="cut-outs"):
        tree, _, _ = saved(tmp_path, load(leaf), new_uvs(load(leaf)))
    assert tree["materials"][0].get("alphaMode", "OPAQUE") == "OPAQUE"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved(tmp_path, load(workshop()), new_uvs(load(workshop())))


def test_a_stem_with_spaces_and_accents(tmp_path):
    loaded = load(trimesh.creation.box())
    _, _, obj = saved(tmp_path, loaded, new_uvs(loaded), "mon vase é")
    assert len(load(obj).faces) == 12
    material = next(iter(trimesh.load_scene(obj).geometry.values())).visual.material
    assert np.array_equal(np.array(material.image), TEXTURE.image)


# ---- folders ----------------------------------------------------------------------------------------------------


def entries(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def result(path, text="new"):
    path.mkdir()
    (path / "run.json").write_text(text)
    return path


def test_a_folder_appears_when_it_is_complete(tmp_path):
    goal = tmp_path / "a" / "b"
    with atomic_folder(goal) as place:
        assert place.parent == goal.parent and not goal.exists()
        (place / "file").write_text("x")
    assert entries(goal) == ["file"] and entries(tmp_path / "a") == ["b"]
    assert oct(goal.stat().st_mode) == oct((tmp_path / "a").stat().st_mode)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_of_an_interrupted_run(tmp_path, error):
    with pytest.raises(error), atomic_folder(tmp_path / "a" / "b") as place:
        (place / "half").write_text("x")
        raise error
    assert entries(tmp_path) == []
    kept = result(tmp_path / "kept", "old")
    with pytest.raises(error), atomic_folder(kept, overwrite=True) as place:
        raise error
    assert entries(tmp_path) == ["kept"] and (kept / "run.json").read_text() == "old"


def test_an_old_result_is_replaced_only_when_asked(tmp_path):
    old = result(tmp_path / "out", "old")
    (old / "leftover").write_text("x")
    with pytest.raises(InputError, match="--overwrite"), atomic_folder(old):
        pass
    with atomic_folder(old, overwrite=True) as place:
        assert (old / "run.json").read_text() == "old"
        (place / "run.json").write_text("new")
    assert (
        entries(tmp_path) == ["out"]
        and entries(old) == ["run.json"]
        and (old / "run.json").read_text() == "new"
    )


def test_only_results_of_ours_are_overwritten(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with (
        pytest.raises(InputError, match="not a texsync result"),
        atomic_folder(tmp_path / "thesis", overwrite=True),
    ):
        pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"), atomic_folder(tmp_path / "file", overwrite=True):
        pass
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as place:
        (place / "run.json").write_text("x")
    assert entries(tmp_path) == ["empty", "file", "thesis"] and entries(tmp_path / "empty") == ["run.json"]


def test_a_move_that_fails_brings_the_old_result_back(tmp_path, monkeypatch):
    old = result(tmp_path / "out", "old")
    rename = type(old).rename

    def fails(self, target):
        if self.name.startswith(".out-") and target == old:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(type(old), "rename", fails)
    with pytest.raises(InputError, match="No space left"), atomic_folder(old, overwrite=True):
        pass
    assert entries(tmp_path) == ["out"] and (old / "run.json").read_text() == "old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk_is_said_in_one_line(tmp_path, monkeypatch, number):
    with pytest.raises(InputError) as caught, atomic_folder(tmp_path / "out"):
        raise OSError(number, os.strerror(number))
    assert os.strerror(number) in str(caught.value) and "\n" not in str(caught.value)

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(InputError, match="cannot write"), atomic_folder(tmp_path / "a" / "out"):
        pass
    assert entries(tmp_path) == []


def test_other_errors_are_not_blamed_on_the_disk(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "out"):
        (tmp_path / "nowhere").read_text()
    assert entries(tmp_path) == []
