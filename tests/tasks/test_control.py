"""Pictures that a ControlNet follows in the 2D tasks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused
from test_wide import frame

from texsync import ambiguous_image, cli, edit_image, masked_image, wide_image
from texsync.backbones.by_name import load_model
from texsync.backbones.families.diffusion import DiffusionBackbone
from texsync.options.pictures import CONTROLS
from texsync.tasks import control
from texsync.tasks.control import DETECTORS, control_picture
from texsync.tasks.reading import to_tensor

pytestmark = [
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]


@pytest.fixture
def picture():
    array = np.random.default_rng(0).integers(0, 255, (32, 64, 3), np.uint8)
    return Image.fromarray(array)


@pytest.fixture
def heard(monkeypatch):
    """The control pictures that each predictor was made with."""
    told, predictor = [], DiffusionBackbone.predictor

    def listen(self, conditions, chunk=None):
        told.append(conditions.control)  # one alone is no list
        return predictor(self, conditions, chunk)

    monkeypatch.setattr(DiffusionBackbone, "predictor", listen)
    return told


@pytest.fixture
def few(tiny_model, picture):
    follow = {"control": "plain", "control_image": picture}
    return {"model": str(tiny_model), "device": "cpu", "steps": 2, **follow}


def test_names_are_those_of_the_options():
    assert tuple(sorted(DETECTORS)) == tuple(sorted(set(CONTROLS) - {"plain"}))


def test_every_window_gets_its_own_part(few, heard, picture):
    wide_image("red copper", width=64, **few)
    assert torch.equal(heard[0][0], to_tensor(picture)[:, :, :32])
    assert torch.equal(heard[0][-1], to_tensor(picture)[:, :, 32:])


def test_a_loops_last_windows_run_on_over_the_edge():
    made = frame(10, loop=True, overlap=4)
    views, canvas = made.views(), torch.arange(96 * 160.0).view(1, 96, 160)
    last = made.crops(views, canvas)[-1]
    left = made.corner(views, views.shape[0] - 1)[1] * 16
    assert left + 96 > 160 and torch.equal(last[..., 160 - left :], canvas[..., : left + 96 - 160])


def test_every_view_of_an_ambiguous_picture_gets_it_turned(few, heard):
    ambiguous_image(["red", "copper"], **few)
    assert torch.equal(heard[0][1], heard[0][0].flip(-2)) and heard[0].shape == (2, 3, 32, 32)


def test_masks_and_edits_follow_it_too(few, heard, picture):
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    masked_image("copper", "red", mask, **few)
    edit_image(mask, "a red object", "a copper object", mask=mask, **few)
    assert [None if h is None else len(h) for h in heard] == [3, None, 2]


@pytest.fixture
def second():
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (32, 64, 3), np.uint8))


@pytest.fixture
def several(few, tiny_model):
    """Two ControlNets of one model, the second of which follows the picture that is there."""
    own = tiny_model / "controlnet"
    bare = {name: value for name, value in few.items() if not name.startswith("control")}
    return {**bare, "controlnet": f"{own} + tile={own}:0.5"}


def windows(picture):
    seen = to_tensor(picture)
    return torch.stack([seen[:, :, :32], seen[:, :, 32:]])


def ends(hints):
    return hints[[0, -1]]


PLAIN = ("plain", "plain")


def test_each_of_several_gets_its_own(several, heard, picture, second):
    """One for each, in their order; one picture or one way stands for all; every task looks at each as at one."""
    wide_image("red copper", width=64, **several, control=PLAIN, control_image=[picture, second])
    wide_image("red copper", width=64, **several, control="plain", control_image=[picture, second])
    wide_image("red copper", width=64, **several, control=PLAIN, control_image=picture)
    for told, pictures in zip(heard, ((picture, second), (picture, second), (picture, picture)), strict=True):
        for hints, shown in zip(told, pictures, strict=True):
            assert torch.equal(ends(hints), windows(shown))
    heard.clear()
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    both = {**several, "control": "plain", "control_image": [picture, second]}
    ambiguous_image(["red", "copper"], **both)
    masked_image("copper", "red", mask, **both)
    edit_image(mask, "a red object", "a copper object", mask=mask, **both)
    assert [None if told is None else [len(one) for one in told] for told in heard] == [
        [2, 2],
        [3, 3],
        None,
        [2, 2],
    ]
    assert all(not torch.equal(*told) for told in heard if told is not None)
    assert torch.equal(heard[0][1][1], heard[0][1][0].flip(-2))


def test_one_that_follows_what_is_there_has_the_start_or_the_picture_to_change(
    several, heard, picture, second
):
    """Beside another that follows a picture of the user's; or alone, and then nothing else has to be said."""
    one = {"control": "plain", "control_image": picture}
    wide_image("red copper", width=64, start=second, **several, **one)
    assert torch.equal(ends(heard[0][0]), windows(picture)) and torch.equal(
        ends(heard[0][1]), windows(second)
    )
    alone = {**several, "controlnet": several["controlnet"].partition(" + ")[2]}
    made = wide_image("red copper", width=64, start=second, **alone)
    assert (
        torch.equal(ends(heard[1]), windows(second))
        and made.report["options"]["controlnet"] == alone["controlnet"]
    )
    heard.clear()
    photograph, mask = np.asarray(second)[:, :32], np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    edit_image(photograph, "a red object", "a copper object", mask=mask, **alone)
    assert heard[0] is None and torch.equal(heard[1][1], to_tensor(photograph))
    masked_image("copper", "red", mask, start=photograph, **alone)
    assert torch.equal(heard[2][2], to_tensor(photograph))


def test_a_model_that_is_loaded_has_its_own_say(several, heard, picture, second):
    """What it follows it knows; without a start its tile one is not used, as others without a picture are not."""
    several = {name: value for name, value in several.items() if name != "device"}
    two = {**several, "model": load_model(several["model"], several.pop("controlnet"))}
    del two["controlnet"]
    wide_image("red copper", width=64, **two)
    wide_image("red copper", width=64, start=second, control="plain", control_image=picture, **two)
    assert heard[0] is None and torch.equal(ends(heard[1][1]), windows(second))
    with refused("option-count"):
        wide_image("red copper", width=64, control=PLAIN + PLAIN, control_image=picture, **two)
    with refused("controlnet"):
        wide_image("red copper", width=64, control="plain", control_image=picture, **two)


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("option-count", {"control": PLAIN, "control_image": ["x", "y", "z"]}),
        ("option-count", {"controlnet": "a/b + c/d", "control": "plain", "control_image": "x"}),
        ("option-count", {"controlnet": "a/b", "control": PLAIN, "control_image": "x"}),
        ("option-count", {"control": PLAIN, "control_image": "x"}),
        ("option-count", {"controlnet": "a/b + tile=c/d", "start": "x"}),
        ("controlnet", {"controlnet": "lllyasviel/control_v11f1e_sd15_tile"}),
        ("controlnet", {"controlnet": "a/b + tile=c/d", "control": "plain", "control_image": "x"}),
        ("options-together", {"controlnet": "a/b + c/d"}),
        ("controlnet", {"controlnet": "x/controlnet-union", "control": "canny", "control_image": "x"}),
        ("controlnet", {"controlnet": "x/t2i-adapter-canny", "control": "canny", "control_image": "x"}),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_read(code, asked, no_weights):
    with refused(code):
        wide_image("red", **asked)


def test_where_nothing_can_be_there_the_line_names_what_can_be_done(no_weights, capsys, place):
    tile = ["--controlnet", "lllyasviel/control_v11f1e_sd15_tile"]
    said = "--controlnet tile follows a picture that is there already, and there is none; give one with "
    for task, more in (("wide", ", or start from one with --start house.jpg"), ("ambiguous", "")):
        words = ["red", "copper"][: 1 + (task == "ambiguous")]
        assert cli.main([task, *words, *tile]) == 2
        assert (
            capsys.readouterr().err == f"texsync: {said}--control plain and --control-image house.jpg{more}\n"
        )
    assert cli.main(["panorama", "red", "--around", "jug.obj", *tile]) == 2
    told = capsys.readouterr().err
    assert "there is none; name one that follows shape, e.g. --controlnet depth=FOLDER" in told


def test_it_changes_the_picture(few):
    one = wide_image("red copper", width=64, **few).image
    other = wide_image("red copper", width=64, **(few | {"control_scale": (0.0, 0.0)})).image
    assert not np.array_equal(one, other)


def test_without_a_controlnet_there_is_nothing_to_follow(few, tmp_path):
    import tiny

    bare = tiny.write_model(tmp_path / "bare", controlnet=False, advice={"view_size": 32})
    with refused("controlnet"):
        wide_image("red", width=64, **(few | {"model": str(bare)}))


def test_canny_finds_the_edge():
    pytest.importorskip("controlnet_aux")
    half = Image.new("L", (64, 64))
    half.paste(255, (32, 0, 64, 64))
    edges = control_picture(half.convert("RGB"), "canny", 64, 64)
    assert edges.shape == (3, 64, 64) and edges[:, :, 28:36].max() > 0.9 and edges[:, :, :24].max() < 0.1


def test_a_network_that_cannot_be_fetched_is_one_line():
    pytest.importorskip("controlnet_aux")
    with refused("hub", thing="control"):
        control_picture(Image.new("RGB", (64, 64)), "depth", 64, 64)


def test_the_package_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "controlnet_aux", None)
    with refused("package-missing", thing="control"):
        control._detector("canny")


def test_it_is_not_imported_unless_it_is_asked_for():
    code = "import sys, texsync.tasks.control, texsync.tasks.wide; print('controlnet_aux' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_unknown_names_are_refused(few):
    with refused("option-choice", thing="control", value="dream"):
        wide_image("red", **(few | {"control": "dream"}))
