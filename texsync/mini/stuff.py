"""Materials that bring their own colours: for each spot, where it lies between ground and figure, and how much of the
accent covers that; two (M,) tensors in [0, 1].  The colours stand in words.MATERIALS, the arguments are patterns.py's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from . import patterns
from .fields import Dice, Spot, cells, fractal, inside, per_cell, ramp, waves

Mix = tuple[Tensor, Tensor]
Material = Callable[[Spot, Dice, float], Mix]


def squeezed(spot: Spot, dice: Dice, frequency: float, stretch: float) -> Tensor:
    """Waves drawn out upwards by `stretch`: hair, grain, brush marks."""
    return waves(spot.p * torch.tensor([1.0, 1 / stretch, 1.0]), dice, frequency, 12)


def rough(fine: float, spots: float) -> Material:
    """Clouded, with `spots` of the accent."""

    def field(spot: Spot, dice: Dice, scale: float) -> Mix:
        mix = ramp(fractal(spot.p, dice, fine / scale, 3), -1.2, 1.2)
        return mix, spots * inside(waves(spot.p, dice, 2 * fine / scale, 10) - 1.1, 0.3)

    return field


def cobbled(size: float, gap: float) -> Material:
    """Round stones, each of its own shade, in dark joints."""

    def field(spot: Spot, dice: Dice, scale: float) -> Mix:
        _, border, value = cells(spot.p, dice, size * scale)
        return ramp(border, gap * 0.3, gap) * (0.7 + 0.3 * value), 0.7 * inside(border - gap) * (value > 0.6)

    return field


def broken(size: float, gap: float, accent: float = 0.0) -> Material:
    """Plates with cracks in the second colour, the plates' shades apart by `accent`."""

    def field(spot: Spot, dice: Dice, scale: float) -> Mix:
        _, border, value = cells(spot.p, dice, size * scale)
        crack = inside(gap * scale - border, 0.03)
        return crack, torch.where(
            border > gap * scale, accent * value, accent * ramp(-border, -0.4 * gap, 0.0)
        )

    return field


def lava(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Black crust; what glows in the cracks is brightest in the middle."""
    _, border, _ = cells(spot.p, dice, 0.4 * scale)
    border = border + 0.012 * waves(spot.p, dice, 12)
    return 1 - ramp(border, 0.03 * scale, 0.085 * scale), 1 - ramp(border, 0.0, 0.03 * scale)


def granite(spot: Spot, dice: Dice, scale: float) -> Mix:
    grain = waves(spot.p, dice, 23 / scale, 12)
    return inside(grain - 0.7, 0.5), inside(-0.9 - grain, 0.5)


def layered(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Beds of sediment, nearly level."""
    height = spot.p[:, 1] + 0.09 * fractal(spot.p, dice, 1.6)
    bed = torch.floor(height / (0.16 * scale))
    return per_cell(bed), 0.5 * inside(waves(height[:, None], dice, 22 / scale, 6) - 0.9, 0.4)


def walled(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Bricks of several shades in pale mortar."""
    into, course, place = patterns.bond(spot, 0.28 * scale, 0.6 * scale, 0.032 * scale)
    brick = inside(into)
    return brick, 0.8 * brick * per_cell(course, place)


def wood(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Grain that runs up, rings across it."""
    p = spot.p * torch.tensor([1.0, 0.22, 1.0])
    rings = torch.sin((p @ dice.rotation()[0]) * 24 / scale + 2.2 * waves(p, dice, 3.0 / scale, 6))
    return ramp(rings, -0.9, 0.9), 0.3 * inside(squeezed(spot, dice, 20 / scale, 10) - 0.8, 0.5)


def planks(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Upright boards of several shades with gaps between."""
    size = 0.32 * scale
    board = torch.floor(spot.uv[:, 0] / size)
    gap = inside(patterns.near(spot.uv[:, 0], size).abs() - 0.02)
    end = inside(patterns.near(spot.uv[:, 1] + per_cell(board), 1.5 * scale).abs() - 0.018)
    grain = ramp(squeezed(spot, dice, 18 / scale, 12), -1.6, 1.6)
    return gap * end * (0.65 + 0.35 * grain), 0.8 * gap * end * per_cell(board + 7)


def bark(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Long ridges between dark furrows."""
    p = spot.p * torch.tensor([1.0, 0.3, 1.0])
    _, border, value = cells(p + 0.03 * waves(spot.p, dice, 6)[:, None], dice, 0.19 * scale)
    return ramp(border, 0.0, 0.05 * scale), 0.6 * value


def bamboo(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Upright rods, round, with a node here and there."""
    size = 0.26 * scale
    rod = torch.floor(spot.uv[:, 0] / size)
    shade = 1 - (2 * patterns.near(spot.uv[:, 0] - size / 2, size) / size).square()
    node = inside(0.022 - patterns.near(spot.uv[:, 1] + per_cell(rod), 0.7 * scale).abs())
    return ramp(shade, 0.0, 0.8) * (1 - 0.9 * node), 0.5 * per_cell(rod + 3)


def brushed(stretch: float, frequency: float) -> Material:
    """Fine parallel marks across, and broad soft reflections."""

    def field(spot: Spot, dice: Dice, scale: float) -> Mix:
        across = Spot(spot.p[:, [1, 0, 2]], spot.uv, spot.n)
        marks = squeezed(across, dice, frequency / scale, stretch)
        return ramp(0.6 * marks + 0.8 * waves(spot.p, dice, 2.5, 5), -1.6, 1.6), 0.6 * inside(
            marks - 1.2, 0.6
        )

    return field


def patina(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Green over copper that shows through."""
    field = fractal(spot.p, dice, 3.0 / scale, 3)
    return ramp(fractal(spot.p, dice, 5 / scale, 2), -1, 1), inside(0.1 * (field - 0.75), 0.03)


def leaf_metal(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Square leaves laid over one another, with torn edges."""
    size = 0.5 * scale
    torn = spot.uv + 0.03 * torch.stack([waves(spot.p, dice, 9), waves(spot.p, dice, 9)], dim=1)
    x, y = (torch.floor(u / size) for u in torn.unbind(1))
    edge = torch.minimum(*(patterns.near(u, size).abs() for u in torn.unbind(1)))
    return inside(edge - 0.012, 0.02) * (0.75 + 0.25 * waves(spot.p, dice, 4).clamp(-1, 1)), 0.8 * per_cell(
        x, y
    )


def smooth(amount: float) -> Material:
    """Nearly even: a broad soft wave, and an accent that pools."""

    def field(spot: Spot, dice: Dice, scale: float) -> Mix:
        return ramp(waves(spot.p, dice, 1.8 / scale), -2, 2), amount * ramp(waves(spot.p, dice, 2.5), 0.2, 2)

    return field


def knitted(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Columns of V stitches."""
    width, height = 0.24 * scale, 0.19 * scale
    x, y = patterns.turned(spot, 0)
    dx = patterns.near(x - width / 2, width).abs()
    lean = patterns.near(y - 0.9 * dx, height).abs()
    gap = torch.minimum(torch.minimum(dx, width / 2 - dx) * 1.1, height / 2 - lean)
    return ramp(gap, 0.0, 0.035 * scale), 0.25 * ramp(waves(spot.p, dice, 3), 0, 2)


def twill(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Slanting ribs, worn pale in places."""
    ribs = torch.sin(patterns.turned(spot, 60)[1] * 2 * 3.1416 / (0.12 * scale))
    worn = ramp(fractal(spot.p, dice, 2.0), -1.2, 1.4)
    return ramp(0.5 * ribs, -0.6, 0.6) * (0.35 + 0.65 * worn), 0.5 * ramp(-worn, -0.35, 0.0)


def creased(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Small plump cells between dark creases."""
    _, border, value = cells(spot.p, dice, 0.2 * scale)
    soft = ramp(fractal(spot.p, dice, 2.2), -1.4, 1.4)
    return ramp(border, 0.0, 0.045 * scale) * (0.55 + 0.45 * soft), 0.6 * value


def hairy(frequency: float, stretch: float) -> Material:
    """Locks that hang down, of three shades."""

    def field(spot: Spot, dice: Dice, scale: float) -> Mix:
        bent = spot.p + 0.05 * torch.stack([waves(spot.p, dice, 3) for _ in range(3)], dim=1)
        lock = squeezed(Spot(bent, spot.uv, spot.n), dice, frequency / scale, stretch)
        return ramp(lock, -1.2, 1.2), inside(-1.0 - lock, 0.5) * 0.9

    return field


def snakeskin(spot: Spot, dice: Dice, scale: float) -> Mix:
    """A lattice of small diamonds, some rows dark."""
    x, y = patterns.turned(spot, 0)
    a, b = x / (0.2 * scale) + y / (0.24 * scale), x / (0.2 * scale) - y / (0.24 * scale)
    edge = torch.minimum(*(patterns.near(u, 1.0).abs() for u in (a, b)))
    dark = inside(waves(spot.p, dice, 5, 6) - 0.5, 0.5)
    return inside((edge - 0.14) * 0.2, 0.02), 0.85 * dark * inside((edge - 0.14) * 0.2, 0.02)


def scaled(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Overlapping scales, light in the middle, dark under the next."""
    rim, row, place = patterns.lapped(spot, 0.32 * scale)
    return 1 - rim, 0.7 * per_cell(row, place) * (1 - rim)


def leafy(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Leaves over leaves: dark gaps, a pale midrib."""
    _, border, value = cells(spot.p, dice, 0.26 * scale)
    return ramp(border, 0.0, 0.05 * scale) * (0.45 + 0.55 * value), 0.8 * inside(border - 0.08 * scale)


def rippled(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Ridges that wind: wind on sand."""
    phase = spot.p[:, 1] * 20 / scale + 1.5 * waves(spot.p, dice, 2.2, 6)
    return ramp(torch.sin(phase), -1, 1), 0.3 * ramp(waves(spot.p, dice, 2), 0, 2)


def caustic(spot: Spot, dice: Dice, scale: float) -> Mix:
    """A bright net of light over blue."""
    moved = spot.p + 0.06 * waves(spot.p, dice, 4)[:, None]
    _, border, _ = cells(moved, dice, 0.44 * scale)
    return 1 - ramp(border, 0.0, 0.06 * scale), 0.8 * ramp(waves(spot.p, dice, 2.5), 0, 1.5) * inside(
        border - 0.06
    )


def cloudy(spot: Spot, dice: Dice, scale: float) -> Mix:
    field = fractal(spot.p * torch.tensor([1.0, 1.6, 1.0]), dice, 2.1 / scale, 4)
    return ramp(field, -0.15, 0.7), 0.6 * ramp(-field, -0.5, 0.1)


def circuit(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Traces along a grid, pads where they end."""
    size = 0.22 * scale
    x, y = spot.uv.unbind(1)
    column, row = torch.floor(x / size), torch.floor(y / size)
    dx, dy = patterns.near(x - size / 2, size), patterns.near(y - size / 2, size)
    kind = per_cell(column, row)
    across, up = inside(0.024 - dy.abs()) * (kind < 0.62), inside(0.024 - dx.abs()) * (kind > 0.45)
    pad = inside(0.055 - torch.hypot(dx, dy)) * (kind > 0.3)
    return torch.maximum(torch.maximum(across, up), pad), 0.7 * (
        per_cell(torch.floor(x / 0.66), torch.floor(y / 0.66)) > 0.5
    )


def woven(spot: Spot, dice: Dice, scale: float) -> Mix:
    strand = patterns.weave(spot, dice, scale)
    return strand, 0.6 * inside(waves(spot.p, dice, 6) - 0.6, 0.4) * strand


def combed(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Hexagonal cells, darker wax towards the walls of some."""
    into, column, row = patterns.honeycomb(spot, 0.36 * scale)
    return inside(into - 0.035 * scale), 0.9 * (per_cell(column, row) > 0.6) * inside(into - 0.035 * scale)


def squares(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Pieces with bevelled edges."""
    edge = torch.minimum(*(patterns.near(u, 0.42 * scale).abs() for u in spot.uv.unbind(1)))
    return ramp(edge, 0.012, 0.075), 0.9 * inside(edge - 0.09, 0.02)


def veined(spot: Spot, dice: Dice, scale: float) -> Mix:
    return patterns.marble(spot, dice, scale), ramp(waves(spot.p, dice, 2.5), 0.3, 2)


def starry(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Clouds of gas, and stars before them."""
    distance, _, value = cells(spot.p, dice, 0.26 * scale)
    star = inside(0.042 * value - distance)
    return 0.9 * ramp(fractal(spot.p, dice, 1.9 / scale, 3), 0.0, 1.3), star


def rainbow(spot: Spot, dice: Dice, scale: float) -> Mix:
    """Handled by its own palette (materials.hues): the place along it."""
    return patterns.near(
        spot.p[:, 1] * 0.62 / scale + 0.05 * waves(spot.p, dice, 2) + 0.5, 1.0
    ) + 0.5, torch.zeros(len(spot.p))


FIELDS: dict[str, Material] = {
    "stone": rough(5.0, 0.7), "cobblestone": cobbled(0.36, 0.05), "granite": granite, "sandstone": layered,
    "slate": layered, "concrete": rough(3.6, 0.6), "brick": walled, "wood": wood, "planks": planks, "bark": bark,
    "bamboo": bamboo, "rust": rough(5.0, 1.0), "iron": brushed(6, 14), "steel": brushed(16, 26),
    "silver": brushed(3, 4), "copper": brushed(3, 5), "patina": patina, "bronze": rough(3.2, 0.7),
    "gold": brushed(3, 4), "gold leaf": leaf_metal, "marble stone": veined, "terracotta": rough(2.6, 0.4),
    "ceramic": smooth(0.9), "wool": knitted, "denim": twill, "leather": creased, "velvet": smooth(0.8),
    "fur": hairy(23, 6), "snakeskin": snakeskin, "dragon scales": scaled, "grass": hairy(27, 4),
    "moss": rough(11.0, 0.9), "leaves": leafy, "sand": rippled, "snow": rough(1.6, 0.3), "ice": broken(0.55, 0.02, 0.8),
    "water": caustic, "lava": lava, "clouds": cloudy, "cracked earth": broken(0.42, 0.026, 0.7), "mud": rough(2.6, 0.6),
    "circuit board": circuit, "basket": woven, "honeycomb": combed, "straw": hairy(27, 10), "chocolate": squares,
    "jade": veined, "obsidian": veined, "galaxy": starry, "rainbow": rainbow, "coral reef": cobbled(0.2, 0.05),
}  # fmt: skip
