"""Pictures that start from a picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from texsync import masked_image, wide_image

pytestmark = [
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]


@pytest.fixture
def painted(tiny_model, tmp_path):
    """Both tasks by name, from a picture of two colours."""
    picture = Image.new("RGB", (64, 32), (220, 40, 30))
    picture.paste((20, 60, 200), (32, 0, 64, 32))
    picture.save(tmp_path / "start.png")
    mask = Image.new("L", (32, 32), 0)
    mask.paste(255, (8, 8, 24, 24))
    few = {"model": str(tiny_model), "device": "cpu", "steps": 4, "seed": 1}

    def run(task, **options):
        if options.pop("begins", False):
            options["start"] = tmp_path / "start.png"
        if task == "wide":
            made = wide_image("red copper", width=64, overlap=16, **few, **options)
        else:
            made = masked_image("red copper", foregrounds="a view", masks=mask, **few, **options)
        return np.asarray(made.image, float)

    return run


@pytest.mark.parametrize("task", ["wide", "mask"])
def test_a_start_takes_part_as_its_noise_says(painted, task):
    """From all noise it is the run from scratch, to the bit; the less noise, the less differs from the least."""
    scratch, least = painted(task), painted(task, begins=True, start_noise=0.01)
    assert np.array_equal(painted(task, begins=True, start_noise=1.0), scratch)
    gaps = [np.abs(painted(task, begins=True, start_noise=s) - least).mean() for s in (0.8, 0.3)]
    assert gaps[1] < gaps[0] and not np.array_equal(least, scratch)


def test_what_cannot_be_started_from_is_told(painted):
    with refused("options-together"):
        painted("wide", start_noise=0.5)
    with refused("picture-missing"):
        painted("wide", start="gone.png")
    with refused("option-range"):
        painted("mask", begins=True, start_noise=0)
