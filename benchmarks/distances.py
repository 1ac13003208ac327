"""How far apart two sets of pictures are, given what a network sees in them.  For the other scripts here."""

from __future__ import annotations

import numpy as np
from scipy import linalg

SUBSETS, SUBSET = 100, 1000  # as in clean-fid and torchmetrics


def kernel_distance(a: np.ndarray, b: np.ndarray, *, seed: int = 0) -> float:
    """Kernel distance (KID) between features a (n, d) and b (m, d); unbiased, so it may be a little below 0.

    The mean over 100 random subsets of min(n, m, 1000) each of the squared maximum mean discrepancy with the kernel
    (x y / d + 1)^3 (Binkowski et al. 2018, arXiv:1801.01401).
    """
    draw, size = np.random.default_rng(seed), subset_size(a, b)
    found = []
    for _ in range(SUBSETS):
        x, y = (part[draw.choice(len(part), size, replace=False)] for part in (a, b))
        xx, yy, xy = (_kernel(*pair) for pair in ((x, x), (y, y), (x, y)))
        within = sum((k.sum() - np.trace(k)) / (size * (size - 1)) for k in (xx, yy))
        found.append(within - 2 * xy.mean())
    return float(np.mean(found))


def subset_size(a: np.ndarray, b: np.ndarray) -> int:
    """How many of each set are compared at a time."""
    return min(len(a), len(b), SUBSET)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance (FID) between features a (n, d) and b (m, d); biased, so compare only at equal n and m.

    |mean gap|^2 + tr(A + B - 2 (A B)^(1/2)) with A, B the covariances (Heusel et al. 2017, arXiv:1706.08500).
    """
    cov_a, cov_b = (np.atleast_2d(np.cov(part, rowvar=False)) for part in (a, b))
    root = linalg.sqrtm(cov_a @ cov_b)
    gap = a.mean(0) - b.mean(0)
    return float(gap @ gap + np.trace(cov_a + cov_b - 2 * np.real(root)))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3
