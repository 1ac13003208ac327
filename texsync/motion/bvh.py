"""BVH: a skeleton and its motion as text, which every animation program reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .features import FPS
from .rig import CHILDREN, ENDS, Rig
from .skeleton import JOINTS

TURNS = "Zrotation Xrotation Yrotation"


def write_bvh(rig: Rig, path: Path) -> None:
    """Metres, +y up, +z forward, degrees; 20 frames a second."""
    lines = [
        "HIERARCHY",
        *_joint(rig, 0, 0),
        "MOTION",
        f"Frames: {len(rig.root)}",
        f"Frame Time: {1 / FPS:.6f}",
    ]
    angles = [np.unwrap(rig.turns[k].as_euler("ZXY", degrees=True), axis=0, period=360) for k in order()]
    rows = np.concatenate([rig.root, *angles], axis=1)
    lines += [" ".join(f"{value:.5f}" for value in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def order(joint: int = 0) -> list[int]:
    """The joints as the file names them, each before its children."""
    return [joint, *(k for child in CHILDREN[joint] for k in order(child))]


def _joint(rig: Rig, joint: int, depth: int) -> list[str]:
    pad, inner = "  " * depth, "  " * (depth + 1)
    offset = rig.offsets[joint] if depth else np.zeros(3)
    channels = f"6 Xposition Yposition Zposition {TURNS}" if depth == 0 else f"3 {TURNS}"
    lines = [f"{pad}{'JOINT' if depth else 'ROOT'} {JOINTS[joint]}", f"{pad}{{", f"{inner}OFFSET {_said(offset)}",
             f"{inner}CHANNELS {channels}"]  # fmt: skip
    for child in CHILDREN[joint]:
        lines += _joint(rig, child, depth + 1)
    if joint in ENDS:
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}  OFFSET {_said(ENDS[joint])}", f"{inner}}}"]
    return [*lines, f"{pad}}}"]


def _said(offset) -> str:
    return " ".join(f"{value:.5f}" for value in offset)
