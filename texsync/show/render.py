"""A painted mesh: textured renders, turntable, a viewer in one HTML file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ..surface.cameras import Camera, to_pytorch3d
from ..surface.pixels import Pixels, look
from ..surface.types import Surface
from .png import to_image
from .sheet import side_by_side

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

    image: (H, W, 3) uint8 texture, row 0 on top, a row of pictures where the surface has `Squares`.
    shade: 0 shows plain colour, 1 darkens what turns away from a light
    above the camera's left shoulder to black.
    samples: per pixel each way, so that edges are smooth.
    """
    pixels = look(surface, cameras, samples * size)
    texture = torch.as_tensor(image).permute(2, 0, 1)[None].float() / 255
    grid = torch.stack([pixels.uv[..., 0] / surface.across * 2 - 1, 1 - pixels.uv[..., 1] * 2], dim=-1)
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


def view_titles(cameras: Sequence[Camera]) -> list[str]:
    """A camera's name; else "45°" or "0°, 30° up": azimuth, and elevation where there is one."""
    return [camera.name or _degrees(camera) for camera in cameras]


def _degrees(camera: Camera) -> str:
    around, up = round(camera.azimuth_deg, 1), round(camera.elevation_deg, 1)
    return f"{around:g}°" + (f", {abs(up):g}° {'up' if up > 0 else 'down'}" if up else "")


def turntable(
    surface: Surface,
    image: np.ndarray,
    path: Path,
    frames: int = 45,
    size: int = 512,
    elevation_deg: float = 5.0,
    swing_deg: float = 35.0,
) -> None:
    """Write a GIF that turns once around the object, lit from the camera's upper left; see `turning`."""
    cameras = turning(frames, elevation_deg, swing_deg)
    batches = [cameras[k : k + 4] for k in range(0, frames, 4)]  # keeps the pixel tables small
    pictures = [
        to_image(picture)
        for batch in batches
        for picture in render(surface, image, batch, size, SHADE, samples=1)
    ]
    write_gif(pictures, path)


def turning(frames: int, elevation_deg: float = 5.0, swing_deg: float = 35.0) -> list[Camera]:
    """Cameras once around the object.

    They rise above `elevation_deg` by `swing_deg` at the front and sink below it by as much at the back, so
    that the top and the underside are seen.
    """
    turns = [2 * math.pi * k / frames for k in range(frames)]
    return [Camera(math.degrees(turn), elevation_deg + swing_deg * math.cos(turn)) for turn in turns]


def write_gif(pictures: Sequence[Image.Image], path: Path) -> None:
    """Pictures of one size as a GIF that loops, at 15 a second."""
    frames = len(pictures)
    palette = side_by_side(pictures[:: max(1, frames // 6)]).quantize(COLOURS)
    flat = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    times = [70, 70, 60] * math.ceil(frames / 3)  # GIF counts in 10 ms
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=times[:frames], loop=0, optimize=False)


def viewer(scene: trimesh.Scene, path: Path) -> None:
    """Write an HTML page that shows the scene and needs nothing else, no network either."""
    from trimesh.viewer.notebook import scene_to_html

    path.write_text(scene_to_html(scene), encoding="utf-8")
