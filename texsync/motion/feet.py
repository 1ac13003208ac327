"""Feet on the ground: how far they slide, and how to hold them where they stand."""

from __future__ import annotations

import numpy as np

from .character import two_bones
from .skeleton import INDEX

TOES = (INDEX["left_foot"], INDEX["right_foot"])
LEGS = tuple(
    tuple(INDEX[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot")) for side in ("left", "right")
)
LOW, FAR = 0.05, 0.025  # metres above the ground, metres a frame
SHORTEST, EASE = 3, 5  # frames that a foot stands at least, frames in which it is let go
REACH = 0.25  # metres; what is further from where it stands does not stand there


def skate(joints: np.ndarray) -> float:
    """The share of frames in which a foot slides: it is low, and goes further than 2.5 cm; joints (F, 22, 3).

    Source: the skating ratio of GMD (Karunratanakul et al. 2023, arXiv:2305.12577).
    """
    feet = joints[:, TOES]
    low = (feet[1:, :, 1] < LOW) & (feet[:-1, :, 1] < LOW)
    far = np.linalg.norm(np.diff(feet[..., [0, 2]], axis=0), axis=-1) > FAR
    return float((low & far).any(axis=1).mean()) if len(joints) > 1 else 0.0


def grounded(joints: np.ndarray) -> np.ndarray:
    """The same motion (F, 22, 3) with the ground where its feet are lowest, as a rule, and nothing under it."""
    lowest = joints[..., 1].min(axis=1)
    found = joints.copy()
    found[..., 1] -= np.quantile(lowest, 0.05)
    found[..., 1] += (-found[..., 1].min(axis=1)).clip(0)[:, None]
    return found


def planted(joints: np.ndarray, contacts: np.ndarray) -> np.ndarray:
    """The same motion (F, 22, 3) whose feet stay where they stand, legs bent to fit.

    contacts: (F, 4) of the features: left ankle, left foot, right ankle, right foot, above 0.5 where it stands.
    """
    found = joints.copy()
    for k, (hip, knee, ankle, foot) in enumerate(LEGS):
        stands = contacts[:, 2 * k : 2 * k + 2].max(axis=1) > 0.5
        shift = _held(found[:, foot], stands & (found[:, foot, 1] < 2 * LOW))
        upper, lower = (np.median(np.linalg.norm(joints[:, a] - joints[:, b], axis=1))
                        for a, b in ((knee, hip), (ankle, knee)))  # fmt: skip
        start, end = found[:, hip], found[:, ankle] + shift
        bent = found[:, knee] - (start + found[:, ankle]) / 2 + 1e-3 * np.array([0, 0, 1.0])
        found[:, knee], reached = two_bones(start, end, bent, upper, lower)
        found[:, foot] += reached - found[:, ankle]
        found[:, ankle] = reached
    return found


def _held(place: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """(F, 3) how far to move a foot so that it stands still; fades in and out around each time that it stands."""
    shift = np.zeros_like(place)
    weight = np.zeros(len(place))
    frames = np.arange(len(place))
    for start, end in runs(stands):
        if end - start < SHORTEST:
            continue
        wanted = np.median(place[start:end], axis=0) - place
        wanted[:, 1] = 0
        inside = wanted[start:end].copy()
        if np.abs(inside).max() > REACH:
            continue
        near = np.maximum(start - frames, frames - (end - 1)).clip(0) / (EASE + 1)
        share = (1 - near).clip(0)
        held = np.where(
            (frames < start)[:, None], inside[0], np.where((frames >= end)[:, None], inside[-1], wanted)
        )
        shift += share[:, None] * held
        weight += share
    return shift / weight.clip(1)[:, None]


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
