"""SyncMVD: agree on the clean guess and denoise the canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base import Coupling, free, rests, towards


@dataclass(frozen=True)
class SyncMVD(Coupling):
    """Average the clean guesses on the canvas, and take the canvas itself one step towards the average.

    Liu et al. 2023, arXiv:2311.12891, section 4.2; attention between views is the model's business, see
    `backbones.between_views`, and new noise the sampler's.  Case 5 of SyncTweedies.
    until: no coupling once span.frac <= until, in [0, 1]; 0: in every step.
    """

    composition: ClassVar[str] = "parts"

    until: float = 0.2

    def __post_init__(self) -> None:
        self.check_until()

    def step(self, x, z, predict, views, span):
        if rests(span, self.until):
            return free(x, predict, span), z
        x = views.show(z, x)
        eps = predict(x, span)
        x0 = span.tweedie(x, eps)
        z_next = towards(z, views.f_inv(x0), span)
        return views.show(z_next, span.ddim(x0, eps)), z_next
