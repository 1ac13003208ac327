"""Fifteen actions as motion of a kinematic character, each a little different every time.

An action takes dice, seconds and a manner and returns a Track; clips.py makes joints of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .character import Track
from .gait import along, ease, keys, stand, swinging, times, walked

Dice = np.random.Generator
Action = Callable[[Dice, float, "Manner"], Track]


@dataclass(frozen=True)
class Manner:
    """How: speed about 1; energy, of arms and bounce, about 1; bow forward, radians; side 1 left, -1 right.

    count: how often, of what is done again and again, 0 as long as there is time.  backwards: of walking.
    """

    speed: float = 1.0
    energy: float = 1.0
    bow: float = 0.0
    side: int = 1
    count: int = 0
    backwards: bool = False


def _moved(
    dice: Dice,
    t: np.ndarray,
    speed: np.ndarray,
    facing: np.ndarray,
    rate: float,
    how: Manner,
    *,
    bend: float = 0.35,
    swing: float = 0.45,
    bounce: float = 0.012,
    sideways: float = 0.0,
    **feet: float,
) -> Track:
    """Going somewhere: feet, bobbing root and swinging arms."""
    phase = dice.uniform(0, 1)
    track = walked(t, along(t, speed, facing, sideways), facing, rate, phase=phase, **feet)
    wave = 2 * np.pi * (t * rate + phase)
    track.height = track.height + bounce * how.energy * np.cos(2 * wave + 0.6)
    track.pelvis[:, 1], track.pelvis[:, 2] = 0.04 * np.cos(wave), 0.1 * np.sin(wave)
    track.back[:, 0], track.back[:, 2] = 0.04 + how.bow, -0.16 * np.sin(wave)
    track.head[:, 0] = -0.5 * how.bow
    track.arms = swinging(t, rate, phase, swing * how.energy, bend)
    return track


def walk(dice: Dice, seconds: float, how: Manner) -> Track:
    t = times(seconds)
    speed = dice.uniform(0.95, 1.35) * how.speed * (0.65 if how.backwards else 1)
    facing = keys(t, (0, 0), (seconds, dice.normal() * 0.15))
    way = {"sideways": np.pi, "roll": 0.2} if how.backwards else {}
    return _moved(dice, t, np.full(len(t), speed), facing, 0.64 + 0.38 * speed, how, **way)


def run(dice: Dice, seconds: float, how: Manner) -> Track:
    t = times(seconds)
    speed = dice.uniform(2.4, 3.2) * how.speed
    facing = keys(t, (0, 0), (seconds, dice.normal() * 0.15))
    track = _moved(dice, t, np.full(len(t), speed), facing, 1.05 + 0.17 * speed, how,
                   bend=1.5, swing=0.75, bounce=0.03, lift=0.24, stance=0.32)  # fmt: skip
    track.back[:, 0] += 0.14
    track.height -= 0.02
    return track


def walk_circle(dice: Dice, seconds: float, how: Manner) -> Track:
    t = times(seconds)
    speed = dice.uniform(0.8, 1.2) * how.speed
    facing = how.side * t * speed / dice.uniform(0.7, 1.1)
    track = _moved(dice, t, np.full(len(t), speed), facing, 0.64 + 0.38 * speed, how)
    track.back[:, 1] += 0.06 * how.side
    return track


def sidestep(dice: Dice, seconds: float, how: Manner) -> Track:
    t = times(seconds)
    speed = np.full(len(t), dice.uniform(0.45, 0.7) * how.speed)
    track = _moved(dice, t, speed, np.zeros(len(t)), 0.9 * how.speed, how,
                   swing=0.1, sideways=how.side * np.pi / 2, apart=0.14, lift=0.07)  # fmt: skip
    track.arms[..., 1] = 0.3
    return track


def turn_around(dice: Dice, seconds: float, how: Manner) -> Track:
    """On the spot, by half a turn, then standing."""
    t = times(seconds)
    start, length = dice.uniform(0.2, 0.9), dice.uniform(1.2, 1.8) / how.speed
    facing = how.side * np.pi * ease((t - start) / length)
    track = walked(t, np.zeros((len(t), 2)), facing, 1.1 * how.speed, lift=0.05)
    still = (t < start) | (t > start + length)
    track.ankles[still, :, 1] = track.ankles[..., 1].min()
    track.toes[still] = 0
    track.head[:, 1] = 0.5 * how.side * np.exp(-(((t - start - 0.2) / 0.35) ** 2))
    track.arms = swinging(t, 1.1, 0.0, 0.12, 0.3)
    return track


def _idle(dice: Dice, seconds: float, apart: float = 0.09) -> tuple[np.ndarray, Track]:
    """Standing, breathing, swaying a little."""
    t = times(seconds)
    track = stand(t, apart)
    sway = dice.uniform(0, 6)
    track.path = track.path + 0.012 * np.stack([np.sin(1.3 * t + sway), 0.5 * np.sin(0.9 * t + sway)], axis=1)
    track.back[:, 0] = 0.03 + 0.015 * np.sin(1.7 * t + sway)
    track.arms[..., 1], track.arms[..., 3] = 0.12, 0.2
    return t, track


PERIODS = {"punch": 0.75, "kick": 1.7, "squat": 2.2, "bow": 3.2, "jump": 1.9}  # seconds from one to the next


def most(action: str, seconds: float, speed: float) -> int:
    """How often an action is done at least in so many seconds; 0 if it is not one that is done again and again."""
    period = PERIODS.get(action, math.inf) / speed
    return math.floor((seconds - 1.2 * period) / (1.15 * period)) + 1 if seconds > 1.2 * period else 0


def _beats(dice: Dice, seconds: float, action: str, how: Manner) -> np.ndarray:
    """When something that is done again and again begins."""
    period = PERIODS[action] / how.speed
    first = dice.uniform(0.15, 0.6) * period
    starts = np.arange(first, max(seconds - 0.6 * period, first + 1e-3), period * dice.uniform(0.95, 1.15))
    return starts[: how.count or None]


def wave(dice: Dice, seconds: float, how: Manner) -> Track:
    t, track = _idle(dice, seconds)
    arm = 0 if how.side > 0 else 1
    up = ease((t - 0.3) / 0.6) * (1 - ease((t - seconds + 0.9) / 0.6))
    swing = 0.42 * how.energy * np.sin(2 * np.pi * 1.5 * how.speed * t)
    track.arms[:, arm, 1] += up * 1.75
    track.arms[:, arm, 0] += up * 0.3
    track.arms[:, arm, 2] = up * (1.45 + swing)
    track.arms[:, arm, 3] += up * 1.35
    return track


def punch(dice: Dice, seconds: float, how: Manner) -> Track:
    t, track = _idle(dice, seconds, apart=0.15)
    track.height -= 0.03
    guard, period = np.array([0.55, 0.25, 0.0, 2.1]), PERIODS["punch"] / how.speed
    track.arms[:] = guard
    for number, start in enumerate(_beats(dice, seconds, "punch", how)):
        arm = (number + (how.side < 0)) % 2
        hit = keys(
            t, (start, 0), (start + 0.18 * period, 1), (start + 0.3 * period, 1), (start + 0.65 * period, 0)
        )
        track.arms[:, arm] += hit[:, None] * (np.array([1.5, 0.05, 0.0, 0.15]) - guard)
        track.back[:, 2] += hit * (-0.45 if arm == 0 else 0.45) * how.energy
        track.back[:, 0] += 0.12 * hit
    return track


def kick(dice: Dice, seconds: float, how: Manner) -> Track:
    t, track = _idle(dice, seconds, apart=0.12)
    leg = 0 if how.side > 0 else 1
    track.arms[..., 0], track.arms[..., 3], track.arms[..., 1] = 0.35, 1.2, 0.35
    for start in _beats(dice, seconds, "kick", how):
        span = 1.2 / how.speed
        up = keys(
            t,
            (start, 0),
            (start + 0.3 * span, 0.6),
            (start + 0.42 * span, 1),
            (start + 0.55 * span, 0.7),
            (start + span, 0),
        )
        track.ankles[:, leg, 2] += up * 0.72
        track.ankles[:, leg, 1] += up * dice.uniform(0.5, 0.85) * how.energy
        track.toes[:, leg] -= 0.5 * up
        track.back[:, 0] -= 0.22 * up
        track.path[:, 0] += (-0.09 if leg == 0 else 0.09) * ease(up * 2)
    return track


def squat(dice: Dice, seconds: float, how: Manner) -> Track:
    t, track = _idle(dice, seconds, apart=0.16)
    for start in _beats(dice, seconds, "squat", how):
        span = 1.8 / how.speed
        down = keys(t, (start, 0), (start + 0.42 * span, 1), (start + 0.55 * span, 1), (start + span, 0))
        track.height -= 0.4 * down
        track.path[:, 1] -= 0.12 * down
        track.pelvis[:, 0] += 0.45 * down
        track.back[:, 0] += 0.15 * down
        track.arms[..., 0] += (1.35 * down)[:, None]
    return track


def _seated(t: np.ndarray, track: Track, down: np.ndarray) -> Track:
    """So far down on a seat behind: 0 standing, 1 sitting."""
    track.height = track.height - 0.46 * down
    track.path = track.path - np.stack([0 * down, 0.42 * down], axis=1)
    track.pelvis[:, 0] += 0.5 * np.sin(np.pi * down)
    track.back[:, 0] += 0.3 * np.sin(np.pi * down)
    track.arms[..., 0] += (0.55 * down)[:, None]
    track.arms[..., 3] += (0.6 * down)[:, None]
    return track


def sit_down(dice: Dice, seconds: float, how: Manner) -> Track:
    t, track = _idle(dice, seconds, apart=0.12)
    start, length = dice.uniform(0.3, 1.0), dice.uniform(1.3, 1.9) / how.speed
    return _seated(t, track, ease((t - start) / length))


def stand_up(dice: Dice, seconds: float, how: Manner) -> Track:
    t, track = _idle(dice, seconds, apart=0.12)
    start, length = dice.uniform(0.3, 1.0), dice.uniform(1.2, 1.7) / how.speed
    return _seated(t, track, 1 - ease((t - start) / length))


def bow(dice: Dice, seconds: float, how: Manner) -> Track:
    t, track = _idle(dice, seconds)
    for start in _beats(dice, seconds, "bow", how):
        span = 2.4 / how.speed
        down = keys(t, (start, 0), (start + 0.38 * span, 1), (start + 0.6 * span, 1), (start + span, 0))
        track.pelvis[:, 0] += 0.5 * down
        track.back[:, 0] += 0.75 * down * how.energy
        track.path[:, 1] -= 0.1 * down
        track.arms[..., 0] += (0.5 * down)[:, None]
    return track


def _leap(t: np.ndarray, track: Track, start: float, high: float, far: float) -> None:
    """Down, up with both feet, and down again, `far` metres forward."""
    fly = 2 * np.sqrt(2 * high / 9.81)
    off, land = start + 0.45, start + 0.45 + fly
    air = ((t - off) / fly).clip(0, 1)
    lift = 4 * high * air * (1 - air)
    crouch = keys(
        t,
        (start, 0),
        (start + 0.3, 1),
        (off, -0.1),
        (off + fly / 2, 0.1),
        (land, 0.15),
        (land + 0.18, 0.8),
        (land + 0.55, 0),
    )
    track.height += lift / 0.92 - 0.2 * crouch
    track.path[:, 1] += far * keys(t, (start + 0.2, 0), (off, 0.15), (land, 0.9), (land + 0.3, 1))
    track.ankles[..., 1] += (lift * 0.95 + 0.06 * np.sin(np.pi * air))[:, None]
    track.ankles[..., 2] += (far * ease(air))[:, None]
    track.toes += (0.6 * np.sin(np.pi * air))[:, None]
    track.pelvis[:, 0] += 0.3 * crouch.clip(0)
    track.back[:, 0] += 0.25 * crouch.clip(0)
    track.arms[..., 0] += keys(t, (start, 0), (start + 0.3, -0.7), (off, 1.6), (land, 0.8), (land + 0.5, 0))[
        :, None
    ]


def jump(dice: Dice, seconds: float, how: Manner) -> Track:
    t, track = _idle(dice, seconds, apart=0.1)
    far = dice.choice([0.0, 0.0, dice.uniform(0.3, 0.8)])
    for start in _beats(dice, seconds, "jump", how):
        _leap(t, track, start, dice.uniform(0.18, 0.38) * how.energy, far)
    return track


def hop(dice: Dice, seconds: float, how: Manner) -> Track:
    """On one foot, forward or on the spot."""
    t, track = _idle(dice, seconds)
    leg = 0 if how.side > 0 else 1
    up = ease((t - 0.2) / 0.4)
    track.path[:, 0] += 0.085 * how.side * up
    track.ankles[:, 1 - leg, 1] += 0.3 * up
    track.ankles[:, 1 - leg, 2] -= 0.22 * up
    track.toes[:, 1 - leg] += 0.9 * up
    rate, far = 1.9 * how.speed, dice.choice([0.0, dice.uniform(0.15, 0.35)])
    cycle = ((t - 0.7) * rate).clip(0)
    share, air = cycle % 1, np.sin(np.pi * ((cycle % 1) / 0.6).clip(0, 1))
    gone = far * (np.floor(cycle) + ease(share / 0.6))
    track.height += 0.1 * how.energy * air - 0.03 * (1 - air) * (cycle > 0)
    track.path[:, 1] += gone
    track.ankles[:, leg, 1] += 0.09 * how.energy * air
    track.ankles[..., 2] += gone[:, None]
    track.arms[..., 1], track.arms[..., 3] = 0.6, 0.6
    return track


def dance(dice: Dice, seconds: float, how: Manner) -> Track:
    """Side to side with raised arms, to a beat."""
    t = times(seconds)
    beat = 1.05 * how.speed
    side = 0.16 * np.sin(2 * np.pi * beat / 2 * t)
    track = walked(t, np.stack([side, 0 * t], axis=1), np.zeros(len(t)), beat, lift=0.07, apart=0.13)
    swing = np.sin(2 * np.pi * beat * t + dice.uniform(0, 6))
    track.height += 0.02 * np.abs(swing) * how.energy - 0.02
    track.pelvis[:, 1], track.pelvis[:, 2] = 0.16 * swing, 0.18 * swing
    track.back[:, 1], track.back[:, 2] = -0.14 * swing, -0.3 * swing * how.energy
    high = dice.choice([0.9, 1.9])
    for arm, sign in ((0, 1.0), (1, -1.0)):
        track.arms[:, arm, 0] = 0.5 + 0.35 * sign * swing
        track.arms[:, arm, 1] = 0.45 * high + 0.2 * swing * sign
        track.arms[:, arm, 3] = 1.3 + 0.5 * sign * np.cos(2 * np.pi * beat * t)
    return track


ACTIONS: dict[str, Action] = {
    f.__name__: f
    for f in (
        walk, run, jump, hop, turn_around, walk_circle, sidestep, wave, punch, kick, squat, sit_down, stand_up, bow,
        dance,
    )
}  # fmt: skip
SIDED = {
    "turn_around",
    "walk_circle",
    "sidestep",
    "wave",
    "kick",
    "hop",
}  # where left and right are told apart
