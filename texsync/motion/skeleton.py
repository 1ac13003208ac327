"""The 22 joints of HumanML3D (SMPL without hands): who hangs on whom, which way, and how far.

Axes: +x to the body's left, +y up, +z forward; metres.  Source: Guo et al. 2022 (HumanML3D), its t2m skeleton.
"""

from __future__ import annotations

import numpy as np

JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
CHAINS = ((0, 2, 5, 8, 11), (0, 1, 4, 7, 10), (0, 3, 6, 9, 12, 15), (9, 14, 17, 19, 21), (9, 13, 16, 18, 20))
INDEX = {name: number for number, name in enumerate(JOINTS)}

# the way each bone points in the rest pose of the features, from its parent: upright, arms hanging
REST = np.array(
    [
        [0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0],
        [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, -1, 0], [0, -1, 0],
        [0, -1, 0], [0, -1, 0], [0, -1, 0], [0, -1, 0],
    ],
    dtype=float,
)  # fmt: skip

# an adult of 1.72 m; from the parent, metres
OFFSETS = np.array(
    [
        [0, 0, 0], [0.065, -0.085, 0], [-0.065, -0.085, 0], [0, 0.115, -0.01], [0.03, -0.385, 0], [-0.03, -0.385, 0],
        [0, 0.135, 0.01], [-0.01, -0.405, -0.02], [0.01, -0.405, -0.02], [0, 0.055, 0.005], [0.02, -0.06, 0.125],
        [-0.02, -0.06, 0.125], [0, 0.205, -0.03], [0.075, 0.115, -0.02], [-0.075, 0.115, -0.02], [0, 0.09, 0.05],
        [0.115, 0.035, -0.01], [-0.115, 0.035, -0.01], [0.255, -0.01, -0.02], [-0.255, -0.01, -0.02],
        [0.255, 0.01, 0], [-0.255, 0.01, 0],
    ],
)  # fmt: skip
LENGTHS = np.linalg.norm(OFFSETS, axis=1)
