"""Visual Anagrams: agree on the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base import Coupling, free, rests


@dataclass(frozen=True)
class VisualAnagrams(Coupling):
    """Average the noise that all views see in one canvas, and denoise the canvas with it.

    Geng et al. 2023, arXiv:2311.17919, section 3.2, with deterministic steps; case 4 of SyncTweedies.
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
        agreed = views.f_inv(eps)
        z_next = span.ddim(span.tweedie(z, agreed), agreed)
        return views.show(z_next, span.ddim(span.tweedie(x, eps), eps)), z_next
