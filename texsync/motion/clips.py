"""Random clips of the fifteen actions: a body, a mood, a style of the arms, and other actions at the ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .actions import ACTIONS, SIDED, Dice, Manner, most
from .character import joints
from .features import FPS, heading, standing, turned
from .gait import ease
from .skeleton import PARENTS

MOODS: dict[str, Manner] = {
    "": Manner(),
    "slow": Manner(speed=0.72, energy=0.9),
    "fast": Manner(speed=1.3, energy=1.1),
    "happy": Manner(speed=1.08, energy=1.5),
    "tired": Manner(speed=0.78, energy=0.5, bow=0.3),
}
ARMS = {  # forward, sideways, twist, bend; how much the arms still swing
    "raised": ((0.25, 2.6, 0.0, 0.25), 0.1),
    "outstretched": ((0.0, 1.5, 0.0, 0.1), 0.15),
    "hips": ((-0.35, 0.72, -1.25, 1.75), 0.05),
    "front": ((1.45, 0.1, 0.0, 0.1), 0.15),
}
STYLED = ("walk", "walk", "run", "walk_circle", "sidestep", "squat", "hop")  # whose arms are free
BREAKABLE = ("walk", "run", "walk_circle", "sidestep", "dance", "punch", "kick", "squat", "bow", "jump")
SEATED = ("sit_down", "stand_up")  # ends, begins on a seat
FADE = (9, 16)  # frames from one action to the next


@dataclass(frozen=True)
class Clip:
    """joints: (F, 22, 3) metres, on the ground, first frame above the origin, facing +z.  action: of ACTIONS.
    mood: of MOODS.  arms: of ARMS or ""."""

    joints: np.ndarray
    action: str
    manner: Manner
    mood: str
    arms: str = ""


def clip(dice: Dice, seconds: float, action: str = "", mood: str | None = None, scale: float = 0.0) -> Clip:
    """One random clip; action, mood and the body's scale may be given."""
    action = action or str(dice.choice(list(ACTIONS)))
    mood = str(dice.choice(["", "", *MOODS])) if mood is None else mood
    scale = scale or dice.uniform(0.93, 1.06)
    manner = replace(MOODS[mood], side=int(dice.choice([1, -1])), backwards=bool(dice.random() < 0.15))
    often = most(action, seconds, manner.speed)
    if often and dice.random() < 0.35:
        manner = replace(manner, count=int(dice.integers(1, min(often, 3) + 1)))
    cut = dice.uniform(0, 2) if action in BREAKABLE and not manner.count and dice.random() < 0.5 else 0.0
    track = ACTIONS[action](dice, seconds + cut + 1 / FPS, manner)
    arms = str(dice.choice(list(ARMS))) if action in STYLED and dice.random() < 0.25 else ""
    if arms:
        held, swing = ARMS[arms]
        track.arms = np.array(held) + swing * (track.arms - track.arms.mean(axis=0))
    found = joints(track, scale)[-(round(seconds * FPS) + 1) :]
    return Clip(standing(found), action, manner, mood, arms)


def among_others(dice: Dice, seconds: float) -> Clip:
    """A clip that now and then begins in the end of another action, or ends in the beginning of another.

    So a segment of a long motion may begin and end anywhere.
    """
    scale = dice.uniform(0.93, 1.06)
    before, after = (int(dice.integers(3, 45)) if dice.random() < often else 0 for often in (0.4, 0.3))
    frames = round(seconds * FPS) + 1
    if frames - before - after < 50:
        before = after = 0
    over = [int(dice.integers(*FADE)) if edge else 0 for edge in (before, after)]
    middle = clip(dice, (frames - before - after + sum(over) - 1) / FPS, scale=scale)
    found = middle.joints
    if before:
        fit = [a for a in ACTIONS if (a == SEATED[0]) == (middle.action == SEATED[1])]
        other = clip(dice, 3.0, str(dice.choice(fit)), scale=scale).joints
        found = joined(other[-before:] if before > over[0] else other[-over[0] :], found, over[0])[-frames:]
    if after:
        fit = [a for a in ACTIONS if (a == SEATED[1]) == (middle.action == SEATED[0])]
        found = joined(found, clip(dice, 3.0, str(dice.choice(fit)), scale=scale).joints, over[1])
    return replace(middle, joints=standing(found[:frames]))


def joined(one: np.ndarray, other: np.ndarray, over: int) -> np.ndarray:
    """Two motions as one: the other goes on where the first is `over` frames before its end, and fades in."""
    start = len(one) - over
    angle = heading(other)[0] - heading(one[start : start + 1])[0]
    ground = np.array([1.0, 0.0, 1.0])
    moved = turned(other - other[0, 0] * ground, np.full(len(other), angle)) + one[start, 0] * ground
    share = ease((np.arange(over) + 1) / (over + 1))[:, None, None]
    mixed = (1 - share) * one[start:] + share * moved[:over]
    return np.concatenate([one[:start], boned(mixed, one[0]), moved[over:]])


def boned(mixed: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Joints (F, 22, 3) with bones as long as those of a pose (22, 3), and nothing under the ground."""
    found = mixed.copy()
    for joint, parent in enumerate(PARENTS[1:], 1):
        way = mixed[:, joint] - mixed[:, parent]
        length = np.linalg.norm(pose[joint] - pose[parent])
        found[:, joint] = found[:, parent] + way * (
            length / np.linalg.norm(way, axis=1, keepdims=True).clip(1e-6)
        )
    found[..., 1] -= found[..., 1].min(axis=1, keepdims=True).clip(max=0)
    return found


def sided(clip: Clip) -> bool:
    """Whether left and right are told apart."""
    return clip.action in SIDED
