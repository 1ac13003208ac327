"""Endless training pictures: a random material on a random pre-rasterised shape."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .materials import albedo
from .shapes import Shot
from .words import Recipe, caption, random_recipe


@dataclass(frozen=True)
class Batch:
    """pictures: (B, 3, S, S) sRGB in [0, 1].  conditions: (B, 3, S, S) in [0, 1].  captions: B texts.
    recipes: what the captions stand for.  masks: (B, 1, S, S) bool, the object."""

    pictures: Tensor
    conditions: Tensor
    captions: list[str]
    recipes: list[Recipe]
    masks: Tensor


def make_batch(shots: Sequence[Shot], count: int, size: int, rng: random.Random) -> Batch:
    """Draw `count` pictures of size x size pixels; a size below the shots' own takes crops of them."""
    samples = [_sample(rng.choice(shots), size, rng) for _ in range(count)]
    pictures, conditions, captions, recipes, masks = zip(*samples, strict=True)
    return Batch(
        torch.stack(pictures), torch.stack(conditions), list(captions), list(recipes), torch.stack(masks)
    )


def _sample(shot: Shot, size: int, rng: random.Random):
    position, facing, condition = _crop(shot, size, rng)
    recipe = random_recipe(rng)
    mask = condition > 0
    colours = albedo(recipe, position[mask].float(), rng.randrange(2**31))
    # soft light from the camera: textures should come out close to albedo
    shade = 0.88 + 0.12 * facing[mask].float()[:, None]
    picture = torch.full((size, size, 3), rng.uniform(0.42, 0.58))
    picture[mask] = colours * shade
    text = caption(recipe, rng, shot.view)
    return (
        antialias(picture.permute(2, 0, 1)),
        condition.float().expand(3, -1, -1),
        text,
        recipe,
        mask[None],
    )


def antialias(picture: Tensor) -> Tensor:
    """A light blur (3, S, S): point-sampled silhouettes have steps that no camera shows."""
    blurred = torch.nn.functional.avg_pool2d(picture[None], 3, 1, 1, count_include_pad=False)[0]
    return 0.6 * picture + 0.4 * blurred


def _crop(shot: Shot, size: int, rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    full = shot.condition.shape[-1]
    for _ in range(8):
        row, column = rng.randint(0, full - size), rng.randint(0, full - size)
        window = slice(row, row + size), slice(column, column + size)
        if (shot.condition[window] > 0).float().mean() > 0.25:
            break
    return shot.position[window], shot.facing[window], shot.condition[window]
