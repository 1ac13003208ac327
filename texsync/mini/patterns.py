"""Two-colour patterns: how much of the second colour lies at each spot, (M,) in [0, 1], with borders a pixel soft.

Every function takes a Spot, a Dice and a scale: 1 is the usual size, features of some 20 to 90 pixels at 512.
Sizes below are render-frame units; about 200 pixels of a 512-pixel view make one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .fields import Dice, Spot, cells, fractal, inside, near, ramp, waves


def turned(spot: Spot, degrees: float) -> tuple[Tensor, Tensor]:
    """Across and up after a turn of the unfolded surface."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across, up = spot.uv.unbind(1)
    return c * across + s * up, c * up - s * across


def stripes(spot: Spot, dice: Dice, scale: float, degrees: float = 0.0) -> Tensor:
    """Bands; degrees 0 is horizontal."""
    width = 0.19 * scale
    return inside(width / 2 - near(turned(spot, degrees)[1], 2 * width).abs())


def checks(spot: Spot, dice: Dice, scale: float) -> Tensor:
    size = 0.24 * scale
    x, y = (near(u, 2 * size) for u in turned(spot, 0))
    away = torch.minimum(*(size / 2 - (u.abs() - size / 2).abs() for u in (x, y)))
    return inside(away * x.sign() * y.sign())


def dots(spot: Spot, dice: Dice, scale: float) -> Tensor:
    gap = 0.36 * scale
    x, y = turned(spot, 0)
    row = torch.floor(y / gap)
    x = near(x + 0.5 * gap * row.remainder(2), gap)
    return inside(0.3 * gap - torch.hypot(x, near(y - gap / 2, gap)))


def zigzag(spot: Spot, dice: Dice, scale: float) -> Tensor:
    x, y = turned(spot, 0)
    width = 0.2 * scale
    return inside((width / 2 - near(y + near(x, 0.5 * scale).abs(), 2 * width).abs()) * 0.7)


def bricks(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """1 on the brick, 0 in the mortar."""
    return inside(bond(spot, 0.3 * scale, 0.62 * scale, 0.05 * scale)[0])


def bond(spot: Spot, height: float, length: float, gap: float) -> tuple[Tensor, Tensor, Tensor]:
    """Courses shifted by half a brick: distance into the brick, its course and its place in it."""
    x, y = turned(spot, 0)
    course = torch.floor(y / height)
    x = x + 0.5 * length * course.remainder(2)
    place = torch.floor(x / length)
    into = torch.minimum(
        height / 2 - (y - (course + 0.5) * height).abs(), length / 2 - (x - (place + 0.5) * length).abs()
    )
    return into - gap, course, place


def tiles(spot: Spot, dice: Dice, scale: float) -> Tensor:
    x, y = turned(spot, 0)
    size = 0.42 * scale
    return inside(torch.minimum(near(x, size).abs(), near(y, size).abs()) - 0.05 * scale)


def grid(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Thin lines of the second colour."""
    size = 0.34 * scale
    return inside(0.05 * scale - torch.minimum(*(near(u, size).abs() for u in turned(spot, 0))))


def plaid(spot: Spot, dice: Dice, scale: float) -> Tensor:
    size = 0.56 * scale
    broad, thin = (
        sum(inside(half * size - near(u + shift * size, size).abs()) for u in turned(spot, 0))
        for half, shift in ((0.22, 0.0), (0.04, 0.5))
    )
    return (0.42 * broad + 0.6 * thin).clamp(0, 1)


def stars(spot: Spot, dice: Dice, scale: float) -> Tensor:
    gap = 0.46 * scale
    x, y = turned(spot, 0)
    x = near(x + 0.5 * gap * torch.floor(y / gap).remainder(2), gap)
    y = near(y - gap / 2, gap)
    around = near(torch.atan2(x, y), 2 * math.pi / 5).abs() * 5 / math.pi
    return inside(gap * (0.4 - 0.22 * around) - torch.hypot(x, y))


def hexagons(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """1 in the cells, 0 on the walls."""
    return inside(honeycomb(spot, 0.36 * scale)[0] - 0.04 * scale)


def honeycomb(spot: Spot, size: float) -> tuple[Tensor, Tensor, Tensor]:
    """Distance to the walls of hexagons `size` across, and the centre of the one that a spot lies in."""
    x, y = turned(spot, 0)
    step = torch.tensor([1.0, math.sqrt(3)]) * size
    best, into, centre = torch.full_like(x, 9.0), x, (x, y)
    for half in (0.0, 0.5):
        column, row = ((u / s - half).round() + half for u, s in zip((x, y), step, strict=True))
        dx, dy = (x - column * step[0]).abs(), (y - row * step[1]).abs()
        closer = dx**2 + dy**2 < best
        best = torch.where(closer, dx**2 + dy**2, best)
        wall = size / 2 - torch.maximum(dx, 0.5 * dx + 0.866 * dy)
        into = torch.where(closer, wall, into)
        centre = tuple(torch.where(closer, new, old) for new, old in zip((column, row), centre, strict=True))
    return into, *centre


def scales(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Rows of overlapping round scales, 1 towards each one's rim."""
    return lapped(spot, 0.32 * scale)[0]


def lapped(spot: Spot, size: float) -> tuple[Tensor, Tensor, Tensor]:
    """Roof-tile scales: 0 in the middle to 1 at the rim, then the row and the place of the scale."""
    x, y = turned(spot, 0)
    row = torch.floor(y / (0.5 * size))
    rim, index = torch.full_like(x, 2.0), (row, row)
    for lift in (1, 0):  # the upper row hangs over the lower one
        line = row + lift
        shifted = x / size + 0.5 * line.remainder(2)
        dx = (shifted - shifted.round()) * size
        r = torch.hypot(dx, y - line * 0.5 * size - 0.05 * size) / (0.56 * size)
        hit = (r < 1) & (rim > 1)
        rim = torch.where(hit, r, rim)
        index = tuple(
            torch.where(hit, new, old) for new, old in zip((line, shifted.round()), index, strict=True)
        )
    return ramp(rim.clamp(max=1.0), 0.62, 0.86), *index


def weave(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Over and under: strands along and across by turns, bright in their middle."""
    size = 0.26 * scale
    x, y = turned(spot, 0)
    along = (torch.floor(x / size) + torch.floor(y / size)).remainder(2) > 0.5
    strand = torch.where(along, near(y - size / 2, size), near(x - size / 2, size)).abs() / size
    end = torch.where(along, near(x - size / 2, size), near(y - size / 2, size)).abs() / size
    return inside((0.38 - strand) * size) * (1 - 0.75 * ramp(end, 0.25, 0.5))


def diamonds(spot: Spot, dice: Dice, scale: float) -> Tensor:
    x, y = turned(spot, 0)
    width, height = 0.4 * scale, 0.62 * scale
    a, b = near(x / width + y / height, 2.0), near(x / width - y / height, 2.0)
    away = torch.minimum(*(0.5 - (u.abs() - 0.5).abs() for u in (a, b))) * width * 0.8
    return inside(away * a.sign() * b.sign())


def rings(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Balls within balls round a point near the middle."""
    width = 0.13 * scale
    return inside(width / 2 - near(spot.p.norm(dim=1), 2 * width).abs())


def swirls(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Two arms that wind round centres on a square lattice."""
    size = 1.1 * scale
    x, y = (near(u + size / 4, size) for u in turned(spot, 0))
    radius = torch.hypot(x, y)
    phase = radius / (0.34 * scale) * 2 * math.pi + torch.atan2(y, x)
    return inside(torch.sin(phase) * 0.054 * scale)


def marble(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Thin winding veins of the second colour."""
    bend = fractal(spot.p, dice, 1.9 / scale)
    vein = torch.sin((spot.p @ dice.rotation()[0]) * 5 / scale + 2.2 * bend)
    return 1 - ramp(vein.abs(), 0.06, 0.34)


def camouflage(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Blotches; a third tone between the two."""
    one, other = (fractal(spot.p, dice, 3.6 / scale, 2) for _ in range(2))
    return torch.maximum(inside(0.08 * one), 0.5 * inside(0.08 * (other - 0.5)))


def mosaic(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Uneven tesserae, each one colour or the other, in half-dark joints."""
    _, border, value = cells(spot.uv, dice, 0.24 * scale)
    return torch.where(value > 0.5, 1.0, 0.0) * inside(border - 0.02) + 0.5 * (1 - inside(border - 0.02))


def cracked(spot: Spot, dice: Dice, scale: float) -> Tensor:
    return inside(0.022 * scale - cells(spot.p, dice, 0.46 * scale)[1])


def speckled(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Chips of uneven size, not touching."""
    distance, border, value = cells(spot.p, dice, 0.19 * scale)
    return inside((0.035 + 0.05 * value) * scale - distance)


def splatter(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Round splashes, few large and many small."""
    large, _, coarse = cells(spot.uv, dice, 0.46 * scale)
    small, _, value = cells(spot.uv, dice, 0.2 * scale)
    wobble = 0.035 * waves(spot.p, dice, 9 / scale)
    return torch.maximum(inside(0.22 * scale * coarse + wobble - large), inside(0.09 * scale * value - small))


def gradient(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """From the first colour at the bottom to the second at the top."""
    return ramp(spot.p[:, 1] + 0.04 * waves(spot.p, dice, 3), -0.75, 0.75)


def zebra(spot: Spot, dice: Dice, scale: float) -> Tensor:
    bend = 0.75 * waves(spot.p, dice, 1.6 / scale, 6)
    across = spot.p @ torch.tensor([dice.uniform(-0.5, 0.5), 1.0, dice.uniform(-0.5, 0.5)])
    return inside(0.05 * scale * torch.sin(across * 13 / scale + bend * 1.6))


def leopard(spot: Spot, dice: Dice, scale: float) -> Tensor:
    """Broken rings with a half-dark middle."""
    distance, _, value = cells(spot.p, dice, 0.26 * scale)
    distance = distance + 0.02 * waves(spot.p, dice, 16 / scale)
    ring = inside(0.028 * scale - (distance - 0.085 * scale).abs()) * inside(
        waves(spot.p, dice, 7 / scale) + 0.9, 0.4
    )
    return torch.maximum(ring, 0.35 * inside(0.08 * scale - distance))


FIELDS = {
    f.__name__: f
    for f in (
        stripes, checks, dots, zigzag, bricks, tiles, grid, plaid, stars, hexagons, scales, weave, diamonds, rings,
        swirls, marble, camouflage, mosaic, cracked, speckled, splatter, gradient, zebra, leopard,
    )
}  # fmt: skip
