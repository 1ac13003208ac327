"""`--sweep`: one labelled sheet of several values, for every task."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from texsync import InputError, ambiguous_image, cli, wide_image
from texsync.options.swept import swept
from texsync.show.png import read_parameters
from texsync.tasks.sweep import sweep
from texsync.tasks.wide import WideOptions

pytestmark = [
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]


def test_a_sweep_is_one_sheet_of_the_same_seeds(few, tmp_path):
    made = sweep(ambiguous_image, "strength", [0, 5], prompts=["red", "copper"], count=3, **few)
    alone = ambiguous_image(["red", "copper"], strength=5, seed=2, **few)
    assert np.array_equal(made.pictures[1]["seed 2"], alone.image)
    sheet = np.asarray(made.sheet())
    assert (
        sheet.shape[0] > 3 * 256 and 2 * 256 < sheet.shape[1] < 3 * 256
    )  # a row per seed, a column per value
    assert np.array_equal(sheet[26:282, -520:-264], made.pictures[0]["seed 0"].resize((256, 256), 1))
    folder = made.save(tmp_path / "out")
    assert len(list(folder.glob("strength_*_seed*.png"))) == 6
    assert json.loads((folder / "run.json").read_text())["sweep"] == {"strength": [0, 5]}
    assert read_parameters(folder / "strength_5_seed2.png")["strength"] == 5


def test_meshes_are_swept_too(tiny_model, tmp_path, monkeypatch, capsys):
    """Two sides per value; nothing else of the mesh command changes."""
    monkeypatch.chdir(tmp_path)
    crate = Path(__file__).parents[2] / "meshes" / "crate.glb"
    few = ["--model", str(tiny_model), "--steps", "1", "--view-size", "64", "--texture-size", "64"]
    code = cli.main([str(crate), "a red object", "--sweep", "strength=0,5", "--device", "cpu", *few])
    written = capsys.readouterr()
    assert code == 0, written.err
    names = {"sweep.png", "run.json", *(f"strength_{v}_{s}.png" for v in (0, 5) for s in ("front", "back"))}
    assert {file.name for file in (tmp_path / "crate_textured").iterdir()} == names


def test_wide_pictures_are_swept_down_the_sheet(few):
    made = sweep(wide_image, "overlap", [8, 16], prompt="copper", **few)
    assert made.sheet().height > 1.5 * made.sheet().width / 4


@pytest.mark.parametrize("task", ["wide", "ambiguous", "mask", "edit"])
def test_the_shell_sweeps(task, shell, capsys):
    assert shell(task, "--sweep", "strength=0,5", "--out", "out") == 0
    assert "strength_0_seed0.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strength", "gives no values; e.g. sweep strength=0,1,3"),
        ("colour=1", "names no option that can vary; use one of .*strength"),
        ("seed=1,2", "names no option that can vary"),
        ("strength=0,-1", "strength -1 is out of range"),
        ("coupling=none,glue", "unknown coupling 'glue'"),
    ],
)
def test_wrong_sweeps_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        swept(WideOptions("x"), text)


def test_values_are_read_as_what_they_are():
    assert swept(WideOptions("x"), "loop=yes,no") == ("loop", [True, False])
    assert swept(WideOptions("x"), " view-size = 64, 128") == ("view_size", [64, 128])
    assert swept(WideOptions("x"), "coupling=none,syncsde") == ("coupling", ["none", "syncsde"])
