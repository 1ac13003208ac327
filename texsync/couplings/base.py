"""What a coupling is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from ..errors import InputError
from ..schedule import Span
from ..views import Views

Predict = Callable[[Tensor, Span], Tensor]


class Coupling(ABC):
    """How the pictures listen to each other during one denoising step.

    composition: which views the parts of a masked picture become for this method, see `views.masks`.
    """

    composition: ClassVar[str] = "whole"

    @abstractmethod
    def step(self, x: Tensor, z: Tensor, predict: Predict, views: Views, span: Span) -> tuple[Tensor, Tensor]:
        """Take all pictures from noise level `span.alpha` down to `span.alpha_next`.

        x: (N, C, h, w) pictures.  z: (C, *canvas) for couplings that denoise the canvas itself; others hand it on.
        predict: (x, span) -> eps, same shape as x, guidance already applied.
        Returns the new (x, z).
        """

    def check(self, views: Views) -> None:  # noqa: B027  most couplings are defined everywhere
        """Raises InputError if this coupling is not defined on these views, or lacks what it needs for them."""


def free(x: Tensor, predict: Predict, span: Span) -> Tensor:
    """Every picture's own DDIM step, which is what happens where nobody listens."""
    eps = predict(x, span)
    return span.ddim(span.tweedie(x, eps), eps)


def towards(x: Tensor, x0: Tensor, span: Span) -> Tensor:
    """The DDIM step from x to a clean picture that need not be x's own: the rest of x counts as noise."""
    return span.ddim(x0, span.eps_from(x, x0))


def rests(span: Span, until: float) -> bool:
    """Is this one of the last steps, which are left alone?  With until = 0 none is, not even one from t = 0."""
    return until > 0 and span.frac <= until


def check_until(until: float) -> None:
    """Raises InputError unless `until` is in [0, 1]."""
    if not 0 <= until <= 1:
        raise InputError(f"until is {until}", "give the share of the noise levels to leave alone, 0 to 1")
