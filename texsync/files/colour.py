"""The base colour of one material."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..picture_files import decoded
from .pbr import readable

WHITE = (1.0, 1.0, 1.0)
PLAIN_SIDE = 4  # pixels of a picture of one colour


@dataclass(frozen=True)
class Colour:
    """picture: a PIL image, perhaps not decoded yet, or None.  tint: what multiplies it, in [0, 1] of linear light."""

    picture: Any = None
    tint: tuple[float, float, float] = WHITE

    def tinted(self) -> Image.Image:
        """The picture as it shows, RGB without transparency; a plain colour where there is none."""
        if self.picture is None:
            made = Image.new("RGB", (PLAIN_SIDE, PLAIN_SIDE), "white")
        else:
            made = decoded(self.picture).convert("RGB")
        if self.tint == WHITE:
            return made
        light = np.array(_to_light(np.arange(256) / 255))
        tables = [
            (_to_screen(light * factor) * 255).round().clip(0, 255).astype(np.uint8) for factor in self.tint
        ]
        return made.point(np.concatenate(tables).tolist())


def colour_of(material: Any, name: str) -> Colour:
    """What a trimesh material says; white where it says nothing.  A picture that cannot be read is warned of."""
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if picture is not None:
        picture = readable(picture, f"the base colour of {name}")
    factor = getattr(material, "baseColorFactor", None)
    if factor is None and picture is None:
        factor = getattr(material, "diffuse", None)
    if factor is None:
        return Colour(picture)
    numbers = np.asarray(factor)
    scale = 255.0 if numbers.dtype.kind in "ui" else 1.0
    red, green, blue = (min(max(float(x) / scale, 0.0), 1.0) for x in numbers[:3])
    return Colour(picture, (red, green, blue))


def _to_light(screen: np.ndarray) -> np.ndarray:
    """sRGB to linear light, both in [0, 1] (IEC 61966-2-1)."""
    return np.where(screen <= 0.04045, screen / 12.92, ((screen + 0.055) / 1.055) ** 2.4)


def _to_screen(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)
