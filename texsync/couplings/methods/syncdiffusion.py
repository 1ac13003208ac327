"""SyncDiffusion: all views come to look like the middle one, then agree on the next picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from ...errors import Refused, about
from ...schedule import Span
from ..base import Coupling, free, rests
from ..perceptual import DISTANCES, Distance, distance


@dataclass(frozen=True)
class SyncDiffusion(Coupling):
    """Descend the perceptual distance of every foreseen picture to the middle view's, then average as MultiDiffusion.

    Lee et al. 2023, arXiv:2306.05178, section 4.2 and Algorithm 1.
    decode: latents (N, C, h, w) to pictures (N, 3, H, W) in [0, 1], differentiable, as `Backbone.decode`.
    distance: a name in `perceptual.DISTANCES`, or a function of two pictures' batches; see `perceptual.Distance`.
    weight, decay: step i descends by weight * decay^i times the gradient; the paper has 20 and 0.95 with LPIPS.
    first: only in the first so many steps, None: all; 3 do most of the good.  every: only in every so-manieth, which
    for 5 are steps 4, 9, 14 ... from 0, as in the authors' code.
    through_model: the gradient passes through the model too, as in the paper; off saves its memory and a third
    of the time, and takes the noise as given.
    until: no coupling once span.frac <= until, in [0, 1]; 0: in every step.  Raises InputError on values out of range.
    """

    composition: ClassVar[str] = "parts"

    decode: Callable[[Tensor], Tensor] | None = field(default=None, compare=False, repr=False)
    distance: str | Distance = "texture"
    weight: float = 20.0
    decay: float = 0.95
    first: int | None = None
    every: int = 1
    through_model: bool = True
    until: float = 0.2

    def __post_init__(self) -> None:
        self.check_until()
        named = isinstance(self.distance, str) and self.distance in DISTANCES
        self.must("distance", named or callable(self.distance), f"one of {', '.join(DISTANCES)}")
        for name, least in (("weight", 0), ("first", 0), ("every", 1)):
            value = getattr(self, name)
            self.must(name, value is None or least <= value < math.inf, f"a number >= {least}")
        self.must("decay", 0 < self.decay <= 1, "a factor per step, above 0 and at most 1")

    def ready(self, backbone, views, seed):
        return self if self.decode is not None else replace(self, decode=backbone.decode)

    def check(self, views) -> None:
        if self.decode is None:
            raise Refused.coupling_unfit(
                f"{about('syncdiffusion')} compares decoded pictures and has no decoder",
                "hand it the model's, decode=backbone.decode, or use another coupling",
            )

    def step(self, x, z, predict, views, span):
        if rests(span, self.until):
            return free(x, predict, span), z
        x = views.show(z, x)
        if self.acts(span) and len(x) > 1:
            x = x - self.weight * self.decay**span.index * self.gradient(x, predict, span)
        x_next = free(x, predict, span)
        z_next = views.f_inv(x_next)
        return views.show(z_next, x_next), z_next

    def acts(self, span: Span) -> bool:
        """Is this one of the steps that descend?"""
        return (
            self.weight > 0
            and (self.first is None or span.index < self.first)
            and (span.index + 1) % self.every == 0
        )

    @torch.enable_grad()
    def gradient(self, x: Tensor, predict, span: Span) -> Tensor:
        """Of each view's distance to the middle one, by x; 0 for the middle one, which stands still."""
        noisy = x.detach().requires_grad_()
        eps = predict(noisy if self.through_model else noisy.detach(), span)
        x0 = span.tweedie(noisy, eps)
        middle = len(x) // 2
        anchor = self._decode(x0[middle : middle + 1].detach())
        pulls = [
            torch.zeros_like(x0[i]) if i == middle else self._pull(x0[i : i + 1], anchor)[0]
            for i in range(len(x))
        ]  # one by one, so that one decoder's intermediate maps are kept at a time
        return torch.autograd.grad(x0, noisy, torch.stack(pulls))[0]

    def _pull(self, x0: Tensor, anchor: Tensor) -> Tensor:
        guess = x0.detach().requires_grad_()
        measure = distance(self.distance) if isinstance(self.distance, str) else self.distance
        return torch.autograd.grad(measure(self._decode(guess), anchor).sum(), guess)[0]

    def _decode(self, x0: Tensor) -> Tensor:
        assert self.decode is not None, "see `check`"
        return self.decode(x0)
