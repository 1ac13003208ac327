"""A model whose answers are known in closed form: pictures drawn from a Gaussian. The laws are tested on it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import Refused, about, got
from ..schedule import Schedule, Span
from .advice import Advice
from .base import Backbone, Predictor
from .conditions import Conditions


class Gaussian(Backbone):
    """Pictures are N(means[prompt], cov), so the best guess of the noise is exact.

    means: prompt -> (C, h, w); a prompt has the mean of the longest one that it contains, so that "rust, front view."
    has that of "rust"; a negative one without any has that of "".
    cov: (D, D) with D = C h w, shared by all prompts.  Computes in float64.
    One latent cell is one pixel; a picture's value v in [0, 1] is the latent 4 v - 2, first three channels.
    """

    scale = 1
    advice = Advice(prompt_prefix="", negative_prompt="")

    def __init__(self, means: Mapping[str, Tensor], cov: Tensor, schedule: Schedule | None = None):
        self.schedule = schedule or Schedule.scaled_linear()
        self.means = {prompt: mean.double() for prompt, mean in means.items()}
        self.latent_channels, self.native_size, _ = next(iter(means.values())).shape
        self.variances, self.axes = torch.linalg.eigh(cov.double())

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    def predictor(self, conditions: Conditions, chunk: int | None = None) -> Predictor:
        """See `Backbone.predictor`; control is ignored.  Raises InputError on a prompt without a mean."""
        wanted = torch.stack([self._mean(prompt) for prompt in conditions.prompts])
        unwanted = torch.stack([self._mean(prompt, "") for prompt in conditions.negatives])

        def predict(x: Tensor, span: Span) -> Tensor:
            size = chunk or len(x)
            parts = [slice(i, i + size) for i in range(0, len(x), size)]
            positive = torch.cat([self.eps(x[part], wanted[part], span) for part in parts])
            negative = torch.cat([self.eps(x[part], unwanted[part], span) for part in parts])
            return (negative + conditions.guidance * (positive - negative)).to(x.dtype)

        return predict

    def eps(self, x: Tensor, mean: Tensor, span: Span) -> Tensor:
        """E[noise | x] = sqrt(1-a) (a cov + (1-a) I)^-1 (x - sqrt(a) mean); all (N, C, h, w), float64."""
        off = (x.double() - span.signal * mean).flatten(1) @ self.axes
        spread = span.signal**2 * self.variances + span.noise**2
        return (span.noise * (off / spread) @ self.axes.T).view(x.shape)

    def encode(self, images: Tensor) -> Tensor:
        return 4 * images.double() - 2

    def decode(self, latents: Tensor) -> Tensor:
        """See `Backbone.decode`; gradients pass as if nothing were clipped."""
        pictures = (latents[:, :3] + 2) / 4
        return pictures + (pictures.clamp(0, 1) - pictures).detach()

    def _mean(self, prompt: str, otherwise: str | None = None) -> Tensor:
        within = [known for known in self.means if known in prompt and (known or not prompt)]
        if within or otherwise in self.means:
            return self.means[max(within, key=len) if within else str(otherwise)]
        raise Refused.option_choice(
            f"no mean for the {about('prompt')} {got(prompt)!r}", f"use one of {', '.join(self.means)}"
        )
