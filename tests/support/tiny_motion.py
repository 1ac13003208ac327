"""A motion model of a few thousand random weights, in the layout of MDM's folders."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from texsync.motion.clips import clip
from texsync.motion.data import spread
from texsync.motion.features import features
from texsync.motion.mdm import Sizes
from texsync.motion.text import build_tokenizer
from texsync.motion.train import Folder, Learner

QUICK = {"steps": 4, "segment": 40, "overlap": 10}  # options of long motion
TWO = ["a person walks forward", "jumps"]
SHAPE = Sizes(width=16, layers=1, heads=2, inner=32, text=8, dropout=0.0)


@cache
def numbers() -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of some features."""
    dice = np.random.default_rng(0)
    return spread(np.concatenate([features(clip(dice, 3.0).joints) for _ in range(20)]))


def write_motion_model(folder: Path, shape: Sizes = SHAPE) -> Path:
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    mean, deviation = (torch.from_numpy(one) for one in numbers())
    Folder(folder).save(Learner(tokenizer, shape), tokenizer, mean, deviation, {})
    return folder
