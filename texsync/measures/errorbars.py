"""How far a figure would move with other samples, and whether there are enough of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from typing import Any

import numpy as np

from ..errors import Refused, about, got

DRAWS = 100
FEWEST = 4  # samples of which halves are drawn


def redrawn(
    figure: Callable[..., float],
    *sets: np.ndarray,
    strata: Sequence[Sequence] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> np.ndarray | None:
    """figure(*sets) over random halves of every set, (draws,); None where a set has fewer than four samples.

    Halves are drawn without repetition, because a picture that stands twice in a sample is its own nearest neighbour
    and spoils kernels and covariances.  The mean of half of the samples moves as much as that of all of them
    does between samples.  strata: for each set a label of every sample; halves have half of each label.
    Sets of the same sizes and labels are halved alike, so that two methods can be compared draw by draw.
    Source: half-sample bootstrap (Efron 1982, The Jackknife, the Bootstrap, chapter 8).
    """
    if min(map(len, sets), default=0) < FEWEST:
        return None
    labels = [np.zeros(len(one)) for one in sets] if strata is None else [np.asarray(one) for one in strata]
    dice = np.random.default_rng(seed)
    pairs = list(zip(sets, labels, strict=True))
    return np.array([figure(*(one[_half(said, dice)] for one, said in pairs)) for _ in range(draws)])


def standard_error(figure: Callable[..., float], *sets: np.ndarray, **how: Any) -> float | None:
    """The deviation of a figure's redraws; see `redrawn`."""
    found = redrawn(figure, *sets, **how)
    return None if found is None else float(found.std(ddof=1))


def _half(labels: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """Numbers of half of the samples, of each label half."""
    found = []
    for label in np.unique(labels):
        (own,) = np.nonzero(labels == label)
        size = (len(own) + int(dice.integers(2))) // 2
        found.append(dice.choice(own, max(1, size), replace=False))
    return np.concatenate(found)


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
