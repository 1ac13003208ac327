"""Several seeds of one mesh in one run: each as if it were alone, saved together, repeatable alone and together."""

from __future__ import annotations

import json
from pathlib import Path

import handed
import numpy as np
import pytest
from painted import CRATE
from PIL import Image

import texsync
from texsync import InputError, Variants, cli
from texsync.worker.tasks import tasks

pytestmark = pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")


@pytest.fixture(scope="module")
def three(paint):
    return paint(CRATE, seed=5, count=3)


@pytest.fixture(scope="module")
def alone(paint):
    return paint(CRATE, seed=6)


def test_one_seed_of_several_is_the_run_of_that_seed_to_the_bit(three, alone):
    assert isinstance(three, Variants) and len(three) == 3 and three.seeds == [5, 6, 7]
    assert np.array_equal(three[1].texture, alone.texture) and not np.array_equal(
        three[0].texture, three[1].texture
    )
    assert np.array_equal(three[1].views, alone.views)
    assert [one.report["seed"] for one in three[1:]] == [6, 7]
    assert {**alone.report["options"]} == three[1].report["options"]


def test_what_couplings_remember_of_a_run_does_not_reach_the_next(paint):
    """Also noise that a sampler renews, and a coupling with a state of its own."""
    few = {"coupling": "syncmvd", "sampler": "ddpm"}
    assert np.array_equal(paint(CRATE, count=2, **few)[1].texture, paint(CRATE, seed=1, **few).texture)


def test_geometry_model_and_tables_are_made_once(paint, monkeypatch):
    from texsync.surface import texture

    made, tables = [], texture.bake_tables
    monkeypatch.setattr(texture, "bake_tables", lambda *a, **k: made.append(1) or tables(*a, **k))
    paint(CRATE, count=2)
    assert made == [1]


def test_a_folder_each_one_overview_and_runs_that_can_be_repeated(three, alone, tmp_path):
    folder = three.save(tmp_path / "out", formats=["glb", "png"])
    assert {file.name for file in folder.iterdir()} == {
        "seed_5",
        "seed_6",
        "seed_7",
        "overview.png",
        "run.json",
    }
    single = alone.save(tmp_path / "single", formats=["glb", "png"])
    for file in single.iterdir():
        if file.name != "run.json":
            assert file.read_bytes() == (folder / "seed_6" / file.name).read_bytes()
    whole = json.loads((folder / "run.json").read_text())
    assert (
        whole["count"] == 3
        and whole["files"][0]["relative"]
        == json.loads((single / "run.json").read_text())["files"][0]["relative"]
    )
    assert np.array_equal(texsync.repeat(folder / "seed_6").texture, alone.texture)
    again = texsync.repeat(folder, count=2)
    assert again.seeds == [5, 6] and np.array_equal(again[1].texture, alone.texture)
    with Image.open(folder / "overview.png") as sheet:
        assert sheet.width > 3 * 256 and 2 * 256 < sheet.height < 3 * 256


def test_count_of_one_is_no_sequence(crate):
    assert isinstance(crate, texsync.TexturedMesh) and crate.report["count"] == 1


def test_the_shell_makes_and_sweeps_several(tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = [
        "--model",
        str(tiny_model),
        "--steps",
        "1",
        "--view-size",
        "64",
        "--texture-size",
        "64",
        "--device",
        "cpu",
    ]
    assert cli.main([str(CRATE), "a red object", "--count", "2", "--formats", "png", *few]) == 0
    assert "overview.png, run.json, seed_0, seed_1" in capsys.readouterr().out
    sweep = ["--count", "2", "--sweep", "strength=0,5", "--out", "swept"]
    assert cli.main([str(CRATE), "a red object", *sweep, *few]) == 0
    assert (tmp_path / "swept" / "strength_5_seed1back.png").is_file()


def test_another_program_gets_them_all(few, tmp_path):
    """A .texmesh gives texture.png, the first, as ever, and one for each in its own folder."""
    mesh = handed.write(tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()))
    job = {"prompt": "red", "texture_size": 64, "view_size": 64, "uvs": "keep", "extra_views": "none", **few}
    files = tasks()["mesh"](
        {"mesh": str(mesh), "out": str(tmp_path / "out"), "count": 2, **job}, lambda *_: None
    )
    assert set(files) == {"texture.png", "look.png", "seed_0/texture.png", "seed_1/texture.png", "run.json"}
    first, own, other = (
        Path(files[name]).read_bytes() for name in sorted(files, reverse=True) if "texture.png" in name
    )
    assert first == other != own


def test_more_than_the_memory_holds_is_said_before_the_painting(paint, monkeypatch):
    monkeypatch.setattr("texsync.backbones.memory.free_bytes", lambda device: 10**9)
    with pytest.raises(InputError) as error:
        paint(CRATE, count=1000, texture_size=1024)
    assert "1000 variants of a texture needs about 5." in str(error.value) and "lower count" in str(
        error.value
    )
