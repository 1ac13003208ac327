"""Pictures laid over a texture that is there already, as far as they are opaque."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from .texture import BakeTables, Sum, Texture

FULL = (
    math.cos(math.radians(74)) ** 6
)  # the weight from which a sight counts fully: less is at a rim, or very steep
LEAST = 1e-12


def laid_over(
    tables: BakeTables, images: Iterable[Tensor], alphas: Iterable[Tensor], own: np.ndarray
) -> Texture:
    """images: N of (3, s, s), alphas: N of (s, s), in [0, 1].  own: (H, W, 3) uint8, what shines through.

    Colours count by alpha and by how well a view sees a texel, alpha by itself too: a clear picture says nothing
    against an opaque one.  Over the last degrees of sight, and beside silhouettes, pictures fade.  Where all are
    clear, `own` stays to the last bit; `seen` is where they are not.
    """
    colours, opaque = Sum(len(tables.texel)), Sum(len(tables.texel))
    for image, alpha, sight in zip(images, alphas, tables.sights, strict=True):
        colours.add(alpha * image, *sight)
        opaque.add(torch.stack([alpha, alpha**2, alpha]), *sight)
    weight, square = opaque.colour[:, :1], opaque.colour[:, 1:2]
    alpha = square / weight.clamp(min=LEAST)
    share = (alpha * (weight / alpha.clamp(min=LEAST) / FULL).clamp(max=1)).numpy()
    new = 255 * (colours.colour / weight.clamp(min=LEAST)).numpy()
    flat = own.reshape(-1, 3)
    canvas = np.zeros_like(flat)
    canvas[tables.texel] = (flat[tables.texel] * (1 - share) + new * share).round().clip(0, 255)
    covered, seen = np.zeros(len(flat), bool), np.zeros(len(flat), bool)
    covered[tables.texel], seen[tables.texel] = True, share[:, 0] > 0
    shown = seen[tables.nearest][..., None]  # padding goes with its texel
    whole = np.where(shown, canvas[tables.nearest], own)
    return Texture(whole, covered.reshape(tables.shape), seen.reshape(tables.shape), tables.area)
