"""Views of a long motion: segments that overlap in time, and the joints that their features stand for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..errors import Refused, about, got
from .base import Views

LOCAL = slice(4, 67)  # where the 21 joints other than the root stand beside it, 3 numbers each


def segments(count: int, length: int = 120, overlap: int = 30) -> Views:
    """`count` segments of `length` frames, each sharing `overlap` frames with the one before; see `unequal`."""
    return unequal([length] * count, overlap)


def unequal(lengths: Sequence[int], overlap: int = 30, *, fade: bool = False) -> Views:
    """Segments of these many frames, each sharing `overlap` frames with the one before.

    A segment is a picture one pixel high and as wide as the longest.  The canvas is (1, frames); where lengths differ
    it has spare cells behind the last frame, at which what lies behind a segment's end looks; they count for nothing.
    fade: where two segments meet, the weight goes over from one to the other, frame by frame; else both count
    alike.  Raises InputError unless 0 < overlap < every length.
    Source: SyncSDE (CVPR 2025), Eq. 20-22; later segments lie on top there, see `plane.latest`.
    """
    shortest, widest = min(lengths), max(lengths)
    if not 0 < overlap < shortest:
        raise Refused.motion_length(
            f"{about('segments')} of {got(shortest)} frames overlap by {overlap}",
            f"use an overlap of 1 to {shortest - 1} frames",
        )
    sizes, place = np.array(lengths)[:, None], np.arange(widest)
    starts = np.concatenate([[0], np.cumsum(sizes[:-1, 0] - overlap)])
    frames = int(starts[-1]) + lengths[-1]
    cells = np.where(place < sizes, starts[:, None] + place, frames + place - sizes)
    weight = 1.0 * (place < sizes)
    if fade:
        ramp = (np.arange(overlap) + 1) / (overlap + 1)
        weight[1:, :overlap] *= ramp
        for row, size in zip(weight[:-1], lengths, strict=False):
            row[size - overlap : size] *= ramp[::-1]
    pixels, canvas = cells.size, frames + widest - shortest
    look = sparse.csr_array((np.ones(pixels), cells.ravel(), np.arange(pixels + 1)), shape=(pixels, canvas))
    merge = sparse.csr_array(look.T @ sparse.diags_array(weight.ravel()))
    merge.eliminate_zeros()
    return Views(look, merge, (len(lengths), 1, widest), (1, canvas))


def joints(features: Tensor) -> Tensor:
    """Features (F, 263 or 67), in their own units, to joints (F, 22, 3) in metres, y up, the root first.

    Features per frame, as in HumanML3D (Guo et al. 2022): half the turn about y to the next frame, in radians; the
    way to it along x and z as the body will then face; the root's height; and the other joints beside the root's
    foot, as the body faces.  All but the height is relative, so segments are joined as features and walked once.
    """
    turn, way = (_before(features[:, part]) for part in (slice(0, 1), slice(1, 3)))
    angle = 2 * turn.cumsum(0)
    ground = _facing(way[:, None], angle).cumsum(0)
    root = torch.stack([ground[..., 0], features[:, 3:4], ground[..., 1]], dim=-1)
    beside = features[:, LOCAL].unflatten(1, (-1, 3))
    flat = _facing(beside[..., [0, 2]], angle) + ground
    return torch.cat([root, torch.stack([flat[..., 0], beside[..., 1], flat[..., 1]], dim=-1)], dim=1)


def _before(values: Tensor) -> Tensor:
    """What the frame before said; nothing for the first."""
    return torch.cat([torch.zeros_like(values[:1]), values[:-1]])


def _facing(xz: Tensor, angle: Tensor) -> Tensor:
    """Points (F, J, 2) on the ground in the body's frame, which has turned by angle (F, 1), to the world's."""
    cos, sin, (x, z) = angle.cos(), angle.sin(), xz.unbind(-1)
    return torch.stack([x * cos - z * sin, x * sin + z * cos], dim=-1)
