"""After a job nothing in a file shows the base colour that it had, whatever the file calls it."""

from __future__ import annotations

import numpy as np
import pytest
from gltf_zoo import Maker
from jobs import TEXTURE, lines, new_uvs, own_uvs, picture, plain, saved, tree_of, written
from PIL import Image

from texsync.errors import TexsyncWarning
from texsync.files.gltf_document import read_gltf
from texsync.files.load import load
from texsync.files.save import save_model

OLD = 0  # number of the texture that was the base colour
MTOON = {
    "shadeMultiplyTexture": {"index": 1},
    "rimMultiplyTexture": {"index": 2},
    "shadeColorFactor": [1, 0, 0],
}


def coloured(**material) -> Maker:
    """A column whose first two textures show one picture, its old colour; the third shows another."""
    made = plain(material=0)
    colours = [made.picture((200, 0, 0)), made.picture((0, 0, 255))]
    made.tree["textures"] = [{"source": colours[0]}, {"source": colours[0]}, {"source": colours[1]}]
    base = {"baseColorTexture": {"index": OLD}}
    made.tree["materials"] = [{"name": "skin", "pbrMetallicRoughness": base, **material}]
    return made


def figure(**properties) -> Maker:
    made = coloured(extensions={"KHR_materials_unlit": {}})
    said = {"name": "skin", "shader": "VRM/MToon", **properties}
    made.tree["extensionsUsed"] = ["VRM", "KHR_materials_unlit"]
    made.tree["extensions"] = {"VRM": {"meta": {"texture": 2}, "materialProperties": [said]}}
    return made


def shows(document, value) -> bool:
    """Whether a texture, by number or info, shows the new picture."""
    info = value if isinstance(value, dict) else {"index": value}
    return picture(document, info) == TEXTURE.image.tobytes()


@pytest.mark.parametrize("uvs", [own_uvs, new_uvs])
def test_vrm_0(tmp_path, uvs):
    """A copied material has properties of its own, since they stand in the order of the materials."""
    made = figure(
        textureProperties={
            "_MainTex": 0,
            "_ShadeTexture": 2,
            "_EmissionMap": 1,
            "_SphereAdd": 2,
            "_BumpMap": -1,
        },
        vectorProperties={"_Color": [1, 0, 0, 1], "_MainTex": [0.5, 0, 2, 2], "_ShadeColor": [0.5, 0, 0, 1]},
    )
    path = made.write(tmp_path / "figure.vrm")
    after = saved(path, uvs)[1]
    (said,) = after.tree["extensions"]["VRM"]["materialProperties"]
    shown = {
        key: texture >= 0 and shows(after, texture) for key, texture in said["textureProperties"].items()
    }
    assert [key for key, new in shown.items() if new] == ["_MainTex", "_ShadeTexture", "_EmissionMap"]
    white = {"_Color": [1, 1, 1, 1], "_MainTex": [0, 0, 1, 1], "_ShadeColor": [0.5, 0, 0, 1]}
    assert said["vectorProperties"] == white
    assert not shows(after, after.tree["extensions"]["VRM"]["meta"]["texture"])
    assert len(after.tree["images"]) == 2  # the old colour is not in the file any more


def test_vrm_0_with_a_material_that_something_else_shows(tmp_path):
    made = figure(textureProperties={"_MainTex": 0})
    lines = {**made.tree["meshes"][0]["primitives"][0], "mode": 1}
    made.tree["meshes"][0]["primitives"].append(lines)
    after = saved(made.write(tmp_path / "figure.vrm"), own_uvs)[1]
    numbers = [piece["material"] for piece in after.tree["meshes"][0]["primitives"]]
    said = after.tree["extensions"]["VRM"]["materialProperties"]
    assert [shows(after, said[n]["textureProperties"]["_MainTex"]) for n in numbers] == [True, False]


def test_vrm_1(tmp_path):
    made = coloured(extensions={"VRMC_materials_mtoon": MTOON})
    made.tree["extensionsUsed"] = ["VRMC_vrm", "VRMC_materials_mtoon"]
    made.tree["extensions"] = {"VRMC_vrm": {"meta": {"thumbnailImage": 1}}}
    after = saved(made.write(tmp_path / "figure.vrm"), new_uvs)[1]
    toon = after.tree["materials"][0]["extensions"]["VRMC_materials_mtoon"]
    assert shows(after, toon["shadeMultiplyTexture"]) and not shows(after, toon["rimMultiplyTexture"])
    assert toon["rimMultiplyTexture"]["texCoord"] == 1 and "texCoord" not in toon["shadeMultiplyTexture"]
    assert after.tree["images"][after.tree["extensions"]["VRMC_vrm"]["meta"]["thumbnailImage"]]["extras"]


BLACK = {"baseColorFactor": [0, 0, 0, 1]}
GLOWS = {"emissiveTexture": {"index": 2}, "emissiveFactor": [1, 0.5, 1]}


@pytest.mark.parametrize(
    ("material", "new", "factor"),
    [
        ({"pbrMetallicRoughness": BLACK, **GLOWS}, True, [1, 1, 1]),
        ({**GLOWS, "emissiveTexture": {"index": 1}}, True, [1, 0.5, 1]),
        (GLOWS, False, [1, 0.5, 1]),
        ({"pbrMetallicRoughness": BLACK, "emissiveTexture": {"index": 2}}, False, None),
    ],
    ids=["shadeless", "the same picture", "a lamp", "switched off"],
)
@pytest.mark.parametrize("uvs", [own_uvs, new_uvs])
def test_what_glows(tmp_path, material, new, factor, uvs):
    after = saved(coloured(**material).write(tmp_path / "lamp.glb"), uvs)[1]
    (made,) = after.tree["materials"]
    assert shows(after, made["emissiveTexture"]) == new and made.get("emissiveFactor") == factor
    assert shows(after, made["pbrMetallicRoughness"]["baseColorTexture"])
    black = factor == [1, 1, 1]
    assert made["pbrMetallicRoughness"].get("baseColorFactor") == ([0, 0, 0, 1] if black else None)


@pytest.mark.parametrize("also", [False, True], ids=["base", "base and normals"])
def test_an_extension_of_which_nothing_is_left_is_not_required(tmp_path, also):
    made = coloured(**({"normalTexture": {"index": 2}} if also else {}))
    for texture in made.tree["textures"]:
        texture["extensions"] = {"EXT_texture_webp": {"source": texture.pop("source")}}
    made.tree["extensionsUsed"] = made.tree["extensionsRequired"] = ["EXT_texture_webp"]
    if not also:
        del made.tree["textures"][1:]
    after = saved(made.write(tmp_path / "post.glb"), own_uvs)[1]
    assert after.tree.get("extensionsRequired", []) == (["EXT_texture_webp"] if also else [])


def test_copies_on_the_graphics_card_are_said(tmp_path):
    made = plain()
    shift = made.accessor(np.arange(12).reshape(4, 3))
    made.tree["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": shift}}}
    made.tree["extensionsUsed"] = ["EXT_mesh_gpu_instancing"]
    with pytest.warns(
        TexsyncWarning, match=r"post stands at 4 places \(EXT_mesh_gpu_instancing\); it is painted once"
    ):
        load(made.write(tmp_path / "posts.glb"))


@pytest.mark.parametrize(
    ("mtl", "said"),
    [
        (
            "Kd 1 1 1\nmap_Kd old.png\nmap_Ke -s 1 1 1 old.png\nKe 1 1 1",
            ["map_Ke thing_texture.png", "Ke 1 1 1"],
        ),
        ("Kd 0 0 0\nmap_Ke old.png", ["map_Ke thing_texture.png"]),
        ("Kd 1 1 1\nmap_Kd old.png\nmap_Ke lamp.png", ["map_Ke thing_lamp.png"]),
    ],
    ids=["the same picture", "shadeless", "a lamp"],
)
def test_what_glows_in_an_obj(tmp_path, mtl, said):
    for name in ("old.png", "lamp.png"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    (tmp_path / "a.mtl").write_text(f"newmtl my red paint\n{mtl}\n")
    square = "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl my red paint\n"
    (tmp_path / "a.obj").write_text(square + "f 1/1 2/2 3/3 4/4\n")
    loaded = load(tmp_path / "a.obj")
    (tmp_path / "out").mkdir()
    glb, obj, made, _ = save_model(loaded, own_uvs(loaded), TEXTURE, tmp_path / "out", "thing")
    assert "usemtl my red paint\n" in obj.read_text() and "newmtl my red paint\n" in made.read_text()
    text = made.read_text()
    assert [line for line in text.splitlines() if "Ke" in line and not line.startswith("Ka")] == said[::-1]
    glows = tree_of(glb)["materials"][0].get("emissiveTexture")
    assert (glows is not None) == ("lamp" in said[0])


LONG = "vn 0 0 2\nvn 0 0 0\nvn nan 0 1\n"


@pytest.mark.parametrize("uvs", [own_uvs, new_uvs])
def test_normals_are_of_unit_length(tmp_path, uvs):
    """A corner without a normal has that of its faces; vertices keep their numbers."""
    fold = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 1 0 -1\nv 1 1 -1\nvt 0 0\nvt 0.4 0\nvt 0.4 1\nvt 0.9 0\nvt 0.9 1\n"
    faces = "f 1/1/1 2/2/1 3/3/1\nf 1/1/1 3/3/1 4/1/3\nf 2/2/2 5/4/2 6/5/2 3/3/2\n"
    (tmp_path / "fold.obj").write_text(fold + LONG + faces)
    loaded = load(tmp_path / "fold.obj")
    tree, glb, obj = written(tmp_path, loaded, uvs(loaded))
    assert np.array_equal(
        lines(obj, "v"), [[float(x) for x in row.split()[1:]] for row in fold.split("\n")[:6]]
    )
    normals = np.array(lines(obj, "vn"))
    used = {tuple(normals[int(c.split("/")[2]) - 1]) for row in faces_of(obj) for c in row}
    assert used == {(0, 0, 1), (1, 0, 0)}
    attributes = tree["meshes"][0]["primitives"][0]["attributes"]
    stored = read_gltf(glb).numbers(attributes["NORMAL"])
    assert np.allclose(np.linalg.norm(stored, axis=1), 1)


def faces_of(obj) -> list[list[str]]:
    return [line.split()[1:] for line in obj.read_text().splitlines() if line.startswith("f ")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("brush.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\n#MRGB ffff0000ffff0000ffff0000\nf 1 2 3\n"),
        ("seen.obj", "v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 0 1 0 1 0 0\nf 1 2 3\n"),
        ("scan.ply", "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
         "property uchar red\nproperty uchar green\nproperty uchar blue\nelement face 1\n"
         "property list uchar int vertex_indices\nend_header\n0 0 0 9 9 9\n1 0 0 9 9 9\n0 1 0 9 9 9\n3 0 1 2\n"),
    ],
)  # fmt: skip
def test_colours_that_are_lost_are_said(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    loaded = load(tmp_path / name)
    with pytest.warns(TexsyncWarning, match="loses its vertex colours"):
        save_model(loaded, new_uvs(loaded), TEXTURE, tmp_path, "out")
