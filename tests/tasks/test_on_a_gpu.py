"""Meshes and pictures whole on an imitated GPU, chosen by itself as users leave it: nothing is left behind on the
CPU, and the pictures are the CPU's.  (SyncDiffusion is left out: torch counts its gradients past the imitation.)"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from imitated_gpu import CARD, imitated_gpu
from PIL import Image, ImageDraw

import texsync
from texsync.backbones.memory import choose_device

SMALL = {"steps": 2, "view_size": 64, "dtype": "fp32"}
TEXTURE = {"texture_size": 64}


def photograph(folder):
    picture = Image.new("RGB", (64, 64), (90, 120, 200))
    ImageDraw.Draw(picture).ellipse((16, 16, 48, 48), fill=(200, 30, 30))
    picture.save(folder / "photograph.png")
    return folder / "photograph.png"


def edited(folder):
    source = "a red ball on a blue background"
    return texsync.edit_image(photograph(folder), source, source.replace("red", "green"), **SMALL)


def refined(folder):
    return texsync.texture_mesh("meshes/crate.glb", "mossy stone", start="own", refine=2, **TEXTURE, **SMALL)


JOBS = {
    "mesh": lambda folder: texsync.texture_mesh("meshes/rabbit.obj", "zebra", **TEXTURE, **SMALL),
    "mesh, the paper's side": lambda folder: texsync.texture_mesh(
        "meshes/rabbit.obj", "zebra", coupling="synctweedies", integrator="paper", **TEXTURE, **SMALL
    ),
    "start and refine": refined,
    "wide": lambda folder: texsync.wide_image("snowy mountains", width=128, **SMALL),
    "ambiguous": lambda folder: texsync.ambiguous_image(["a red ball", "a blue boat"], **SMALL),
    "edit": edited,
    "panorama": lambda folder: texsync.panorama_image("snowy mountains", **SMALL),
}


def picture(result) -> np.ndarray:
    return np.asarray(result.image if isinstance(result, texsync.Pictures) else result.texture)


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
@pytest.mark.parametrize("name", JOBS)
def test_a_gpu_that_is_chosen_by_itself_paints_what_the_cpu_paints(name, tmp_path):
    there = picture(JOBS[name](tmp_path)).astype(int)
    with imitated_gpu():
        assert choose_device() == CARD
        made = picture(JOBS[name](tmp_path)).astype(int)
    assert made.shape == there.shape and np.ptp(made) > 20
    assert abs(made - there).max() <= 2  # networks are laid out otherwise in memory, and round otherwise


def test_the_imitation_refuses_what_a_gpu_refuses():
    with imitated_gpu():
        there, here = torch.ones(3, device="cuda"), torch.ones(3)
        assert there.device == CARD and (there + 1).cpu().tolist() == [2, 2, 2]
        assert (there + torch.tensor(2.0)).sum().item() == 9  # a single number may come from the CPU
        with pytest.raises(RuntimeError, match="one device"):
            there + here
        with pytest.raises(RuntimeError, match="one device"):
            torch.nn.Linear(3, 1)(there)
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        with pytest.raises(RuntimeError, match="generator"):
            torch.randn(3, device="cuda", generator=torch.Generator().manual_seed(0))
