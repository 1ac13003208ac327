"""Nobody listens: the yardstick for every other coupling."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Coupling


@dataclass(frozen=True)
class Independent(Coupling):
    """Every picture takes its own DDIM step."""

    def step(self, x, z, predict, views, span):
        eps = predict(x, span)
        return span.ddim(span.tweedie(x, eps), eps), z
