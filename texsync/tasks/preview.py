"""What a run shows while it goes on: the clean guess of its views, and what that makes of a mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..backbones.base import Backbone, Predictor
    from ..files.loaded import Loaded
    from ..schedule import Span
    from ..surface.pixels import Pixels
    from ..surface.texture import BakeTables
    from ..surface.types import Surface

TEXELS = 256  # a side of a preview's texture


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
class SmallBake:
    """Pictures of all views, (N, 3, s, s), to a small texture of the mesh; lookups are made when first asked for."""

    loaded: Loaded
    surface: Surface
    pixels: Pixels

    @cached_property
    def tables(self) -> BakeTables:
        from ..surface.texture import bake_tables

        return bake_tables(self.surface, self.pixels, TEXELS)

    def __call__(self, images: Tensor) -> np.ndarray:
        """(TEXELS, TEXELS, 3) uint8, row 0 on top; of several squares, side by side."""
        return self.tables.apply(images).image


@dataclass(frozen=True)
class Preview:
    """Decodes the clean guess of all views, or of at most that many.

    bake: what makes a texture of all of them; None: the task paints no mesh.
    """

    backbone: Backbone
    predict: Watched
    bake: SmallBake | None = None

    def __call__(self, most: int | None = None) -> Tensor:
        from ..show.sheet import some

        clean = self.predict.clean
        return self.backbone.decode(clean[some(len(clean), most or len(clean))]).cpu()
