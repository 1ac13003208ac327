"""Metal and roughness by the words of a prompt, as a model's folder recommends them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from doors import FACE, TRIANGLE
from jobs import TEXTURE, new_uvs, plain, tree_of, written
from PIL import Image
from refusals import refused

import texsync
from texsync.backbones.advice import read_advice
from texsync.files.load import load
from texsync.files.pbr import Finish, finish_of
from texsync.files.save import save_model
from texsync.mini.words import finishes

TABLE = {"gold": [1, 0.25], "gold leaf": [1, 0.4], "wood": [0, 0.9], "Brick wall": [0, 0.8]}


@pytest.mark.parametrize(
    ("prompt", "finish"),
    [
        ("a gold rabbit", (1, 0.25)),
        ("Gold-leaf on wood", (1, 0.4)),
        ("wood with gold bands", (0, 0.9)),
        ("brick, wall to wall", (0, 0.8)),
        ("a marigold", None),
        ("brick", None),
        ("", None),
    ],
)
def test_the_first_material_named_counts(prompt, finish):
    assert finish_of(prompt, TABLE) == finish


@pytest.mark.parametrize(
    ("kind", "kept"), [("glb", False), ("glb, map", True), ("obj", False), ("obj, map", True), ("off", False)]
)
def test_metal_is_written_unless_the_file_has_a_picture_of_it(tmp_path, kind, kept):
    own = {"metallicFactor": 0.5, "roughnessFactor": 0.5}
    if kind.startswith("glb"):
        made = plain(material=0)
        made.tree["textures"] = [{"source": made.picture((0, 0, 9))}]
        more = {"metallicRoughnessTexture": {"index": 0}} if kept else {}
        made.tree["materials"] = [{"pbrMetallicRoughness": {**own, **more}}]
        path = made.write(tmp_path / "a.glb")
    elif kind == "off":
        path = tmp_path / "a.off"
        path.write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    else:
        path = tmp_path / "a.obj"
        Image.new("RGB", (2, 2)).save(tmp_path / "pm.png")
        (tmp_path / "a.mtl").write_text("newmtl m\nPm 0.5\nPr 0.5\n" + ("map_Pm pm.png\n" if kept else ""))
        path.write_text("mtllib a.mtl\n" + TRIANGLE + "vt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\n")
    loaded = replace(load(path), finish=Finish(1.0, 0.25))
    surface = (
        new_uvs(loaded)
        if loaded.uv is None
        else replace(new_uvs(loaded), uv=loaded.uv, uv_faces=loaded.uv_faces)
    )
    (tmp_path / "out").mkdir()
    glb, obj, mtl, _ = save_model(loaded, surface, TEXTURE, tmp_path / "out", "thing")
    said = tree_of(glb)["materials"][0]["pbrMetallicRoughness"]
    expected = (0.5, 0.5) if kept else (1.0, 0.25)
    if kind != "obj, map":  # a GLB has no place for MTL's separate pictures
        assert (said.get("metallicFactor", 1.0), said["roughnessFactor"]) == expected
    words = dict(line.split(None, 1) for line in mtl.read_text().splitlines() if line)
    if kind != "glb, map":
        assert (float(words["Pm"]), float(words["Pr"])) == expected


def test_without_a_word_for_it_nothing_changes(tmp_path):
    made = plain(material=0)
    made.tree["materials"] = [{"pbrMetallicRoughness": {"metallicFactor": 0.5}}]
    loaded = load(made.write(tmp_path / "a.glb"))
    tree, *_ = written(tmp_path, loaded, new_uvs(loaded))
    assert tree["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0.5


@pytest.mark.parametrize("wrong", [{"gold": 1}, {"gold": [1]}, {"gold": [1, 2]}, {"gold": ["1", 0]}, [1, 0]])
def test_a_folder_that_says_it_wrong_is_told(tmp_path, wrong):
    (tmp_path / "texsync.json").write_text(json.dumps({"materials": wrong}))
    with refused("model-config"):
        read_advice(tmp_path)


def test_minis_materials_know_theirs():
    folder = Path(texsync.__file__).parent / "mini" / "weights"
    said = read_advice(folder).materials
    assert {name: tuple(value) for name, value in said.items()} == finishes()
    assert finish_of("a golden rabbit", said) == (1.0, 0.25) and finish_of("oak wood", said) == (0.0, 0.9)


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
def test_a_job_writes_what_its_model_recommends(tmp_path, tiny_model):
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    said = json.loads((model / "texsync.json").read_text()) | {"materials": TABLE}
    (model / "texsync.json").write_text(json.dumps(said))
    (tmp_path / "a.obj").write_text(TRIANGLE + "v 1 1 1\n" + FACE + "f 2 4 3\n")
    result = texsync.texture_mesh(
        tmp_path / "a.obj", "solid gold", model=str(model), steps=1, texture_size=64
    )
    folder = result.save(tmp_path / "out", formats="glb")
    colour = tree_of(folder / "a.glb")["materials"][0]["pbrMetallicRoughness"]
    assert colour.get("metallicFactor", 1.0) == 1.0 and colour["roughnessFactor"] == 0.25
