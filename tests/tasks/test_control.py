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

from texsync import ambiguous_image, edit_image, masked_image, wide_image
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
        told.append(conditions.control)
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
