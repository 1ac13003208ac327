"""What a coupling is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

from ..errors import InputError
from ..schedule import Span
from ..views import Views


class Coupling(ABC):
    """How the pictures listen to each other during one denoising step."""

    @abstractmethod
    def step(
        self, x: Tensor, z: Tensor, predict: Callable[[Tensor, Span], Tensor], views: Views, span: Span
    ) -> tuple[Tensor, Tensor]:
        """Take all pictures from noise level `span.alpha` down to `span.alpha_next`.

        x: (N, C, h, w) pictures.  z: (C, *canvas) for couplings that denoise the canvas itself; others hand it on.
        predict: (x, span) -> eps, same shape as x, guidance already applied.
        Returns the new (x, z).
        """


def check_until(until: float) -> None:
    """Raises InputError unless `until` is in [0, 1]."""
    if not 0 <= until <= 1:
        raise InputError(f"until is {until}", "give the share of the noise levels to leave alone, 0 to 1")
