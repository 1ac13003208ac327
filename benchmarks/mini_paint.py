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
from texsync.samplers import named
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
    sampler: str = "ddim",
    begun: Tensor | None = None,
    skip: int = 0,
) -> Tensor:
    """N prompts, each its own picture, no two coupled: (N, 3, size, size) in [0, 1].

    control: (N, 3, size, size) or None for no ControlNet.  Picture i starts from seed + i whatever the chunk.
    begun: pictures (N, 3, size, size) that are given the noise of step `skip` and finished from there.
    """
    shape, pictures = model.latent_shape(size), []
    stepping = named(sampler)
    spans = stepping.spans(model.schedule, steps)[skip:]
    guidance = model.advice.guidance if guidance is None else guidance
    for start in range(0, len(prompts), chunk):
        which = slice(start, start + chunk)
        said = prompts[which]
        streams = [torch.Generator().manual_seed(seed + start + i) for i in range(len(said))]
        x = noise(shape, streams)
        if begun is not None:
            x = spans[0].signal * model.encode(begun[which]) + spans[0].noise * x
        hint = None if control is None else control[which]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TexsyncWarning)
            predict = stepping.through(
                model.predictor(Conditions(said, control=hint, guidance=guidance), len(said))
            )
        for span in spans:
            eps = predict(x, span)
            x = span.ddim(span.tweedie(x, eps), eps)
            if span.fresh:
                x = x + span.fresh * noise(shape, streams)
        pictures.append(model.decode(x))
    return torch.cat(pictures)


def noise(shape: tuple[int, int, int], streams: Sequence[torch.Generator]) -> Tensor:
    """(N, C, h, w), a generator each."""
    return torch.stack([torch.randn(*shape, generator=stream) for stream in streams])


def views(mesh: Path, cameras: Sequence[Camera], size: int = 256) -> Pixels:
    """What the cameras see of a mesh file; no UVs."""
    loaded = load(mesh)
    nothing = np.zeros((1, 2)), np.zeros_like(loaded.faces)
    surface = Surface(loaded.vertices, loaded.faces, loaded.normals, *nothing, loaded.part)
    return look(surface, cameras, size)


def front(mesh: Path, azimuth: float = 20.0, size: int = 512) -> Tensor:
    """A mesh's condition picture from slightly aside, (3, size, size)."""
    return depth_condition(views(mesh, [Camera(azimuth, 10.0)], size))[0]
