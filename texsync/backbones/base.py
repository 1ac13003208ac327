"""What the loop needs of a model: the noise in a picture, and the way between pixels and latents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor

from ..schedule import Schedule, Span

Predictor = Callable[[Tensor, Span], Tensor]
"""(x (N, C, h, w), span) -> eps, same shape and dtype as x, guidance applied.

x always holds all N views, so that each meets its own prompt; a predictor that is short of memory cuts x into
chunks itself.  x is float32 or wider whatever the model computes in.
"""


class Backbone(ABC):
    """A model that tells noise from picture.

    schedule: the noise levels it was trained at.  latent_channels: C.  scale: pixels per latent cell along a side.
    native_size: the side in pixels that it was trained at.
    """

    schedule: Schedule
    latent_channels: int
    scale: int
    native_size: int

    @abstractmethod
    def predictor(
        self,
        prompts: Sequence[str],
        negatives: Sequence[str],
        control: Tensor | None,
        *,
        guidance: float,
        control_scale: float,
        chunk: int,
    ) -> Predictor:
        """Fix the conditions of N views and return their noise predictor.

        prompts, negatives: N texts each.  control: (N, 3, H, W) in [0, 1] in pixels, or None.
        guidance: eps = negative + guidance * (prompt - negative), so 1 switches it off.
        control_scale: how much control counts, 0 off, 1 as trained.  chunk: views per call of the model.
        """

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [0, 1] to latents (N, C, H / scale, W / scale)."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (N, C, h, w) to pictures (N, 3, h * scale, w * scale) in [0, 1]."""
