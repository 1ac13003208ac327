"""From joints to a skeleton of stiff bones that turn: what files for animators hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from .skeleton import JOINTS, OFFSETS, PARENTS
from .turns import between

CHILDREN = tuple(
    tuple(k for k, parent in enumerate(PARENTS) if parent == joint) for joint in range(len(JOINTS))
)
ENDS = {10: (0, 0, 0.07), 11: (0, 0, 0.07), 15: (0, 0.13, 0.01), 20: (0.1, 0, 0), 21: (-0.1, 0, 0)}
"""Where the last bones end, from their joint, metres: toes, top of the head, fingers."""


@dataclass(frozen=True)
class Rig:
    """A skeleton in its T-pose and how it moves.

    offsets: (22, 3) from the parent, metres.  root: (F, 3) where the pelvis is.  turns: (22) rotations of F frames
    each, against the parent's.
    """

    offsets: np.ndarray
    root: np.ndarray
    turns: tuple[Rotation, ...]

    def joints(self) -> np.ndarray:
        """(F, 22, 3): where the joints come to lie."""
        found = np.zeros((len(self.root), len(JOINTS), 3))
        found[:, 0], whole = self.root, {0: self.turns[0]}
        for joint, parent in enumerate(PARENTS[1:], 1):
            found[:, joint] = found[:, parent] + whole[parent].apply(self.offsets[joint])
            whole[joint] = whole[parent] * self.turns[joint]
        return found


def rigged(joints: np.ndarray) -> Rig:
    """The rig that follows joints (F, 22, 3), metres.

    Bones are as long as they are in the middle of all frames.  A joint with one child turns the shortest way, without
    twist, as HumanML3D's turns do; pelvis and chest, with three, as their children do on the whole (Kabsch 1976).
    """
    bones = np.zeros_like(joints)
    bones[:, 1:] = joints[:, 1:] - joints[:, PARENTS[1:]]
    lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)
    rest = np.linalg.norm(OFFSETS, axis=1)
    offsets = OFFSETS * (lengths / np.where(rest > 0, rest, 1))[:, None]
    still = Rotation.identity(len(joints))
    whole: list[Rotation] = []
    turns: list[Rotation] = []
    for joint, parent in enumerate(PARENTS):
        above = whole[parent] if parent >= 0 else still
        children = CHILDREN[joint]
        seen = [above.inv().apply(bones[:, child]) for child in children]
        turn = still
        if len(children) == 1:
            turn = between(np.tile(offsets[children[0]], (len(joints), 1)), seen[0])
        elif children:
            turn = nearest(offsets[list(children)], np.stack(seen, axis=1))
        turns.append(turn)
        whole.append(above * turn)
    return Rig(offsets, joints[:, 0].copy(), tuple(turns))


def nearest(before: np.ndarray, after: np.ndarray) -> Rotation:
    """The rotations, one a frame, that take directions (K, 3) nearest to (F, K, 3)."""
    left, _, right = np.linalg.svd(np.einsum("fki,kj->fij", after, before))
    sign = np.linalg.det(left @ right)
    left[:, :, 2] *= sign[:, None]
    return Rotation.from_matrix(left @ right)
