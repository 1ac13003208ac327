"""Samplers: how predictions of the clean picture, now and in the steps before, make a step.

Couplings know one step, DDIM's: from x, its noise and its clean picture x0.  Any other solver of the same equation is a
DDIM step too, with another clean picture: the one with which DDIM lands where the solver would.  So a sampler is a
predictor around a predictor, and every coupling works with every sampler.  Derivation: docs/samplers.md.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from .errors import Refused, about, got
from .schedule import Schedule, Span

Predict = Callable[[Tensor, Span], Tensor]
FEW = 15  # steps; below, a run's last step looks back no more (DPM-Solver++, lower_order_final)
DATA_DEVIATION, TIME_SCALE = 0.5, 10.0  # of LCM's boundary condition


@dataclass(frozen=True)
class Sampler:
    """One way to take steps.

    history: makes the predictor that looks back; None: each step stands alone.
    renew: (step, its successor or None) to the step with its new noise, see `Span.renewed`; None: no new noise.
    """

    name: str
    history: Callable[[Predict], Predict] | None = None
    renew: Callable[[Span, Span | None], Span] | None = None

    @property
    def plain(self) -> bool:
        """Whether its steps are DDIM's own, so that a known path can be followed back."""
        return self.history is None and self.renew is None

    def spans(self, schedule: Schedule, steps: int) -> list[Span]:
        """The run of `steps` steps of this sampler.  Raises InputError for a step count that is not possible."""
        made = schedule.spans(steps, self.name)
        if self.renew is None:
            return made
        return [self.renew(span, after) for span, after in zip(made, [*made[1:], None], strict=True)]

    def through(self, predict: Predict) -> Predict:
        """The predictor for one run."""
        return predict if self.history is None else self.history(predict)


def named(name: str) -> Sampler:
    """The sampler of that name.  Raises InputError if there is none."""
    if name not in SAMPLERS:
        raise Refused.option_choice(
            f"unknown {about('sampler')} {got(name):r.60}", f"use one of {', '.join(SAMPLERS)}"
        )
    return SAMPLERS[name]


@dataclass(frozen=True)
class Moment:
    """What one step saw.

    clean: its prediction of the clean picture.  slope: how `clean` was changing, per length of this step in log SNR,
    None where the step did not look back.  back: length of the step before, in units of this one.
    """

    span: Span
    clean: Tensor
    slope: Tensor | None = None
    back: float = 1.0


class LookingBack(ABC):
    """A predictor that keeps, for every view, what the step before predicted, and answers with what follows from both.

    A coupling that asks twice in a step has a history for each of its questions.  Chunks do not matter: they are cut
    below, in the predictor inside.
    """

    def __init__(self, predict: Predict):
        self.predict = predict
        self._before: list[Moment] = []
        self._now: list[Moment] = []

    def __call__(self, x: Tensor, span: Span) -> Tensor:
        if self._now and self._now[-1].span.index != span.index:
            self._before, self._now = self._now, []
        clean = span.tweedie(x, self.predict(x, span))
        last = self._before[min(len(self._now), len(self._before) - 1)] if self._before else None
        now = self._moment(span, clean, last)
        answer = self.answer(x, now, last)
        slope = None if now.slope is None else now.slope.detach()
        self._now.append(replace(now, clean=clean.detach(), slope=slope))
        return span.eps_from(x, answer)

    def _moment(self, span: Span, clean: Tensor, last: Moment | None) -> Moment:
        if last is None or self.looks_no_more(span):
            return Moment(span, clean)
        back = log_snr_step(last.span) / log_snr_step(span)
        return Moment(span, clean, (clean - last.clean) / back, back)

    @abstractmethod
    def looks_no_more(self, span: Span) -> bool:
        """Whether this step is so late that it does better on its own."""

    @abstractmethod
    def answer(self, x: Tensor, now: Moment, last: Moment | None) -> Tensor:
        """The clean picture with which DDIM's step is the solver's."""


class Multistep(LookingBack):
    """DPM-Solver++ of second order, multistep, midpoint (Lu et al. 2022, arXiv:2211.01095, Algorithm 2)."""

    def looks_no_more(self, span):
        return span.index == span.count - 1 and (span.count < FEW or span.ratio == 0)

    def answer(self, x, now, last):
        return now.clean if now.slope is None else now.clean + now.slope / 2


class UniPC(LookingBack):
    """UniPC of second order, B2 (Zhao et al. 2023, arXiv:2302.04867): each prediction first corrects the step before.

    The correction is what is added to x, so what a coupling did to x since then stays.
    """

    def looks_no_more(self, span):
        return span.index == span.count - 1

    def answer(self, x, now, last):
        ahead = now.clean if now.slope is None else now.clean + now.slope / 2
        if last is None:
            return ahead
        span = now.span
        carried = span.noise_next / span.noise
        return ahead + carried * _correction(last, now.clean) / (span.signal_next - carried * span.signal)


def _correction(last: Moment, clean: Tensor) -> Tensor:
    """What the step before would have done otherwise had it known what is predicted where it ended (UniC)."""
    h = log_snr_step(last.span)
    size = -last.span.signal_next * math.expm1(-h)
    new = clean - last.clean
    if last.slope is None:
        return size * new / 2
    first = math.expm1(-h) / -h - 1
    b1 = first / math.expm1(-h)
    b2 = 2 * (first / -h - 0.5) / math.expm1(-h)
    behind = (b2 - b1) / (-last.back - 1)
    return size * ((behind - 0.5) * last.slope + (b1 - behind) * new)


class CutGuesses:
    """Clean guesses cut to -size..size, with the noise as it was predicted: diffusers' `clip_sample`.

    Like a solver's, such a step is a DDIM step with another clean picture.
    """

    def __init__(self, predict: Predict, size: float):
        self.predict, self.size = predict, size

    def __call__(self, x: Tensor, span: Span) -> Tensor:
        eps = self.predict(x, span)
        target = span.ddim(span.tweedie(x, eps).clamp(-self.size, self.size), eps)
        carried = span.noise_next / span.noise
        return span.eps_from(x, (target - carried * x) / (span.signal_next - carried * span.signal))


class Consistent:
    """Latent consistency models' boundary condition: near t = 0 the picture itself counts (arXiv:2310.04378, Eq. 9)."""

    def __init__(self, predict: Predict):
        self.predict = predict

    def __call__(self, x: Tensor, span: Span) -> Tensor:
        clean, late = span.tweedie(x, self.predict(x, span)), TIME_SCALE * span.t
        size = late**2 + DATA_DEVIATION**2
        return span.eps_from(x, late / math.sqrt(size) * clean + DATA_DEVIATION**2 / size * x)


def log_snr_step(span: Span) -> float:
    """How much log(signal / noise) grows in a step; infinite where it ends without noise."""
    return math.inf if span.ratio == 0 else -math.log(span.ratio)


def ancestral(span: Span, after: Span | None) -> Span:
    """As much new noise as keeps the noise of DDPM's posterior (Ho et al. 2020, arXiv:2006.11239, Eq. 7)."""
    kept = span.noise_next * span.ratio
    return span if after is None else span.renewed(kept)


def all_new(span: Span, after: Span | None) -> Span:
    """The clean picture, and nothing but new noise (consistency models)."""
    return span if after is None else span.renewed(0.0)


SAMPLERS = {
    one.name: one
    for one in (
        Sampler("ddim"),
        Sampler("euler"),
        Sampler("dpm++", Multistep),
        Sampler("unipc", UniPC),
        Sampler("lcm", Consistent, all_new),
        Sampler("tcd"),
        Sampler("euler-ancestral", renew=ancestral),
        Sampler("ddpm", renew=ancestral),
    )
}
