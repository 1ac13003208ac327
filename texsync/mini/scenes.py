"""Whole pictures drawn by code: a place, alone or with a thing in it."""

from __future__ import annotations

import math
import random

import numpy as np
from torch import Tensor

from .canvas import RGB, Canvas, hills, mixed, ridge, varied
from .captions import Scene
from .things import place_thing
from .words import COLOURS, SCENES

WHITE: RGB = (250, 251, 253)


def draw(scene: Scene, size: int, rng: random.Random) -> Tensor:
    """The picture (3, S, S) in [0, 1]."""
    canvas = Canvas(size)
    if scene.place in SCENES:
        PLACES[scene.place](canvas, rng)
    else:
        backdrop = varied(COLOURS[scene.place], rng, 6)
        canvas.fade([(0, mixed(backdrop, WHITE, 0.08)), (1, mixed(backdrop, (0, 0, 0), 0.08))])
    if scene.thing:
        tint = varied(COLOURS[scene.colour], rng, 6) if scene.colour else None
        place_thing(canvas, scene.thing, tint, rng, floating=scene.place in ("underwater", "night sky"))
    return canvas.picture()


def sun(canvas: Canvas, rng: random.Random, colour: RGB, y: float, radius: float = 0.07) -> None:
    canvas.oval(rng.uniform(0.15, 0.85), y, radius, radius, colour)


def cloud(canvas: Canvas, x: float, y: float, size: float, colour: RGB, rng: random.Random) -> None:
    """A few overlapping ovals with a flat bottom."""
    for k in range(5):
        lift = size * (0.35 - 0.12 * abs(k - 2)) * rng.uniform(0.8, 1.2)
        canvas.oval(x + (k - 2) * 0.36 * size, y - 0.3 * lift, 0.34 * size, lift, colour)


def day(canvas: Canvas, rng: random.Random, clouds: int, horizon: float = 0.6) -> None:
    """A blue sky down to the horizon."""
    top, low = varied((64, 138, 222), rng, 18), varied((194, 224, 246), rng, 10)
    canvas.fade([(0, top), (horizon, low), (1, low)])
    for _ in range(clouds):
        cloud(canvas, rng.random(), rng.uniform(0.08, 0.32), rng.uniform(0.1, 0.2), WHITE, rng)


def fir(canvas: Canvas, x: float, foot: float, height: float, green: RGB, snow: bool = False) -> None:
    """A trunk and three tiers."""
    canvas.box(x - 0.035 * height, foot - 0.2 * height, x + 0.035 * height, foot, (84, 56, 34))
    for k in range(3):
        low, top = foot - (0.14 + 0.24 * k) * height, foot - (0.54 + 0.23 * k) * height
        half = height * (0.27 - 0.06 * k)
        canvas.polygon([(x - half, low), (x, top), (x + half, low)], mixed(green, (0, 0, 0), 0.12 * (2 - k)))
        if snow:
            brim = 0.55 * low + 0.45 * top
            left, right, dip = (x - 0.55 * half, brim), (x + 0.55 * half, brim), (x, 0.72 * low + 0.28 * top)
            canvas.polygon([left, (x, top), right, dip], WHITE)


def mountains(canvas: Canvas, rng: random.Random) -> None:
    day(canvas, rng, rng.randint(0, 2))
    for k, level in enumerate((0.42, 0.56)):
        rock = mixed(varied((104, 116, 140), rng), (60, 68, 88), 0.6 * k)
        heights = ridge(rng, level, 0.16)
        canvas.land(heights, rock)
        # snow down to a ragged line: the higher the summit the deeper
        line = level + 0.015 + 0.05 * ridge(rng, 0, 0.6)
        x = np.linspace(0, 1, len(heights))
        snowy = np.minimum(heights + 0.6 * np.clip(line - heights, 0, None), line)
        for i in range(len(x) - 1):
            summit = [(x[k], heights[k]) for k in (i, i + 1)]
            foot = [(x[k], max(heights[k], snowy[k])) for k in (i + 1, i)]
            if any(heights[k] < line[k] for k in (i, i + 1)):
                canvas.polygon([*summit, *foot], WHITE)
    canvas.land(hills(rng, 0.8, 0.03), varied((70, 120, 62), rng))
    canvas.land(hills(rng, 0.9, 0.03), varied((52, 98, 48), rng))


def beach(canvas: Canvas, rng: random.Random) -> None:
    day(canvas, rng, rng.randint(0, 2), 0.45)
    if rng.random() < 0.6:
        sun(canvas, rng, (255, 240, 150), rng.uniform(0.1, 0.25))
    canvas.fade([(0, varied((24, 104, 176), rng)), (1, varied((72, 190, 204), rng))], 0.45, 0.8)
    shore = hills(rng, 0.7, 0.035)
    canvas.land(shore - 0.03, WHITE)
    canvas.land(shore, varied((232, 206, 150), rng))
    canvas.land(shore + 0.14, varied((222, 192, 132), rng))
    for _ in range(6):
        x, y = rng.random(), rng.uniform(0.48, 0.62)
        canvas.line([(x, y), (x + rng.uniform(0.06, 0.2), y)], (190, 232, 240), 0.01)
    if rng.random() < 0.4:
        palm(canvas, rng.choice((0.14, 0.86)), rng)


def palm(canvas: Canvas, x: float, rng: random.Random) -> None:
    top = (x + rng.uniform(-0.05, 0.05), 0.4)
    canvas.line([(x, 0.82), (x + 0.02, 0.6), top], (122, 86, 50), 0.03)
    for k in range(6):
        angle = math.pi * (0.05 + 0.18 * k)
        canvas.oval(top[0] + 0.11 * math.cos(angle), top[1] - 0.06 * math.sin(angle) + 0.02, 0.12, 0.028,
                    mixed((42, 128, 52), (28, 96, 40), k % 2), -angle * 0.5 + 0.8)  # fmt: skip


def desert(canvas: Canvas, rng: random.Random) -> None:
    canvas.fade(
        [(0, varied((98, 168, 226), rng)), (0.55, varied((246, 222, 176), rng)), (1, (246, 222, 176))]
    )
    sun(canvas, rng, (255, 246, 200), rng.uniform(0.12, 0.3))
    for k in range(4):
        tone = mixed((236, 184, 110), (190, 120, 58), 0.3 * k)
        canvas.land(hills(rng, 0.52 + 0.13 * k, 0.05, bumps=2), varied(tone, rng, 6))
    for _ in range(rng.randint(0, 2)):
        cactus(canvas, rng.uniform(0.1, 0.9), rng.uniform(0.7, 0.85), rng.uniform(0.14, 0.22))


def cactus(canvas: Canvas, x: float, foot: float, height: float) -> None:
    green: RGB = (58, 124, 66)
    canvas.line([(x, foot), (x, foot - height)], green, 0.035)
    canvas.line(
        [(x, foot - 0.4 * height), (x - 0.06, foot - 0.4 * height), (x - 0.06, foot - 0.75 * height)],
        green,
        0.026,
    )
    canvas.line(
        [(x, foot - 0.3 * height), (x + 0.06, foot - 0.3 * height), (x + 0.06, foot - 0.62 * height)],
        green,
        0.026,
    )


def forest(canvas: Canvas, rng: random.Random, snow: bool = False) -> None:
    canvas.fade(
        [(0, varied((170, 208, 222), rng)), (0.6, varied((222, 234, 226), rng)), (1, (222, 234, 226))]
    )
    ground = varied((232, 238, 246), rng, 5) if snow else varied((62, 96, 44), rng)
    canvas.land(hills(rng, 0.6, 0.02), mixed(ground, (120, 150, 130), 0.4))
    for k, count in enumerate((9, 7, 5)):
        canvas.land(hills(rng, 0.66 + 0.12 * k, 0.02), mixed(ground, (20, 40, 20), 0.0 if snow else 0.18 * k))
        for i in range(count):
            x = (i + rng.uniform(0.1, 0.9)) / count
            green = mixed((96, 142, 110), (22, 78, 40), (k + 1) / 3)
            fir(canvas, x, 0.68 + 0.12 * k + rng.uniform(-0.02, 0.03), (0.3 + 0.1 * k) * rng.uniform(0.85, 1.2),
                varied(green, rng), snow)  # fmt: skip


def winter_forest(canvas: Canvas, rng: random.Random) -> None:
    forest(canvas, rng, snow=True)


def meadow(canvas: Canvas, rng: random.Random) -> None:
    day(canvas, rng, rng.randint(1, 3))
    for k in range(3):
        canvas.land(
            hills(rng, 0.55 + 0.12 * k, 0.05), varied(mixed((134, 190, 92), (74, 146, 50), k / 2), rng, 6)
        )
    flowers = [(226, 40, 50), (252, 224, 50), WHITE, (220, 90, 190)]
    for _ in range(46):
        y = rng.uniform(0.7, 0.98)
        radius = 0.008 + 0.022 * (y - 0.68)
        canvas.oval(rng.random(), y, 1.2 * radius, radius, rng.choice(flowers))


def night_sky(canvas: Canvas, rng: random.Random) -> None:
    canvas.fade([(0, varied((8, 10, 38), rng, 6)), (0.8, varied((38, 44, 104), rng, 10)), (1, (60, 60, 120))])
    for _ in range(60):
        radius = rng.choice((0.003, 0.004, 0.007))
        canvas.oval(rng.random(), rng.uniform(0, 0.8), radius, radius, (255, 250, 225))
    x, y = rng.uniform(0.15, 0.85), rng.uniform(0.12, 0.35)
    canvas.oval(x, y, 0.075, 0.075, (250, 244, 214))
    if rng.random() < 0.5:  # a crescent
        canvas.oval(x + 0.035, y - 0.012, 0.066, 0.066, (18, 20, 56))
    canvas.land(hills(rng, 0.86, 0.04), (12, 16, 30))


def city(canvas: Canvas, rng: random.Random) -> None:
    dusk = rng.random() < 0.4
    low = varied((250, 190, 140) if dusk else (206, 226, 242), rng)
    canvas.fade([(0, varied((86, 84, 150) if dusk else (96, 156, 222), rng)), (0.8, low), (1, low)])
    for k in range(2):
        x = -0.04
        while x < 1:
            width, top = rng.uniform(0.09, 0.17), rng.uniform(0.22, 0.55) + 0.16 * k
            wall = varied(mixed((134, 146, 166), (70, 80, 100), k), rng, 16)
            canvas.box(x, top, x + width, 1, wall)
            windows(canvas, x, top, width, (255, 226, 130) if dusk else mixed(wall, WHITE, 0.45), rng)
            x += width + rng.choice((0.0, 0.015))
    canvas.box(0, 0.93, 1, 1, (62, 64, 70))


def windows(canvas: Canvas, x: float, top: float, width: float, light: RGB, rng: random.Random) -> None:
    columns = max(2, round(width / 0.045))
    step = width / columns
    for row in range(int((0.9 - top) / 0.06)):
        for column in range(columns):
            if rng.random() < 0.75:
                left, high = x + (column + 0.25) * step, top + 0.03 + 0.06 * row
                canvas.box(left, high, left + 0.5 * step, high + 0.03, light)


def underwater(canvas: Canvas, rng: random.Random) -> None:
    canvas.fade([(0, varied((72, 190, 220), rng)), (1, varied((8, 54, 110), rng))])
    for _ in range(3):
        x = rng.random()
        canvas.polygon(
            [(x, 0), (x + 0.1, 0), (x - 0.05, 0.8), (x - 0.25, 0.8)],
            mixed((72, 190, 220), (20, 90, 150), 0.35),
        )
    canvas.land(hills(rng, 0.86, 0.02), varied((196, 178, 128), rng))
    for _ in range(rng.randint(3, 6)):
        x, height = rng.random(), rng.uniform(0.15, 0.35)
        weed = [(x + 0.025 * math.sin(9 * t + x * 30), 0.92 - height * t) for t in np.linspace(0, 1, 9)]
        canvas.line(weed, varied((34, 130, 74), rng), 0.024)
    for _ in range(rng.randint(4, 9)):
        radius = rng.uniform(0.008, 0.02)
        canvas.oval(rng.random(), rng.uniform(0.1, 0.8), radius, radius, (186, 230, 240))
    for _ in range(rng.randint(0, 3)):
        small_fish(canvas, rng.uniform(0.1, 0.9), rng.uniform(0.2, 0.7), rng)


def small_fish(canvas: Canvas, x: float, y: float, rng: random.Random) -> None:
    colour, way = rng.choice(((250, 150, 30), (250, 220, 60), (230, 70, 60))), rng.choice((-1, 1))
    canvas.polygon([(x - way * 0.03, y), (x - way * 0.075, y - 0.03), (x - way * 0.075, y + 0.03)], colour)
    canvas.oval(x, y, 0.05, 0.026, colour)


def sunset(canvas: Canvas, rng: random.Random) -> None:
    canvas.fade(
        [
            (0, varied((78, 50, 130), rng)),
            (0.5, varied((236, 96, 90), rng)),
            (1, varied((255, 200, 96), rng)),
        ],
        0,
        0.58,
    )
    x = rng.uniform(0.25, 0.75)
    canvas.oval(x, 0.52, 0.12, 0.12, (255, 236, 140))
    canvas.fade([(0, varied((214, 110, 96), rng)), (1, varied((52, 34, 92), rng))], 0.58, 1)
    for k in range(7):
        half = 0.11 - 0.008 * k + rng.uniform(-0.02, 0.02)
        canvas.box(
            x - half,
            0.6 + 0.05 * k,
            x + half,
            0.618 + 0.05 * k,
            mixed((255, 226, 140), (220, 120, 100), k / 7),
        )
    for _ in range(rng.randint(0, 2)):
        cloud(canvas, rng.random(), rng.uniform(0.1, 0.3), 0.16, (240, 140, 130), rng)


def lake(canvas: Canvas, rng: random.Random) -> None:
    day(canvas, rng, rng.randint(0, 2), 0.5)
    far = ridge(rng, 0.4, 0.1)
    canvas.land(far, varied((110, 130, 150), rng))
    canvas.land(hills(rng, 0.5, 0.03), varied((66, 116, 70), rng))
    canvas.fade([(0, varied((120, 176, 206), rng)), (1, varied((38, 96, 156), rng))], 0.57, 1)
    for _ in range(9):
        x, y = rng.random(), rng.uniform(0.6, 0.95)
        canvas.line([(x, y), (x + rng.uniform(0.05, 0.18), y)], (176, 214, 232), 0.009)
    canvas.land(hills(rng, 0.96, 0.02), varied((78, 128, 60), rng))


def volcano(canvas: Canvas, rng: random.Random) -> None:
    canvas.fade([(0, varied((46, 30, 52), rng)), (0.8, varied((206, 84, 52), rng)), (1, (206, 84, 52))])
    x = rng.uniform(0.38, 0.62)
    for k in range(6):
        canvas.oval(
            x + rng.uniform(-0.08, 0.08), 0.26 - 0.045 * k, 0.07 + 0.02 * k, 0.05, varied((92, 80, 88), rng)
        )
    canvas.polygon(
        [(x - 0.42, 0.88), (x - 0.09, 0.32), (x + 0.09, 0.32), (x + 0.42, 0.88)], varied((66, 50, 52), rng, 6)
    )
    canvas.oval(x, 0.32, 0.09, 0.02, (255, 190, 50))
    for _ in range(3):
        bend = [(x + rng.uniform(-0.05, 0.05), 0.32)]
        slope = rng.uniform(-0.3, 0.3)
        bend += [
            (bend[0][0] + slope * t + rng.uniform(-0.02, 0.02), 0.32 + 0.52 * t) for t in (0.3, 0.6, 0.95)
        ]
        canvas.line(bend, (252, 96, 20), rng.uniform(0.022, 0.04))
    canvas.land(hills(rng, 0.86, 0.03), (40, 30, 34))


PLACES = {
    "mountains": mountains, "beach": beach, "desert": desert, "forest": forest, "meadow": meadow,
    "night sky": night_sky, "city": city, "underwater": underwater, "sunset": sunset, "lake": lake, "volcano": volcano,
    "winter forest": winter_forest,
}  # fmt: skip
