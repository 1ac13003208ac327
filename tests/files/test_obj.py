"""An OBJ file comes back in its own words: objects, groups, materials, polygons."""

from __future__ import annotations

import numpy as np
import pytest
from jobs import TEXTURE, new_uvs, own_uvs, whole_uvs
from PIL import Image

from texsync.errors import TexsyncWarning
from texsync.files.gltf_document import read_gltf
from texsync.files.load import load
from texsync.files.mtl import Mtl, _options, read_mtl
from texsync.files.save import save_model, textured_scene
from texsync.surface.uv import prepare

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
UVS = "vt 0.1 0.1\nvt 0.9 0.1\nvt 0.9 0.9\nvt 0.1 0.9\n"
LAMP = f"""mtllib lamp.mtl
o lamp
{SQUARE}v 2 0 0.1
v 2 1 0.1
v 0.1 0.5 1
{UVS}vt 0.95 0.1
vt 0.95 0.9
vt 0.02 0.95
g shade inner
usemtl linen
s off
f 1/1 2/2 3/3 4/4
g shade outer
s 1
f 2/2 5/5 6/6 3/3
usemtl brass
f 4/4 3/3 7/7
usemtl linen
f 1/1 4/4 7/7
"""
MTL = """# two
newmtl linen
Ns 10
Ka 1 0 0
Kd 1 0 0
Ks 0.5 0.5 0.5
illum 2
map_Kd old.png
newmtl brass
Pr 0.25
Pm 1
Ke 0.5 0 0
d 1.0
illum 9
norm normal map.png
map_Bump -bm 0.5 maps\\bump.png
"""


def lamp(folder):
    (folder / "maps").mkdir()
    Image.new("L", (2, 2), 7).save(folder / "maps" / "bump.png")
    Image.new("RGB", (2, 2), (128, 128, 255)).save(folder / "normal map.png")
    (folder / "lamp.mtl").write_text(MTL)
    (folder / "lamp.obj").write_text(LAMP)
    return folder / "lamp.obj"


def saved(folder, loaded, surface, stem="thing"):
    """(GLB, lines of the OBJ, {material: its lines in the MTL})."""
    glb, obj, mtl, _ = save_model(loaded, surface, TEXTURE, folder, stem)
    blocks = [block.splitlines() for block in mtl.read_text().split("newmtl ")[1:]]
    return read_gltf(glb), obj.read_text().splitlines(), {block[0]: block[1:] for block in blocks}


def words(lines, *keywords) -> list[str]:
    return [line for line in lines if line.split(" ")[0] in keywords]


def test_everything_that_stands_between_faces_comes_back(tmp_path):
    loaded = load(lamp(tmp_path))
    _, obj, _ = saved(tmp_path, loaded, own_uvs(loaded))
    keywords = ("o", "g", "usemtl", "s", "f", "v", "vt")
    kept = [line for line in words(obj, *keywords) if line[0] != "v"]
    assert set(kept) == set(words(LAMP.splitlines(), "o", "g", "usemtl", "s", "f"))
    assert words(kept, "f") == words(LAMP.splitlines(), "f")  # quads, to the letter
    assert words(kept, "usemtl") == ["usemtl linen", "usemtl brass", "usemtl linen"]
    assert kept.index("g shade outer") == kept.index("f 1/1 2/2 3/3 4/4") + 1
    assert words(obj, "v", "vt") == words(LAMP.splitlines(), "v", "vt")


def test_every_material_keeps_its_other_channels(tmp_path):
    loaded = load(lamp(tmp_path))
    glb, _, mtl = saved(tmp_path, loaded, own_uvs(loaded))
    assert set(mtl) == {"linen", "brass"}
    for lines in mtl.values():
        assert {"Kd 1 1 1", "Ka 1 1 1", "d 1", "map_Kd thing_texture.png"} <= set(lines)
        assert len(words(lines, "Kd", "Ka", "d", "illum")) == 4
    assert {"Ns 10", "Ks 0.5 0.5 0.5"} <= set(mtl["linen"])
    assert {"Pr 0.25", "Pm 1", "Ke 0.5 0 0", "illum 2", "norm thing_normal_map.png"} <= set(mtl["brass"])
    assert "map_Bump -bm 0.5 thing_bump.png" in mtl["brass"]
    assert (tmp_path / "thing_bump.png").read_bytes() == (tmp_path / "maps" / "bump.png").read_bytes()
    material = {material["name"]: material for material in glb.tree["materials"]}
    assert material["brass"]["emissiveFactor"] == [0.5, 0, 0] and "normalTexture" in material["brass"]
    colour = material["brass"]["pbrMetallicRoughness"]
    assert (colour["metallicFactor"], colour["roughnessFactor"]) == (1, 0.25)
    assert material["linen"]["pbrMetallicRoughness"]["roughnessFactor"] == pytest.approx(0.9)


@pytest.mark.parametrize("uvs", [own_uvs, new_uvs])
@pytest.mark.filterwarnings("ignore:.*other MTL pictures")
def test_materials_of_one_object_are_primitives_of_one_mesh(tmp_path, uvs):
    loaded = load(lamp(tmp_path))
    glb, _, _ = saved(tmp_path, loaded, uvs(loaded))
    (mesh,), nodes = glb.tree["meshes"], [node for node in glb.tree["nodes"] if "mesh" in node]
    assert mesh["name"] == "lamp" and [node["name"] for node in nodes] == ["lamp"]
    names = [glb.tree["materials"][p["material"]]["name"] for p in mesh["primitives"]]
    assert names == ["linen", "brass"] and [len(glb.faces(p)) for p in mesh["primitives"]] == [5, 1]
    assert len({p["attributes"]["POSITION"] for p in mesh["primitives"]}) == 1  # the vertices are there once
    corners = np.concatenate(
        [glb.numbers(p["attributes"]["POSITION"])[glb.faces(p)] for p in mesh["primitives"]]
    )
    shape = loaded.shapes["lamp"]
    order = np.argsort(shape.materials[1], kind="stable")
    assert np.array_equal(corners, np.float32(shape.vertices)[shape.faces[order]])


def test_the_scene_in_memory_has_the_materials_too(tmp_path):
    loaded = load(lamp(tmp_path))
    scene = textured_scene(loaded, own_uvs(loaded), TEXTURE)
    assert sorted(g.visual.material.name for g in scene.geometry.values()) == ["brass", "linen"]
    assert sum(len(g.faces) for g in scene.geometry.values()) == 6


def test_polygons_stay_where_their_uvs_hang_together(tmp_path):
    loaded = load(lamp(tmp_path))
    with pytest.warns(TexsyncWarning, match="made for the old UVs"):
        _, torn, mtl = saved(tmp_path, loaded, new_uvs(loaded))
    assert [len(line.split()) - 1 for line in words(torn, "f")] == [3] * 6
    assert not [line for line in mtl["brass"] if "map_Bump" in line or "norm" in line]
    with pytest.warns(TexsyncWarning, match="made for the old UVs"):
        _, whole, _ = saved(tmp_path, loaded, whole_uvs(loaded))
    assert [len(line.split()) - 1 for line in words(whole, "f")] == [4, 4, 3, 3]


def test_a_polygon_with_corners_on_one_line_keeps_its_uvs(tmp_path):
    for face in ("f 1/1 5/5 2/2 3/3 4/4", "f 1/1 5/5 1/1 2/2 3/3 4/4"):  # a vertex on an edge; there and back
        text = SQUARE + "v 0.5 0 0\n" + UVS + f"vt 0.3 0.1\n{face}\n"
        (tmp_path / "in.obj").write_text(text)
        loaded = load(tmp_path / "in.obj")
        _, obj, _ = saved(tmp_path, loaded, own_uvs(loaded))
        assert words(obj, "f") == [face]


def test_objects_that_share_vertices_are_objects_again(tmp_path):
    text = SQUARE + UVS + "o a\nf 1/1 2/2 3/3\no b\nf 1/1 3/3 4/4\n"
    (tmp_path / "in.obj").write_text(text)
    loaded = load(tmp_path / "in.obj")
    _, obj, _ = saved(tmp_path, loaded, own_uvs(loaded))
    assert words(obj, "o", "f") == ["o a", "f 1/1 2/2 3/3", "o b", "f 1/1 3/3 4/4"]


def test_normals_that_objects_share_are_written_once(tmp_path):
    faces = "o a\nf 1//1 2//1 3//2\no b\nv 7 7 7\nv 8 7 7\nv 7 8 7\nf 5//2 6//2 7//1\n"
    (tmp_path / "in.obj").write_text(SQUARE + "vn 0 0 1\nvn 0 0.6 0.8\n" + faces)
    loaded = load(tmp_path / "in.obj")
    _, obj, _ = saved(tmp_path, loaded, new_uvs(loaded))
    assert words(obj, "vn") == ["vn 0 0 1", "vn 0 0.6 0.8"]
    assert [[corner.split("/")[2] for corner in line.split()[1:]] for line in words(obj, "f")] == [
        ["1", "1", "2"],
        ["2", "2", "1"],
    ]


def test_materials_that_had_a_texture_each_do_not_share_texels(tmp_path):
    two = SQUARE + UVS + "v 5 0 0\nv 6 0 0\nv 5 1 0\nusemtl a\nf 1/1 2/2 3/3\nusemtl {}\nf 5/1 6/2 7/3\n"
    (tmp_path / "in.obj").write_text(two.format("b"))
    apart = load(tmp_path / "in.obj")
    assert len(apart.parts) == 1 and apart.part.tolist() == [0, 1]
    with pytest.warns(TexsyncWarning, match="its parts share"):
        assert len(prepare(apart).uv) == 6
    (tmp_path / "in.obj").write_text(two.format("a"))
    with pytest.warns(TexsyncWarning, match="used more than once"):
        assert len(prepare(load(tmp_path / "in.obj")).uv) == 4


def test_materials_without_a_name_or_a_library(tmp_path):
    (tmp_path / "in.obj").write_text(SQUARE + UVS + "f 1/1 2/2 3/3\nusemtl my red one\nf 1/1 3/3 4/4\n")
    loaded = load(tmp_path / "in.obj")
    _, obj, mtl = saved(tmp_path, loaded, own_uvs(loaded))
    assert words(obj, "usemtl") == ["usemtl thing_material", "usemtl my red one"]
    assert set(mtl) == {"thing_material", "my red one"}


def test_what_cannot_come_along_is_missed_aloud(tmp_path):
    text = SQUARE.replace("v 0 0 0", "v 0 0 0 1 0 0") + "vn 0 0 1\nf 1//1 2//1 3\nl 1 3\n"
    (tmp_path / "in.obj").write_text(text)
    loaded = load(tmp_path / "in.obj")
    with pytest.warns(TexsyncWarning) as caught:
        saved(tmp_path, loaded, new_uvs(loaded))
    said = " ".join(str(warning.message) for warning in caught)
    assert all(word in said for word in ("lines and points", "vertex colours", "normals, which some"))


def test_glass_becomes_opaque_aloud(tmp_path):
    (tmp_path / "in.mtl").write_text("newmtl glass\nTr 0.5\nnewmtl unused\nd 0.5\n")
    text = "mtllib in.mtl\nusemtl {}\n" + SQUARE + UVS + "f 1/1 2/2 3/3\n"
    (tmp_path / "in.obj").write_text(text.format("other"))
    saved(tmp_path, load(tmp_path / "in.obj"), own_uvs(load(tmp_path / "in.obj")))
    (tmp_path / "in.obj").write_text(text.format("glass"))
    with pytest.warns(TexsyncWarning, match="transparency"):
        _, _, mtl = saved(tmp_path, load(tmp_path / "in.obj"), own_uvs(load(tmp_path / "in.obj")))
    assert "d 1" in mtl["glass"] and not words(mtl["glass"], "Tr")


def test_libraries_are_read_one_after_the_other_and_only_nearby(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret.mtl").write_text("newmtl secret\nNs 1\n")
    (inside / "a.mtl").write_text("newmtl one\nNs 1\n\n# two\nnewmtl two\n  Ns 2  \n")
    (inside / "b.mtl").write_text("newmtl three\nKe glow\nd 0.5\n")
    (inside / "my own.mtl").write_text("newmtl four\nTr 0\n")
    with pytest.warns(TexsyncWarning, match=r"missing.mtl, \.\./secret.mtl is not there"):
        found = read_mtl(inside / "mesh.obj", ("a.mtl missing.mtl b.mtl", "../secret.mtl", "my own.mtl"))
    assert set(found) == {"one", "two", "three", "four"}
    assert found["four"].is_opaque() and not found["three"].is_opaque()
    assert found["two"].numbers("ns") == [2] and found["three"].numbers("Ke") == []


@pytest.mark.parametrize(
    ("rest", "options", "file"),
    [
        ("bump.png", "", "bump.png"),
        ("-bm 0.5 a b.png", "-bm 0.5", "a b.png"),
        ("-o 1 2 -s 1 1 1 x.png", "-o 1 2 -s 1 1 1", "x.png"),
        ("-clamp on -mm 0 1 2.png", "-clamp on -mm 0 1", "2.png"),
    ],
)
def test_options_of_pictures_are_told_from_names(rest, options, file):
    assert _options(rest) == (options, file)


def test_a_material_that_names_no_picture_has_none(tmp_path):
    (tmp_path / "no.png").write_text("not a picture")
    material = Mtl((("norm", "no.png"), ("map_Ke", "lost.png")), tmp_path / "mesh.obj")
    with pytest.warns(TexsyncWarning, match="no.png is not a picture; the result goes without it"):
        assert material.picture("norm") is None
    assert material.picture("map_ke") is None


def test_vertices_come_back_in_order_and_to_the_last_digit(tmp_path):
    text = "o a\n" + SQUARE + "v 0.1234567890123 1e-7 3\nf 1 2 3 4\no b\nv 7 7 7\nv 8 7 7\nv 7 8 7\nf 6 7 8\n"
    (tmp_path / "in.obj").write_text(text)
    loaded = load(tmp_path / "in.obj")
    _, obj, mtl = saved(tmp_path, loaded, new_uvs(loaded))
    numbers = [[float(x) for x in line.split()[1:]] for line in words(obj, "v")]
    assert numbers == [[float(x) for x in line.split()[1:]] for line in words(text.splitlines(), "v")]
    assert words(obj, "o", "usemtl") == ["o a", "usemtl thing_material", "o b"]
    assert len(words(obj, "vt")) == 9 and "map_Kd thing_texture.png" in mtl["thing_material"]


def test_own_uvs_and_normals_go_back_unchanged(tmp_path):
    tables = "vt 0.125 0.5\nvt 1 0\nvt 1 1\nvt 0.3 0.7\nvn 0 0 1\nvn 0 0.6 0.8\n"
    faces = "f 1/1/1 2/2/1 3/3/2\nf 1/4/1 3/3/2 4/1/2\n"
    (tmp_path / "in.obj").write_text(SQUARE + tables + faces)
    loaded = load(tmp_path / "in.obj")
    glb, obj, _ = saved(tmp_path, loaded, own_uvs(loaded))
    assert words(obj, "vt", "vn", "f") == (tables + faces).splitlines()
    (primitive,) = glb.tree["meshes"][0]["primitives"]
    places = glb.numbers(primitive["attributes"]["POSITION"])
    assert len(places) == 5 and np.array_equal(places[:4], loaded.shapes["in"].vertices)
    assert np.array_equal(places[4], [0, 0, 0])  # the copy for the seam comes last
    assert np.allclose(glb.numbers(primitive["attributes"]["NORMAL"])[2], [0, 0.6, 0.8])
