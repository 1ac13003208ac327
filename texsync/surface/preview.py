"""Pictures for people: textured renders, contact sheet, turntable, a viewer in one HTML file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from .cameras import Camera, to_pytorch3d
from .pixels import Pixels, look
from .types import Surface

if TYPE_CHECKING:
    import trimesh

BACKDROP = 0.93  # light grey that shows both white and black objects
KEY_LIGHT = (-0.45, 0.6, 0.66)  # where the light stands for the camera: to its left, above it, towards it
SHADE = 0.6
COLOURS = 128  # of a turntable; more of them cost more megabytes than they show


def render(
    surface: Surface,
    image: np.ndarray,
    cameras: Sequence[Camera],
    size: int,
    shade: float = 0.0,
    *,
    samples: int = 2,
) -> Tensor:
    """The textured surface from each camera: (N, 3, size, size) in [0, 1].

    image: (S, S, 3) uint8 texture, row 0 on top.  shade: 0 shows plain colour, 1 darkens what turns away from a light
    above the camera's left shoulder to black.
    samples: per pixel each way, so that edges are smooth.
    """
    pixels = look(surface, cameras, samples * size)
    texture = torch.as_tensor(image).permute(2, 0, 1)[None].float() / 255
    grid = torch.stack([pixels.uv[..., 0] * 2 - 1, 1 - pixels.uv[..., 1] * 2], dim=-1)
    colour = functional.grid_sample(
        texture.expand(len(cameras), -1, -1, -1), grid, padding_mode="border", align_corners=False
    )
    colour = colour * (1 - shade + shade * _lit(pixels)[:, None]) if shade else colour
    return functional.avg_pool2d(torch.where(pixels.mask[:, None], colour, BACKDROP), samples)


def _lit(pixels: Pixels, wrap: float = 0.5) -> Tensor:
    """How much of the key light reaches every pixel, (N, S, S) in [0, 1].

    wrap: cosine at which the light goes out on the far side, so that it fades softly (Valve's half Lambert has 1).
    """
    # PyTorch3D's view space has +x left and +z away from the camera
    light = to_pytorch3d(pixels.cameras).R @ torch.tensor([-KEY_LIGHT[0], KEY_LIGHT[1], -KEY_LIGHT[2]])
    cosine = torch.einsum("nijd,nd->nij", pixels.normal, functional.normalize(light, dim=-1))
    return ((cosine + wrap) / (1 + wrap)).clamp(0, 1)


def contact_sheet(
    rows: Mapping[str, Tensor],
    names: Sequence[str],
    side: int = 192,
    *,
    across: int | None = None,
    caption: str = "",
) -> Image.Image:
    """One row per kind of picture, one column per view, all labelled.

    rows: title to (N, 3, s, s) in [0, 1].  names: N column titles.  side: pixels of each small picture.
    across: views side by side, None for all; further ones go below, again with all their kinds.
    """
    font, gutter, across = ImageFont.load_default(size=15), 26, across or len(names)
    margin = 8 + max(int(font.getlength(title)) for title in rows) + 8
    head, block = gutter if caption else 0, gutter + len(rows) * (side + 4)
    blocks = math.ceil(len(names) / across)
    sheet = Image.new("RGB", (margin + across * (side + 4), head + blocks * block), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((8, head // 2), _shortened(caption, font, sheet.width - 16), "black", font, "lm")
    for view, name in enumerate(names):
        left, top = margin + view % across * (side + 4), head + view // across * block
        draw.text((left + side // 2, top + gutter // 2), name, "black", font, "mm")
        for row, pictures in enumerate(rows.values()):
            small = to_image(pictures[view]).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(small, (left, top + gutter + row * (side + 4)))
    for number, (row, title) in product(range(blocks), enumerate(rows)):
        middle = head + number * block + gutter + row * (side + 4) + side // 2
        draw.text((8, middle), title, "black", font, "lm")
    return sheet


def _shortened(text: str, font: Any, room: int) -> str:
    """As much of a text as fits into so many pixels."""
    text = " ".join(text.split())
    while font.getlength(text) > room:
        text = text[:-2].rstrip("…") + "…"
    return text


def to_image(picture: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] to an 8-bit RGB picture, rounded; (4, H, W) to RGBA."""
    planes = [(plane.clamp(0, 1) * 255).round().byte().cpu().numpy() for plane in picture]
    return Image.fromarray(np.stack(planes, axis=-1))


def view_titles(cameras: Sequence[Camera]) -> list[str]:
    """ "45°" or "0°, 30° up": azimuth, and elevation where there is one."""
    return [
        f"{c.azimuth_deg:g}°"
        + (
            f", {abs(c.elevation_deg):g}° {'up' if c.elevation_deg > 0 else 'down'}"
            if c.elevation_deg
            else ""
        )
        for c in cameras
    ]


def turntable(
    surface: Surface,
    image: np.ndarray,
    path: Path,
    frames: int = 45,
    size: int = 512,
    elevation_deg: float = 5.0,
    swing_deg: float = 35.0,
) -> None:
    """Write a GIF at 15 frames a second that turns once around the object, lit from the camera's upper left.

    The camera rises above `elevation_deg` by `swing_deg` at the front and sinks below it by as much at the back, so
    that the top and the underside are seen.
    """
    turns = [2 * math.pi * k / frames for k in range(frames)]
    cameras = [Camera(math.degrees(turn), elevation_deg + swing_deg * math.cos(turn)) for turn in turns]
    batches = [cameras[k : k + 4] for k in range(0, frames, 4)]  # keeps the pixel tables small
    pictures = [
        to_image(picture)
        for batch in batches
        for picture in render(surface, image, batch, size, SHADE, samples=1)
    ]
    palette = _side_by_side(pictures[:: max(1, frames // 6)]).quantize(COLOURS)
    flat = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    times = [70, 70, 60] * math.ceil(frames / 3)  # GIF counts in 10 ms
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=times[:frames], loop=0, optimize=False)


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    strip = Image.new("RGB", (sum(picture.width for picture in pictures), pictures[0].height))
    for k, picture in enumerate(pictures):
        strip.paste(picture, (k * picture.width, 0))
    return strip


def viewer(scene: trimesh.Scene, path: Path) -> None:
    """Write an HTML page that shows the scene and needs nothing else, no network either."""
    from trimesh.viewer.notebook import scene_to_html

    path.write_text(scene_to_html(scene), encoding="utf-8")
