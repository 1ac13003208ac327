"""Training data that worker processes make while the network learns: features, lengths and captions."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from .captions import caption
from .clips import among_others
from .features import FPS, SIZE, features

LONGEST = 120  # frames
SHORTEST = 40
CHUNK = 32  # clips that a worker hands over at a time
SAYINGS = 4  # captions a clip

# columns that share one standard deviation, as HumanML3D's do: else numbers that hardly move would count too much
GROUPS = ((0, 1), (1, 3), (3, 4), (4, 67), (67, 193), (193, 259), (259, 263))


@dataclass(frozen=True)
class Chunk:
    """features: (N, LONGEST, 263) float16, 0 behind the end.  lengths: (N,).  texts: SAYINGS for each."""

    features: np.ndarray
    lengths: np.ndarray
    texts: list[list[str]]


def chunk(seed: int, count: int = CHUNK) -> Chunk:
    """So many random motions, two thirds of them as long as can be."""
    dice = np.random.default_rng(seed)
    found = np.zeros((count, LONGEST, SIZE), np.float16)
    lengths, texts = np.zeros(count, int), []
    for k in range(count):
        frames = LONGEST if dice.random() < 0.67 else int(dice.integers(SHORTEST, LONGEST))
        made = among_others(dice, frames / FPS)
        found[k, :frames] = features(made.joints)
        lengths[k] = frames
        texts.append([caption(dice, made) for _ in range(SAYINGS)])
    return Chunk(found, lengths, texts)


@contextmanager
def workers(count: int, chunks: int, seed: int) -> Iterator[queue.Queue]:
    """A queue that `count` processes fill with `chunks` chunks; they end with the block."""
    ready: queue.Queue = queue.Queue()
    # fork: a fresh interpreter would first import torch; nothing here uses a GPU
    with multiprocessing.get_context("fork").Pool(count, os.nice, (5,)) as pool:
        seeds = range(seed * 1_000_000, seed * 1_000_000 + chunks)

        def fetch() -> None:
            for made in pool.imap_unordered(chunk, seeds):
                ready.put(made)

        threading.Thread(target=fetch, daemon=True).start()
        yield ready


def spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (263,) of features (M, 263), one deviation for each of `GROUPS`."""
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    for start, end in GROUPS:
        deviation[start:end] = deviation[start:end].mean()
    return mean.astype(np.float32), deviation.astype(np.float32)
