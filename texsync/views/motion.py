"""Views of a long motion: segments that overlap in time, and the joints that their features stand for."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from .base import Views, lookup

LOCAL = slice(4, 67)  # where the 21 joints other than the root stand beside it, 3 numbers each


def segments(count: int, length: int = 120, overlap: int = 30) -> Views:
    """`count` segments of `length` frames, each sharing `overlap` frames with the one before.

    A segment is a picture one pixel high and `length` wide, the canvas (1, frames).  Raises InputError unless
    0 < overlap < length.  Source: SyncSDE (CVPR 2025), Eq. 20-22; later segments lie on top, see `plane.latest`.
    """
    if not 0 < overlap < length:
        raise InputError(
            f"segments of {length} frames overlap by {overlap}", f"use an overlap of 1 to {length - 1} frames"
        )
    starts = np.arange(count) * (length - overlap)
    return lookup(starts[:, None, None] + np.arange(length), (1, int(starts[-1]) + length))


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
