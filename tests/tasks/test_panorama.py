"""A panorama, the whole way on a model of random numbers: closed, told to other programs, and around a scene."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
import trimesh
from PIL import Image
from refusals import refused

from texsync import panorama_image
from texsync.backbones.families.diffusion import DiffusionBackbone

pytestmark = pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")  # the random model knows few words


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.write_model(tmp_path_factory.mktemp("panorama") / "model")


@pytest.fixture(scope="module")
def paint(model):
    def run(prompt="moss", **more):
        return panorama_image(prompt, **{"model": model, "view_size": 64, "steps": 2, **more})

    return run


@pytest.fixture(scope="module")
def made(paint):
    return paint()


def test_it_is_twice_as_wide_as_high_and_says_what_it_is(made, tmp_path):
    folder = made.save(tmp_path / "made")
    assert {one.name for one in folder.iterdir()} == {"panorama.png", "views.png", "run.json"}
    with Image.open(folder / "panorama.png") as picture:
        told = picture.text["XML:com.adobe.xmp"]
    assert picture.size == (256, 128) and made.report["height"] == 128
    assert 'ProjectionType="equirectangular"' in told and 'FullPanoWidthPixels="256"' in told
    assert len(made.made[0].views) == 12


def test_it_is_closed(made):
    """From the last column to the first is no larger step than between others; nor does the seed change with chunks."""
    picture = made.made[0].images["panorama"]
    steps = (picture - picture.roll(1, -1)).abs().mean(dim=(0, 1))
    assert steps[0] <= 2 * steps.mean()


def test_the_same_seed_paints_the_same_whatever_the_chunk(made, paint):
    again = paint(chunk=5).made[0].images["panorama"]
    assert torch.allclose(again, made.made[0].images["panorama"], atol=1e-4)
    assert not torch.allclose(paint(seed=1).made[0].images["panorama"], again, atol=1e-2)


def test_around_a_scene_its_depth_is_followed(paint, model, monkeypatch, tmp_path):
    """Each view's ControlNet is told how far the walls are: from the middle of a long room, its ends are dark."""
    room = trimesh.creation.box((2, 2, 8))
    room.invert()
    room.export(tmp_path / "room.glb")
    told = []
    predictor = DiffusionBackbone.predictor
    monkeypatch.setattr(
        DiffusionBackbone,
        "predictor",
        lambda self, conditions, chunk=None: told.append(conditions) or predictor(self, conditions, chunk),
    )
    paint(around=tmp_path / "room.glb")
    hints = told[0].control
    assert hints.shape == (12, 3, 64, 64)
    front = hints[0, 0].numpy()
    assert front[28:36, 28:36].mean() < 0.2 < 0.5 < np.delete(front, slice(8, 56), axis=1).mean()
    paint()
    assert told[1].control is None
    own = model / "controlnet"
    paint(around=tmp_path / "room.glb", controlnet=[f"depth={own}", str(own)], control_kind="normal")
    depth, normals = told[2].control
    assert torch.equal(depth, hints) and normals.shape == hints.shape and not torch.equal(normals, depth)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"prompt": " "}, "prompt-empty"),
        ({"height": 5}, "option-range"),
        ({"controlnet": "depth"}, "options-together"),
        ({"control_kind": "depth"}, "options-together"),
        ({"control": "plain", "control_image": "x.png"}, "options-together"),
        ({"around": "none.glb"}, "mesh-missing"),
        ({"around": "none.glb", "control_kind": "tile"}, "controlnet"),
        ({"around": "none.glb", "controlnet": "someone/mystery"}, "controlnet"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(paint, wrong, code):
    with refused(code):
        paint(**wrong)
