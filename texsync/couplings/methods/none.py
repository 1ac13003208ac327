"""No coupling: the yardstick for every other coupling."""

from __future__ import annotations

from dataclasses import dataclass

from ..base import Coupling, free


@dataclass(frozen=True)
class Independent(Coupling):
    """Every picture takes its own DDIM step."""

    def step(self, x, z, predict, views, span):
        return free(x, predict, span), z
