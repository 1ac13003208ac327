"""HumanML3D's 263 numbers a frame, from joints; the way back is `views.motion.joints`.

0        half the turn about y to the next frame, radians
1-2      the way to it along x and z as the body will then face, metres
3        height of the root
4-66     the other 21 joints beside the root's foot, as the body faces
67-192   turns of the 21 bones, 6 numbers each, see `bone_turns`
193-258  the way of all 22 joints to the next frame, as the body faces
259-262  left ankle, left foot, right ankle, right foot: 1 where it stands still

20 frames a second.  Source: Guo et al. 2022 (HumanML3D).  Its own turns of the first bone of each chain also hold the
heading; ours do not.
"""

from __future__ import annotations

import numpy as np

from .skeleton import CHAINS, INDEX, REST
from .turns import between, six

FPS = 20
SIZE = 263
STILL = 0.002  # metres squared per frame squared, below which a foot counts as standing
FEET = tuple(INDEX[name] for name in ("left_ankle", "left_foot", "right_ankle", "right_foot"))


def heading(joints: np.ndarray) -> np.ndarray:
    """(F,) how far the body of joints (F, 22, 3) has turned about y from facing +z, radians; towards -x is positive."""
    left, right = (
        joints[:, [INDEX[f"{side}_hip"], INDEX[f"{side}_shoulder"]]].sum(1) for side in ("left", "right")
    )
    across = right - left
    forward = np.cross([0.0, 1.0, 0.0], across)
    return np.unwrap(np.arctan2(-forward[:, 0], forward[:, 2]))


def turned(points: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points (F, J, 3) as a body that has turned by angle (F,) sees them."""
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([x * cos + z * sin, y, z * cos - x * sin], axis=-1)


def standing(joints: np.ndarray) -> np.ndarray:
    """The same motion (F, 22, 3) on the ground: lowest joint at 0, first frame above the origin and facing +z."""
    start = joints[:1, :1] * [1, 0, 1]
    moved = turned(joints - start, np.full(len(joints), heading(joints)[0]))
    moved[..., 1] -= moved[..., 1].min()
    return moved


def features(joints: np.ndarray) -> np.ndarray:
    """Joints (F, 22, 3), metres, y up, to features (F - 1, 263) in their own units."""
    angle = heading(joints)
    root, way = joints[:, 0], np.diff(joints, axis=0)
    walked = turned(way[:, :1], angle[1:])[:, 0]
    local = turned(joints - root[:, None] * [1, 0, 1], angle)
    parts = [
        np.diff(angle)[:, None] / 2,
        walked[:, [0, 2]],
        root[:-1, 1:2],
        local[:-1, 1:].reshape(len(way), -1),
        bone_turns(local)[:-1],
        turned(way, angle[:-1]).reshape(len(way), -1),
        ((way[:, FEET] ** 2).sum(axis=-1) < STILL).astype(float),
    ]
    return np.concatenate(parts, axis=1)


def bone_turns(local: np.ndarray) -> np.ndarray:
    """(F, 126): how each bone is turned against the one that it hangs on, without twist; joints as the body faces."""
    found = np.zeros((len(local), 22, 6))
    for chain in CHAINS:
        above = between(np.tile([0.0, 0, 1], (len(local), 1)), np.tile([0.0, 0, 1], (len(local), 1)))
        for parent, joint in zip(chain[:-1], chain[1:], strict=True):
            here = between(np.tile(REST[joint], (len(local), 1)), local[:, joint] - local[:, parent])
            found[:, joint] = six(above.inv() * here)
            above = here
    return found[:, 1:].reshape(len(local), -1)
