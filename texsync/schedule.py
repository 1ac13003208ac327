"""One denoising step, and where the steps fall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral

import torch
from torch import Tensor

from .errors import Refused, about, got

SPACINGS = ("leading", "trailing", "linspace")
LEAST_SIGNAL = 2.0**-17  # stands for none, so that the clean picture can be told from x and its noise
# where x holds less signal than this, float32 cannot tell the clean picture that its noise implies
FAINT = 1e-3


@dataclass(frozen=True)
class Span:
    """One step, from one noise level to the next, less noisy one.

    At a level, x = signal * x0 + noise * eps.  Where signal^2 + noise^2 = 1, as in DDPM and Stable Diffusion, `alpha`
    says all; other paths, such as rectified flow's straight line, are the same but for the size of x, see `scale`.
    t: the timestep that the model is told.  alpha, alpha_next: the share of signal, signal^2 / (signal^2 + noise^2),
    in (0, 1].  frac: how far from clean, in [0, 1]; t / number of training timesteps.
    index: which step of the run, from 0.  count: steps of the run.  start: the run's first frac.
    scale, scale_next: the size of x, sqrt(signal^2 + noise^2), before and after the step.
    fresh: size of the new noise that follows the step; after it x is at the next span's level.
    Source: DDIM without added noise (Song et al. 2020, arXiv:2010.02502, Eq. 12); SyncSDE Eq. 3; docs/samplers.md.
    """

    t: float
    alpha: float
    alpha_next: float
    frac: float
    index: int = 0
    count: int = 1
    start: float = 1.0
    scale: float = 1.0
    scale_next: float = 1.0
    fresh: float = 0.0

    @property
    def signal(self) -> float:
        return self.scale * math.sqrt(self.alpha)

    @property
    def noise(self) -> float:
        return self.scale * math.sqrt(1 - self.alpha)

    @property
    def signal_next(self) -> float:
        return self.scale_next * math.sqrt(self.alpha_next)

    @property
    def noise_next(self) -> float:
        return self.scale_next * math.sqrt(1 - self.alpha_next)

    @property
    def progress(self) -> float:
        """Steps done, by number: 0 at the run's first step, 1 at its last."""
        return self.index / max(self.count - 1, 1)

    @property
    def faint(self) -> bool:
        """Whether x holds hardly any signal, so that what is divided by it is lost or runs away."""
        return self.signal < FAINT

    @property
    def empty(self) -> bool:
        """Whether the step begins at nothing but noise, for which so little signal stands that what is divided by it
        has no meaning."""
        return self.signal < 2 * LEAST_SIGNAL

    @property
    def gamma(self) -> float:
        """How far one unit of drift carries, SyncSDE Eq. 3: signal' / signal - noise' / noise > 0, with new noise."""
        return self.signal_next / self.signal - math.hypot(self.noise_next, self.fresh) / self.noise

    @property
    def ratio(self) -> float:
        """sigma' / sigma in [0, 1), where sigma = noise / signal; new noise left out."""
        here, there = (math.sqrt((1 - a) / a) for a in (self.alpha, self.alpha_next))
        return there / here

    def tweedie(self, x: Tensor, eps: Tensor) -> Tensor:
        """The clean picture that x and its noise eps imply."""
        return (x - self.noise * eps) / self.signal

    def eps_from(self, x: Tensor, x0: Tensor) -> Tensor:
        """The noise that x and a clean picture imply."""
        return (x - self.signal * x0) / self.noise

    def noised(self, x0: Tensor, eps: Tensor) -> Tensor:
        """A clean picture at this noise level; undoes `tweedie`."""
        return self.signal * x0 + self.noise * eps

    def ddim(self, x0: Tensor, eps: Tensor) -> Tensor:
        """The picture at the next noise level, before new noise."""
        return self.signal_next * x0 + self.noise_next * eps

    def renewed(self, down: float) -> Span:
        """The same step with only `down` of the noise it would end at kept; the rest is new (ancestral sampling)."""
        kept, whole = down, self.noise_next
        scale = math.hypot(self.signal_next, kept)
        fresh = math.sqrt(max(whole**2 - kept**2, 0.0))
        return replace(self, alpha_next=(self.signal_next / scale) ** 2, scale_next=scale, fresh=fresh)


def chain(
    levels: Sequence[tuple[float, float, float]], end: tuple[float, float], length: float
) -> list[Span]:
    """A run as steps, each ending where the next begins.

    levels: (t, signal, noise) of each step's beginning, noisiest first.  end: (signal, noise) where the last one ends.
    length: the t of nothing but noise, in whose share `frac` is.
    """
    ends = [*((signal, noise) for _, signal, noise in levels[1:]), end]
    start = levels[0][0] / length or 1.0  # a run of one step may begin at t = 0
    spans = []
    for i, ((t, signal, noise), (signal_next, noise_next)) in enumerate(zip(levels, ends, strict=True)):
        scale, scale_next = math.hypot(signal, noise), math.hypot(signal_next, noise_next)
        alphas = (signal / scale) ** 2, (signal_next / scale_next) ** 2
        spans.append(Span(t, *alphas, t / length, i, len(levels), start, scale, scale_next))
    return spans


@dataclass(frozen=True)
class Schedule:
    """The noise levels a model was trained at, and how a run picks some of them.

    alphas: (T,) cumulative alphas, noisier with every entry, each inside (0, 1).
    final_alpha: the level that the last step ends at; None means alphas[0], as Stable Diffusion does.
    spacing, offset: which levels a run visits, as in diffusers' schedulers (arXiv:2305.08891, Table 2).
    sampler: the one that the model's own scheduler is, see `samplers`.
    Raises InputError on levels outside (0, 1) or an unknown spacing.
    """

    alphas: tuple[float, ...]
    final_alpha: float | None = None
    spacing: str = "leading"
    offset: int = 1
    sampler: str = "ddim"

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphas", tuple(float(a) for a in self.alphas))
        if not self.alphas or not all(0 < a < 1 for a in self.alphas):
            raise Refused.model_config(
                f"a {about('noise schedule')} has levels outside (0, 1)",
                "use one whose last level keeps some signal",
            )
        if self.spacing not in SPACINGS:
            raise Refused.model_config(
                f"unknown {about('timestep spacing')} {got(self.spacing)!r}",
                f"use one of {', '.join(SPACINGS)}",
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

    def check_steps(self, steps: int) -> None:
        """Raises InputError for a step count out of range."""
        if not isinstance(steps, Integral) or not 1 <= steps <= len(self.alphas):
            raise Refused.steps(
                f"{about('steps')} is {got(steps)}", f"give a whole number from 1 to {len(self.alphas)}"
            )

    def timesteps(self, steps: int) -> list[int]:
        """Where a run of `steps` steps stops, noisiest first.  Raises InputError if there is no such run."""
        self.check_steps(steps)
        length = len(self.alphas)
        if self.spacing == "leading":
            stride = length // steps
            chosen = [i * stride + self.offset for i in reversed(range(steps))]
        elif self.spacing == "trailing":
            chosen = [round(length - i * length / steps) - 1 for i in range(steps)]
        else:
            chosen = [round((length - 1) * i / max(steps - 1, 1)) for i in reversed(range(steps))]
        if chosen[0] >= length:
            raise Refused.steps(
                f"{got(steps)} {about('steps')} would start at timestep {chosen[0]} of {length}",
                "take one step less",
            )
        return chosen

    def spans(self, steps: int, sampler: str = "") -> list[Span]:
        """The run as steps, each ending where the next begins and the last at `final_alpha`; for any sampler the same.

        Same as diffusers' DDIMScheduler where that one is consistent (leading spacing); with the other
        spacings diffusers ends a step beside the next one's start, and this does not.
        """
        chosen = self.timesteps(steps)
        final = self.alphas[0] if self.final_alpha is None else self.final_alpha
        levels = [(t, *at_alpha(self.alphas[t])) for t in chosen]
        return chain(levels, at_alpha(final), len(self.alphas))


@dataclass(frozen=True)
class Flow(Schedule):
    """Rectified flow (Liu et al. 2022, arXiv:2209.03003): x = (1 - s) x0 + s eps, and the model's t is s * T.

    A run starts at s = 1, all noise, which stands for a signal of `LEAST_SIGNAL`, so that eps tells the clean picture.
    shift: above 1, more of the steps are at high noise, for more pixels (SD3, arXiv:2403.03206, Eq. 23).
    """

    shift: float = 1.0

    @classmethod
    def straight(cls, shift: float = 1.0, length: int = 1000) -> Flow:
        """The levels of models with `length` timesteps; raises InputError for a shift that is not above 0."""
        if not (math.isfinite(shift) and shift > 0):
            raise Refused.model_config(
                f"the schedule's {about('shift')} is {got(shift):r.60}", "expected a number above 0"
            )
        levels = [at_straight(shifted((t + 1) / length, shift)) for t in range(length)]
        alphas = tuple((signal / math.hypot(signal, noise)) ** 2 for signal, noise in levels)
        return cls(alphas, 1.0, sampler="euler", shift=shift)

    def timesteps(self, steps: int) -> list[int]:
        self.check_steps(steps)
        return [round(len(self.alphas) * level) for level in self._straight(steps)]

    def spans(self, steps: int, sampler: str = "") -> list[Span]:
        """The run as steps, at the levels of diffusers' FlowMatchEulerDiscreteScheduler, for any sampler the same."""
        self.check_steps(steps)
        length = len(self.alphas)
        levels = [(length * level, *at_straight(level)) for level in self._straight(steps)]
        return chain(levels, (1.0, 0.0), length)

    def _straight(self, steps: int) -> list[float]:
        """Shares of noise, s; the least of the evenly spaced ones is shifted twice, as it is in diffusers."""
        least = shifted(1 / len(self.alphas), self.shift)
        even = [1 + (least - 1) * i / max(steps - 1, 1) for i in range(steps)]
        return [shifted(level, self.shift) for level in even]


def shifted(level: float, shift: float) -> float:
    """A share of noise in [0, 1], moved towards 1 by a shift above 1."""
    return shift * level / (1 + (shift - 1) * level)


def at_straight(level: float) -> tuple[float, float]:
    """(signal, noise) where the share of noise is `level`."""
    signal = max(1 - level, LEAST_SIGNAL)
    return signal, 1 - signal


def at_alpha(alpha: float) -> tuple[float, float]:
    """(signal, noise) of variance 1 in all, of which so much is signal."""
    return math.sqrt(alpha), math.sqrt(1 - alpha)


def at_sigma(sigma: float) -> tuple[float, float]:
    """(signal, noise) of variance 1 in all, with so much noise per signal."""
    size = math.hypot(1, sigma)
    return 1 / size, sigma / size


def cosine_betas(length: int) -> Tensor:
    """Nichol and Dhariwal 2021, arXiv:2102.09672, Eq. 17, betas at most 0.999."""
    t = torch.arange(length + 1, dtype=torch.float64) / length
    kept = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - kept[1:] / kept[:-1]).clamp(max=0.999)
