"""All the ways in which a glTF file can say the same mesh."""

from __future__ import annotations

import json
from base64 import b64encode

import numpy as np
import pytest
from gltf_zoo import column, worm
from jobs import new_uvs, own_uvs, plain, saved, triangles, values

from texsync.files.gltf_document import read_gltf
from texsync.files.load import load


@pytest.mark.parametrize("mode", [4, 5, 6])
@pytest.mark.parametrize("indexed", [True, False])
def test_lists_strips_and_fans_with_and_without_indices(tmp_path, mode, indexed):
    made = plain(mode=mode)
    primitive = made.tree["meshes"][0]["primitives"][0]
    order = np.arange(15) if not indexed else np.array([0, 1, 5, 6, 10, 11, 12, 7, 8])
    if indexed:
        primitive["indices"] = made.accessor(order, "B")
    else:
        del primitive["indices"]
    corners = {4: order.reshape(-1, 3), 5: strip(order), 6: fan(order)}[mode]
    path = made.write(tmp_path / "post.glb")
    assert np.array_equal(load(path).shapes["column"].faces, corners)
    before, kept = saved(path, own_uvs)
    assert kept.tree["meshes"][0]["primitives"][0]["mode"] == mode
    assert np.array_equal(triangles(kept), column()[0].astype(np.float32)[corners])
    _, new = saved(path, new_uvs)
    assert "mode" not in new.tree["meshes"][0]["primitives"][0] or mode == 4
    assert np.array_equal(triangles(new), triangles(before))


@pytest.mark.parametrize("uvs", [own_uvs, new_uvs])
def test_normals_without_a_length_get_one(tmp_path, uvs):
    """Zero and no number at all; the others stay to the bit."""
    made = plain()
    attributes = made.tree["meshes"][0]["primitives"][0]["attributes"]
    old = np.tile(np.float32([0.6, 0.8, 0]), (15, 1))
    old[[3, 7]] = [[0, 0, 0], [np.nan, 0, 1]]
    attributes["NORMAL"] = made.accessor(old, "f")
    before, kept = saved(made.write(tmp_path / "post.glb"), uvs)
    attributes = kept.tree["meshes"][0]["primitives"][0]["attributes"]
    new, place = kept.numbers(attributes["NORMAL"]), kept.numbers(attributes["POSITION"])
    assert np.allclose(np.linalg.norm(new, axis=1), 1, atol=1e-5)
    wrong = column()[0].astype(np.float32)[[3, 7]]
    mended = (place[:, None] == wrong).all(axis=-1).any(axis=1)
    assert mended.any() and (new[~mended] == old[0]).all() and (new[mended] != old[0]).any()


def strip(order) -> list:
    """Every other triangle is turned round, so that all look the same way."""
    pairs = [order[i : i + 3] for i in range(len(order) - 2)]
    return [[a, b, c] if i % 2 == 0 else [a, c, b] for i, (a, b, c) in enumerate(pairs)]


def fan(order) -> list:
    return [[order[i], order[i + 1], order[0]] for i in range(1, len(order) - 1)]


def test_sparse_data_and_data_that_is_not_there_are_read(tmp_path):
    made = plain()
    vertices = column()[0].astype(np.float32)
    where, what = (
        made.view(np.array([3, 7], "H").tobytes()),
        made.view(np.array([[9, 9, 9], [8, 8, 8]], "f").tobytes()),
    )
    position = made.tree["accessors"][0]
    position["sparse"] = {
        "count": 2,
        "indices": {"bufferView": where, "componentType": 5123},
        "values": {"bufferView": what},
    }
    position["max"] = [9, 9, 9]
    nothing = {"componentType": 5126, "count": 15, "type": "VEC3", "max": [0, 0, 0], "min": [0, 0, 0]}
    made.tree["accessors"].append(nothing)
    made.tree["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": len(made.tree["accessors"]) - 1}]
    path = made.write(tmp_path / "post.glb")
    vertices[[3, 7]] = [[9, 9, 9], [8, 8, 8]]
    assert np.array_equal(load(path).shapes["column"].vertices, vertices)
    before, after = saved(path, new_uvs)
    assert np.array_equal(triangles(after), triangles(before))
    target = after.tree["meshes"][0]["primitives"][0]["targets"][0]["POSITION"]
    assert not after.elements(target).any()


def test_whole_numbers_that_stand_for_fractions_are_uvs(tmp_path):
    made = plain()
    _, uv, _ = column()
    quantised = made.accessor(np.round(uv * 65535), "H", normalized=True)
    made.tree["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = quantised
    path = made.write(tmp_path / "post.glb")
    assert np.allclose(load(path).shapes["column"].uv, uv * [1, -1] + [0, 1], atol=1e-5)
    before, after = saved(path, own_uvs)
    said = after.tree["meshes"][0]["primitives"][0]["attributes"]
    assert values(after, said) == values(before, before.tree["meshes"][0]["primitives"][0]["attributes"])


def test_quantised_places_stay_quantised(tmp_path):
    made = plain()
    vertices = column()[0]
    short = np.zeros((15, 4), np.uint16)
    short[:, :3] = np.round(np.abs(vertices) * 1000)
    view = made.view(short.tobytes(), byteStride=8)
    low, high = short[:, :3].min(axis=0).tolist(), short[:, :3].max(axis=0).tolist()
    said = {"bufferView": view, "componentType": 5123, "count": 15, "type": "VEC3", "min": low, "max": high}
    made.tree["accessors"].append(said)
    made.tree["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = len(made.tree["accessors"]) - 1
    made.tree["extensionsUsed"] = made.tree["extensionsRequired"] = ["KHR_mesh_quantization"]
    before, after = saved(made.write(tmp_path / "post.glb"), new_uvs)
    assert np.array_equal(triangles(after), triangles(before))
    position = after.tree["accessors"][after.tree["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    assert position["componentType"] == 5123
    assert after.tree["bufferViews"][position["bufferView"]]["byteStride"] == 8


def test_buffers_and_pictures_in_data_uris_and_files(tmp_path):
    made = worm()
    path = made.write(tmp_path / "worm.gltf")
    tree = json.loads(path.read_text())
    extra = np.zeros((15, 3), "f").tobytes()
    tree["buffers"].append(
        {"byteLength": len(extra), "uri": "data:application/octet-stream;base64," + b64encode(extra).decode()}
    )
    tree["bufferViews"].append({"buffer": 1, "byteLength": len(extra)})
    target = tree["meshes"][0]["primitives"][0]["targets"][0]
    tree["accessors"][target["NORMAL"]]["bufferView"] = len(tree["bufferViews"]) - 1
    before = read_gltf(path)
    (tmp_path / "normal map.png").write_bytes(before.picture(0)[0])
    tree["images"][0] = {"uri": "normal%20map.png"}
    tree["images"][1] = {"uri": "data:image/png;base64," + b64encode(before.picture(1)[0]).decode()}
    path.write_text(json.dumps(tree))
    _, after = saved(path, own_uvs)
    assert len(after.buffers) == 1 and [after.picture(i) for i in (0, 1)] == [
        before.picture(i) for i in (0, 1)
    ]
    target = after.tree["meshes"][0]["primitives"][0]["targets"][0]
    assert after.elements(target["NORMAL"]).tobytes() == extra


def test_primitives_that_share_vertices_each_take_their_own(tmp_path):
    made = plain()
    (primitive,) = made.tree["meshes"][0]["primitives"]
    faces = column()[2]
    halves = [
        made.accessor(half.ravel(), "H")
        for half in (faces[faces.max(axis=1) < 10], faces[faces.min(axis=1) > 4])
    ]
    made.tree["meshes"][0]["primitives"] = [{**primitive, "indices": half} for half in halves]
    before, after = saved(made.write(tmp_path / "post.glb"), new_uvs)
    for old, new in zip(
        before.tree["meshes"][0]["primitives"], after.tree["meshes"][0]["primitives"], strict=True
    ):
        where = new["attributes"]["POSITION"]
        assert len(np.unique(after.faces(new))) == len(after.elements(where))
        corners = after.numbers(where)[after.faces(new)]
        assert np.array_equal(corners, before.numbers(old["attributes"]["POSITION"])[before.faces(old)])
        assert after.tree["accessors"][where]["max"] == corners.max(axis=(0, 1)).tolist()


def test_joints_not_the_node_place_a_skinned_mesh(tmp_path):
    made = worm()
    made.tree["nodes"][1]["translation"] = [5, 6, 7]  # means nothing
    path = made.write(tmp_path / "worm.glb")
    loaded = load(path)
    assert np.allclose(loaded.parts[0].transform, np.eye(4))
    made.tree["nodes"][2]["translation"] = [0, 0, 2]  # the root of the bones, and all of them with it
    assert np.allclose(load(made.write(path)).parts[0].transform[:3, 3], [0, 0, 2])
    made.tree["nodes"][3]["rotation"] = [0, 0, 0.6, 0.8]  # bent
    assert np.allclose(load(made.write(path)).parts[0].transform[:3, 3], [5, 6, 7])


QUARTER = {"rotation": np.pi / 2, "offset": [0, 1], "scale": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, lambda u, v: (u, v)),
        ({"texCoord": 1}, lambda u, v: (u / 2, v)),
        ({"texCoord": 1, "extensions": {"KHR_texture_transform": {"texCoord": 0}}}, lambda u, v: (u, v)),
        ({"extensions": {"KHR_texture_transform": {"scale": [0.5, 0.25]}}}, lambda u, v: (u / 2, v / 4)),
        ({"extensions": {"KHR_texture_transform": QUARTER}}, lambda u, v: (v, 1 - u)),
        (
            {"texCoord": 1, "extensions": {"KHR_texture_transform": {"offset": [0.5, 0]}}},
            lambda u, v: (u / 2 + 0.5, v),
        ),
    ],
    ids=["first", "second", "overruled", "scaled", "turned", "second, moved"],
)
@pytest.mark.parametrize("channel", ["baseColorTexture", "diffuseTexture"])
def test_the_base_colours_own_uvs_are_painted(tmp_path, said, expected, channel):
    """Its set, moved as its transform says; the result shows the new picture through the same ones."""
    made = plain(material=0)
    picture = {"index": made.picture((9, 9, 9)), **said}
    specular = {"KHR_materials_pbrSpecularGlossiness": {channel: picture}}
    kind = (
        {"extensions": specular}
        if channel == "diffuseTexture"
        else {"pbrMetallicRoughness": {channel: picture}}
    )
    bumps = {"index": made.picture((0, 0, 9)), "texCoord": 1}
    made.tree["materials"] = [{**kind, "normalTexture": bumps}]
    made.tree["textures"] = [{"source": 0}, {"source": 1}]
    _, uv, _ = column()
    made.tree["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_1"] = made.accessor(uv * [0.5, 1])
    path = made.write(tmp_path / "in.glb")
    loaded = load(path)
    u, v = np.float32(uv).T
    assert np.allclose(
        loaded.shapes["column"].uv * [1, -1] + [0, 1], np.stack(expected(u, v), axis=1), atol=1e-6
    )
    _, result = saved(path, own_uvs)
    info = result.tree["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]
    assert {**info, "index": 0} == {**picture, "index": 0}
    assert np.allclose(load(tmp_path / "out" / "in.glb").uv, loaded.uv, atol=1e-6)
    _, result = saved(path, new_uvs, "new")  # on a new map nothing moves it
    assert set(result.tree["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]) == {"index"}
