"""What a run shows while it goes on: the clean guess of its views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.base import Backbone, Predictor
    from ..schedule import Span


class Watched:
    """A predictor that remembers its last clean guess, which is what a preview shows."""

    def __init__(self, predict: Predictor):
        self.predict = predict
        self.clean: Any = None

    def __call__(self, x: Tensor, span: Span) -> Tensor:
        eps = self.predict(x, span)
        self.clean = span.tweedie(x, eps)
        return eps


@dataclass(frozen=True)
class Preview:
    """Decodes the clean guess of all views, or of at most that many."""

    backbone: Backbone
    predict: Watched

    def __call__(self, most: int | None = None) -> Tensor:
        from ..show.sheet import some

        clean = self.predict.clean
        return self.backbone.decode(clean[some(len(clean), most or len(clean))]).cpu()
