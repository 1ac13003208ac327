"""Solid materials: colour as a function of a spot of a surface, so that every view of a thing agrees."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import patterns, stuff
from .captions import Recipe
from .fields import Dice, Spot, cells, fractal, inside, ramp, unfold, waves
from .words import COLOURS, MATERIALS, USUAL_COLOURS

CONTRAST = 1.25  # of materials, beyond what their colours say: a coupling averages some away
USUAL = 0.85  # scale: features of two latent cells and more, a period of four
SIZES = {"fine": 0.62, "large": 1.6}
DEGREES = {"horizontal": 0.0, "vertical": 90.0, "diagonal": 45.0}
# what settles on a surface, and how much of it: patches all over, or (second) where it faces up
SETTLING = {
    "mossy": ("moss", False), "snowy": ("snow", True), "rusty": ("rust", False), "muddy": ("mud", False),
    "icy": ("ice", True), "sandy": ("sand", True),
}  # fmt: skip
# how strongly the light from the camera comes back where the surface faces it
SHINE = {"glossy": 0.45, "polished": 0.3, "wet": 0.35, "smooth": 0.2}


def albedo(recipe: Recipe, p: Tensor, n: Tensor, seed: int) -> Tensor:
    """The colour of a material at points p (M, 3) with unit normals n (M, 3): (M, 3) sRGB in [0, 1]."""
    dice = Dice(seed)
    scale = USUAL * dice.uniform(0.95, 1.05)
    for modifier in recipe.modifiers:
        scale *= SIZES.get(modifier, 1.0)
    # patterns hang on the middle of a thing: so views agree about them, and depth nearly tells where they are
    spot = Spot(p + 0.02 * dice.normal(3), unfold(p, n) + 0.01 * dice.normal(2), n)
    picture = ground(recipe, spot, dice, scale)
    if recipe.overlay:
        picture = overlaid(recipe, picture, spot, dice)
    for modifier in recipe.modifiers:
        picture = modified(modifier, recipe, picture, spot, dice)
    return picture.clamp(0, 1)


def ground(recipe: Recipe, spot: Spot, dice: Dice, scale: float) -> Tensor:
    """The base alone, (M, 3)."""
    if recipe.base in MATERIALS:
        return material(recipe.base, recipe.colours[:1], spot, dice, scale)
    named = recipe.colours or USUAL_COLOURS.get(recipe.base) or dice.rng.sample(list(COLOURS), 2)
    first = colour(named[0], dice)
    if recipe.base == "plain":
        shift = 0.07 if first.mean() < 0.5 else -0.07
        return first + shift * (0.5 + 0.5 * waves(spot.p, dice, 2.5)[:, None])
    field = patterns.FIELDS[recipe.base]
    turn = [DEGREES[m] for m in recipe.modifiers if m in DEGREES]
    mix = field(spot, dice, scale, *turn) if recipe.base == "stripes" else field(spot, dice, scale)
    return torch.lerp(first, second_colour(named, first, dice), mix[:, None])


def second_colour(named: Sequence[str], first: Tensor, dice: Dice) -> Tensor:
    """The one that is said, or white or black, whichever is farther."""
    if len(named) == 2:
        return colour(named[1], dice)
    return colour("white" if first.mean() < 0.55 else "black", dice)


def material(name: str, tint: tuple[str, ...], spot: Spot, dice: Dice, scale: float) -> Tensor:
    """A material in its own colours or, "blue leather", with its contrast in another colour."""
    low, high, accent = (colour(rgb, dice, 0.02) for rgb in MATERIALS[name])
    middle = (low + high) / 2
    low, high, accent = ((middle + CONTRAST * (tone - middle)).clamp(0, 1) for tone in (low, high, accent))
    if tint:
        wanted = colour(tint[0], dice)
        low, high, accent = (wanted + 0.85 * (tone - middle).mean() for tone in (low, high, accent))
    mix, cover = stuff.FIELDS[name](spot, dice, scale)
    if name == "rainbow" and not tint:
        return hues(mix)
    return torch.lerp(torch.lerp(low, high, mix[:, None]), accent.expand(len(mix), 3), cover[:, None]).clamp(
        0, 1
    )


def hues(place: Tensor) -> Tensor:
    """Red to violet for place in [0, 1], (M, 3)."""
    knots = torch.tensor([COLOURS[n] for n in ("red", "orange", "yellow", "green", "blue", "violet")]) / 255
    at = place.clamp(0, 1) * (len(knots) - 1.001)
    index = at.long()
    return torch.lerp(knots[index], knots[index + 1], ramp(at - index, 0.15, 0.85)[:, None])


def colour(name_or_rgb: str | tuple[int, int, int], dice: Dice, spread: float = 0.02) -> Tensor:
    """(3,) sRGB in [0, 1]: a named colour, never twice quite the same."""
    rgb = COLOURS[name_or_rgb] if isinstance(name_or_rgb, str) else name_or_rgb
    return (torch.tensor(rgb) / 255 + spread * dice.normal(3)).clamp(0, 1)


def overlaid(recipe: Recipe, picture: Tensor, spot: Spot, dice: Dice) -> Tensor:
    """A second colour or material on the first."""
    if recipe.second in MATERIALS:
        over = material(recipe.second, (), spot, dice, 1.0)
    else:
        over = colour(recipe.second, dice).expand_as(picture)
    return torch.lerp(picture, over, cover_of(recipe.overlay, spot, dice)[:, None])


def cover_of(overlay: str, spot: Spot, dice: Dice) -> Tensor:
    """Where an overlay lies, (M,) in [0, 1]."""
    if overlay == "cracks":
        return inside(0.02 - cells(spot.p, dice, 0.48)[1])
    if overlay == "patches":
        return inside(0.1 * (fractal(spot.p, dice, 2.4) - 0.35), 0.03)
    if overlay == "spots":
        return patterns.dots(spot, dice, 1.0)
    if overlay == "bands":
        return patterns.stripes(spot, dice, 1.1, 0.0)
    if overlay == "veins":
        return patterns.marble(spot, dice, 1.0)
    # drips: from the top down, each column to its own depth
    edge = 0.25 + 0.22 * waves(spot.uv[:, :1], dice, 9, 5)
    return inside(0.4 * (spot.p[:, 1] - dice.uniform(-0.1, 0.2) + edge - 0.3), 0.02)


def modified(name: str, recipe: Recipe, picture: Tensor, spot: Spot, dice: Dice) -> Tensor:
    """What one modifier does to a picture (M, 3); sizes and directions have been heard before."""
    if name in SETTLING:
        what, on_top = SETTLING[name]
        field = fractal(spot.p, dice, 2.6) + (1.6 * spot.n[:, 1] - 0.3 if on_top else 0.1)
        return torch.lerp(picture, material(what, (), spot, dice, 1.0), inside(0.1 * field, 0.06)[:, None])
    if name == "weathered":
        # copper goes green, everything else fades and stains
        target = torch.tensor([0.36, 0.66, 0.57]) if recipe.base == "copper" else 0.45 * picture + 0.24
        return torch.lerp(
            picture, target.expand_as(picture), 0.85 * ramp(fractal(spot.p, dice, 2.8), -0.2, 0.8)[:, None]
        )
    if name == "burnt":
        return picture * (1 - 0.88 * ramp(fractal(spot.p, dice, 2.2), -0.5, 0.6)[:, None])
    if name == "dusty":
        dust = torch.tensor([0.76, 0.71, 0.62])
        return torch.lerp(
            picture, dust.expand_as(picture), 0.35 + 0.35 * ramp(fractal(spot.p, dice, 2.4), -1, 1)[:, None]
        )
    if name == "scratched":
        lines = inside(0.012 - (waves(spot.p @ dice.rotation(), dice, 5, 3)).abs() * 0.12)
        return torch.lerp(picture, torch.ones_like(picture), 0.5 * lines[:, None])
    if name == "rough":
        return picture * (1 + 0.22 * fractal(spot.p, dice, 8)[:, None].clamp(-1.5, 1.5))
    if name == "painted":
        return picture + 0.05 * waves(spot.p * torch.tensor([1.0, 0.3, 1.0]), dice, 9)[:, None]
    return toned(name, picture)


def toned(name: str, picture: Tensor) -> Tensor:
    """Modifiers that change all colours alike."""
    grey = picture.mean(dim=1, keepdim=True)
    if name == "dark":
        return picture * 0.55
    if name == "pale":
        return picture * 0.5 + 0.5
    if name == "bright":
        return (grey + 1.35 * (picture - grey)) * 1.12
    if name == "faded":
        return grey + 0.45 * (picture - grey) + 0.06
    if name == "wet":
        return picture * 0.72
    if name == "matte":
        return picture * 0.92 + 0.03
    return picture
