"""A model is kept between a worker's jobs, and a script's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import trimesh

import texsync
from texsync.backbones import warm
from texsync.backbones.by_name import load_model

GUIDE = Path(__file__).parents[2] / "docs" / "scripting.md"


def test_warm_models_are_one_at_a_time():
    made = []

    def make(name):
        return warm.remembered(name, lambda: made.append(name) or torch.zeros(1))

    make("a"), make("a")
    assert made == ["a", "a"]  # off: nothing is remembered
    warm.keep(True)
    try:
        first = make("a")
        assert make("a") is first and make("b") is not first and make("a") is not first
        assert made == ["a", "a", "a", "b", "a"]
        warm.release()
        make("a")
        assert made[-2:] == ["a", "a"]
    finally:
        warm.keep(False)


def test_a_script_keeps_its_model_and_lets_go_of_it(tiny_model):
    with texsync.warm_model():
        first = load_model(tiny_model)
        with texsync.warm_model():
            assert load_model(tiny_model) is first
        assert load_model(tiny_model) is first
    assert load_model(tiny_model) is not first


@pytest.mark.filterwarnings("ignore:.*:texsync.errors.TexsyncWarning")
def test_the_script_in_the_docs_goes_on_after_a_mesh_that_cannot_be_painted(
    tiny_model, tmp_path, monkeypatch, capsys
):
    """And does not make again what is there."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    few = "steps=1, view_size=64, texture_size=64"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.obj").write_text("v 0 0 0\n")
    ball = trimesh.creation.icosphere(subdivisions=1)
    for name in ("one", "two"):
        ball.export(f"{name}.ply")
    (tmp_path / "assets.csv").write_text("one.ply,red copper\nempty.obj,red\ntwo.ply,copper\n")
    (tmp_path / "painted" / "two").mkdir(parents=True)
    exec(code.replace("seed=1", f"seed=1, {few}").replace('"mini"', repr(str(tiny_model))), {})
    assert (tmp_path / "painted" / "one" / "one.glb").exists()
    assert not list((tmp_path / "painted" / "two").iterdir())
    told = capsys.readouterr().out
    assert told.startswith("empty.obj: ") and told.count("\n") == 1
