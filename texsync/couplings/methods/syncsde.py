"""SyncSDE: each picture is drawn towards what earlier pictures already show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...moved import moved
from ...options.shared import FADES, INTEGRATORS
from ...schedule import Span
from ...views import BLENDS, Views
from ..base import Coupling, rests


@dataclass(frozen=True)
class SyncSDE(Coupling):
    """Each picture is drawn towards what earlier pictures already show (SyncSDE, CVPR 2025, Eq. 7).

    strength: the paper's 1/lambda, unitless, >= 0.
    fade: how it weakens.  "level": strength * t / T, T the number of training timesteps, so that it depends on the
    noise alone and runs of 10 and of 50 steps solve one equation; the authors' code on meshes.  "first": strength *
    t / (t of the run's first step), the authors' code on pictures; 2 % more at 50 steps, 11 % more at 10.  "none"
    holds it to the end, for where the reference is no guess but given, such as the picture that an edit starts from.
    integrator: "exact" solves the equation of one step with x0 held still and stays bounded at any step count; "paper"
    adds the pull to the DDIM step, equal to first order, but overshoots once `pull(span)` exceeds about 1, that is
    with few steps; where x holds no signal it has no limit, and the step there is the exact one's.
    memory: of the earlier pictures that know a pixel, the latest this many count; None: all (meshes), 1 the
    neighbour (wide and ambiguous images).
    blend: where several count, their weighted "mean" or the "best-facing" one alone, which keeps the noise's variance.
    until: no coupling once span.frac <= until, in [0, 1]; 0: in every step.

    A view follows the others as they were *before* the step, so all of them step at once and the result is
    the paper's, which runs whole trajectories one after the other.
    Raises InputError on any other value.
    """

    strength: float = 5.0
    integrator: str = "exact"
    memory: int | None = None
    blend: str = "mean"
    until: float = 0.2
    fade: str = "level"

    def __post_init__(self) -> None:
        self.must("strength", 0 <= self.strength < math.inf, "a number >= 0; 0 switches coupling off")
        for name, known in (("integrator", INTEGRATORS), ("fade", FADES), ("blend", BLENDS)):
            self.must(name, getattr(self, name) in known, f"one of {', '.join(known)}")
        least = self.memory is None or self.memory >= 1
        self.must("memory", least, "how many earlier views are heard, 1 or more, or None")
        self.check_until()

    def pull(self, span: Span) -> float:
        """The share of the gap that the paper's integrator closes in this step; above 1 it overshoots."""
        return span.gamma * self.weight(span)

    def weight(self, span: Span) -> float:
        """1/lambda at this noise level, 0 where the coupling rests."""
        if rests(span, self.until):
            return 0.0
        left = {"level": span.frac, "first": span.frac / span.start, "none": 1.0}
        return self.strength * left[self.fade]

    def step(self, x, z, predict, views: Views, span: Span):
        eps = predict(x, span)
        x0 = span.tweedie(x, eps)
        x_next = span.ddim(x0, eps)
        if self.pull(span) == 0:
            return x_next, z
        prefix = views.prefix(self.memory, self.blend)
        known = moved(prefix.mask, x.device, x.dtype)
        if self.integrator == "paper" and not span.empty:
            return x_next + self.pull(span) * known * (prefix.reference(x) - x), z
        return torch.where(known > 0, self._exact(x, x0, x_next, prefix.reference, known, span), x_next), z

    def _exact(self, x: Tensor, x0: Tensor, x_next: Tensor, told, known: Tensor, span: Span) -> Tensor:
        """With d the gap to what is told, d / signal decays as sigma^(1 + w), w = weight * known, while the gap between
        the two clean guesses feeds it: the closed form in sigma, the clean guesses held still."""
        told_x, told_x0, told_next = told(torch.cat([x, x0, x_next], dim=1)).chunk(3, dim=1)
        rate = 1 + self.weight(span) * known
        kept = span.ratio**rate
        gap = kept * (x - told_x) / span.signal + (1 - kept) / rate * (x0 - told_x0)
        return told_next + span.signal_next * gap
