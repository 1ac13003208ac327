"""What every pixel of every view sees of points that have no triangles between them, such as Gaussian splats."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from .pixels import Sights


@dataclass(frozen=True, kw_only=True)
class PointPixels(Sights):
    """N views of K points.

    point: (N, S, S) int64, the one that each pixel shows above all, -1 on background.
    centres: (K, 3) where they are, render frame.
    """

    point: Tensor
    centres: np.ndarray

    @property
    def number(self) -> Tensor:
        return self.point

    def every(self, step: int) -> PointPixels:
        """The same views, of whose pixels only the middle one of every step x step counts."""
        picked = slice(step // 2, None, step)
        maps = {
            name: getattr(self, name) for name in ("position", "normal", "depth", "facing", "spread", "point")
        }
        fewer = {name: one[:, picked, picked] for name, one in maps.items() if one is not None}
        return replace(self, **fewer)
