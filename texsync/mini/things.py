"""Simple things for scenes: each drawn in a unit square round (0, 0), y down, foot at 0.5."""

from __future__ import annotations

import math
import random

from .canvas import RGB, Canvas, Points, mixed, varied

BLACK: RGB = (24, 24, 28)
WHITE: RGB = (250, 250, 250)
# what a thing looks like when no colour is said
USUAL: dict[str, RGB] = {
    "ball": (222, 40, 44), "cube": (60, 110, 210), "boat": (190, 60, 44), "house": (226, 196, 150),
    "tree": (52, 140, 52), "apple": (206, 30, 36), "cup": (236, 236, 232), "fish": (250, 146, 30),
    "balloon": (230, 44, 60), "car": (206, 34, 40), "mushroom": (206, 40, 36), "flower": (240, 120, 180),
    "star": (252, 214, 50), "heart": (224, 30, 60), "umbrella": (120, 60, 180), "rocket": (226, 228, 232),
}  # fmt: skip


class Brush:
    """Draws on a canvas in a thing's own unit square."""

    def __init__(self, canvas: Canvas, x: float, y: float, size: float, tint: RGB):
        self.canvas, self.x, self.y, self.size = canvas, x, y, size
        self.tint, self.dark, self.light = tint, mixed(tint, BLACK, 0.3), mixed(tint, WHITE, 0.45)

    def at(self, points: Points) -> list[tuple[float, float]]:
        return [(self.x + self.size * u, self.y + self.size * v) for u, v in points]

    def polygon(self, points: Points, fill: RGB) -> None:
        self.canvas.polygon(self.at(points), fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: RGB) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)

    def oval(self, u: float, v: float, ru: float, rv: float, fill: RGB, angle: float = 0.0) -> None:
        ((x, y),) = self.at([(u, v)])
        self.canvas.oval(x, y, ru * self.size, rv * self.size, fill, angle)

    def line(self, points: Points, fill: RGB, width: float) -> None:
        self.canvas.line(self.at(points), fill, width * self.size)


def place_thing(
    canvas: Canvas, name: str, tint: RGB | None, rng: random.Random, floating: bool = False
) -> None:
    """Draw a thing somewhere near the middle, standing lower than it hangs."""
    # half of them alike: a small model learns an outline far sooner where it need not learn all places and sizes too
    loose = 1.0 if rng.random() < 0.5 else 0.25
    size = 0.5 + loose * rng.uniform(-0.16, 0.16)
    high = floating or name in ("balloon", "star", "heart", "rocket")
    x, y = 0.5 + loose * rng.uniform(-0.16, 0.16), (0.46 if high else 0.84 - 0.5 * size)
    y += loose * rng.uniform(-0.1, 0.06)
    THINGS[name](Brush(canvas, x, y, size, tint or varied(USUAL[name], rng)))


def ball(b: Brush) -> None:
    b.oval(0, 0, 0.5, 0.5, b.dark)
    b.oval(-0.03, -0.03, 0.46, 0.46, b.tint)
    b.oval(-0.17, -0.2, 0.12, 0.09, b.light, -0.6)


def cube(b: Brush) -> None:
    b.polygon([(-0.46, -0.2), (0, -0.42), (0.46, -0.2), (0, 0.03)], b.light)
    b.polygon([(-0.46, -0.2), (0, 0.03), (0, 0.5), (-0.46, 0.26)], b.tint)
    b.polygon([(0.46, -0.2), (0, 0.03), (0, 0.5), (0.46, 0.26)], b.dark)


def boat(b: Brush) -> None:
    b.box(-0.02, -0.5, 0.02, 0.2, (110, 78, 46))
    b.polygon([(0.04, -0.48), (0.42, 0.12), (0.04, 0.12)], WHITE)
    b.polygon([(-0.05, -0.4), (-0.34, 0.12), (-0.05, 0.12)], (232, 232, 226))
    b.polygon([(-0.5, 0.2), (0.5, 0.2), (0.34, 0.48), (-0.34, 0.48)], b.tint)
    b.box(-0.47, 0.2, 0.47, 0.26, b.dark)


def house(b: Brush) -> None:
    b.box(-0.38, -0.1, 0.38, 0.5, b.tint)
    b.polygon([(-0.5, -0.08), (0, -0.5), (0.5, -0.08)], (150, 62, 48))
    b.box(-0.08, 0.16, 0.1, 0.5, (96, 62, 38))
    for u in (-0.3, 0.17):
        b.box(u, 0.02, u + 0.14, 0.16, (176, 216, 240))


def tree(b: Brush) -> None:
    b.box(-0.06, 0.1, 0.06, 0.5, (106, 72, 42))
    for u, v, r in ((-0.2, 0.02, 0.22), (0.2, 0.02, 0.22), (0, -0.22, 0.27)):
        b.oval(u, v, r, r, b.dark)
        b.oval(u - 0.02, v - 0.03, 0.88 * r, 0.86 * r, b.tint)


def apple(b: Brush) -> None:
    b.line([(0, -0.25), (0.05, -0.48)], (96, 64, 36), 0.05)
    b.oval(0.17, -0.4, 0.14, 0.06, (76, 160, 60), -0.4)
    for u in (-0.15, 0.15):
        b.oval(u, 0.07, 0.3, 0.4, b.tint)
    b.oval(-0.2, -0.06, 0.07, 0.12, b.light, 0.4)


def cup(b: Brush) -> None:
    b.oval(0.36, 0.08, 0.17, 0.2, b.dark)
    b.oval(0.35, 0.08, 0.09, 0.12, b.light)
    b.polygon([(-0.42, -0.32), (0.34, -0.32), (0.28, 0.46), (-0.34, 0.46)], b.tint)
    b.oval(-0.04, -0.32, 0.38, 0.1, b.light)
    b.oval(-0.04, -0.31, 0.32, 0.07, (84, 52, 34))


def fish(b: Brush) -> None:
    b.polygon([(0.24, 0), (0.5, -0.24), (0.5, 0.24)], b.dark)
    b.polygon([(-0.1, -0.2), (0.1, -0.42), (0.16, -0.15)], b.dark)
    b.oval(-0.08, 0, 0.4, 0.26, b.tint)
    b.oval(-0.3, -0.06, 0.055, 0.055, WHITE)
    b.oval(-0.31, -0.06, 0.028, 0.028, BLACK)


def balloon(b: Brush) -> None:
    b.line([(0, 0.2), (0.03, 0.36), (-0.02, 0.5)], (90, 90, 96), 0.018)
    b.polygon([(-0.05, 0.26), (0.05, 0.26), (0, 0.17)], b.dark)
    b.oval(0, -0.14, 0.31, 0.36, b.tint)
    b.oval(-0.12, -0.28, 0.07, 0.1, b.light, 0.4)


def car(b: Brush) -> None:
    b.polygon([(-0.28, -0.02), (-0.18, -0.24), (0.16, -0.24), (0.3, -0.02)], b.dark)
    b.polygon([(-0.2, -0.03), (-0.14, -0.18), (0, -0.18), (0, -0.03)], (186, 220, 240))
    b.polygon([(0.03, -0.03), (0.03, -0.18), (0.13, -0.18), (0.22, -0.03)], (186, 220, 240))
    b.polygon([(-0.5, -0.02), (0.44, -0.02), (0.5, 0.08), (0.5, 0.22), (-0.5, 0.22)], b.tint)
    for u in (-0.27, 0.28):
        b.oval(u, 0.22, 0.12, 0.12, BLACK)
        b.oval(u, 0.22, 0.055, 0.055, (190, 192, 198))


def mushroom(b: Brush) -> None:
    b.polygon([(-0.13, 0), (0.13, 0), (0.17, 0.5), (-0.17, 0.5)], (240, 228, 204))
    b.polygon(
        [(0.46 * math.cos(t), 0.06 - 0.5 * math.sin(t)) for t in [math.pi * k / 24 for k in range(25)]],
        b.tint,
    )
    for u, v, r in ((-0.22, -0.12, 0.07), (0.04, -0.26, 0.08), (0.25, -0.08, 0.06)):
        b.oval(u, v, r, r, WHITE)


def flower(b: Brush) -> None:
    b.line([(0, 0), (0.02, 0.5)], (58, 140, 56), 0.05)
    b.oval(0.13, 0.34, 0.13, 0.05, (58, 140, 56), -0.5)
    for k in range(6):
        t = math.pi * k / 3
        b.oval(0.2 * math.cos(t), -0.18 + 0.2 * math.sin(t), 0.15, 0.1, b.tint, t)
    b.oval(0, -0.18, 0.11, 0.11, (250, 206, 50))


def star(b: Brush) -> None:
    tips = [(math.pi * k / 5, 0.5 if k % 2 == 0 else 0.21) for k in range(10)]
    b.polygon([(r * math.sin(t), -r * math.cos(t)) for t, r in tips], b.tint)


def heart(b: Brush) -> None:
    turns = [2 * math.pi * k / 60 for k in range(60)]
    curve = [
        (
            16 * math.sin(t) ** 3,
            13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t),
        )
        for t in turns
    ]
    b.polygon([(0.029 * x, -0.029 * y - 0.06) for x, y in curve], b.tint)


def umbrella(b: Brush) -> None:
    b.line([(0, -0.3), (0, 0.4), (0.08, 0.48), (0.15, 0.4)], (96, 66, 40), 0.04)
    b.polygon(
        [(0.5 * math.cos(t), 0.02 - 0.46 * math.sin(t)) for t in [math.pi * k / 24 for k in range(25)]],
        b.tint,
    )
    b.polygon([(-0.17, 0.02), (-0.1, -0.3), (0, -0.44), (0.1, -0.3), (0.17, 0.02)], b.light)


def rocket(b: Brush) -> None:
    b.polygon([(-0.1, 0.3), (0, 0.5), (0.1, 0.3)], (252, 150, 30))
    b.polygon([(-0.14, 0.02), (-0.3, 0.36), (-0.12, 0.3)], (206, 44, 44))
    b.polygon([(0.14, 0.02), (0.3, 0.36), (0.12, 0.3)], (206, 44, 44))
    b.polygon([(-0.15, 0.3), (-0.17, -0.1), (0, -0.5), (0.17, -0.1), (0.15, 0.3)], b.tint)
    b.oval(0, -0.1, 0.08, 0.08, (110, 180, 230))


THINGS = {
    f.__name__: f
    for f in (
        ball, cube, boat, house, tree, apple, cup, fish, balloon, car, mushroom, flower, star, heart, umbrella, rocket,
    )
}  # fmt: skip
