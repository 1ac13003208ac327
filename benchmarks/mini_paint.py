"""Pictures by mini, many at a time: shared by the mini_* scripts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from texsync import TexsyncWarning
from texsync.backbones.conditions import Conditions
from texsync.backbones.families.diffusion import DiffusionBackbone
from texsync.files.load import load
from texsync.surface.cameras import Camera
from texsync.surface.pixels import Pixels, depth_condition, look
from texsync.surface.types import Surface

MESHES = Path(__file__).parents[1] / "meshes"


@torch.no_grad()
def paint(
    model: DiffusionBackbone,
    prompts: Sequence[str],
    control: Tensor | None,
    *,
    seed: int = 0,
    steps: int = 30,
    guidance: float | None = None,
    size: int = 512,
    chunk: int = 4,
) -> Tensor:
    """N prompts, each its own picture by plain DDIM: (N, 3, size, size) in [0, 1].

    control: (N, 3, size, size) or None for no ControlNet.  Picture i starts from seed + i whatever the chunk.
    """
    shape, pictures = model.latent_shape(size), []
    guidance = model.advice.guidance if guidance is None else guidance
    for start in range(0, len(prompts), chunk):
        which = slice(start, start + chunk)
        said = prompts[which]
        x = torch.stack([noise(shape, seed + start + i) for i in range(len(said))])
        hint = None if control is None else control[which]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TexsyncWarning)
            predict = model.predictor(Conditions(said, control=hint, guidance=guidance), len(said))
        for span in model.schedule.spans(steps):
            eps = predict(x, span)
            x = span.ddim(span.tweedie(x, eps), eps)
        pictures.append(model.decode(x))
    return torch.cat(pictures)


def noise(shape: tuple[int, int, int], seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def views(mesh: Path, cameras: Sequence[Camera], size: int = 256) -> Pixels:
    """What the cameras see of a mesh file; no UVs."""
    loaded = load(mesh)
    nothing = np.zeros((1, 2)), np.zeros_like(loaded.faces)
    surface = Surface(loaded.vertices, loaded.faces, loaded.normals, *nothing, loaded.part)
    return look(surface, cameras, size)


def front(mesh: Path, azimuth: float = 20.0, size: int = 512) -> Tensor:
    """A mesh's condition picture from slightly aside, (3, size, size)."""
    return depth_condition(views(mesh, [Camera(azimuth, 10.0)], size))[0]
