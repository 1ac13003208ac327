"""A run again from its run.json: the same result for every task, and a line for what is not as it was."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from refusals import refused

import texsync
from texsync import InputError, TexsyncWarning, cli

FEW = {"device": "cpu", "steps": 2, "seed": 3}
pytestmark = pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")


@pytest.fixture
def here(place, tiny_model):
    """Pictures beside the mesh, and the model's name."""
    mask = Image.new("L", (32, 32))
    mask.paste(255, (0, 0, 16, 32))
    mask.save(place / "mask.png")
    FEW["model"] = str(tiny_model)
    return place


RUNS = {
    "mesh": lambda: texsync.texture_mesh(
        "jug.obj", "a red object", view_size=64, texture_size=128, strength=np.float32(2), **FEW
    ),
    "wide": lambda: texsync.wide_image(
        "red copper", width=48, control="plain", control_image="mask.png", **FEW
    ),
    "ambiguous": lambda: texsync.ambiguous_image(["a view", "red copper"], views=("rotate90",), **FEW),
    "mask": lambda: texsync.masked_image("a view", "red copper", "mask.png", **FEW),
    "edit": lambda: texsync.edit_image("mask.png", "a red object", "a copper object", mask="mask.png", **FEW),
}


def picture(result):
    return np.asarray(result.texture if hasattr(result, "texture") else result.image)


@pytest.mark.parametrize("task", RUNS)
def test_every_task_is_repeated_to_the_bit(task, here, still, monkeypatch):
    """Also when the project has moved: files are found where they lie as seen from the result."""
    (here / "project").mkdir()
    for name in ("jug.obj", "mask.png"):
        shutil.move(here / name, here / "project" / name)
    monkeypatch.chdir(here / "project")
    made = RUNS[task]()
    made.save("out")
    record = json.loads((here / "project" / "out" / "run.json").read_text())
    assert record["task"] == task and set(record["options"]) and record["sent"]["prompts"]
    assert all(len(file["sha256"]) == 64 and file["relative"].startswith("../") for file in record["files"])
    monkeypatch.chdir(here)
    (here / "project").rename(here / "moved")
    again = texsync.repeat("moved/out")
    assert np.array_equal(picture(again), picture(made))
    other = texsync.repeat("moved/out/run.json", seed=4)
    assert not np.array_equal(picture(other), picture(made)) and other.report["seed"] == 4


def test_the_options_are_what_the_function_takes(here, still):
    RUNS["mesh"]().save("out")
    record = json.loads((here / "out" / "run.json").read_text())
    again = texsync.texture_mesh("jug.obj", **record["options"])
    assert json.loads(json.dumps(again.report["options"])) == record["options"]
    views = record["sent"]
    assert len(views["prompts"]) == len(views["negatives"]) >= 10 and "front view" in views["prompts"][0]
    assert {"name", "faces"} <= set(record["mesh"])
    assert record["files"][0]["option"] == "mesh" and record["files"][0]["path"].endswith("jug.obj")


def test_the_shell_repeats_too(here, still, capsys):
    RUNS["mask"]().save("out")
    assert cli.main(["repeat", "out", "--quiet"]) == 0
    assert (here / "out_again" / "picture.png").is_file()
    first, second = (Image.open(here / name / "picture.png") for name in ("out", "out_again"))
    assert np.array_equal(np.asarray(first), np.asarray(second))


def test_what_is_not_as_it_was_is_said(here, still):
    RUNS["mask"]().save("out")
    Image.new("L", (32, 32), 0).save("black.png")
    mask = Image.new("L", (32, 32))
    mask.paste(255, (0, 16, 32, 32))
    mask.save("mask.png")
    with pytest.warns(TexsyncWarning, match=r"mask\.png has changed since that run"):
        texsync.repeat("out")
    (here / "mask.png").unlink()
    with refused("run-files"):
        texsync.repeat("out")
    texsync.masked_image("a view", "red copper", mask, **FEW).save("memory")
    with refused("run-files"):
        texsync.repeat("memory")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        ("{", "cannot be read"),
        ("[]", "holds no task and options"),
        ('{"task": "os", "options": {}}', "holds no task and options"),
        ('{"task": ["mesh"], "options": {}}', "holds no task and options"),
        ('{"sweep": {}, "runs": []}', "is a sweep's"),
        ('{"task": "wide", "options": {"prompt": "a", "steps": 0}}', "steps 0 is out of range"),
        ('{"task": "wide", "options": {}, "files": [3]}', "odd list of files"),
    ],
)
def test_what_is_no_run_is_told(content, said, tmp_path):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match=said):
        texsync.repeat(tmp_path / "run.json")


def test_another_commit_of_a_hubs_model_is_said(here, still, monkeypatch):
    from texsync.backbones.families import diffusion

    monkeypatch.setattr(diffusion, "_commits", lambda *_: {"model": "b" * 40})
    RUNS["wide"]().save("out")
    path = here / "out" / "run.json"
    record = json.loads(path.read_text())
    assert record["commits"] == {"model": "b" * 40}
    path.write_text(json.dumps(record | {"commits": {"model": "a" * 40}}))
    with pytest.warns(TexsyncWarning, match="the model was at commit aaaa"):
        texsync.repeat("out")
