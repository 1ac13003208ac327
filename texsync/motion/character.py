"""A kinematic character: what its root, feet, back and arms do, frame by frame, becomes joints.

Feet stand where they are put (legs are solved for them), so nothing slides that should not.  The body's frame: +x to
its left, +y up, +z forward; angles in radians, lengths in metres for a body of scale 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from .skeleton import INDEX, LENGTHS, OFFSETS

HIP_HEIGHT = float(
    -(OFFSETS[4] + OFFSETS[7])[1] - OFFSETS[1, 1] - OFFSETS[10, 1]
)  # of the root, legs straight
ANKLE = float(-OFFSETS[10, 1])  # height above the sole
SIDES = (("left", 1.0), ("right", -1.0))


def zeros(frames: int, *shape: int) -> np.ndarray:
    return np.zeros((frames, *shape))


@dataclass
class Track:
    """What a character does in F frames.

    path: (F, 2) x, z of the root on the ground.  facing: (F,) turn about y, 0 looks along +z, positive to the left.
    height: (F,) of the root, 1 with straight legs.  pelvis: (F, 3) pitch forward, roll to the left, turn to the left.
    back: (F, 3) the same for the whole spine.  head: (F, 2) nod, turn.
    ankles: (F, 2, 3) where they are, left first.  toes: (F, 2) pitch of the feet, positive lifts the heel.
    arms: (F, 2, 4), left first: forward, sideways, twist of the upper arm, bend of the elbow.
    """

    path: np.ndarray
    facing: np.ndarray
    height: np.ndarray
    ankles: np.ndarray
    pelvis: np.ndarray
    back: np.ndarray
    head: np.ndarray
    toes: np.ndarray
    arms: np.ndarray

    @classmethod
    def upright(
        cls, path: np.ndarray, facing: np.ndarray, height: float, ankles: np.ndarray, **more
    ) -> Track:
        """Nothing bent but what `more` says; height: of the root, the same in all frames."""
        frames = len(path)
        shapes = {"pelvis": (3,), "back": (3,), "head": (2,), "toes": (2,), "arms": (2, 4)}
        rest = {name: zeros(frames, *shape) for name, shape in shapes.items()} | more
        return cls(path, facing, np.full(frames, height), ankles, **rest)


def turn(pitch: np.ndarray, roll: np.ndarray, yaw: np.ndarray) -> Rotation:
    """Yaw about y, then pitch forward about x, then roll about z, in the body's own axes."""
    return Rotation.from_euler("YXZ", np.stack([yaw, pitch, -roll], axis=1))


def joints(track: Track, scale: float = 1.0) -> np.ndarray:
    """(F, 22, 3) of a body of the given scale; all lengths of the track are for a scale of 1."""
    found = np.zeros((len(track.path), 22, 3))
    found[:, 0] = np.stack([track.path[:, 0], track.height * HIP_HEIGHT, track.path[:, 1]], axis=1)
    base = turn(zeros(len(found)), zeros(len(found)), track.facing)
    pelvis = base * turn(*track.pelvis.T)
    _legs(found, track, base, pelvis)
    chest = _spine(found, track, pelvis)
    _arms(found, track, chest)
    return found * scale


def _put(found: np.ndarray, name: str, parent: str, frame: Rotation) -> None:
    """A joint at its offset from the parent, turned by the parent's frame."""
    found[:, INDEX[name]] = found[:, INDEX[parent]] + frame.apply(OFFSETS[INDEX[name]])


def _spine(found: np.ndarray, track: Track, pelvis: Rotation) -> Rotation:
    third = turn(*(track.back.T / 3))
    frame, parent = pelvis, "pelvis"
    for name in ("spine1", "spine2", "spine3"):
        _put(found, name, parent, frame)
        frame, parent = frame * third, name
    _put(found, "neck", "spine3", frame)
    nod, look = track.head.T
    _put(found, "head", "neck", frame * turn(nod, zeros(len(nod)), look))
    for side, _ in SIDES:
        _put(found, f"{side}_collar", "spine3", frame)
        _put(found, f"{side}_shoulder", f"{side}_collar", frame)
    return frame


def _arms(found: np.ndarray, track: Track, chest: Rotation) -> None:
    for k, (side, sign) in enumerate(SIDES):
        forward, out, twist, bend = track.arms[:, k].T
        upper = chest * Rotation.from_euler("XZY", np.stack([-forward, sign * out, sign * twist], axis=1))
        lower = upper * Rotation.from_euler("X", -bend[:, None])
        names = (f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
        for (parent, joint), frame in zip(zip(names, names[1:], strict=False), (upper, lower), strict=True):
            down = np.array([0.0, -LENGTHS[INDEX[joint]], 0.0])
            found[:, INDEX[joint]] = found[:, INDEX[parent]] + frame.apply(down)


def _legs(found: np.ndarray, track: Track, base: Rotation, pelvis: Rotation) -> None:
    for k, (side, sign) in enumerate(SIDES):
        _put(found, f"{side}_hip", "pelvis", pelvis)
        hip, ankle = found[:, INDEX[f"{side}_hip"]], track.ankles[:, k]
        pole = base.apply(np.array([0.15 * sign, 0.0, 1.0]))  # knees bend forward and a little outward
        knee, ankle = two_bones(hip, ankle, pole, LENGTHS[INDEX["left_knee"]], LENGTHS[INDEX["left_ankle"]])
        found[:, INDEX[f"{side}_knee"]], found[:, INDEX[f"{side}_ankle"]] = knee, ankle
        foot = base * Rotation.from_euler("X", track.toes[:, k][:, None])
        ahead = OFFSETS[INDEX[f"{side}_foot"]]
        found[:, INDEX[f"{side}_foot"]] = ankle + foot.apply(ahead)


def two_bones(
    start: np.ndarray, end: np.ndarray, pole: np.ndarray, upper: float, lower: float
) -> tuple[np.ndarray, np.ndarray]:
    """The middle joint (F, 3) of two bones from start to end that bends towards the pole, and the end reached.

    An end out of reach is drawn in, so that the bones keep their lengths.
    """
    way = end - start
    far = np.linalg.norm(way, axis=1, keepdims=True).clip(1e-9)
    reach = far.clip(abs(upper - lower) + 1e-3, (upper + lower) * 0.9995)
    way = way / far
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    aside = pole - (pole * way).sum(axis=1, keepdims=True) * way
    aside /= np.linalg.norm(aside, axis=1, keepdims=True).clip(1e-9)
    middle = start + along * way + np.sqrt((upper**2 - along**2).clip(0)) * aside
    return middle, start + reach * way
