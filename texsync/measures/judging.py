"""Whether a picture shows what was asked, when there is no CLIP: ask the model that painted it.

Of several prompts, the model says which it would rather have denoised the picture with.
Source: Li et al. 2023, arXiv:2303.16203.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ..backbones.base import Backbone
from ..backbones.conditions import Conditions

LEVELS = (0.4, 0.7)  # share of the noise levels at which the judge looks


class ModelJudge:
    """A model that looks at pictures.  candidates: prompts among which it must find the right one."""

    name = "own prompt %"

    def __init__(self, backbone: Backbone, candidates: Sequence[str]):
        self.backbone = backbone
        self.candidates = list(dict.fromkeys(candidates))
        self.spans = [
            min(backbone.schedule.spans(100), key=lambda span: abs(span.frac - level)) for level in LEVELS
        ]

    def prefers(self, picture: Tensor, prompt: str, region: Tensor | None = None) -> bool:
        """Does the model denoise the picture (3, H, W) best when told this prompt, of all candidates?

        region: (h, w) in latent cells, 1 where it is asked; None: everywhere.
        """
        return self.candidates[int(self.errors(picture, region).argmin())] == prompt

    @torch.no_grad()
    def errors(self, picture: Tensor, region: Tensor | None = None) -> Tensor:
        """Mean squared error of the noise foreseen with each candidate, relative to their mean."""
        latent = self.backbone.encode(self.fitted(picture))
        count = len(self.candidates)
        predict = self.backbone.predictor(Conditions(self.candidates, guidance=1.0), chunk=16)
        draw, total = torch.Generator().manual_seed(0), torch.zeros(count)
        for span in self.spans:
            noise = torch.randn(latent.shape, generator=draw)
            x = span.noised(latent.cpu(), noise).expand(count, -1, -1, -1).to(self.backbone.home)
            apart = (predict(x, span).cpu() - noise).square().mean(dim=1)
            weight = torch.ones(apart.shape[1:]) if region is None else region.float()
            errors = (apart * weight).sum(dim=(1, 2)) / weight.sum()
            total += errors / errors.mean()
        return total / len(self.spans)

    def fitted(self, picture: Tensor) -> Tensor:
        """(1, 3, S, S) in the size that the model was trained on."""
        size = self.backbone.native_size
        if picture.shape[-2:] == (size, size):
            return picture[None]
        return functional.interpolate(picture[None], (size, size), mode="bicubic", antialias=True).clamp(0, 1)
