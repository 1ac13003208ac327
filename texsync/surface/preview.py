"""Pictures for people: textured renders, contact sheet, turntable, a viewer in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from .cameras import Camera
from .pixels import look
from .types import Surface

if TYPE_CHECKING:
    import trimesh

BACKDROP = 0.93  # light grey that shows both white and black objects


def render(
    surface: Surface, image: np.ndarray, cameras: Sequence[Camera], size: int, shade: float = 0.0
) -> Tensor:
    """The textured surface from each camera: (N, 3, size, size) in [0, 1].

    image: (S, S, 3) uint8 texture, row 0 on top.  shade: 0 shows plain colour, 1 darkens grazing parts to black.
    Two samples a pixel each way, so that edges are smooth.
    """
    pixels = look(surface, cameras, 2 * size)
    texture = torch.as_tensor(image).permute(2, 0, 1)[None].float() / 255
    grid = torch.stack([pixels.uv[..., 0] * 2 - 1, 1 - pixels.uv[..., 1] * 2], dim=-1)
    colour = functional.grid_sample(
        texture.expand(len(cameras), -1, -1, -1), grid, padding_mode="border", align_corners=False
    )
    colour = colour * (1 - shade + shade * pixels.facing[:, None])
    return functional.avg_pool2d(torch.where(pixels.mask[:, None], colour, BACKDROP), 2)


def contact_sheet(rows: Mapping[str, Tensor], names: Sequence[str], side: int = 192) -> Image.Image:
    """One row per kind of picture, one column per view, both labelled.

    rows: title to (N, 3, s, s) in [0, 1].  names: N column titles.  side: pixels of each small picture.
    """
    font, gutter = ImageFont.load_default(size=15), 26
    margin = 8 + max(int(font.getlength(title)) for title in rows) + 8
    sheet = Image.new("RGB", (margin + len(names) * (side + 4), gutter + len(rows) * (side + 4)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        draw.text((margin + column * (side + 4) + side // 2, gutter // 2), name, "black", font, "mm")
    for row, (title, pictures) in enumerate(rows.items()):
        top = gutter + row * (side + 4)
        draw.text((8, top + side // 2), title, "black", font, "lm")
        for column, picture in enumerate(pictures):
            small = to_image(picture).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(small, (margin + column * (side + 4), top))
    return sheet


def to_image(picture: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] to an 8-bit RGB picture, rounded."""
    array = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(array))


def view_titles(cameras: Sequence[Camera]) -> list[str]:
    """ "45" or "0, 30 up": azimuth, and elevation where there is one, in degrees."""
    return [
        f"{c.azimuth_deg:g}°" + (f", {c.elevation_deg:+g}° up" if c.elevation_deg else "") for c in cameras
    ]


def turntable(
    surface: Surface,
    image: np.ndarray,
    path: Path,
    frames: int = 24,
    size: int = 256,
    elevation_deg: float = 15.0,
) -> None:
    """Write a GIF that turns once around the object in three seconds, softly shaded."""
    cameras = [Camera(360 * k / frames, elevation_deg) for k in range(frames)]
    batches = [cameras[k : k + 6] for k in range(0, frames, 6)]  # keeps the pixel tables small
    pictures = [
        to_image(picture) for batch in batches for picture in render(surface, image, batch, size, 0.35)
    ]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=3000 // frames, loop=0)


def viewer(scene: trimesh.Scene, path: Path) -> None:
    """Write an HTML page that shows the scene and needs nothing else, no network either."""
    from trimesh.viewer.notebook import scene_to_html

    path.write_text(scene_to_html(scene), encoding="utf-8")
