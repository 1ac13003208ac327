"""Endless training pictures: a random material on a random pre-rasterised shape, or a drawn scene."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .captions import Recipe, Scene, caption, random_recipe, random_scene, scene_caption
from .fields import PIXEL
from .materials import SHINE, albedo
from .scenes import draw
from .shapes import Shot

SUN = functional.normalize(torch.tensor([0.35, 0.8, 0.5]), dim=0)  # in the render frame


@dataclass(frozen=True)
class Sample:
    """picture: (3, S, S) sRGB in [0, 1].  condition: (S, S) in [0, 1], what the ControlNet reads, or None.
    subject: what it shows.  view: the side that is seen, "" for scenes."""

    picture: Tensor
    condition: Tensor | None
    subject: Recipe | Scene
    view: str = ""

    def caption(self, rng: random.Random) -> str:
        """One of the ways to say what is shown."""
        if isinstance(self.subject, Scene):
            return scene_caption(self.subject, rng)
        return caption(self.subject, rng, self.view)


def material_samples(shots: Sequence[Shot], count: int, size: int, rng: random.Random) -> list[Sample]:
    """`count` shapes in random materials, size x size pixels; a size below the shots' own takes crops of them."""
    return [on_shot(random_recipe(rng), rng.choice(shots), size, rng) for _ in range(count)]


def swatch_samples(count: int, size: int, rng: random.Random) -> list[Sample]:
    """`count` flat pieces of a material that fill the picture, size x size pixels, most of them patterns."""
    return [swatch(random_recipe(rng, patterns=0.85), size, rng) for _ in range(count)]


def swatch(recipe: Recipe, size: int, rng: random.Random) -> Sample:
    """An upright piece of a thing's front as a camera straight before it sees it."""
    along = PIXEL * (torch.arange(size) - (size - 1) / 2)
    up, across = torch.meshgrid(-along, along, indexing="ij")
    middle = torch.tensor([rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8), rng.uniform(0.0, 0.6)])
    points = torch.stack([across, up, torch.zeros_like(up)], dim=-1).view(-1, 3) + middle
    normals = torch.tensor([0.0, 0.0, 1.0]).expand(len(points), 3)
    colours = albedo(recipe, points, normals, rng.randrange(2**31))
    return Sample(colours.T.reshape(3, size, size), None, recipe)


def scene_samples(count: int, size: int, rng: random.Random) -> list[Sample]:
    """`count` whole scenes, size x size pixels; without a condition: what has one is a thing before grey, so that
    textures stay clear of scenery."""
    scenes = [random_scene(rng) for _ in range(count)]
    return [Sample(draw(scene, size, rng), None, scene) for scene in scenes]


def on_shot(recipe: Recipe, shot: Shot, size: int, rng: random.Random) -> Sample:
    """A material on one view of a shape, before grey, in soft light from above."""
    window = crop(shot, size, rng)
    condition = shot.condition[window].float()
    mask = condition > 0
    position, normal = (table[window][mask].float() for table in (shot.position, shot.normal))
    colours = albedo(recipe, position, normal, rng.randrange(2**31))
    # close to albedo, and the same from every side: light that moves with the camera would keep views apart
    light = 0.93 + 0.07 * normal[:, 1:2]
    gloss = (normal @ SUN).clamp(min=0)[:, None] ** 24
    shine = max((SHINE.get(m, 0.0) for m in recipe.modifiers), default=0.0)
    picture = torch.full((size, size, 3), rng.uniform(0.42, 0.58))
    picture[mask] = (colours * light + shine * gloss).clamp(0, 1)
    return Sample(antialias(picture.permute(2, 0, 1), mask), condition, recipe, shot.view)


def antialias(picture: Tensor, mask: Tensor) -> Tensor:
    """A light blur (3, S, S) along the silhouette of mask (S, S), whose point-sampled steps no camera shows."""
    inner = functional.pad(mask.float()[None, None], (1, 1, 1, 1), mode="replicate")[0]
    rim = around(inner, torch.maximum) - around(inner, torch.minimum)
    blurred = around(functional.pad(picture[None], (1, 1, 1, 1), mode="replicate")[0], torch.add) / 9
    return torch.lerp(picture, blurred, 0.15 + 0.5 * rim)


def around(padded: Tensor, join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Each pixel of (C, S, S) joined with its eight neighbours; padded: (C, S + 2, S + 2).  Torch's own pooling takes
    many times as long on a CPU."""
    rows = join(join(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    return join(join(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])


def crop(shot: Shot, size: int, rng: random.Random) -> tuple[slice, slice]:
    """A window with enough of the object in it."""
    full = shot.condition.shape[-1]
    for _ in range(8):
        row, column = rng.randint(0, full - size), rng.randint(0, full - size)
        window = slice(row, row + size), slice(column, column + size)
        if size == full or (shot.condition[window] > 0).float().mean() > 0.25:
            break
    return window
