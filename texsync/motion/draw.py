"""Stick figures: a motion as an animated GIF and as a sheet of poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .features import FPS
from .skeleton import CHAINS

PAPER, GRID, INK = (246, 246, 244), (214, 214, 210), (40, 44, 52)
COLOURS = (
    (196, 62, 48),
    (38, 92, 178),
    (52, 58, 66),
    (196, 62, 48),
    (38, 92, 178),
)  # right, left, middle, right, left
SMOOTH = 2  # drawn that many times larger, then made smaller


@dataclass(frozen=True)
class Eye:
    """A camera beside and above the figure: turned by `turn` and looking down by `down`, radians; pixels a metre."""

    turn: float = 0.6
    down: float = 0.32
    zoom: float = 150.0

    def see(self, points: np.ndarray, middle: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Points (..., 3) in metres to pixels (..., 2) of a picture whose lower middle shows `middle` (x, z)."""
        x, y, z = np.moveaxis(points - [middle[0], 0, middle[1]], -1, 0)
        across = x * np.cos(self.turn) + z * np.sin(self.turn)
        deep = z * np.cos(self.turn) - x * np.sin(self.turn)
        up = y * np.cos(self.down) - deep * np.sin(self.down)
        return np.stack([size[0] / 2 + self.zoom * across, size[1] * 0.8 - self.zoom * up], axis=-1)


def figure(
    draw: ImageDraw.ImageDraw, joints: np.ndarray, eye: Eye, middle: np.ndarray, size: tuple[int, int]
) -> None:
    """One pose (22, 3) with its shadow."""
    for flat in (True, False):
        points = eye.see(joints * [1, 0, 1] if flat else joints, middle, size)
        width = max(2, round(eye.zoom * (0.05 if flat else 0.045)))
        for chain, colour in zip(CHAINS, COLOURS, strict=True):
            line = [tuple(points[j]) for j in chain]
            draw.line(line, (222, 222, 218) if flat else colour, width, joint="curve")
        if not flat:
            x, y = points[15]
            radius = 0.1 * eye.zoom
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), INK)


def ground(draw: ImageDraw.ImageDraw, eye: Eye, middle: np.ndarray, size: tuple[int, int]) -> None:
    """A grid of half metres."""
    low, high = np.floor(middle) - 4, np.floor(middle) + 5
    for x in np.arange(low[0], high[0], 0.5):
        ends = np.array([[x, 0, low[1]], [x, 0, high[1]]])
        draw.line([tuple(p) for p in eye.see(ends, middle, size)], GRID, SMOOTH)
    for z in np.arange(low[1], high[1], 0.5):
        ends = np.array([[low[0], 0, z], [high[0], 0, z]])
        draw.line([tuple(p) for p in eye.see(ends, middle, size)], GRID, SMOOTH)


def frame(
    joints: np.ndarray, middle: np.ndarray, words: str, size: int, eye: Eye | None = None
) -> Image.Image:
    """One pose on its grid with a line of text above."""
    eye = eye or Eye(zoom=0.42 * size * SMOOTH)
    large = (size * SMOOTH, size * SMOOTH)
    picture = Image.new("RGB", large, PAPER)
    draw = ImageDraw.Draw(picture)
    ground(draw, eye, middle, large)
    figure(draw, joints, eye, middle, large)
    font = ImageFont.load_default(size=large[0] // 22)
    draw.text((large[0] / 2, large[1] * 0.04), words, INK, font, "mt")
    return picture.reduce(SMOOTH)


def followed(joints: np.ndarray, seconds: float = 0.6) -> np.ndarray:
    """(F, 2) where a camera looks that follows the root smoothly."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(joints[:, 0, [0, 2]], seconds * FPS, axis=0, mode="nearest")


def gif(joints: np.ndarray, words: Sequence[str], path: Path, size: int = 320, fps: int = 10) -> None:
    """Write the motion (F, 22, 3) as an animation; words: (F,) the line above each frame."""
    middle, shown = followed(joints), range(0, len(joints), FPS // fps)
    palette = _frame_at(joints, middle, words, shown[len(shown) // 2], size).quantize(16)
    small = (  # one after the other, since a frame takes half a megabyte
        _frame_at(joints, middle, words, k, size).quantize(palette=palette, dither=Image.Dither.NONE)
        for k in shown
    )
    next(small).save(path, save_all=True, append_images=small, duration=1000 // fps, loop=0, optimize=True)


def _frame_at(joints: np.ndarray, middle: np.ndarray, words: Sequence[str], k: int, size: int) -> Image.Image:
    return frame(joints[k], middle[k], words[k], size)


def sheet(joints: np.ndarray, titles: Sequence[str], columns: int = 10, side: int = 150) -> Image.Image:
    """Poses over time, so many a row: one row for each title, an equal share of the frames each."""
    rows = np.array_split(np.arange(len(joints)), len(titles))
    picture = Image.new("RGB", (columns * side, len(titles) * side), PAPER)
    for row, (frames, title) in enumerate(zip(rows, titles, strict=True)):
        for column, k in enumerate(frames[np.linspace(0, len(frames) - 1, columns).round().astype(int)]):
            words = title if column == 0 else f"{k / FPS:.1f} s"
            picture.paste(frame(joints[k], joints[k, 0, [0, 2]], words, side), (column * side, row * side))
    return picture


SEAM = (196, 62, 48)


def rows(
    joints: np.ndarray, parts: Sequence[tuple[str, int, int]], columns: int = 10, side: int = 150
) -> Image.Image:
    """Poses over time, a row for each of parts (title, first frame, end); a red line where a later part begins."""
    picture = Image.new("RGB", (columns * side, len(parts) * side), PAPER)
    draw = ImageDraw.Draw(picture)
    for row, (title, start, end) in enumerate(parts):
        for column, k in enumerate(np.linspace(start, end - 1, columns).round().astype(int)):
            words = title if column == 0 else f"{k / FPS:.1f} s"
            picture.paste(frame(joints[k], joints[k, 0, [0, 2]], words, side), (column * side, row * side))
        if row:
            draw.line((1, row * side, 1, (row + 1) * side - 1), SEAM, 3)
    return picture
