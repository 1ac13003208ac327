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
        light = np.array(to_light(np.arange(256) / 255))
        tables = [
            (to_screen(light * factor) * 255).round().clip(0, 255).astype(np.uint8) for factor in self.tint
        ]
        return made.point(np.concatenate(tables).tolist())


@dataclass(frozen=True)
class Tint:
    """What multiplies the base colours of a shape, in [0, 1] of linear light: at its vertices, (V, 3), or else on its
    faces, (F, 3)."""

    of_vertex: np.ndarray | None = None
    of_face: np.ndarray | None = None


def tint_of(visual: Any) -> Tint | None:
    """The colours of vertices or faces that a trimesh visual has; None where it has none, or they are white."""
    found = getattr(visual, "vertex_attributes", {}).get("color")
    of_face = visual.kind == "face"
    if of_face or visual.kind == "vertex":
        found = visual.face_colors if of_face else visual.vertex_colors
    if found is None:
        return None
    numbers = np.asarray(found)[:, :3]
    # bytes are as a screen shows them; glTF's fractions are of linear light
    light = to_light(numbers / 255) if numbers.dtype.kind in "ui" else np.nan_to_num(numbers).clip(0, 1)
    if (light == 1).all():
        return None
    return Tint(of_face=light) if of_face else Tint(of_vertex=light)


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


def to_light(screen: np.ndarray) -> np.ndarray:
    """sRGB to linear light, both in [0, 1] (IEC 61966-2-1)."""
    return np.where(screen <= 0.04045, screen / 12.92, ((screen + 0.055) / 1.055) ** 2.4)


def to_screen(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)
