"""How smoothly a motion goes on, and whether its feet stay where they stand."""

from __future__ import annotations

import numpy as np

from ..motion.feet import skate as foot_skate  # noqa: F401
from .errorbars import check_enough

WINDOW = 60  # frames around a transition


def jerk(joints: np.ndarray) -> np.ndarray:
    """(F - 3,) third difference of the joints' places (F, J, 3), L1 over x, y, z, the largest joint's, m/frame^3."""
    check_enough("jerk", 4, joints)
    return np.abs(np.diff(joints, n=3, axis=0)).sum(axis=2).max(axis=1)


def peak_jerk(joints: np.ndarray, transition: int, window: int = WINDOW) -> float:
    """The largest jerk within a window of frames about a transition (PJ of FlowMDM).

    Source: Barquero et al. 2024, arXiv:2402.15509, section 4.
    """
    return float(around(jerk(joints), transition, window).max())


def area_under_jerk(joints: np.ndarray, transition: int, usual: float, window: int = WINDOW) -> float:
    """What lies between the jerk about a transition and `usual`, the mean jerk of real motions (AUJ of FlowMDM)."""
    return float(np.abs(around(jerk(joints), transition, window) - usual).sum())


def around(curve: np.ndarray, transition: int, window: int = WINDOW) -> np.ndarray:
    """Of a curve over frames, what lies within a window about one of them."""
    return curve[max(0, transition - window // 2) : transition + window // 2]
