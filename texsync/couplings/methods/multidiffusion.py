"""MultiDiffusion: agree on the next picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from ...errors import Refused, about
from ..base import Coupling, free, rests


@dataclass(frozen=True)
class MultiDiffusion(Coupling):
    """Average the next pictures on one canvas (Bar-Tal et al. 2023, arXiv:2302.08113, Eq. 5; case 6 of SyncTweedies).

    until: no coupling once span.frac <= until, in [0, 1]; 0: in every step.
    colours: (K, C, h, w) clean latents of K flat colours, see `flat_colours`; for views of masks only, which are given
    some where there are none.  In the first
    steps, the share `bootstrap` of their number, a thing in the foreground stands before one of them, drawn anew for
    every step, instead of before the rest of the picture, so that it takes shape inside its mask (section 4.3 there).
    bootstrap: in [0, 1], 0.4 are 20 of 50 steps.  seed: the run's, so that the noise before which things stand
    is the one that the canvas started from.  Raises InputError on values out of range.
    """

    composition: ClassVar[str] = "parts"

    until: float = 0.2
    colours: Tensor | None = field(default=None, compare=False, repr=False)
    bootstrap: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        self.check_until()
        self.must("bootstrap", 0 <= self.bootstrap <= 1, "a share of the noise levels, 0 to 1")

    def ready(self, backbone, views, seed):
        colours = self.colours
        if colours is None and views.shares:
            colours = flat_colours(backbone.encode, *(side * backbone.scale for side in views.canvas))
        return replace(self, colours=colours, seed=seed)

    def check(self, views) -> None:
        if self.colours is not None and not views.shares:
            raise Refused.coupling_unfit(
                f"{about('multidiffusion')} has colours but the views have no masks",
                "leave colours out for this task",
            )

    def step(self, x, z, predict, views, span):
        if rests(span, self.until):
            return free(x, predict, span), z
        x = views.show(z, x)
        if self.colours is not None and span.index < self.bootstrap * span.count:
            x = self._before_colours(x, views, span)
        x_next = free(x, predict, span)
        z_next = views.f_inv(x_next)
        return views.show(z_next, x_next), z_next

    def _before_colours(self, x: Tensor, views, span) -> Tensor:
        """Every picture but the background keeps the part that it owns; the rest is a noisy flat colour."""
        assert self.colours is not None
        draw = torch.Generator().manual_seed(self.seed)
        noise = views.f(torch.randn(x.shape[1], *views.canvas, generator=draw)).to(x)
        draw.manual_seed(self.seed + 1 + span.t)
        chosen = torch.randint(len(self.colours), (len(x),), generator=draw)
        behind = span.noised(self.colours.to(x)[chosen.to(self.colours.device)], noise)
        own = views.blend_weight.to(x).clamp(max=1)
        return torch.cat([x[:1], own[1:] * x[1:] + (1 - own[1:]) * behind[1:]])


def flat_colours(
    encode: Callable[[Tensor], Tensor], height: int, width: int, *, count: int = 20, seed: int = 0
) -> Tensor:
    """Clean latents (count, C, h, w) of flat random colours, for bootstrapping.

    encode: pictures (N, 3, height, width) in [0, 1] to latents, as `Backbone.encode`; sizes in pixels.
    """
    colours = torch.rand(count, 3, 1, 1, generator=torch.Generator().manual_seed(seed))
    return encode(colours.expand(-1, -1, height, width))
