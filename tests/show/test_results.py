"""What a result is in Python and on disk: a picture in a notebook, a line as text, chosen files, its origin inside."""

from __future__ import annotations

import io
import json
import struct
import warnings

import pytest
import trimesh
from PIL import Image

import texsync
from texsync import cli
from texsync.errors import InputError
from texsync.files.stamp import stamped_glb
from texsync.glb_chunks import packed as glb
from texsync.show.png import read_parameters
from texsync.tasks.sweep import sweep
from texsync.tasks.textured import FORMATS, USUAL_FORMATS, MeshSaveOptions

PROMPT = "rüst & 錆"
WRITTEN = {
    "glb": {"jug.glb"},
    "obj": {"jug.obj", "jug.mtl", "jug_texture.png"},
    "png": {"jug_texture.png"},
    "sheet": {"views.png"},
    "turntable": {"turntable.gif"},
    "viewer": {"viewer.html"},
}


@pytest.fixture(scope="module")
def jug(tiny_model, tmp_path_factory):
    file = tmp_path_factory.mktemp("jug") / "jug.obj"
    trimesh.creation.box().export(file)
    small = {"steps": 1, "view_size": 64, "texture_size": 64, "model": str(tiny_model)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", texsync.TexsyncWarning)  # the tiny model reads few words
        return texsync.texture_mesh(file, PROMPT, seed=7, **small)


@pytest.fixture(scope="module")
def wide(tiny_model):
    small = {"steps": 1, "view_size": 32, "width": 64, "model": str(tiny_model), "count": 2, "seed": 5}
    return texsync.wide_image("red", **small)


def shown(result) -> Image.Image:
    return Image.open(io.BytesIO(result._repr_png_()))


def test_a_result_is_one_line_and_a_picture(jug, wide):
    assert repr(jug) == f"<TexturedMesh 'jug': {PROMPT!r}, seed 7, 64 x 64 texels>"
    assert repr(wide) == "<Pictures wide: 2 pictures of 64 x 32 pixels, from seed 5>"
    swept = sweep(lambda **_: wide, "strength", [0, 5])
    assert repr(swept) == "<Sweep of strength: 0, 5>"
    assert shown(wide).size == (64, 2 * 32 + 4)  # one below the other
    assert shown(swept).size == swept.sheet().size and shown(jug).width > 320


@pytest.mark.parametrize(
    "chosen", ["glb", "obj", "png", "sheet", "glb, png", ("obj", "sheet"), ["viewer"]], ids=str
)
def test_formats_choose_what_is_written(chosen, jug, tmp_path):
    folder = jug.save(tmp_path / "out", formats=chosen)
    names = [name.strip() for name in chosen.split(",")] if isinstance(chosen, str) else chosen
    assert {file.name for file in folder.iterdir()} == {"run.json"}.union(*(WRITTEN[name] for name in names))


def chosen(formats):
    return MeshSaveOptions(formats=formats).chosen


def test_what_formats_are():
    assert set(WRITTEN) == set(FORMATS) and chosen(None) == USUAL_FORMATS == tuple(FORMATS)[:-1]
    assert chosen(" glb,png,glb") == ("glb", "png")
    for wrong, said in (
        ("glb,fbx", "unknown format 'fbx'; known: glb"),
        ([], "list of names"),
        (3, "got 3"),
        ("", "''"),
    ):
        with pytest.raises(InputError, match=said):
            chosen(wrong)


def test_the_shell_refuses_a_format_before_any_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["no.obj", "rust", "--formats", "glb,fbx"]) == 2
    assert capsys.readouterr().err == f"texsync: unknown format 'fbx'; known: {', '.join(FORMATS)}\n"


def asset(data: bytes) -> dict:
    (size,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + size])["asset"]


def test_files_say_where_they_come_from(jug, tmp_path):
    """The GLB, the texture beside it and the one inside it; trimesh still reads the model."""
    folder = jug.save(tmp_path / "out", formats="glb,png")
    told = {"prompt": PROMPT, "seed": 7, "version": texsync.__version__}
    assert asset((folder / "jug.glb").read_bytes())["extras"]["texsync"] == told
    assert read_parameters(folder / "jug_texture.png") == told
    scene = trimesh.load(folder / "jug.glb")
    assert (
        scene.geometry["jug"] if "jug" in scene.geometry else next(iter(scene.geometry.values()))
    ).visual.uv is not None
    again = jug.save(tmp_path / "again", formats="glb,png")  # no times, no paths: the same bytes
    assert all(
        (folder / name).read_bytes() == (again / name).read_bytes() for name in ("jug.glb", "jug_texture.png")
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"texsync": {"seed": 1}}),
        ({"author": "me"}, {"author": "me", "texsync": {"seed": 1}}),
        ({"texsync": {"seed": 0}}, {"texsync": {"seed": 1}}),
        ("mine", "mine"),
    ],
    ids=str,
)
@pytest.mark.parametrize("body", [b"", b"12345678"])
def test_other_extras_stay(before, after, body):
    tree = {"asset": {"version": "2.0"} | ({"extras": before} if before else {}), "extras": {"x": [1]}}
    data = stamped_glb(glb(tree, body), {"seed": 1})
    assert data == glb(tree | {"asset": {"version": "2.0", "extras": after}}, body)
