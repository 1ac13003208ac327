"""What pictures are known to be takes part in a run: where it begins, and as one more trajectory that is heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor

from .moved import moved
from .schedule import Span

if TYPE_CHECKING:
    from .views import Views

Predict = Callable[[Tensor, Span], Tensor]


@dataclass(frozen=True, eq=False)
class Known:
    """The clean pictures of a run, as far as they are known.

    x0: (N, C, h, w) clean latents.  keep: (N, 1, h, w) in [0, 1], how much of each pixel is to stay: the precision of
    what is known; the model's guess has the rest.  level: share of noise that the run begins at, in (0, 1]; at 1 only
    what is kept is known there, below 1 all of x0 is.

    The mean of two Gaussians weighs their means by their precisions (SyncSDE, CVPR 2025, Eq. 8-12), so the clean guess
    of a step is keep * x0 + (1 - keep) * the model's.  Where keep is 1 a run of any sampler stays on signal * x0 +
    noise * its own noise, and the model sees that around what it paints.
    """

    x0: Tensor
    keep: Tensor
    level: float = 1.0

    def spans(self, spans: Sequence[Span]) -> list[Span]:
        """The steps of a run from `level` on, at least one, counted anew."""
        left = [span for span in spans if span.frac <= self.level] or list(spans[-1:])
        if len(left) == len(spans):
            return left
        first = left[0].frac or 1.0
        return [replace(span, index=index, count=len(left), start=first) for index, span in enumerate(left)]

    def begin(self, span: Span, noise: Tensor) -> Tensor:
        """Where the run begins: noise (N, C, h, w) of variance 1, with what is known in it.  span: its first step."""
        there = span.noised(self.x0.to(noise), noise)
        return there if self.level < 1 else noise + self.keep.to(noise) * (there - noise)

    def through(self, predict: Predict) -> Predict:
        """The predictor whose clean guess is what is known, as far as it is kept."""
        if not self.keeps:
            return predict

        def mixed(x: Tensor, span: Span) -> Tensor:
            eps = predict(x, span)
            # mixing clean guesses is mixing the noise that they imply, without a division by a faint signal
            keep, x0 = (moved(one, x.device, x.dtype) for one in (self.keep, self.x0))
            return eps + keep * (span.eps_from(x, x0) - eps)

        return mixed

    def views(self, views: Views) -> Views:
        """The same views, of which what is kept follows no other: encoded pictures never agree to the last digit."""
        return views.listening(1 - self.keep) if self.keeps else views

    @property
    def keeps(self) -> bool:
        """Whether anything is to stay."""
        return bool(self.keep.any())
