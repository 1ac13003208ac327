"""SyncTweedies: agree on the clean guesses."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Coupling, check_until


@dataclass(frozen=True)
class SyncTweedies(Coupling):
    """Average the clean guesses x0 and step towards the average (Kim et al. 2024, arXiv:2403.14370, case 2).

    until: no coupling once span.frac <= until, in [0, 1].
    """

    until: float = 0.2

    def __post_init__(self) -> None:
        check_until(self.until)

    def step(self, x, z, predict, views, span):
        eps = predict(x, span)
        x0 = span.tweedie(x, eps)
        if span.frac > self.until:
            x0 = views.agree(x0)
            # as in the paper's code: x stays, and what in it is not the agreed picture counts as noise
            eps = span.eps_from(x, x0)
        return span.ddim(x0, eps), z
