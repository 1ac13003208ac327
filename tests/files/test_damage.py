"""What a file says is checked when it is read: one line that names the place, and saving has nothing left to find."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import handed
import numpy as np
import pytest
from doors import FACE, TRIANGLE
from gltf_zoo import worm
from jobs import new_uvs, plain, written
from refusals import refused

from texsync import texture_mesh
from texsync.errors import InputError
from texsync.files.load import load
from texsync.files.save import rehearse

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import fuzz_files


def set_to(place: str, value):
    """Puts a value into a tree: 'nodes.1.skin'."""

    def damage(tree):
        *way, last = [int(word) if word.isdigit() else word for word in place.split(".")]
        for step in way:
            tree = tree[step]
        if value is None:
            del tree[last]
        else:
            tree[last] = value

    return damage


BODY = "meshes.0.primitives.0"
DEEP = json.loads("[" * 70 + "]" * 70)
GLTF = [
    (set_to("accessors.2.count", 3000), "its count, is 3000, not 15, one for each vertex"),
    (set_to("accessors.2.type", "VEC9"), "accessors[2].type is \"VEC9\", not one of SCALAR"),
    (set_to("accessors.2.componentType", 5126.0), "accessors[2].componentType is 5126.0, not one of"),
    (set_to("accessors.0.min", [1, "x", 2]), "accessors[0].min[1] is \"x\", not a number"),
    (set_to("accessors.2.byteOffset", 10**9), "the end of accessors[2] is 1000000240, not inside its buffer view"),
    (set_to("bufferViews.3.byteOffset", 99999), "the end of bufferViews[3] is 10"),
    (set_to("bufferViews.3.byteOffset", -8), "bufferViews[3].byteOffset is -8, not a whole number"),
    (set_to("bufferViews.3.buffer", 7), "bufferViews[3].buffer is 7, not one of its 1 buffers"),
    (set_to("bufferViews.3.byteLength", None), "bufferViews[3] is {\"buffer\": 0, \"byteOffset\""),
    (set_to(f"{BODY}.material", 9), "primitives[0].material is 9, not one of its 1 materials"),
    (set_to(f"{BODY}.attributes", [1, 2]), "primitives[0].attributes is [1, 2], not an object"),
    (set_to(f"{BODY}.targets.0.NORMAL", 77), "targets[0].NORMAL is 77, not one of its"),
    (set_to(f"{BODY}.attributes.NORMAL", 5), "NORMAL, its type, is \"VEC4\", not VEC3"),
    (set_to(f"{BODY}.extensions", {"KHR_materials_variants": {"mappings": [{"material": True}]}}), "is true, not the"),
    (set_to("nodes.1.skin", 3), "nodes[1].skin is 3, not one of its 1 skins"),
    (set_to("nodes.1.name", 3), "nodes[1].name is 3, not a text"),
    (set_to("nodes.3.translation", [0, 1]), "nodes[3].translation is [0, 1], not a list of 3 values"),
    (set_to("nodes.4.children", [0]), "the parent of nodes[0] is 4, not above it: it hangs below itself"),
    (set_to("nodes.1.children", [3]), "nodes[2].children is 3, not a node of its own: it hangs in two places"),
    (set_to("scenes.0.nodes", [0, 1, 5]), "node 5 hangs in two places"),
    (set_to("textures.0.source", 1.5), "textures[0].source is 1.5, not the number of one of its images"),
    (set_to("images.0.uri", ["x"]), "images[0].uri is [\"x\"], not a text"),
    (set_to("materials.0.extensions.KHR_materials_clearcoat.clearcoatTexture", 4), "clearcoatTexture is 4, not an"),
    (set_to("materials.0.normalTexture.texCoord", "0"), "normalTexture.texCoord is \"0\", not a whole number"),
    (set_to("materials.0.extensions", {"KHR_materials_sheen": "x"}), "KHR_materials_sheen is \"x\", not an object"),
    (set_to("materials.0.extras", DEEP), "its JSON is nested more than 64 deep"),
    (set_to("materials.0.extras", float("nan")), "its JSON holds nan"),
    (set_to("animations.0.samplers.0.input", -1), "samplers[0].input is -1, not the number of one of its accessors"),
    (set_to("asset.version", "1.0"), "version 1.0, not 2"),
    (set_to("extensionsUsed", [3]), "extensionsUsed[0] is 3, not a text"),
    (set_to("extensions.VRM", {"materialProperties": [{"textureProperties": {"_MainTex": 8}}]}), "_MainTex is 8, not"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "said"), GLTF, ids=[said[:40] for _, said in GLTF])
def test_gltf(tmp_path, damage, said):
    made = worm()
    damage(made.tree)
    path = made.write(tmp_path / "worm.glb")
    with pytest.raises(InputError) as told:
        load(path)
    assert said in str(told.value) and "export it again" in str(told.value)


def test_damaged_files_of_all_kinds_are_saved_or_refused(tmp_path, capfd):
    """Some hundred of the fuzz in benchmarks/."""
    for kind, number, fate, seconds in fuzz_files.cases(440, 1, tmp_path):
        assert fate in ("saved", "refused", "rehearsal") and seconds < 20, (kind, number, fate)
    assert capfd.readouterr() == ("", "")


def chain(made, length: int) -> None:
    made.tree["nodes"] = [{"children": [i + 1]} for i in range(length - 1)] + [{"mesh": 0}]


def copies(made, count: int) -> None:
    made.tree["nodes"] = [{"mesh": 0} for _ in range(count)]
    made.tree["scenes"] = [{"nodes": list(range(count))}]


def silent(made, count: int) -> None:
    made.tree["accessors"].append({"componentType": 5126, "type": "VEC3", "count": count})


def corners(made, count: int) -> None:
    made.tree["accessors"].append({"componentType": 5125, "type": "SCALAR", "count": count})
    made.tree["meshes"][0]["primitives"][0]["indices"] = len(made.tree["accessors"]) - 1


LIMITS = [
    (chain, 20_000, "1001, not at most 1000 nodes deep"),
    (copies, 20_001, "20001 meshes"),
    (silent, 10**9, "not below 20,000,000 without bytes"),
    (corners, 16_000_000, "at most 5,000,000 faces"),
]


@pytest.mark.parametrize(("grow", "count", "said"), LIMITS, ids=[case[0].__name__ for case in LIMITS])
def test_small_files_that_ask_for_much_are_refused_at_once(tmp_path, grow, count, said):
    made = plain()
    grow(made, count)
    path = made.write(tmp_path / "post.glb")
    start = time.perf_counter()
    with pytest.raises(InputError) as told:
        load(path)
    assert said in str(told.value) and time.perf_counter() - start < 20


@pytest.mark.parametrize("normals", ["accessor", "none"])
def test_an_index_behind_the_last_vertex(tmp_path, normals):
    made = plain()
    primitive = made.tree["meshes"][0]["primitives"][0]
    primitive["indices"] = made.accessor([0, 1, 20617], "H")
    if normals == "accessor":
        primitive["attributes"]["NORMAL"] = made.accessor(np.ones((15, 3)))
    with refused("mesh-damaged", thing="post.glb", value=20617):
        load(made.write(tmp_path / "post.glb"))


@pytest.mark.parametrize("u", ["nan", "inf", "1e300", "-1e9"])
def test_uvs_that_no_result_can_hold_are_none(tmp_path, u):
    (tmp_path / "a.obj").write_text(TRIANGLE + f"vt 0 0\nvt {u} 0\nvt 0 1\nf 1/1 2/2 3/3\n")
    assert not load(tmp_path / "a.obj").parts[0].has_uv


TEXMESH = [
    (set_to("parts.0.name", 3), "parts[0].name is 3, not a text"),
    (set_to("parts.0.transform", [1] * 15), "not a list of 16 values"),
    (set_to("parts.0.transform.3", "x"), "parts[0].transform[3] is \"x\", not a number"),
    (set_to("parts.0.polygon", 7), "parts[0].polygon is 7, not an object"),
    (set_to("parts.0.vertices.at", 1.5), "parts[0].vertices.at is 1.5, not a whole number"),
    (set_to("parts.0.uv", []), "parts[0].uv is [], not an object"),
    (set_to("parts.0.uv.count", 10**15), "1000000000000000 numbers at byte"),
    (set_to("parts", {}), "parts is {}, not a list"),
    (set_to("repaint", {"uv": {"at": 0, "count": 7}}), "is damaged"),
    (set_to("repaint", {"uv": {"at": 0, "count": 6}, "pixels": {"at": 0, "count": 4}, "width": "1"}), "repaint.width"),
    (set_to("name", None), "not an object with 'name'"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "said"), TEXMESH, ids=[said[:40] for _, said in TEXMESH])
def test_hand_off(tmp_path, damage, said):
    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()))
    line, _, body = path.read_bytes().partition(b"\n")
    tree = json.loads(line)
    damage(tree)
    path.write_bytes(json.dumps(tree).encode() + b"\n" + body)
    with pytest.raises(InputError) as told:
        load(path)
    assert said in str(told.value) and "hand the mesh over again" in str(told.value)


@pytest.mark.parametrize(
    "line", ["Pm nan", "Pr inf", "Ke inf 0 0", "illum 1e999", "illum nan", "Ns -inf", "d nan", "Tr"]
)
def test_material_lines_that_are_no_numbers_are_left_out(tmp_path, line):
    (tmp_path / "a.mtl").write_text(f"newmtl m\nPm 0.5\n{line}\nNi 1.5\n")
    (tmp_path / "a.obj").write_text("mtllib a.mtl\n" + TRIANGLE + "usemtl m\n" + FACE)
    loaded = load(tmp_path / "a.obj")
    tree, _, obj = written(tmp_path, loaded, new_uvs(loaded))
    assert tree["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0.5
    text = obj.with_suffix(".mtl").read_text()
    assert "Ni 1.5" in text and "nan" not in text and "inf" not in text


def test_the_rehearsal_tells_what_would_fail_at_the_end(tmp_path, monkeypatch):
    """Whatever it is, in one line; and it is asked before the model is."""
    loaded = load(plain().write(tmp_path / "post.glb"))
    monkeypatch.setattr("texsync.files.formats.gltf.patched", lambda *_: {}["nothing"])
    with refused("mesh-damaged", thing="post"):
        rehearse(loaded, new_uvs(loaded))
    monkeypatch.setattr("texsync.tasks.mesh.Job.backbone", lambda *_: pytest.fail("work began"))
    with refused("mesh-damaged", thing="post"):
        texture_mesh(tmp_path / "post.glb", "moss")
