"""A drawing board for scenes: unit coordinates (x right, y down, both in [0, 1]), antialiased by drawing double."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

RGB = tuple[int, int, int]
Points = Sequence[tuple[float, float]]


def mixed(one: RGB, other: RGB, t: float) -> RGB:
    """From one (t = 0) to the other (t = 1)."""
    return tuple(max(0, min(255, round(a + (b - a) * t))) for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def varied(colour: RGB, rng: random.Random, spread: int = 10) -> RGB:
    """Never twice quite the same."""
    return tuple(max(0, min(255, c + rng.randint(-spread, spread))) for c in colour)  # type: ignore[return-value]


class Canvas:
    """Shapes in unit coordinates."""

    def __init__(self, size: int):
        self.size, self.side = size, 2 * size
        self.image = Image.new("RGB", (self.side, self.side))
        self.pen = ImageDraw.Draw(self.image)

    def scaled(self, points: Points) -> list[tuple[float, float]]:
        return [(x * self.side, y * self.side) for x, y in points]

    def polygon(self, points: Points, fill: RGB) -> None:
        self.pen.polygon(self.scaled(points), fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: RGB) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: RGB, angle: float = 0.0) -> None:
        """An ellipse with its centre at (x, y); angle in radians."""
        c, s = math.cos(angle), math.sin(angle)
        turns = [2 * math.pi * k / 48 for k in range(48)]
        self.polygon(
            [(x + rx * math.cos(t) * c - ry * math.sin(t) * s, y + rx * math.cos(t) * s + ry * math.sin(t) * c)
             for t in turns], fill,
        )  # fmt: skip

    def line(self, points: Points, fill: RGB, width: float) -> None:
        pixels = max(1, round(width * self.side))
        self.pen.line(self.scaled(points), fill, pixels, joint="curve")

    def fade(self, stops: Sequence[tuple[float, RGB]], top: float = 0.0, bottom: float = 1.0) -> None:
        """Fill a band with a vertical gradient through (place in [0, 1], colour) stops."""
        first, last = round(top * self.side), round(bottom * self.side)
        at = (np.arange(first, last) + 0.5 - first) / max(1, last - first)
        places, colours = zip(*stops, strict=True)
        table = np.stack([np.interp(at, places, channel) for channel in np.array(colours).T], axis=1)
        strip = Image.fromarray(table.round().astype(np.uint8)[:, None])
        self.image.paste(strip.resize((self.side, last - first)), (0, first))

    def land(self, height: np.ndarray, fill: RGB) -> None:
        """Everything below a profile of heights y, evenly spaced from left to right."""
        across = np.linspace(0, 1, len(height))
        self.polygon([*zip(across, height, strict=True), (1.0, 1.0), (0.0, 1.0)], fill)

    def picture(self) -> Tensor:
        """(3, S, S) in [0, 1]."""
        small = np.asarray(self.image.reduce(2), dtype=np.float32) / 255
        return torch.from_numpy(small).permute(2, 0, 1).contiguous()


def hills(rng: random.Random, level: float, swing: float, count: int = 65, bumps: int = 3) -> np.ndarray:
    """A smooth profile round a level."""
    x = np.linspace(0, 1, count)
    waves = [
        np.sin(2 * np.pi * rng.uniform(0.4, 1) * k * x + rng.uniform(0, 7)) / k for k in range(1, bumps + 1)
    ]
    return level + swing / 1.6 * np.sum(waves, axis=0)


def ridge(rng: random.Random, level: float, swing: float, depth: int = 6, rough: float = 0.55) -> np.ndarray:
    """A jagged profile round a level, by midpoint displacement."""
    heights = np.array([rng.uniform(-1, 1) * 0.4 for _ in range(3)])
    for k in range(depth):
        middle = (heights[:-1] + heights[1:]) / 2 + np.array(
            [rng.uniform(-1, 1) * rough**k for _ in range(len(heights) - 1)]
        )
        heights = _woven(heights, middle)
    return level + swing * heights


def _woven(ends: np.ndarray, middles: np.ndarray) -> np.ndarray:
    result = np.empty(len(ends) + len(middles))
    result[::2], result[1::2] = ends, middles
    return result
