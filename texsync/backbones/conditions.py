"""What views are to show, in one object, so that a new condition is a field more and no model's signature changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL.Image import Image
from torch import Tensor

from ..schedule import Span
from .between_views import Attends


@dataclass(frozen=True)
class Conditions:
    """The conditions of N views.  Every field but `prompts` has a default that switches it off or is neutral.

    prompts: N texts.  negatives: N texts, or none for N empty ones.
    control: pictures that a ControlNet follows, (N, 3, H, W) in [0, 1] in pixels, or such for each of several, None for
    one that is off; a list of one is the one.
    guidance: eps = negative + guidance * (prompt - negative), so 1 switches it off.
    control_scale: how much control counts, 0 off, 1 as trained; or (at the noisiest level, at the cleanest) with a
    straight line in t between.  control_until: control is off where 1 - t/T is greater than this, 0..1.
    guidance_rescale: how far the guided prediction is brought back to the spread that the prompt's alone has, 0..1
    (Lin et al. 2023, arXiv:2305.08891, section 3.4).  clip_skip: see `embeddings.Embed`.
    clipping: of models that clip their clean guesses, "agree" or "raw", see `deepfloyd.Clipped`.
    image_prompt: a picture that says what the result is to look like, for models with an IP-Adapter; image_scale: how
    much it counts, 0 not at all.
    attends: whose keys and values each view's self-attention reads, None: its own; see `Backbone.shares_attention`.
    """

    prompts: Sequence[str]
    negatives: Sequence[str] = ()
    control: Tensor | Sequence[Tensor | None] | None = None
    guidance: float = 7.5
    control_scale: float | tuple[float, float] = 1.0
    control_until: float = 1.0
    guidance_rescale: float = 0.0
    clip_skip: int | None = None
    clipping: str = "agree"
    attends: Attends | None = None
    image_prompt: Image | None = None
    image_scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "negatives", list(self.negatives) or [""] * len(self.prompts))
        if len(self.controls) == 1:
            object.__setattr__(self, "control", self.controls[0])

    @property
    def guided(self) -> bool:
        """Whether the negatives count."""
        return self.guidance != 1

    def guide(self, without: Tensor, given: Tensor) -> Tensor:
        """What is predicted of N views, from that without the prompts and that with them, (N, C, h, w) each."""
        guided = without + self.guidance * (given - without)
        if self.guidance_rescale == 0:
            return guided
        spread, usual = (one.flatten(1).std(dim=1).view(-1, 1, 1, 1) for one in (guided, given))
        return guided * (1 + self.guidance_rescale * (usual / spread.clamp(min=1e-12) - 1))

    @property
    def controls(self) -> list[Tensor | None]:
        """The pictures of every ControlNet; None for one that is off."""
        if self.control is None:
            return []
        return [self.control] if isinstance(self.control, Tensor) else [*self.control]

    def control_at(self, span: Span, own: float | None = None) -> float:
        """How much control counts at this noise level.  own: a ControlNet's own scale, where it has one."""
        scale = self.control_scale if own is None else own
        start, end = scale if isinstance(scale, (tuple, list)) else (scale, scale)
        return 0.0 if 1 - span.frac > self.control_until else span.frac * start + (1 - span.frac) * end
