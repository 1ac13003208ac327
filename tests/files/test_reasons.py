"""A message names the real reason."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import trimesh
from jobs import plain

from texsync.errors import InputError, TexsyncWarning
from texsync.files.load import load
from texsync.glb_chunks import packed as glb
from texsync.surface.spread import warn_of_spread


def stl(text: bool = False) -> bytes:
    made = trimesh.creation.box().export(file_type="stl_ascii" if text else "stl")
    return made.encode() if isinstance(made, str) else made


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (stl()[:654], "cut short: 11 of 12 triangles"),
        (b"solid" + stl()[5:-1], "cut short: 11 of 12 triangles"),
        (stl()[:84], "cut short: 0 of 12"),
        (stl()[:40], "cut short: 40 bytes"),
        (stl(text=True)[:-100], "ends before 'endsolid'"),
        (stl(text=True)[: stl(text=True).rindex(b"facet normal")], "ends before 'endsolid'"),
    ],
)
def test_an_stl_that_was_cut_short_is_called_that(tmp_path, data, said):
    (tmp_path / "in.stl").write_bytes(data)
    with pytest.raises(InputError, match=said):
        load(tmp_path / "in.stl")


@pytest.mark.parametrize("data", [stl(), b"solid" + stl()[5:], stl(text=True), stl() + b"more"])
def test_a_whole_stl_is_read(tmp_path, data):
    (tmp_path / "in.stl").write_bytes(data)
    assert len(load(tmp_path / "in.stl").faces) == 12


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("kind", ["KHR_draco_mesh_compression", "EXT_meshopt_compression"])
def test_compressed_geometry_is_called_that_whether_or_not_the_file_says_so(tmp_path, kind, required):
    made = plain()
    primitive = made.tree["meshes"][0]["primitives"][0]
    tree, body = made.tree, made.body
    tree["buffers"] = [{"byteLength": len(body)}]
    if kind.startswith("KHR"):
        primitive["extensions"] = {kind: {"bufferView": 0, "attributes": {"POSITION": 0}}}
        for accessor in tree["accessors"]:
            accessor.pop("bufferView")
    else:
        tree["buffers"] += [{"byteLength": len(body), "extensions": {kind: {"fallback": True}}}]
        for view in tree["bufferViews"]:
            view["extensions"] = {kind: {"buffer": 0, "byteLength": 8, "byteStride": 4, "count": 2}}
            view["buffer"] = 1
    tree["extensionsUsed"] = [kind]
    tree.update({"extensionsRequired": [kind]} if required else {})
    (tmp_path / "in.glb").write_bytes(glb(tree, body))
    with pytest.raises(InputError, match=f"needs {kind}; export it without mesh compression"):
        load(tmp_path / "in.glb")


def test_compressed_geometry_with_a_plain_copy_is_read(tmp_path):
    made = plain()
    draco = {"bufferView": 0, "attributes": {"POSITION": 0}}
    made.tree["meshes"][0]["primitives"][0]["extensions"] = {"KHR_draco_mesh_compression": draco}
    made.tree["extensionsUsed"] = ["KHR_draco_mesh_compression"]
    assert len(load(made.write(tmp_path / "in.glb")).faces)


def box_with(points=None, *, boxes=(), size: float = 1.0) -> trimesh.Scene:
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box([size] * 3), node_name="Crate", geom_name="Crate")
    if points is not None:
        scene.add_geometry(
            trimesh.Trimesh(points, [[0, 1, 2]], process=False), node_name="Speck", geom_name="Speck"
        )
    for k, place in enumerate(boxes):
        other = trimesh.creation.box([size] * 3).apply_translation(place)
        scene.add_geometry(other, node_name=f"Box{k}", geom_name=f"Box{k}")
    return scene


TRIANGLE = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]])


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        (
            box_with(TRIANGLE + [1000, 0, 0]),
            "only 1 of 256 pixels wide in its views because of 1 face far away .object Speck.; delete it",
        ),
        (box_with(TRIANGLE * [3000, 10, 1]), "because of 1 face far away .object Speck"),  # a spike
        (box_with(TRIANGLE * 5000 + 100), "far away .object Speck"),  # a large one
        (box_with(TRIANGLE + [0, 60, 0]), "only 4 of 256 pixels"),
        (
            box_with(boxes=[(300, 0, 0), (0, 0, 300)]),
            "3 pieces that are far apart .Crate, Box0, Box1.; paint each alone",
        ),
        (box_with(boxes=[(100, 100, 100)]), "2 pieces that are far apart"),
    ],
    ids=["speck", "spike", "sheet", "nearer", "three", "diagonal"],
)
def test_what_makes_things_small_in_their_views_is_named(scene, said):
    with pytest.warns(TexsyncWarning, match=said) as caught:
        warn_of_spread(load(scene), 256)
    assert len(caught) == 1


@pytest.mark.parametrize(
    "scene",
    [
        box_with(),
        box_with(TRIANGLE),
        box_with(TRIANGLE + [4, 0, 0]),
        box_with(boxes=[(3, 0, 0), (0, 5, 0)]),
        box_with(boxes=[(k, 0, 0) for k in range(1, 60)]),
        trimesh.Scene(trimesh.creation.cylinder(0.01, 5)),
        trimesh.Scene(trimesh.Trimesh(TRIANGLE, [[0, 1, 2]], process=False)),
    ],
)
def test_ordinary_scenes_are_not_complained_of(scene):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_spread(load(scene), 256)
