"""Whether a wide picture is one picture: alike from end to end, and without seams."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from .errorbars import check_enough

PairDistance = Callable[[Tensor, Tensor], Tensor]
"""(pictures (N, 3, S, S) in [0, 1], as many others) -> (N,)."""


def beside_each_other(picture: Tensor, size: int | None = None) -> Tensor:
    """Crops (N, 3, H, size) of a picture (3, H, W) that do not overlap, from the left; size: None is its height."""
    size = size or picture.shape[-2]
    lefts = range(0, picture.shape[-1] - size + 1, size)
    return torch.stack([picture[..., left : left + size] for left in lefts])


def intra(picture: Tensor, distance: PairDistance, *, add: bool = False) -> float:
    """Distance between the crops of a wide picture (3, H, W), over all pairs: their mean, or with `add` their sum.

    With LPIPS the mean is Intra-LPIPS; with the Gram matrices' distance the sum is Intra-Style-L, as in
    SyncDiffusion's code.  Raises InputError for a picture less than twice as wide as high.
    Source: Lee et al. 2023, arXiv:2306.05178, section 5.
    """
    crops = beside_each_other(picture)
    check_enough("a distance within a wide picture", 2, crops)
    pairs = list(combinations(range(len(crops)), 2))
    one, other = ([pair[k] for pair in pairs] for k in (0, 1))
    found = distance(crops[one], crops[other])
    return float(found.sum() if add else found.mean())


def seam_ratio(picture: Tensor, step: int, cell: int = 1) -> float:
    """Mean change from column to column at multiples of `step`, over that at the other multiples of `cell`.

    picture: (3, H, W).  step: pixels from one window to the next.  cell: pixels of a latent, whose borders are a
    little visible everywhere.  1: no seam.
    """
    change = picture.diff(dim=-1).abs().mean(dim=(0, 1)).numpy()
    column = np.arange(1, len(change) + 1)
    at, beside = column % step == 0, (column % cell == 0) & (column % step != 0)
    check_enough("the seam ratio", 1, column[at], column[beside])
    return float(change[at].mean() / max(change[beside].mean(), 1e-12))
