"""Solid materials: colour as a function of a point in space, so that every view of a thing agrees.

All functions take points (M, 3) in render-frame units (an object is about 2 across) and a `Dice`, and return
(M,) factors in [0, 1] or (M, 3) sRGB in [0, 1].
"""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor

from .words import COLOURS, MATERIALS, Recipe


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


def waves(p: Tensor, dice: Dice, frequency: float, count: int = 8) -> Tensor:
    """A smooth random field, about zero mean and unit spread: a sum of sines in random directions."""
    direction = dice.normal(count, 3) * frequency
    phase = dice.normal(count) * 10
    return torch.sin(p @ direction.T + phase).sum(1) * math.sqrt(2 / count)


def fractal(p: Tensor, dice: Dice, frequency: float, octaves: int = 3) -> Tensor:
    """Waves over waves, each twice as fine and half as strong."""
    return sum(waves(p, dice, frequency * 2**k) * 0.5**k for k in range(octaves)) / 1.15


def ramp(x: Tensor, low: float, high: float) -> Tensor:
    """0 below low, 1 above high, smooth between."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def cells(p: Tensor, dice: Dice, frequency: float) -> tuple[Tensor, Tensor]:
    """Distance to the border between the two nearest scattered points (0 on it), and a random number per cell."""
    q = p * frequency
    base = torch.floor(q)
    salt = dice.normal(3, 3) * 100
    best, second, value = (torch.full((len(p),), 9.0) for _ in range(3))
    for k in range(27):
        corner = base + torch.tensor([k // 9 - 1, k // 3 % 3 - 1, k % 3 - 1], dtype=p.dtype)
        jitter = torch.frac(torch.sin(corner @ salt) * 437.585).abs()
        distance = (corner + jitter - q).norm(dim=1)
        closer = distance < best
        second = torch.where(closer, best, torch.minimum(second, distance))
        value = torch.where(closer, jitter[:, 0], value)
        best = torch.minimum(best, distance)
    return second - best, value


def edge(x: Tensor, sharpness: float = 8.0) -> Tensor:
    """A soft step at 0, so that pictures have no aliasing that an autoencoder must learn by heart."""
    return torch.sigmoid(x * sharpness)


def stripes(p: Tensor, dice: Dice, scale: float) -> Tensor:
    return edge(torch.sin((p @ dice.rotation()[0]) * 9 * scale), 6)


def checks(p: Tensor, dice: Dice, scale: float) -> Tensor:
    return edge(torch.sin(p * 6 * scale + dice.normal(3)).prod(1), 14)


def dots(p: Tensor, dice: Dice, scale: float) -> Tensor:
    q = torch.frac(p * 1.7 * scale + 40) - 0.5
    return edge(0.36 - q.norm(dim=1), 30)


def marble(p: Tensor, dice: Dice, scale: float) -> Tensor:
    vein = torch.sin((p @ dice.rotation()[0]) * 5 * scale + 2.2 * fractal(p, dice, 2.2 * scale))
    return 1 - ramp(vein.abs(), 0.0, 0.5)


def bricks(p: Tensor, dice: Dice, scale: float) -> Tensor:
    y = p[:, 1] * 5 * scale + 40
    across = (p[:, 0] + p[:, 2] * 0.97) * 2.2 * scale + 40 + 0.5 * torch.floor(y).remainder(2)
    mortar = torch.minimum((torch.frac(y) - 0.5).abs() * 1.0, 10 * torch.ones_like(y))
    joint = torch.maximum(mortar, (torch.frac(across) - 0.5).abs() * 1.06)
    return edge(joint - 0.42, 40)


def camouflage(p: Tensor, dice: Dice, scale: float) -> Tensor:
    return edge(fractal(p, dice, 2.6 * scale, 2), 12)


def mosaic(p: Tensor, dice: Dice, scale: float) -> Tensor:
    border, value = cells(p, dice, 2.6 * scale)
    return ramp(border, 0.02, 0.1) * ramp(value, 0.1, 0.8)


def cracked(p: Tensor, dice: Dice, scale: float) -> Tensor:
    return 1 - ramp(cells(p, dice, 2.2 * scale)[0], 0.03, 0.14)


def speckled(p: Tensor, dice: Dice, scale: float) -> Tensor:
    return edge(waves(p, dice, 14 * scale, 10) - 1.0, 5)


PATTERN_FIELDS = {
    f.__name__: f for f in (stripes, checks, dots, marble, bricks, camouflage, mosaic, cracked, speckled)
}


def wood(p: Tensor, dice: Dice, scale: float) -> Tensor:
    q = p @ dice.rotation()
    rings = (q[:, :2] + 0.3).norm(dim=1) * 14 * scale + 1.4 * waves(p, dice, 1.5)
    return 0.5 + 0.5 * torch.sin(rings)


def rough(p: Tensor, dice: Dice, scale: float) -> Tensor:
    return ramp(fractal(p, dice, 4.5 * scale, 3), -1.3, 1.3)


def blotches(p: Tensor, dice: Dice, scale: float) -> Tensor:
    return ramp(fractal(p, dice, 3 * scale, 3), -0.5, 0.7)


def brushed(p: Tensor, dice: Dice, scale: float) -> Tensor:
    squeeze = torch.tensor([1.0, 5.0, 1.0])
    return ramp(waves(p * squeeze, dice, 4 * scale), -2, 2)


def grains(p: Tensor, dice: Dice, scale: float) -> Tensor:
    return ramp(waves(p, dice, 16 * scale, 12), -1.5, 1.5)


def setts(p: Tensor, dice: Dice, scale: float) -> Tensor:
    border, value = cells(p, dice, 2.4 * scale)
    return 1 - ramp(border, 0.04, 0.25) * (0.75 + 0.25 * value)


MATERIAL_FIELDS = {
    "stone": rough, "wood": wood, "rust": blotches, "copper": brushed, "gold": brushed, "silver": brushed,
    "iron": brushed, "moss": blotches, "grass": grains, "sand": grains, "terracotta": rough, "granite": grains,
    "leather": rough, "snow": rough, "lava": cracked, "cobblestone": setts,
}  # fmt: skip


def colour(name_or_rgb: str | tuple[int, int, int], dice: Dice, spread: float = 0.025) -> Tensor:
    """(3,) sRGB in [0, 1]: a named colour, never twice quite the same."""
    rgb = COLOURS[name_or_rgb] if isinstance(name_or_rgb, str) else name_or_rgb
    return (torch.tensor(rgb) / 255 + spread * dice.normal(3)).clamp(0, 1)


def albedo(recipe: Recipe, p: Tensor, seed: int) -> Tensor:
    """The colour of a material at points p (M, 3): (M, 3) sRGB in [0, 1]."""
    dice = Dice(seed)
    scale = {"fine": 1.6, "large": 0.6}.get(recipe.modifier, 1.0) * dice.uniform(0.85, 1.15)
    p = p + 0.5 * dice.normal(3)
    low, high = _two_colours(recipe, dice)
    field = PATTERN_FIELDS.get(recipe.base) or MATERIAL_FIELDS.get(recipe.base)
    mix = field(p, dice, scale)[:, None] if field else 0.5 + 0.06 * waves(p, dice, 3.0)[:, None]
    picture = low + (high - low) * mix
    return _modified(recipe, picture, p, dice).clamp(0, 1)


def _two_colours(recipe: Recipe, dice: Dice) -> tuple[Tensor, Tensor]:
    if recipe.base in MATERIALS:
        pair = MATERIALS[recipe.base]
        low, high = colour(pair[0], dice), colour(pair[1], dice)
        if recipe.colours:  # "blue leather": keep the material's contrast, take the colour's hue
            tint = colour(recipe.colours[0], dice)
            middle = (low + high) / 2
            low, high = tint + 0.8 * (low - middle).mean(), tint + 0.8 * (high - middle).mean()
        return low, high
    first = colour(recipe.colours[0], dice)
    if len(recipe.colours) == 2:
        return first, colour(recipe.colours[1], dice)
    contrast = 0.08 if recipe.base == "plain" else 0.45
    shift = contrast if first.mean() < 0.5 else -contrast
    return first, (first + shift).clamp(0, 1)


def _modified(recipe: Recipe, picture: Tensor, p: Tensor, dice: Dice) -> Tensor:
    if recipe.modifier == "dark":
        return picture * 0.6
    if recipe.modifier == "pale":
        return picture * 0.55 + 0.45
    if recipe.modifier == "mossy":
        green = colour(MATERIALS["moss"][0], dice)
        return torch.lerp(
            picture, green.expand_as(picture), 0.9 * ramp(fractal(p, dice, 3), 0.0, 0.8)[:, None]
        )
    if recipe.modifier == "weathered":
        # copper goes green, everything else fades and stains
        target = torch.tensor([0.36, 0.62, 0.55]) if recipe.base == "copper" else 0.5 * picture + 0.22
        amount = 0.85 * ramp(fractal(p, dice, 3.2), -0.3, 0.9)[:, None]
        return picture + (target - picture) * amount
    if recipe.modifier == "painted":
        return picture + 0.05 * waves(p, dice, 6)[:, None]
    return picture
