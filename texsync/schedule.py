"""One denoising step, and where the steps fall."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from .errors import Refused

SPACINGS = ("leading", "trailing", "linspace")


@dataclass(frozen=True)
class Span:
    """One step, from noise level `alpha` to the next, less noisy one.

    t: the training timestep that the model is told.  alpha, alpha_next: cumulative alphas in (0, 1], the share
    of signal variance.  frac: t / number of training timesteps, in [0, 1).  index: which step of the run, from 0.
    count: steps of the run.  start: the run's first frac.
    Source: DDIM without added noise (Song et al. 2020, arXiv:2010.02502, Eq. 12); SyncSDE Eq. 3.
    """

    t: int
    alpha: float
    alpha_next: float
    frac: float
    index: int = 0
    count: int = 1
    start: float = 1.0

    @property
    def progress(self) -> float:
        """Steps done, by number: 0 at the run's first step, 1 at its last."""
        return self.index / max(self.count - 1, 1)

    @property
    def gamma(self) -> float:
        """How far one unit of drift carries, SyncSDE Eq. 3: sqrt(a'/a) - sqrt((1-a')/(1-a)) > 0."""
        return math.sqrt(self.alpha_next / self.alpha) - math.sqrt((1 - self.alpha_next) / (1 - self.alpha))

    @property
    def ratio(self) -> float:
        """sigma' / sigma in [0, 1), where sigma = sqrt((1-a)/a) is the noise per unit of signal."""
        here, there = (math.sqrt((1 - a) / a) for a in (self.alpha, self.alpha_next))
        return there / here

    def tweedie(self, x: Tensor, eps: Tensor) -> Tensor:
        """The clean picture that x and its noise eps imply."""
        return (x - math.sqrt(1 - self.alpha) * eps) / math.sqrt(self.alpha)

    def eps_from(self, x: Tensor, x0: Tensor) -> Tensor:
        """The noise that x and a clean picture imply."""
        return (x - math.sqrt(self.alpha) * x0) / math.sqrt(1 - self.alpha)

    def noised(self, x0: Tensor, eps: Tensor) -> Tensor:
        """A clean picture at this noise level; undoes `tweedie`."""
        return math.sqrt(self.alpha) * x0 + math.sqrt(1 - self.alpha) * eps

    def ddim(self, x0: Tensor, eps: Tensor) -> Tensor:
        """The picture at the next noise level."""
        return math.sqrt(self.alpha_next) * x0 + math.sqrt(1 - self.alpha_next) * eps


@dataclass(frozen=True)
class Schedule:
    """The noise levels a model was trained at, and how a run picks some of them.

    alphas: (T,) cumulative alphas, noisier with every entry, each inside (0, 1).
    final_alpha: the level that the last step ends at; None means alphas[0], as Stable Diffusion does.
    spacing, offset: which levels a run visits, as in diffusers' schedulers (arXiv:2305.08891, Table 2).
    Raises InputError on levels outside (0, 1) or an unknown spacing.
    """

    alphas: tuple[float, ...]
    final_alpha: float | None = None
    spacing: str = "leading"
    offset: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphas", tuple(float(a) for a in self.alphas))
        if not self.alphas or not all(0 < a < 1 for a in self.alphas):
            raise Refused.model_config(
                "a noise schedule has levels outside (0, 1)", "use a model whose last level keeps some signal"
            )
        if self.spacing not in SPACINGS:
            raise Refused.model_config(
                f"unknown timestep spacing {self.spacing!r}", f"use one of {', '.join(SPACINGS)}"
            )

    @classmethod
    def scaled_linear(
        cls, start: float = 0.00085, end: float = 0.012, length: int = 1000, **options
    ) -> Schedule:
        """Stable Diffusion's levels: betas whose roots are evenly spaced from start to end."""
        betas = torch.linspace(start**0.5, end**0.5, length, dtype=torch.float64) ** 2
        return cls(tuple((1 - betas).cumprod(0).tolist()), **options)

    @classmethod
    def cosine(cls, length: int = 1000, **options) -> Schedule:
        """The levels of Nichol and Dhariwal 2021 (arXiv:2102.09672, Eq. 17)."""
        return cls(tuple((1 - cosine_betas(length)).cumprod(0).tolist()), **options)

    def timesteps(self, steps: int) -> list[int]:
        """Where a run of `steps` steps stops, noisiest first.  Raises InputError if there is no such run."""
        length = len(self.alphas)
        if not isinstance(steps, Integral) or not 1 <= steps <= length:
            raise Refused.steps(f"steps is {steps}", f"give a whole number from 1 to {length}")
        if self.spacing == "leading":
            stride = length // steps
            chosen = [i * stride + self.offset for i in reversed(range(steps))]
        elif self.spacing == "trailing":
            chosen = [round(length - i * length / steps) - 1 for i in range(steps)]
        else:
            chosen = [round((length - 1) * i / max(steps - 1, 1)) for i in reversed(range(steps))]
        if chosen[0] >= length:
            raise Refused.steps(
                f"{steps} steps would start at timestep {chosen[0]} of {length}", "take one step less"
            )
        return chosen

    def spans(self, steps: int) -> list[Span]:
        """The run as steps, each ending where the next begins and the last at `final_alpha`.

        Same as diffusers' DDIMScheduler where that one is consistent (leading spacing); with the other
        spacings diffusers ends a step beside the next one's start, and this does not.
        """
        chosen = self.timesteps(steps)
        levels = [self.alphas[t] for t in chosen]
        final = self.alphas[0] if self.final_alpha is None else self.final_alpha
        ends = [*levels[1:], final]
        start = chosen[0] / len(self.alphas) or 1.0  # a run of one step may begin at t = 0
        steps_of_run = enumerate(zip(chosen, levels, ends, strict=True))
        return [
            Span(t, a, end, t / len(self.alphas), i, len(chosen), start) for i, (t, a, end) in steps_of_run
        ]


def cosine_betas(length: int) -> Tensor:
    """Nichol and Dhariwal 2021, arXiv:2102.09672, Eq. 17, betas at most 0.999."""
    t = torch.arange(length + 1, dtype=torch.float64) / length
    kept = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - kept[1:] / kept[:-1]).clamp(max=0.999)
