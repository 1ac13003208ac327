"""Steps: where the feet go for a root that moves along a path, and curves through key values."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from .character import ANKLE, Track
from .features import FPS
from .skeleton import INDEX, OFFSETS

APART = 0.09  # metres from the middle to each foot
AHEAD = 0.42  # of its time on the ground, when the root is above a foot
TOE = OFFSETS[INDEX["left_foot"]]  # from the ankle


def times(seconds: float) -> np.ndarray:
    """The frames of so many seconds, in seconds."""
    return np.arange(round(seconds * FPS)) / FPS


def keys(t: np.ndarray, *points: tuple[float, float]) -> np.ndarray:
    """A curve through (time, value), without overshoot, constant before the first and after the last."""
    at, value = np.array(sorted(points)).T
    if len(at) == 1:
        return np.full(len(t), value[0])
    return PchipInterpolator(at, value)(t.clip(at[0], at[-1]))


def ease(x: np.ndarray) -> np.ndarray:
    """0 to 1 as x goes from 0 to 1, slow at both ends."""
    x = x.clip(0, 1)
    return x * x * (3 - 2 * x)


def beside(path: np.ndarray, facing: np.ndarray, side: float, apart: float = APART) -> np.ndarray:
    """(..., 2) x, z of a point to the left (side 1) or right (side -1) of the root."""
    return path + side * apart * np.stack([np.cos(facing), -np.sin(facing)], axis=-1)


def stand(t: np.ndarray, apart: float = APART) -> Track:
    """Both feet where they are."""
    frames = len(t)
    path, facing = np.zeros((frames, 2)), np.zeros(frames)
    ankles = np.stack([_ankle(beside(path, facing, side, apart), 0.0) for side in (1.0, -1.0)], axis=1)
    return Track.upright(path, facing, 0.985, ankles)


def _ankle(ground: np.ndarray, lift: np.ndarray | float) -> np.ndarray:
    return np.stack([ground[:, 0], ANKLE + lift + np.zeros(len(ground)), ground[:, 1]], axis=1)


def walked(
    t: np.ndarray,
    path: np.ndarray,
    facing: np.ndarray,
    rate: float,
    *,
    lift: float = 0.09,
    stance: float = 0.62,
    phase: float = 0.0,
    apart: float = APART,
    roll: float = 0.75,
) -> Track:
    """Feet that carry a root along `path` (F, 2), `rate` strides a second, each on the ground for `stance` of a stride.

    A foot is put down where the root will be about the middle of its time on the ground, so it does not slide; towards
    the end of it the heel rises by up to `roll` radians about the toe.
    """
    feet, pitch = [], []
    for k, side in enumerate((1.0, -1.0)):
        cycle = t * rate + phase + 0.5 * k
        number, share = np.floor(cycle), cycle % 1.0

        def spot(which: np.ndarray, k: int = k, side: float = side) -> np.ndarray:
            middle = (which + AHEAD * stance - phase - 0.5 * k) / rate
            where = np.stack([_carried(middle, t, path[:, axis]) for axis in (0, 1)], axis=1)
            return beside(where, _carried(middle, t, facing), side, apart)

        here, there = spot(number), spot(number + 1)
        far = np.linalg.norm(there - here, axis=1)
        effort = np.clip(far / 0.9, 0.15, 1.0)  # small steps are flat
        moving = ((share - stance) / (1 - stance)).clip(0, 1)
        heel = roll * effort * ease((share / stance - 0.5) / 0.5) * (1 - ease(moving / 0.7))
        strike = 0.25 * effort * (1 - (share / stance / 0.15).clip(0, 1) + ease((moving - 0.6) / 0.4))
        rise, ahead = rolled(heel)
        way = np.stack([np.sin(facing), np.cos(facing)], axis=1)
        arc = np.sin(np.pi * moving) ** 1.2 * lift * np.clip(far / 0.25, 0.35, 1.0)
        feet.append(_ankle(here + ease(moving)[:, None] * (there - here) + ahead[:, None] * way, rise + arc))
        pitch.append(heel - strike)
    return Track.upright(path, facing, 0.95, np.stack(feet, axis=1), toes=np.stack(pitch, axis=1))


def rolled(heel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the ankle goes up and forward when the heel rises by an angle while the toe stays where it is."""
    _, down, ahead = TOE
    up = -down * np.cos(heel) + ahead * np.sin(heel) + down
    return up, ahead - ahead * np.cos(heel) - down * np.sin(heel)


def _carried(at: np.ndarray, t: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values at other times; beyond the ends they go on as they went."""
    inside = np.interp(at, t, values)
    first, last = (values[1] - values[0]) * FPS, (values[-1] - values[-2]) * FPS
    return inside + np.where(at < t[0], (at - t[0]) * first, 0) + np.where(at > t[-1], (at - t[-1]) * last, 0)


def along(t: np.ndarray, speed: np.ndarray, facing: np.ndarray, sideways: float = 0.0) -> np.ndarray:
    """(F, 2): where a root goes at `speed` (F,) metres a second the way it faces, or `sideways` of it (radians)."""
    way = np.stack([np.sin(facing + sideways), np.cos(facing + sideways)], axis=1) * speed[:, None] / FPS
    return np.concatenate([np.zeros((1, 2)), np.cumsum(way, axis=0)[:-1]])


def swinging(
    t: np.ndarray, rate: float, phase: float, amount: float, bend: float, out: float = 0.12
) -> np.ndarray:
    """(F, 2, 4) arms that swing against the legs."""
    wave = np.sin(2 * np.pi * (t * rate + phase + 0.15))
    left, right = (np.zeros((len(t), 4)) for _ in range(2))
    for arm, sign in ((left, 1.0), (right, -1.0)):
        arm[:, 0] = sign * amount * wave
        arm[:, 1] = out
        arm[:, 3] = bend + 0.4 * amount * np.maximum(sign * wave, 0)
    return np.stack([left, right], axis=1)
