"""How far a figure would move with other samples, and whether there are enough of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized

import numpy as np

from ..errors import Refused, about, got

DRAWS = 100
FEWEST = 4  # samples of which halves are drawn


def standard_error(
    figure: Callable[..., float], *sets: np.ndarray, draws: int = DRAWS, seed: int = 0
) -> float | None:
    """Of figure(*sets): its deviation over random halves of every set; None where a set has fewer than four.

    Halves are drawn without repetition, because a picture that stands twice in a sample is its own nearest neighbour
    and spoils kernels and covariances.  The mean of half of the samples moves as much as that of all of them
    does between samples.  Source: half-sample bootstrap (Efron 1982, The Jackknife, the Bootstrap, chapter 8).
    """
    if min(map(len, sets), default=0) < FEWEST:
        return None
    dice = np.random.default_rng(seed)
    return float(np.std([figure(*(_half(one, dice) for one in sets)) for _ in range(draws)], ddof=1))


def _half(samples: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    size = (len(samples) + int(dice.integers(2))) // 2
    return samples[dice.choice(len(samples), size, replace=False)]


def check_enough(measure: str, least: int, *sets: Sized) -> None:
    """Raises InputError for a set of fewer samples than a measure needs."""
    for one in sets:
        if len(one) < least:
            raise Refused.measure_pictures(
                f"{about(measure)} of {got(len(one))} samples", f"give at least {least} on each side"
            )


def unfair(counts: Sequence[int]) -> str:
    """Why figures of sets of these sizes cannot be compared; "" where they can."""
    if len(set(counts)) < 2:
        return ""
    return f"counts differ ({min(counts)} to {max(counts)}): distances between sets fall as sets grow"
