"""Random fields in space and the soft steps that turn them into borders: what materials are built of."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

import torch
from torch import Tensor

PIXEL = 0.0048  # of a 512-pixel view that a thing fills, in render-frame units


class Spot(NamedTuple):
    """Points of a surface.  p: (M, 3) render frame, an object is about 2 across; uv: (M, 2) across and up, the same
    units, unfolded by which axis the surface faces; n: (M, 3) unit normals."""

    p: Tensor
    uv: Tensor
    n: Tensor


class Dice:
    """Random choices of one material: reproducible from a seed, the same for every view that shares it."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float) -> float:
        return self.rng.uniform(low, high)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def rotation(self) -> Tensor:
        """A uniformly random rotation (3, 3)."""
        q, r = torch.linalg.qr(self.normal(3, 3))
        return q * torch.sign(torch.diagonal(r))


def unfold(p: Tensor, n: Tensor) -> Tensor:
    """(M, 2) across and up: each point is seen along the axis that its normal is nearest to, upright on all sides."""
    axis = n.abs().argmax(dim=1)
    across = torch.where(axis == 0, p[:, 2], p[:, 0])
    up = torch.where(axis == 1, p[:, 2], p[:, 1])
    return torch.stack([across, up], dim=1)


def waves(p: Tensor, dice: Dice, frequency: float, count: int = 8) -> Tensor:
    """A smooth random field, about zero mean and unit spread: a sum of sines in random directions."""
    direction = dice.normal(count, p.shape[1]) * frequency
    phase = dice.normal(count) * 10
    return torch.sin(p @ direction.T + phase).sum(1) * math.sqrt(2 / count)


def fractal(p: Tensor, dice: Dice, frequency: float, octaves: int = 3) -> Tensor:
    """Waves over waves, each twice as fine and half as strong."""
    return sum(waves(p, dice, frequency * 2**k) * 0.5**k for k in range(octaves)) / 1.15


def ramp(x: Tensor, low: float, high: float) -> Tensor:
    """0 below low, 1 above high, smooth between."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def inside(distance: Tensor, width: float = 1.4 * PIXEL) -> Tensor:
    """1 where a signed distance (units, positive inside) is inside, 0 outside, soft over `width`: about a pixel."""
    return (distance / width + 0.5).clamp(0, 1)


def near(x: Tensor, period: float) -> Tensor:
    """Distance to the nearest multiple of the period, with sign: in [-period / 2, period / 2)."""
    return (x + period / 2).remainder(period) - period / 2


def cells(p: Tensor, dice: Dice, size: float) -> tuple[Tensor, Tensor, Tensor]:
    """Scattered points about `size` apart: distance to the nearest, to the border with the next (both in units), and
    a random number per cell.  p: (M, 2) or (M, 3)."""
    q = p / size
    base = torch.floor(q)
    salt = dice.normal(p.shape[1], p.shape[1]) * 100
    best, second, value = (torch.full((len(p),), 9.0) for _ in range(3))
    for corner in torch.cartesian_prod(*[torch.arange(-1.0, 2.0)] * p.shape[1]):
        place = base + corner
        jitter = torch.frac(torch.sin(place @ salt) * 437.585).abs()
        distance = (place + 0.1 + 0.8 * jitter - q).square().sum(dim=1)
        closer = distance < best
        second = torch.where(closer, best, torch.minimum(second, distance))
        value = torch.where(closer, jitter[:, 0], value)
        best = torch.minimum(best, distance)
    best, second = best.sqrt(), second.sqrt()
    return best * size, (second - best) * size / 2, value


def per_cell(*index: Tensor) -> Tensor:
    """A number in [0, 1) for each combination of whole numbers."""
    mixed = sum(x * factor for x, factor in zip(index, (12.9898, 78.233, 37.719), strict=False))
    return torch.frac(torch.sin(mixed) * 437.585).abs()
