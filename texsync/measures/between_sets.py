"""How far apart two sets of pictures are, given what a network sees in them."""

from __future__ import annotations

import numpy as np

from .errorbars import check_enough

SUBSETS, SUBSET = 100, 1000  # as in clean-fid, torch-fidelity and torchmetrics
NEIGHBOURS = 8  # as in SyncDiffusion


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance between features a (n, D) and b (m, D); biased, so compare only at equal n and m.

    |mean gap|^2 + tr(A + B - 2 (A B)^(1/2)) with A, B the covariances.  The last trace is the sum of the singular
    values of X Y^T, with X and Y the centred features over the root of their number less one, so no root of a
    matrix is needed that fewer samples than dimensions make singular.
    Raises InputError for fewer than two samples.  Source: Heusel et al. 2017, arXiv:1706.08500.
    """
    check_enough("the Frechet distance", 2, a, b)
    gap = a.mean(0) - b.mean(0)
    x, y = (_factor(one) for one in (a, b))
    between = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return float(gap @ gap + (x**2).sum() + (y**2).sum() - 2 * between)


def _factor(samples: np.ndarray) -> np.ndarray:
    """X with X^T X the covariance of samples (n, D), of at most D rows."""
    centred = (samples - samples.mean(0)) / np.sqrt(len(samples) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(centred) > centred.shape[1] else centred


def kernel(a: np.ndarray, b: np.ndarray, *, seed: int = 0) -> float:
    """Kernel distance between features a (n, D) and b (m, D); unbiased, so it may be a little below 0.

    The mean over 100 random subsets of min(n, m, 1000) each of the squared maximum mean discrepancy with the kernel
    (x y / D + 1)^3.  Raises InputError for fewer than two samples.
    Source: Binkowski et al. 2018, arXiv:1801.01401.
    """
    check_enough("the kernel distance", 2, a, b)
    dice, size = np.random.default_rng(seed), subset_size(a, b)
    aa, bb, ab = _cubic(a, a), _cubic(b, b), _cubic(a, b)
    found = []
    for _ in range(1 if size == len(a) == len(b) else SUBSETS):
        i, j = (dice.choice(len(one), size, replace=False) for one in (a, b))
        within = sum(_off_diagonal(k[np.ix_(one, one)]) for k, one in ((aa, i), (bb, j)))
        found.append(within - 2 * ab[np.ix_(i, j)].mean())
    return float(np.mean(found))


def subset_size(a: np.ndarray, b: np.ndarray) -> int:
    """How many of each set are compared at a time."""
    return min(len(a), len(b), SUBSET)


def _cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _off_diagonal(k: np.ndarray) -> float:
    return float((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)))


def giqa(samples: np.ndarray, known: np.ndarray, *, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """KNN-GIQA of each sample (n, D): the sum of 1 / distance to its nearest known (m, D); more is better.

    Distances are sums of absolute differences, and the sum is over the neighbours, as in the authors' code.
    Raises InputError for fewer known pictures than neighbours.  Source: Gu et al. 2020, arXiv:2003.08932.
    """
    check_enough("GIQA", neighbours, known)
    found = []
    for one in samples:
        near = np.sort(np.abs(known - one).sum(axis=1))[:neighbours]
        found.append(float((1 / near.clip(1e-12)).sum()))
    return np.array(found)
