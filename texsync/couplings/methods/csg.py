"""Conditional score guidance: an edit is drawn towards its source where the mask says background."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...moved import moved
from ...schedule import Span
from ...views import Views
from ..base import Coupling, free

CPU = torch.device("cpu")


@dataclass(frozen=True)
class CSG(Coupling):
    """Every picture is drawn towards the first one, the source, as much as that one owns the pixel.

    Conditional score guidance for image translation (Lee et al., NeurIPS 2023) without its mixing of
    cross-attention.  Against SyncSDE: only the source counts, the mask is soft, the strength does not fade,
    and only pixels are held that are surely background: at progress p, by number of steps from 0 at the first to 1 at
    the last (`Span.progress`), those of which the source owns at least 1 - max(cos(2 pi p / 3), 0).  So all are held
    at the start and, from p = 3/4 on, none but those that are the source's alone.
    strength: >= 0, unitless; gamma * strength above 1 overshoots.  Raises InputError on other values.
    """

    needs_masks: ClassVar[bool] = True

    strength: float = 10.0

    def __post_init__(self) -> None:
        self.must("strength", 0 <= self.strength < math.inf, "a number >= 0; 0 switches coupling off")

    def step(self, x, z, predict, views: Views, span: Span):
        held = self.held(views, span, x.device).to(x.dtype)
        # without signal x is noise: that of the source, carried on, is the most that the pull can mean
        pull = span.noise_next / span.noise if span.empty else span.gamma * self.strength
        return free(x, predict, span) + pull * held * (x[:1] - x), z

    def held(self, views: Views, span: Span, device: torch.device = CPU) -> Tensor:
        """How firmly each pixel is held, (N, 1, h, w) in [0, 1]; the source, which comes first, is free."""
        source = moved(views.blend_weight, device)[:1]
        sure = source >= 1 - max(math.cos(2 * math.pi * span.progress / 3), 0.0)
        held = (source * sure).repeat(len(views.blend_weight), 1, 1, 1)
        held[0].zero_()
        return held if views.hears is None else held * moved(views.hears, device, held.dtype)
