"""Meshes and pictures whole on an imitated GPU, chosen by itself as users leave it: nothing is left behind on the
CPU, and the pictures are the CPU's.  (SyncDiffusion is left out: torch counts its gradients past the imitation.)"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from imitated_gpu import CARD, imitated_gpu
from PIL import Image, ImageDraw
from splat_scenes import splats_on_mesh

import texsync
from texsync.backbones.memory import choose_device
from texsync.splats.splat_files import splat_bytes

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


def masked(folder, **more):
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).rectangle((16, 16, 48, 48), fill=255)
    mask.save(folder / "mask.png")
    return texsync.masked_image("a forest", "a red ball", folder / "mask.png", **SMALL, **more)


def repainted(folder):
    again = {"repaint": "faces:0-3", "start": "own", "sampler": "ddpm"}
    return texsync.texture_mesh("meshes/crate.glb", "zebra", **again, **TEXTURE, **SMALL)


def splats(folder):
    ball = trimesh.creation.icosphere(subdivisions=2)
    (folder / "ball.ply").write_bytes(splat_bytes(splats_on_mesh(ball.vertices, ball.faces, 600), ".ply"))
    return texsync.texture_splats(folder / "ball.ply", "zebra", up="y", front="z", **SMALL)


def projected(folder):
    texsync.mesh_views("meshes/crate.glb", view_size=64).save(folder / "views", overwrite=True)
    return texsync.project_pictures("meshes/crate.glb", folder / "views", **TEXTURE)


JOBS = {
    "mesh": lambda folder: texsync.texture_mesh("meshes/rabbit.obj", "zebra", **TEXTURE, **SMALL),
    "mesh, the paper's side": lambda folder: texsync.texture_mesh(
        "meshes/rabbit.obj", "zebra", coupling="synctweedies", integrator="paper", **TEXTURE, **SMALL
    ),
    "start and refine": refined,
    "wide": lambda folder: texsync.wide_image("snowy mountains", width=128, **SMALL),
    "ambiguous": lambda folder: texsync.ambiguous_image(["a red ball", "a blue boat"], **SMALL),
    "edit": edited,
    "mask": masked,
    "mask, by guidance between views": lambda folder: masked(folder, coupling="csg"),
    "repaint": repainted,
    "views and project": projected,
    "splats": splats,
    "motion": lambda folder: texsync.long_motion(["walks:2", "jumps:2"], steps=3),
    "panorama": lambda folder: texsync.panorama_image("snowy mountains", **SMALL),
}


def numbers(result) -> np.ndarray:
    """What was made, in 0..255 where it is a picture."""
    if isinstance(result, texsync.Motion):
        return result.joints
    if isinstance(result, texsync.TexturedSplats):
        return 255 * np.asarray(result.colours)
    return np.asarray(result.image if isinstance(result, texsync.Pictures) else result.texture).astype(float)


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
@pytest.mark.parametrize("name", JOBS)
def test_a_gpu_that_is_chosen_by_itself_paints_what_the_cpu_paints(name, tmp_path):
    there = numbers(JOBS[name](tmp_path))
    with imitated_gpu():
        assert choose_device() == CARD
        made = numbers(JOBS[name](tmp_path))
    # metres of a motion, levels of a picture; networks are laid out otherwise in memory, and round otherwise
    least, most = (1.0, 1e-4) if name == "motion" else (20, 2)
    assert made.shape == there.shape and np.ptp(made) > least
    assert abs(made - there).max() <= most


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
