"""What the 2D tasks share: options, seeds, files, doors."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused

import texsync
from texsync import Cancelled, InputError, ambiguous_image, cli, wide_image
from texsync.backbones.advice import Advice
from texsync.couplings import names
from texsync.options.pictures import ImageOptions
from texsync.options.shared import slug
from texsync.show.png import read_parameters
from texsync.tasks import function_of
from texsync.tasks.ambiguous import AmbiguousOptions
from texsync.tasks.around import PAPERS
from texsync.tasks.edit import EditOptions
from texsync.tasks.images import Run
from texsync.tasks.mask import MaskOptions
from texsync.tasks.wide import WideOptions

pytestmark = [
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]
OPTIONS = {"wide": WideOptions, "ambiguous": AmbiguousOptions, "mask": MaskOptions, "edit": EditOptions}
SLUGGED = {"wide": "wide_red_copper", "ambiguous": "ambiguous_red_copper_a_view"}
SLUGGED |= {"mask": "mask_red_copper", "edit": "edit_a_copper_object"}


# ---- options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": -1}, "seed -1"),
        ({"count": 0}, "count 0 is out of range"),
        ({"steps": 0}, "steps 0"),
        ({"strength": float("nan")}, "strength nan"),
        ({"coupling_options": ["first"]}, "coupling option 'first'; give name=value"),
        ({"coupling_options": ["seed=3"]}, "coupling option 'seed=3'"),
        ({"coupling_options": "first=3"}, "must be a list of texts"),
        ({"coupling": "glue"}, "unknown coupling 'glue'; known: .*syncsde"),
        ({"integrator": "euler"}, "unknown integrator"),
        ({"noise": "pink"}, "unknown noise"),
        ({"view_size": 3}, "view size 3"),
        ({"guidance": "much"}, "guidance must be a number"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"dtype": "int8"}, "unknown dtype"),
        ({"chunk": 0}, "chunk 0"),
        ({"control": "canny"}, "control and control_image belong together"),
        ({"control_image": "a.png"}, "control and control_image belong together"),
        ({"controlnet": "here"}, "controlnet without control"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(InputError, match=message) as told:
        ImageOptions(**values)
    assert told.value.remedy and told.value.exit_code == 2


@pytest.mark.parametrize("task", OPTIONS)
def test_shell_and_python_share_names(task):
    """What Python alone takes are functions and a bar; what the shell alone takes is where results go."""
    flags = {p.name for p in cli.texsync.commands[task].params}
    names = set(inspect.signature(function_of(task)).parameters)
    assert names - flags == {"on_progress", "progress"}
    assert flags - names == {"out", "overwrite", "sweep", "quiet", "verbose"}


def test_slugs():
    assert slug("A red, weathered  Bottle!") == "a_red_weathered_bottle"
    assert slug("../..") == "picture" and len(slug("word " * 50)) <= 40


@pytest.mark.parametrize("name", ["wide_image", "ambiguous_image", "masked_image", "edit_image", "Pictures"])
def test_public_names(name):
    assert name in dir(texsync) and getattr(texsync, name).__name__ == name


# ---- couplings --------------------------------------------------------------------------------------------------


REFUSED = {("wide", "csg"), ("ambiguous", "csg")}


@pytest.mark.parametrize("coupling", names())
@pytest.mark.parametrize("task", OPTIONS)
def test_every_coupling_runs_on_every_task_or_says_why_not(task, coupling, shell, capsys):
    code = shell(task, "--coupling", coupling, "--out", "out", "--quiet")
    told = capsys.readouterr().err
    assert code == (2 if (task, coupling) in REFUSED else 0), told
    assert told.count("\n") == (1 if code else 0) and (coupling in told.lower() or code == 0)


def test_strength_is_the_couplings_own_unless_it_is_given(few):
    plain, five, one = (wide_image("red copper", **few, width=40, strength=s).image for s in (None, 5.0, 1.0))
    assert np.array_equal(plain, five) and not np.array_equal(plain, one)


def test_a_couplings_own_options_can_be_said(few):
    with refused("coupling-option", thing="coupling", value="none"):
        wide_image("red copper", **few, width=40, coupling="none", coupling_options=["first=3"])
    options = {"width": 40, "coupling": "syncdiffusion", **few}
    never, often = (
        wide_image("red copper", **options, coupling_options=[f"first={n}", "weight=1e5"]).image
        for n in (0, 2)
    )
    same = wide_image("red copper", **(options | {"coupling": "multidiffusion"})).image
    assert np.array_equal(never, same) and not np.array_equal(often, same)


# ---- what the model says ----------------------------------------------------------------------------------------


def test_a_model_that_recommends_nothing_gets_the_papers_values(tiny_model, tmp_path):
    """Stable Diffusion as it is fetched: 50 steps at guidance 7.5 and no words beside the prompt, at its own size."""
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path / "plain")
    (folder / "texsync.json").unlink()
    report = wide_image("red copper", model=str(folder), width=32, device="cpu").report
    assert (report["steps"], report["guidance"], report["negative"], report["view_size"]) == (50, 7.5, "", 32)


@pytest.mark.parametrize("name", ("guidance", "steps", "view_size"))
def test_what_a_model_says_counts_even_where_the_mesh_paper_says_the_same(name):
    """As 30 steps, which are not 2D tasks' own: the user's word first, then the model's, then the paper's."""
    run = Run("wide", ImageOptions(), **{name: "papers"})
    model = SimpleNamespace(advice=Advice(**{name: PAPERS[name]}))
    assert run.said(model, name) == PAPERS[name]
    assert run.said(SimpleNamespace(advice=Advice()), name) == "papers"
    assert Run("wide", ImageOptions(**{name: 64})).said(model, name) == 64
    model.advice = replace(model.advice, pictures={name: 16})
    assert run.said(model, name) == 16


def test_a_model_can_say_how_strong_a_task_should_be(few, tmp_path):
    """For SyncSDE in that task alone; what the user says comes first."""
    import tiny

    advice = {"view_size": 32, "strength": {"ambiguous": 1.5}}
    few = few | {"model": str(tiny.write_model(tmp_path / "gentle", advice=advice)), "steps": 2}

    def strength(**more):
        return ambiguous_image(["red", "copper"], views=["flip"], **few, **more).report["strength"]

    assert strength() == 1.5 and strength(strength=3.0) == 3.0 and strength(coupling="synctweedies") is None
    assert wide_image("red copper", **few, width=40).report["strength"] == 5.0


def test_a_model_without_a_controlnet_will_do(few, tmp_path):
    import tiny

    bare = tiny.write_model(tmp_path / "bare", controlnet=False, advice={"view_size": 32})
    assert wide_image("red copper", **(few | {"model": str(bare)}), width=32).image.size == (32, 32)


# ---- seeds, progress, stopping ----------------------------------------------------------------------------------


def test_one_seed_one_picture(few):
    made = wide_image("red copper", **few, width=40, seed=3, count=2)
    alone = wide_image("red copper", **few, width=40, seed=4)
    pictures = [one.images["picture"] for one in made.made]
    assert torch.equal(pictures[1], alone.made[0].images["picture"])
    assert not torch.allclose(pictures[0], pictures[1])


def test_shared_noise_is_one_canvas_and_independent_noise_is_not(few):
    from texsync.tasks.images import Run
    from texsync.views import windows

    views = windows(10, 8, 8, 2)
    shared, own = (
        Run("x", ImageOptions(noise=kind)).noise(views, 4, 0) for kind in ("shared", "independent")
    )
    assert torch.equal(shared[0][..., 2:], shared[1][..., :6])
    assert own.shape == shared.shape and not torch.isclose(own[0][..., 2:], own[1][..., :6]).any()


def test_progress_counts_every_step_and_previews(few):
    told, shown = [], []

    def listen(stage, step, total, preview):
        told.append((stage, step, total))
        if preview and step == 3:
            shown.append(preview())

    wide_image("red copper", **few, width=40, count=2, on_progress=listen)
    assert [step for stage, step, _ in told if stage == "denoise"] == [0, 1, 2, 3, 4, 4]
    assert {total for stage, _, total in told if stage == "denoise"} == {4}
    assert shown[0].shape == (2, 3, 32, 32)


def test_a_run_can_be_stopped(few):
    def stop(stage, step, total, preview):
        if step == 1 and stage == "denoise":
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        wide_image("red copper", **few, width=40, on_progress=stop)


# ---- files ------------------------------------------------------------------------------------------------------


def test_files_hold_the_picture_and_all_that_is_needed_to_make_it_again(few, tmp_path):
    made = wide_image("red copper", **few, width=40, seed=3, count=2)
    folder = made.save(tmp_path / "out")
    names = {"picture_seed3.png", "picture_seed4.png", "views.png", "run.json"}
    assert {file.name for file in folder.iterdir()} == names
    with Image.open(folder / "picture_seed4.png") as picture:
        assert picture.mode == "RGB" and np.array_equal(picture, made.images[1])
    inside = read_parameters(folder / "picture_seed4.png")
    options = {name: inside[name] for name in WideOptions.defaults()}
    again = wide_image(inside["prompt"], **options)
    assert np.array_equal(again.image, made.images[1])
    record = json.loads((folder / "run.json").read_text())
    assert record["task"] == "wide" and record["prompt"] == "red copper" and record["versions"]["torch"]
    assert set(record["seconds"]) == {"model", "denoise", "decode"}
    assert read_parameters(folder / "views.png") == {}


def test_nothing_is_overwritten_unasked(few, tmp_path):
    made = wide_image("red copper", **few, width=40)
    made.save(tmp_path / "out")
    with refused("output-taken"):
        made.save(tmp_path / "out")
    assert made.save(tmp_path / "out", overwrite=True) == tmp_path / "out"


# ---- the shell --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", OPTIONS)
def test_a_command_writes_its_folder(task, shell, tmp_path, capsys):
    assert shell(task, "--quiet") == 0
    folder = tmp_path / "here" / SLUGGED[task]
    assert {"edit.png" if task == "edit" else "picture.png", "views.png", "run.json"} <= {
        file.name for file in folder.iterdir()
    }
    assert capsys.readouterr() == ("", "")


WRONG = {
    "taken": ("wide", ["--out", "old"], "old already exists"),
    "overlap 0": ("wide", ["--overlap", "0"], "overlap 0 is out of range; use 1 to"),
    "overlap of a window": ("wide", ["--overlap", "32"], "overlap 32 does not fit windows of 32"),
    "width": ("wide", ["--width", "101"], "width 101 is not reachable.*; the nearest is 100"),
    "view size": ("wide", ["--view-size", "33"], "view size 33 is not a multiple of 8; use e.g. 32"),
    "not a number": ("wide", ["--width", "far"], "'far' is not a valid integer"),
    "view": (
        "ambiguous",
        ["--view", "skew"],
        "cannot be done in this model's latents; use identity, rotate90",
    ),
    "two for one": ("ambiguous", ["--view", "identity"], "two prompts for one view"),
    "no source": ("edit", ["--source", ""], "no source prompt; say what the picture shows"),
    "word": (
        "edit",
        ["--word", "cat"],
        "'cat' is not in the prompt 'a red object'; use one of a, red, object",
    ),
    "no picture": ("edit", ["--mask", "none.png"], "there is no file none.png"),
    "no model": ("ambiguous", ["--model", "/nowhere/at/all"], "unknown model '/nowhere/at/all'"),
}


def test_a_picture_too_large_for_memory_is_told_so(capsys, tmp_path, monkeypatch):
    """With remedies that these commands have."""
    monkeypatch.chdir(tmp_path)

    def fail(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("texsync.tasks.wide.wide_image", fail)
    assert cli.main(["wide", "meadow"]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == "texsync: not enough memory; ask for a smaller picture, or use --chunk 1"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_code_2(case, shell, capsys, tmp_path):
    import re

    (tmp_path / "here" / "old").mkdir()
    (tmp_path / "here" / "old" / "run.json").write_text("{}")
    task, arguments, message = WRONG[case]
    assert shell(task, *arguments) == 2
    told = capsys.readouterr()
    assert told.out == "" and re.search(message, told.err) and told.err.count("\n") == 1
    assert [file.name for file in (tmp_path / "here").iterdir()] == ["old"]


def test_saving_a_picture_needs_no_renderer_of_meshes(tmp_path):
    code = f"""
import sys, torch
from texsync.tasks.made import Made, Pictures
import texsync.tasks.wide, texsync.tasks.edit
made = Made(0, {{"picture": torch.rand(3, 8, 8)}}, torch.rand(1, 3, 8, 8))
pictures = Pictures("wide", [made], ["view"], {{"task": "wide"}})
pictures._repr_png_()
pictures.save({str(tmp_path / "out")!r})
print(*sorted({{"pytorch3d", "trimesh", "xatlas"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")
