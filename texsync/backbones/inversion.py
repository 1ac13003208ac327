"""From a clean picture back to the noise that it comes from, and the same path again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..moved import moved
from ..schedule import Span
from .base import Predictor

# fixed-point refinements of each step, which is solved for its beginning
REFINEMENTS = 2


def invert(
    predict: Predictor, spans: Sequence[Span], x: Tensor, refinements: int = REFINEMENTS
) -> list[Tensor]:
    """The states (N, C, h, w) that DDIM would visit on its way to x, noisiest first and x last: len(spans) + 1.

    Each step of the run is undone by solving it for its beginning: the noise that is predicted there is first
    guessed from its end, then `refinements` times from the last guess (a fixed point, found exactly where the
    model is smooth).  So the path begins at the run's first level and ends at its final one; the usual inversion
    starts and ends one level beside them (Song et al. 2020, arXiv:2010.02502, section 4.3).
    """
    states = [x]
    for span in reversed(spans):
        end, begin = states[-1], states[-1]
        for _ in range(1 + refinements):
            begin = before(span, end, predict(begin, span))
        states.append(begin)
    return states[::-1]


def before(span: Span, end: Tensor, eps: Tensor) -> Tensor:
    """What a DDIM step with this eps leads from to `end`."""
    return span.noised((end - span.noise_next * eps) / span.signal_next, eps)


def path(predict: Predictor, spans: Sequence[Span], x: Tensor) -> list[Tensor]:
    """The states that plain DDIM visits from noise x on, x first and the clean picture last."""
    states = [x]
    for span in spans:
        eps = predict(states[-1], span)
        states.append(span.ddim(span.tweedie(states[-1], eps), eps))
    return states


class Replay:
    """A predictor whose first picture follows a path that is known; the model is asked about the others only.

    states: of that picture, (1, C, h, w) each, see `invert`.  predict: for the remaining pictures.
    """

    def __init__(self, predict: Predictor, spans: Sequence[Span], states: Sequence[Tensor]):
        self.predict = predict
        self.ends = {span.t: state for span, state in zip(spans, states[1:], strict=True)}

    def __call__(self, x: Tensor, span: Span) -> Tensor:
        end = moved(self.ends[span.t], x.device, x.dtype)
        step = span.noise * span.gamma
        # a run may stop where it is: at t = 0, with a final level that is the first one
        gone = span.signal_next / span.signal * x[:1] - end
        known = gone / step if step else span.eps_from(x[:1], end)
        return torch.cat([known, self.predict(x[1:], span)])
