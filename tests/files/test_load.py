"""Meshes come in whole, or are refused in one line."""

from __future__ import annotations

import json
import struct
import time

import numpy as np
import pytest
import trimesh

from texsync.errors import InputError, TexsyncWarning
from texsync.files.load import MOST_FACES, load
from texsync.surface.faces import face_normals

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def written(path, content):
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
    return path


def obj(folder, text, name="mesh.obj"):
    return written(folder / name, text)


def refusal(mesh, **axes) -> str:
    """The one line that a user would read."""
    with pytest.raises(InputError) as caught:
        load(mesh, **axes)
    message = str(caught.value)
    assert "\n" not in message and "; " in message and "Traceback" not in message
    return message


# ---- what cannot be painted -------------------------------------------------------------------------------------


def test_a_missing_file_a_folder_and_an_unknown_ending_are_named(tmp_path):
    assert "nowhere.obj does not exist" in refusal(tmp_path / "nowhere.obj")
    assert "is a folder" in refusal(tmp_path)
    said = refusal(written(tmp_path / "scene.blend", "BLENDER"))
    assert "'.blend'" in said and all(
        format in said for format in ("obj", "glb", "gltf", "ply", "stl", "off")
    )
    assert "is not a mesh" in refusal(42)
    assert "does not exist" in refusal("http://localhost/mesh.glb")  # nothing is fetched


@pytest.mark.parametrize("ending", ["obj", "glb", "gltf", "ply", "stl", "off"])
def test_an_empty_file_or_prose_is_no_mesh(tmp_path, ending):
    assert "is empty" in refusal(written(tmp_path / f"empty.{ending}", b""))
    prose = "Dear all,\n\nplease find the mesh attached.\nfaithfully yours\n" * 5
    assert f"prose.{ending}" in refusal(written(tmp_path / f"prose.{ending}", prose))
    assert f"noise.{ending}" in refusal(written(tmp_path / f"noise.{ending}", bytes(range(256)) * 4))


@pytest.mark.parametrize("ending", ["glb", "ply", "stl"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_truncated_file_is_refused(tmp_path, ending, share):
    path = tmp_path / f"cut.{ending}"
    whole = trimesh.creation.icosphere(subdivisions=2).export(file_type=ending)
    assert "cut." in refusal(written(path, whole[: int(len(whole) * share)]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TRIANGLE, "no faces"),
        (TRIANGLE + "l 1 2 3\n", "no faces"),
        (TRIANGLE + "p 1 2 3\n", "no faces"),
        (TRIANGLE + "f 1 2\n", "no faces"),
        (TRIANGLE + "f 1 2 4\n", "vertex 4 of 3"),
        (TRIANGLE + "f 1 2 0\n", "vertex 0"),
        (TRIANGLE + "f -1 -2 -4\n", "cannot be read"),
        (TRIANGLE + "f 1 2 x\n", "cannot be read as OBJ"),
        (TRIANGLE.replace("v 1 0 0", "v 1 0") + "f 1 2 3\n", "fewer than 3 numbers"),
        (TRIANGLE.replace("v 1 0 0", "v nan 0 0") + "f 1 2 3\n", "1 vertices at NaN or infinity"),
        (TRIANGLE.replace("v 1 0 0", "v inf 0 0") + "f 1 2 3\n", "NaN or infinity"),
        (TRIANGLE + "f 1 1 2\nf 1 2 2\n", "none of the 2 faces"),
        ("v 0 0 0\nv 1 1 1\nv 2 2 2\nf 1 2 3\n", "has an area"),
        ("v 3 3 3\nv 3 3 3\nv 3 3 3\nf 1 2 3\n", "has an area"),
        (TRIANGLE.replace("v 1 0 0", "v 1e200 0 0") + "f 1 2 3\n", "units large"),
        (TRIANGLE.replace("1", "1e-40") + "f 1 2 3\n", "units large"),
    ],
)
def test_a_damaged_obj_is_refused_with_the_reason(tmp_path, text, said):
    assert said in refusal(obj(tmp_path, text))


def test_points_alone_are_refused(tmp_path):
    cloud = trimesh.PointCloud(np.eye(3))
    cloud.export(tmp_path / "cloud.ply")
    trimesh.Scene(cloud).export(tmp_path / "cloud.glb")
    assert "no faces" in refusal(tmp_path / "cloud.ply")
    assert "no faces" in refusal(tmp_path / "cloud.glb")
    assert "no faces" in refusal(trimesh.Scene())
    assert "no faces" in refusal(trimesh.Trimesh())


@pytest.mark.parametrize("faces", [[[0, 1, 7]], [[0, 1, -1]]])
def test_indices_out_of_range_are_refused_in_memory_and_in_files(tmp_path, faces):
    mesh = trimesh.Trimesh(np.eye(3), faces, process=False)
    assert "refers to vertex" in refusal(mesh)
    header = "OFF\n3 1 0\n1 0 0\n0 1 0\n0 0 1\n3 " + " ".join(map(str, faces[0])) + "\n"
    assert "bad.off" in refusal(written(tmp_path / "bad.off", header))


def test_a_glb_with_indices_out_of_range_is_refused(tmp_path):
    whole = trimesh.Trimesh(np.eye(3), [[0, 1, 2]], process=False).export(file_type="glb")
    path = written(
        tmp_path / "bad.glb", whole.replace(struct.pack("<3I", 0, 1, 2), struct.pack("<3I", 0, 1, 9))
    )
    assert "vertex 9 of 3" in refusal(path)


def test_too_many_faces_are_refused_before_any_work(monkeypatch):
    mesh = trimesh.Trimesh(np.eye(3), np.zeros((MOST_FACES + 1, 3), np.int64), process=False)
    start = time.perf_counter()
    assert "5,000,001 faces" in refusal(mesh)
    assert time.perf_counter() - start < 5


def test_unknown_axes_and_two_on_one_line_are_refused(tmp_path):
    path = obj(tmp_path, TRIANGLE + "f 1 2 3\n")
    assert "known: auto, x" in refusal(path, up="w")
    assert "one axis" in refusal(path, up="y", front="-y")


# ---- what must work ---------------------------------------------------------------------------------------------


def test_one_triangle_is_a_mesh(tmp_path):
    loaded = load(obj(tmp_path, TRIANGLE + "f 1 2 3\n"))
    assert loaded.faces.tolist() == [[0, 1, 2]] and loaded.uv is None
    assert loaded.stem == "mesh"
    assert np.allclose(np.abs(loaded.normals), [0, 0, 1])
    assert np.linalg.norm(loaded.vertices, axis=1).max() == pytest.approx(1)


@pytest.mark.parametrize("ending", ["obj", "glb", "ply", "stl", "off"])
def test_every_format_gives_the_same_cube_where_its_axes_are_said(tmp_path, ending):
    box = trimesh.creation.box((1, 2, 4))
    box.export(tmp_path / f"box.{ending}")
    loaded = load(tmp_path / f"box.{ending}", up="y", front="z")
    assert len(loaded.faces) == 12
    assert np.allclose(np.ptp(loaded.vertices, axis=0), np.array([1, 2, 4]) / (np.sqrt(21) / 2))
    assert np.allclose(np.linalg.norm(loaded.normals, axis=1), 1)
    assert loaded.faces.dtype == np.int64 and loaded.vertices.dtype == np.float64


def test_gltf_with_its_buffer_in_a_file_beside_it(tmp_path):
    for name, data in trimesh.Scene(trimesh.creation.box()).export(file_type="gltf").items():
        written(tmp_path / name, data)
    assert len(load(tmp_path / "model.gltf").faces) == 12


def edited(path, edit):
    """A GLB of a box with UVs, after `edit` has changed its JSON."""
    box = trimesh.creation.box()
    box.visual = trimesh.visual.TextureVisuals(uv=box.vertices[:, :2] + 0.5)
    return written(path, trimesh.Scene(box).export(file_type="glb", tree_postprocessor=edit))


def test_a_glb_without_material_keeps_its_uvs(tmp_path):
    def bare(tree):
        del tree["materials"], tree["meshes"][0]["primitives"][0]["material"]

    loaded = load(edited(tmp_path / "bare.glb", bare))
    assert np.allclose(loaded.uv, loaded.shapes[loaded.parts[0].shape].vertices[:, :2] + 0.5)


@pytest.mark.parametrize("extension", ["KHR_draco_mesh_compression", "EXT_meshopt_compression"])
def test_compressed_geometry_is_refused(tmp_path, extension):
    said = refusal(edited(tmp_path / "small.glb", lambda tree: tree.update(extensionsRequired=[extension])))
    assert extension in said and "without mesh compression" in said


@pytest.mark.parametrize("uri", ["../secret.bin", "/etc/hostname", "http://localhost/x.bin"])
def test_a_gltf_reads_nothing_outside_its_folder(tmp_path, uri):
    (tmp_path / "in").mkdir()
    files = trimesh.Scene(trimesh.creation.box()).export(file_type="gltf", merge_buffers=True)
    written(tmp_path / "secret.bin", files["gltf_buffer.bin"])
    tree = json.loads(files["model.gltf"])
    tree["buffers"][0]["uri"] = uri
    assert "cannot be read" in refusal(written(tmp_path / "in" / "model.gltf", json.dumps(tree)))


def test_an_obj_reads_no_material_outside_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    written(tmp_path / "out.mtl", "newmtl secret\nNs 42\n")
    path = obj(tmp_path / "in", "mtllib ../out.mtl\nusemtl secret\n" + TRIANGLE + "f 1 2 3\n")
    with pytest.warns(TexsyncWarning, match="out.mtl is not there"):
        assert load(path).source.materials == {}
    written(tmp_path / "in" / "out.mtl", "newmtl secret\nNs 42\n")
    path = obj(tmp_path / "in", "mtllib out.mtl\nusemtl secret\n" + TRIANGLE + "f 1 2 3\n")
    assert load(path).source.materials["secret"].numbers("Ns") == [42]


def test_polygons_become_triangles_of_the_same_area(tmp_path):
    pentagon = "".join(f"v {np.cos(t)} {np.sin(t)} 0\n" for t in 2 * np.pi * np.arange(5) / 5)
    loaded = load(obj(tmp_path, SQUARE + "f 1 2 3 4\n" + pentagon + "f -5 -4 -3 -2 -1\n"))
    assert loaded.faces.tolist() == [[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7], [4, 7, 8]]
    area = np.linalg.norm(face_normals(loaded.vertices, loaded.faces), axis=1) / 2
    scale = loaded.to_world[0, 0] ** 2
    assert area.sum() * scale == pytest.approx(1 + 2.5 * np.sin(2 * np.pi / 5))


def test_uvs_of_an_obj_survive_without_any_material(tmp_path):
    uvs = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0.25 1\n"
    loaded = load(obj(tmp_path, SQUARE + uvs + "f 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"))
    assert np.array_equal(loaded.uv[loaded.uv_faces[1]], [[0, 0], [1, 1], [0.25, 1]])


def test_a_uv_seam_does_not_split_the_vertices_of_an_obj(tmp_path):
    uvs = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0.5 0\nvt 0.5 1\nvt 0 1\n"
    loaded = load(obj(tmp_path, SQUARE + uvs + "f 1/1 2/2 3/3\nf 1/4 3/5 4/6\n"))
    assert len(loaded.vertices) == 4 and loaded.uv_faces.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_faces_and_parts_without_uvs_are_told_from_others(tmp_path):
    uvs = "vt 0 0\nvt 1 0\nvt 1 1\n"
    corner = load(obj(tmp_path, SQUARE + uvs + "f 1/1 2/2 3/3\nf 1/1 3/3 4\n"))
    assert corner.uv_faces.tolist() == [[0, 1, 2], [-1, -1, -1]]
    concave = load(obj(tmp_path, SQUARE + uvs + "f 1/1 2/2 3/3 4\n"))  # all or none of a polygon
    assert concave.uv is None and concave.uv_faces is None
    with_uv = trimesh.creation.box()
    with_uv.visual = trimesh.visual.TextureVisuals(uv=np.zeros((8, 2)))
    scene = trimesh.Scene([with_uv, trimesh.creation.icosphere()])
    loaded = load(scene)
    assert [part.has_uv for part in loaded.parts].count(True) == 1
    assert ((loaded.uv_faces >= 0).all(axis=1) == (loaded.part == 0)).all() and len(loaded.names) == 2


def test_v_points_up_whatever_the_format(tmp_path):
    square = trimesh.Trimesh(
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False
    )
    square.visual = trimesh.visual.TextureVisuals(uv=square.vertices[:, :2])
    square.export(tmp_path / "square.glb")
    square.export(tmp_path / "square.obj")
    for ending in ("glb", "obj"):
        loaded = load(tmp_path / f"square.{ending}")
        assert np.allclose(
            loaded.uv[loaded.uv_faces], loaded.vertices[loaded.faces][..., :2] * np.sqrt(0.5) + 0.5
        )


def test_faces_without_area_are_left_out_and_remembered():
    box = trimesh.creation.box()
    faces = np.concatenate([box.faces[:5], [[0, 0, 1], [2, 2, 2]], box.faces[5:]])
    loaded = load(trimesh.Trimesh(box.vertices, faces, process=False))
    assert np.array_equal(loaded.faces, box.faces)
    assert loaded.parts[0].kept.tolist() == [True] * 5 + [False] * 2 + [True] * 7


def test_objects_of_an_obj_are_parts_and_keep_their_vertex_order(tmp_path):
    text = "o left\n" + SQUARE + "vt 0 0\nf 1/1 2/1 3/1\n"
    text += "o right\nv 5 0 0\nv 6 0 0\nv 5 1 0\nv 9 9 9\nf 5/1 6/1 7/1\n"
    loaded = load(obj(tmp_path, text))
    assert [part.node for part in loaded.parts] == ["left", "right"]
    assert [len(loaded.shapes[part.shape].vertices) for part in loaded.parts] == [4, 4]
    assert np.array_equal(loaded.shapes["right"].vertices[0], [5, 0, 0])


def test_objects_that_share_vertices_stay_one_part(tmp_path):
    text = SQUARE + "o a\nf 1 2 3\no b\nf 1 3 4\n"
    loaded = load(obj(tmp_path, text))
    assert len(loaded.parts) == 1 and len(loaded.vertices) == 4


def test_the_scene_that_was_passed_in_is_not_changed():
    scene = trimesh.Scene(trimesh.creation.box())
    before = scene.__hash__()
    loaded = load(scene)
    loaded.vertices[:] = 0
    assert scene.__hash__() == before and loaded.scene is scene
