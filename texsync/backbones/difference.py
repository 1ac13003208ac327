"""Where two prompts disagree about a picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..schedule import Span
from .base import Predictor

DRAWS = 8  # of noise; DiffEdit takes 10
BRIGHTEST = 0.98  # quantile that counts as 1, so that single cells do not set the scale


def disagreement(predict: Predictor, span: Span, latent: Tensor, seed: int = 0) -> Tensor:
    """How much the noise foreseen with one prompt differs from that with another, (h, w) in [0, 1].

    predict: for 2 * DRAWS pictures, the first half with one prompt, the second with the other.  span: the noise level
    that is looked at, half of the way for most.  latent: the clean picture, (1, C, h, w).
    Source: DiffEdit (Couairon et al. 2022, arXiv:2210.11427, section 3.2).
    """
    noise = torch.randn(DRAWS, *latent.shape[1:], generator=torch.Generator().manual_seed(seed))
    noisy = span.noised(latent.float(), noise.to(latent.device))
    one, other = predict(torch.cat([noisy, noisy]), span).chunk(2)
    apart = (one - other).abs().mean(dim=(0, 1), keepdim=True)
    smooth = functional.avg_pool2d(apart, 3, 1, 1, count_include_pad=False)[0, 0].cpu()
    return rescaled(smooth, BRIGHTEST)


def rescaled(heat: Tensor, brightest: float = 1.0) -> Tensor:
    """From its least to its largest value (or that quantile), on [0, 1]."""
    low, high = heat.min(), heat.flatten().quantile(brightest)
    return ((heat - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
