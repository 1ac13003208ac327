"""A glTF file keeps all that is in it but its base colour."""

from __future__ import annotations

import json
from copy import deepcopy

import numpy as np
import pytest
import trimesh
from gltf_zoo import column, worm
from jobs import (
    KINDS,
    TEXTURE,
    moving,
    new_uvs,
    own_uvs,
    picture,
    plain,
    saved,
    triangles,
    values,
    whole_uvs,
    without,
)

from texsync.errors import TexsyncWarning
from texsync.files.load import load
from texsync.files.save import save_model


@pytest.mark.parametrize("ending", ["glb", "gltf"])
def test_kept_uvs_leave_the_file_as_it_is_but_for_its_colour(tmp_path, ending):
    before, after = saved(worm().write(tmp_path / f"worm.{ending}"), own_uvs)
    assert without(after.tree, "materials", "meshes") == without(before.tree, "materials", "meshes")
    assert moving(after) == moving(before)
    (old, was), (new, lines) = before.tree["meshes"], after.tree["meshes"]
    (body,) = new["primitives"]
    assert {**new, "primitives": 0} == {**old, "primitives": 0}
    assert values(after, body["attributes"]) == values(before, old["primitives"][0]["attributes"])
    assert values(after, body["targets"][0]) == values(before, old["primitives"][0]["targets"][0])
    assert (
        body["extras"] == {"kind": "body"} and lines["primitives"][0]["mode"] == was["primitives"][0]["mode"]
    )


def test_a_material_keeps_every_other_channel(tmp_path):
    before, after = saved(worm().write(tmp_path / "worm.glb"), own_uvs)
    (body,), (lines,) = (mesh["primitives"] for mesh in after.tree["meshes"])
    assert body["material"] != lines["material"]  # the lines keep the old colour
    old, new = before.tree["materials"][0], after.tree["materials"][body["material"]]
    assert set(new) == set(old) and after.tree["materials"][lines["material"]] == old
    for key in (
        "name",
        "doubleSided",
        "emissiveFactor",
        "extras",
        "normalTexture",
        "occlusionTexture",
        "extensions",
    ):
        assert new[key] == old[key]
    colour = new["pbrMetallicRoughness"]
    assert "baseColorFactor" not in colour and colour["metallicFactor"] == 0.5
    assert colour["metallicRoughnessTexture"] == old["pbrMetallicRoughness"]["metallicRoughnessTexture"]
    assert picture(after, colour["baseColorTexture"]) == TEXTURE.image.tobytes()
    assert after.tree["samplers"][0] == before.tree["samplers"][0]


def test_new_uvs_take_every_attribute_along(tmp_path):
    before, after = saved(worm().write(tmp_path / "worm.glb"), new_uvs)
    numbered = ("materials", "meshes", "animations", "skins")
    assert without(after.tree, *numbered) == without(before.tree, *numbered)
    assert moving(after) == moving(before)
    old, new = before.tree["meshes"][0]["primitives"][0], after.tree["meshes"][0]["primitives"][0]
    was, now = old["attributes"], new["attributes"]
    source = np.array(_sources(after.numbers(now["POSITION"]), before.numbers(was["POSITION"])))
    assert np.array_equal(
        source[: len(before.elements(was["POSITION"]))], np.arange(15)
    )  # the old ones first
    assert len(source) > 15
    for name in set(was) - {"TEXCOORD_0"}:
        assert np.array_equal(after.elements(now[name]), before.elements(was[name])[source]), name
    assert np.array_equal(after.elements(now["TEXCOORD_2"]), before.elements(was["TEXCOORD_0"])[source])
    for name in old["targets"][0]:
        expected = before.elements(old["targets"][0][name])[source]
        assert np.array_equal(after.elements(new["targets"][0][name]), expected), name
    assert np.array_equal(source[after.faces(new)], before.faces(old))
    assert after.tree["accessors"][now["_HEAT"]]["extras"] == {"unit": "K"}
    lines = after.tree["meshes"][1]["primitives"][0]["attributes"]["POSITION"]
    assert values(after, [lines]) == values(before, [was["POSITION"]])


def _sources(places, originals) -> list[int]:
    """For each place the original that stands there, the one with its own number if that is one."""
    near = [np.flatnonzero((originals == place).all(axis=1)) for place in places]
    return [i if i in found else found[0] for i, found in enumerate(near)]


def test_other_pictures_follow_the_old_uvs(tmp_path):
    _, after = saved(worm().write(tmp_path / "worm.glb"), new_uvs)
    material = after.tree["materials"][after.tree["meshes"][0]["primitives"][0]["material"]]
    assert material["normalTexture"] == {
        "index": material["normalTexture"]["index"],
        "scale": 0.25,
        "texCoord": 2,
    }
    assert material["occlusionTexture"]["texCoord"] == 1 and material["occlusionTexture"]["strength"] == 0.5
    assert material["extensions"]["KHR_materials_clearcoat"]["clearcoatTexture"]["texCoord"] == 2
    moved = material["pbrMetallicRoughness"]["metallicRoughnessTexture"]
    assert moved["extensions"]["KHR_texture_transform"] == {"offset": [0.5, 0], "texCoord": 2}
    assert material["pbrMetallicRoughness"]["baseColorTexture"].get("texCoord", 0) == 0


def test_without_seams_nothing_but_the_uvs_is_new(tmp_path):
    made = worm()
    vertices, uv, faces = column()
    made.tree["meshes"][0]["primitives"][0]["indices"] = made.accessor(faces.ravel(), "H")
    before, after = saved(made.write(tmp_path / "worm.glb"), whole_uvs)
    old, new = before.tree["meshes"][0]["primitives"][0], after.tree["meshes"][0]["primitives"][0]
    assert values(after, [new["indices"]]) == values(before, [old["indices"]])
    assert len(after.elements(new["attributes"]["POSITION"])) == len(vertices)
    assert not np.allclose(after.numbers(new["attributes"]["TEXCOORD_0"]), uv)


def test_an_old_colour_that_nothing_shows_is_dropped(tmp_path):
    made = worm()
    made.tree["meshes"][1]["primitives"][0].pop("material")
    before, after = saved(made.write(tmp_path / "worm.glb"), own_uvs)
    assert len(after.tree["images"]) == len(before.tree["images"])  # one came, one went
    assert len(after.tree["samplers"]) == len(before.tree["samplers"])
    assert [image.get("extras", {}).get("colour") for image in after.tree["images"]].count([10, 20, 30]) == 0
    assert before.picture(2)[0] not in after.buffers[0] and before.picture(1)[0] in after.buffers[0]
    again = saved(tmp_path / "out" / "worm.glb", own_uvs)[1]
    assert len(again.buffers[0]) == len(after.buffers[0])  # no layers of old paint


def test_everything_stays_where_an_extension_is_unknown(tmp_path):
    made = worm()
    made.tree["extensionsUsed"] += ["ACME_rig"]
    made.tree["extensions"]["ACME_rig"] = {"face": {"texture": 3}}
    before, after = saved(made.write(tmp_path / "worm.glb"), new_uvs)
    assert after.buffers[0].startswith(before.buffers[0])
    for kind in KINDS:
        assert after.tree[kind][: len(before.tree[kind])] == before.tree[kind]


def test_instances_keep_their_order_and_share_what_they_can(tmp_path):
    made = plain()
    made.tree["nodes"] = [
        {"mesh": 0, "name": name, "translation": [3 * i, 0, 0], "extras": {"number": i}}
        for i, name in enumerate(("first", "second", "third"))
    ]
    made.tree["scenes"] = [{"nodes": [0, 1, 2]}]
    path = made.write(tmp_path / "posts.glb")
    assert [part.node for part in load(path).parts] == ["first", "second", "third"]
    before, kept = saved(path, own_uvs)
    assert kept.tree["nodes"] == before.tree["nodes"] and len(kept.tree["meshes"]) == 1
    _, apart = saved(path, new_uvs)
    assert [node["mesh"] for node in apart.tree["nodes"]] == [0, 1, 2]
    assert without(apart.tree, "nodes", "meshes", "materials") == without(before.tree, "nodes", "meshes")
    for mesh in range(3):
        assert np.array_equal(triangles(apart, mesh), triangles(before))


def test_vertex_colours_would_tint_and_go_with_a_word(tmp_path):
    made = plain()
    colours = np.tile([255, 0, 0, 255], (15, 1))
    made.tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"] = made.accessor(
        colours, "B", normalized=True
    )
    with pytest.warns(TexsyncWarning, match="vertex colours"):
        _, after = saved(made.write(tmp_path / "post.glb"), own_uvs)
    assert "COLOR_0" not in after.tree["meshes"][0]["primitives"][0]["attributes"]


def test_other_scenes_and_what_only_they_show_stay(tmp_path):
    made = plain()
    made.tree["meshes"].append(deepcopy(made.tree["meshes"][0]) | {"name": "hidden"})
    made.tree["nodes"].append({"mesh": 1, "name": "ghost"})
    made.tree["scenes"].append({"nodes": [1], "name": "attic"})
    path = made.write(tmp_path / "post.glb")
    assert [part.node for part in load(path).parts] == ["post"]
    before, after = saved(path, new_uvs)
    assert after.tree["scenes"] == before.tree["scenes"]
    assert "material" not in after.tree["meshes"][1]["primitives"][0]
    assert np.array_equal(triangles(after, 1), triangles(before, 1))


def test_variants_show_the_texture_too(tmp_path):
    made = worm()
    variants = {"mappings": [{"material": 0, "variants": [0]}, {"material": 1, "variants": [1]}]}
    made.tree["meshes"][0]["primitives"][0]["extensions"] = {"KHR_materials_variants": variants}
    made.tree["materials"].append({"name": "dry", "alphaMode": "OPAQUE"})
    made.tree["extensions"]["KHR_materials_variants"] = {"variants": [{"name": "wet"}, {"name": "dry"}]}
    made.tree["extensionsUsed"].append("KHR_materials_variants")
    _, after = saved(made.write(tmp_path / "worm.glb"), new_uvs)
    body = after.tree["meshes"][0]["primitives"][0]
    for variant in body["extensions"]["KHR_materials_variants"]["mappings"]:
        colour = after.tree["materials"][variant["material"]]["pbrMetallicRoughness"]
        assert picture(after, colour["baseColorTexture"]) == TEXTURE.image.tobytes()


def test_what_comes_out_is_read_by_others(tmp_path):
    for uvs in (own_uvs, new_uvs):
        saved(worm().write(tmp_path / "worm.glb"), uvs)
        scene = trimesh.load_scene(tmp_path / "out" / "worm.glb", process=False)
        assert {"worm", "tail", "head"} <= set(scene.graph.nodes)
        body = next(g for g in scene.geometry.values() if isinstance(g, trimesh.Trimesh))
        assert np.array_equal(np.array(body.visual.material.baseColorTexture), TEXTURE.image)


def test_a_picture_that_is_missing_does_not_stop_a_job(tmp_path):
    made = worm()
    path = made.write(tmp_path / "worm.gltf")
    tree = json.loads(path.read_text())
    tree["images"][0] = {"uri": "lost.png"}
    path.write_text(json.dumps(tree))
    loaded = load(path)
    with pytest.warns(TexsyncWarning, match="worm loses its picture lost.png"):
        save_model(loaded, own_uvs(loaded), TEXTURE, tmp_path, "out")
