"""Where a run starts: unit normal noise, drawn so that pictures of one canvas agree about it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Generator, Tensor

from .base import Views


def noise(views: Views, channels: int, generator: Generator) -> Tensor:
    """Draw noise on the canvas and look at it: pictures (N, channels, h, w), float32 on the CPU.

    generator: a CPU generator, so that every device starts from the same numbers.
    Pixels that show one cell get one number, within a picture too.
    """
    return views.f(torch.randn(channels, *views.canvas, generator=generator))


def shared_noise(views: Views, channels: int, generator: Generator) -> Tensor:
    """Draw fresh noise per pixel, then copy it from the best earlier view where there is one.

    Views of a surface meet in few texels, so noise drawn on the canvas hardly agrees between them; this does.
    Each number is copied at most once per picture, so every picture alone is white noise of variance 1.
    Shapes and generator as in `noise`.
    """
    count, height, width = views.shape
    source, sign = _sources(views)
    fresh = torch.randn(channels, math.prod(views.shape), generator=generator)
    drawn = fresh[:, torch.as_tensor(source)] * torch.as_tensor(sign, dtype=fresh.dtype)
    return drawn.view(channels, count, height, width).transpose(0, 1).contiguous()


def _sources(views: Views) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel the pixel whose draw it shows, itself or one of an earlier view, and the sign it shows it with."""
    told = views.prefix(None, "best-facing").matrix
    pixels = math.prod(views.shape[1:])
    source, sign = np.arange(told.shape[0]), np.ones(told.shape[0])
    for first in range(0, told.shape[0], pixels):
        one = told[first : first + pixels].tocoo()  # views before this one are settled
        _, once = np.unique(source[one.col], return_index=True)
        row, col = one.row[once] + first, one.col[once]
        source[row], sign[row] = source[col], sign[col] * one.data[once]
    return source, sign
