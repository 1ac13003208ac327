"""What a coupling is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from ..backbones.base import Backbone
from ..errors import Refused, about, got
from ..schedule import Span
from ..views import Views

Predict = Callable[[Tensor, Span], Tensor]


class Coupling(ABC):
    """How the views influence each other during one denoising step.

    composition: which views the parts of a masked picture become for this method, see `views.masks`.
    needs_masks: it is defined only where the views are parts of a masked picture.
    """

    composition: ClassVar[str] = "whole"
    needs_masks: ClassVar[bool] = False

    @abstractmethod
    def step(self, x: Tensor, z: Tensor, predict: Predict, views: Views, span: Span) -> tuple[Tensor, Tensor]:
        """Take all pictures from noise level `span.alpha` down to `span.alpha_next`.

        x: (N, C, h, w) pictures.  z: (C, *canvas) for couplings that denoise the canvas itself; others hand it on.
        predict: (x, span) -> eps, same shape as x, guidance already applied.
        Returns the new (x, z).
        """

    def ready(self, backbone: Backbone, views: Views, seed: int) -> Coupling:
        """This coupling with what it takes of a run's model, views and seed; itself if that is nothing."""
        return self

    def check(self, views: Views) -> None:
        """Raises InputError if this coupling is not defined on these views, or lacks what it needs for them."""
        self.check_masks(views.shares)

    def must(self, setting: str, good: bool, remedy: str) -> None:
        """Raises InputError for a setting that is not good.  remedy: what to give."""
        if not good:
            value = getattr(self, setting)
            raise Refused.coupling_option(f"{about(setting)} is {got(value):r.60}", f"give {remedy}")

    def check_until(self) -> None:
        """Raises InputError unless the setting `until`, which some couplings have, is in [0, 1]."""
        until: float = getattr(self, "until", 0.0)
        self.must("until", 0 <= until <= 1, "the share of the noise levels to leave alone, 0 to 1")

    def check_masks(self, there: bool) -> None:
        """Raises InputError if it needs masks and there are none."""
        if self.needs_masks and not there:
            raise Refused.coupling_unfit(
                f"{about(type(self).__name__)} is for masked pictures, and these views have no masks",
                "use it for editing and masks, or another coupling",
            )


def free(x: Tensor, predict: Predict, span: Span) -> Tensor:
    """Every picture's own DDIM step, as without any coupling."""
    eps = predict(x, span)
    return span.ddim(span.tweedie(x, eps), eps)


def towards(x: Tensor, x0: Tensor, span: Span) -> Tensor:
    """The DDIM step from x to a clean picture that need not be x's own: the rest of x counts as noise."""
    return span.ddim(x0, span.eps_from(x, x0))


def rests(span: Span, until: float) -> bool:
    """Is this one of the last steps, which are left alone?  With until = 0 none is, not even one from t = 0."""
    return until > 0 and span.frac <= until
