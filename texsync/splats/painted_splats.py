"""The splats' colours from pictures: one robust least-squares problem over all views.

A picture is A c + (1 - alpha) * background, A known (`rasterise.contributions`), so the colours c minimise

    sum over pixels of trust * huber(A c + (1 - alpha) * background - picture) + ridge * |c - prior|^2,  0 <= c <= 1.

Huber's loss by reweighting (Holland and Welsch 1977), each round by conjugate gradients, the bounds by an active set.
The ridge is the variance of what pictures are wrong by over that of colours around the prior, which is the mean of what
pixels say about a splat: where views agree, it vanishes; where they do not, a splat that is barely seen does not follow
the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..errors import Refused, about, got
from .rasterise import Seen, compiled

HUBER = 1.345  # standard deviations from which a pixel has less say: 95 % efficiency on normal errors
TO_DEVIATION = 1.4826  # of a normal distribution's median absolute value
AROUND_PRIOR = 0.2  # standard deviation of colours around the prior
LEAST_SEEN = 0.01  # sum of trust * weight^2, pixels: a splat with less is taken as unseen
NEIGHBOURS = 8
EARLY, LAST = 1e-2, 1e-5  # of the gradient that a round begins with, what may be left of it


@dataclass(frozen=True)
class Colours:
    """Colours of K splats.

    colour: (K, 3) float32 in [0, 1].  seen: (K,) bool, which of them pictures speak of; the others have their
    neighbours'.  clipped: share of the seen numbers that lie at the bounds, since pictures ask for more.
    residual: root mean square of what pictures and splats differ by, weighted by trust.
    noise: robust standard deviation of it.  iterations: of conjugate gradients, in all.
    """

    colour: np.ndarray
    seen: np.ndarray
    clipped: float
    residual: float
    noise: float
    iterations: int


@dataclass
class Equations:
    """The views' pixels as one list.

    seen: N views.  target: N of (P, 3).  trust: N of (P,), float64.  pool: threads, of which no result depends.
    """

    seen: Sequence[Seen]
    target: list[np.ndarray]
    trust: list[np.ndarray]
    pool: Executor

    def backwards(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """A^T values, for N of (P, C): (K, C) float64."""
        total = np.zeros((self.seen[0].weights.shape[1], values[0].shape[1]))
        for one, value in zip(self.seen, values, strict=True):
            total += one.weights.T @ value.astype(np.float32)
        return total

    def squares(self, trust: Sequence[np.ndarray]) -> np.ndarray:
        """(K, 1) the diagonal of A^T trust A."""
        total = np.zeros(self.seen[0].weights.shape[1])
        for one, share in zip(self.seen, trust, strict=True):
            total += one.weights.power(2).T @ share.astype(np.float32)
        return total[:, None]

    def normal(self, x: np.ndarray, trust: Sequence[np.ndarray]) -> np.ndarray:
        """A^T trust A x, (K, 3) float64."""
        kernel = compiled("normal_product")

        def product(view: int) -> np.ndarray:
            matrix, out = self.seen[view].weights, np.zeros_like(x)
            kernel(matrix.indptr, matrix.indices, matrix.data, trust[view], x, out)
            return out

        total = np.zeros_like(x)
        for part in self.pool.map(product, range(len(self.seen))):
            total += part
        return total

    def residuals(self, colour: np.ndarray) -> list[np.ndarray]:
        """N of (P, 3): what splats and pictures differ by."""
        return [
            np.asarray(one.weights @ colour.astype(np.float32)) - target
            for one, target in zip(self.seen, self.target, strict=True)
        ]


def solve(
    seen: Sequence[Seen],
    pictures: np.ndarray,
    means: np.ndarray,
    *,
    trust: np.ndarray | None = None,
    background: Sequence[float] = (0.0, 0.0, 0.0),
    prior: np.ndarray | None = None,
    rounds: int = 4,
    iterations: int = 200,
    robust: bool = True,
    noise: float = 1e-5,
) -> Colours:
    """Colours of K splats that show the pictures best.

    seen: N views.  pictures: (N, S, S, 3) in [0, 1].  means: (K, 3), where those without a say look for neighbours.
    trust: (N, S, S) >= 0, how much each pixel counts, such as its facing; None: all alike.  background: RGB that
    pictures have behind the splats.  prior: (K, 3) colours to stay near where pictures say little; None: the mean of
    what they say.  rounds: of weighing pixels anew.  iterations: of conjugate gradients, at most, in each.
    robust: whether pixels that fit badly have less say.  noise: standard deviation that pictures have at least.
    Raises InputError where no pixel that counts shows a splat, or for pictures of another shape.
    """
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        problem = _problem(seen, np.asarray(pictures), trust, np.asarray(background, np.float32), pool)
        known = problem.squares(problem.trust)[:, 0] >= LEAST_SEEN
        if not known.any():
            told = f"no view sees any of the {about('splats')}"
            raise Refused.mesh_unseen(told, "place the views around them")
        prior = _mean_said(problem) if prior is None else np.asarray(prior, np.float64)
        colour, wanted, spent = prior.clip(0, 1), prior, 0
        for number in range(rounds):
            deviation = max(noise, _deviation(problem, colour))
            share = _reweighted(problem, colour, HUBER * deviation) if robust else problem.trust
            ridge, left = (deviation / AROUND_PRIOR) ** 2, EARLY if number < rounds - 1 else LAST
            colour, wanted, used = _round(problem, share, colour, prior, ridge, left, iterations)
            spent += used
        outside = (wanted[known] < 0) | (wanted[known] > 1)
        fit = _root_mean_square(problem, colour), _deviation(problem, colour)
        colour = filled(means, colour, known).astype(np.float32)
        return Colours(colour, known, float(outside.mean()), *fit, spent)


def filled(means: np.ndarray, colour: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Colours (K, 3) in which those not `known` (K,) are a mean of their nearest known neighbours' in space.

    means: (K, 3).  Nearer ones count more, by the square of the distance.
    """
    if known.all():
        return colour
    count = min(NEIGHBOURS, int(known.sum()))
    distance, place = cKDTree(means[known]).query(means[~known], k=[*range(1, count + 1)])
    share = 1 / np.maximum(distance, 1e-6 * np.ptp(means) + 1e-30) ** 2
    share /= share.sum(axis=1, keepdims=True)
    result = colour.copy()
    result[~known] = (share[..., None] * colour[known][place]).sum(axis=1)
    return result


def _problem(seen: Sequence[Seen], pictures: np.ndarray, trust, background: np.ndarray, pool) -> Equations:
    shape = (len(seen), seen[0].size, seen[0].size)
    if pictures.shape != (*shape, 3) or (trust is not None and np.shape(trust) != shape):
        raise Refused.views_wrong(
            f"{about('pictures')} are {got(list(pictures.shape))}, and their trust {list(np.shape(trust))}",
            f"give {[*shape, 3]} and {[*shape]}",
        )
    shares = np.ones(shape) if trust is None else np.asarray(trust, np.float64)
    target = [
        picture.reshape(-1, 3).astype(np.float32) - (1 - one.alpha.reshape(-1, 1)) * background
        for one, picture in zip(seen, pictures, strict=True)
    ]
    counts = [share.ravel() * (one.alpha.ravel() > 0) for one, share in zip(seen, shares, strict=True)]
    return Equations(seen, target, counts, pool)


def _mean_said(problem: Equations) -> np.ndarray:
    """(K, 3) the mean of what pixels that show a splat say; grey for one that none shows."""
    said = problem.backwards([t[:, None] * y for t, y in zip(problem.trust, problem.target, strict=True)])
    share = problem.backwards(
        [(t * one.alpha.ravel())[:, None] for t, one in zip(problem.trust, problem.seen, strict=True)]
    )
    return np.where(share > 1e-9, said / np.maximum(share, 1e-9), 0.5)


def _sizes(problem: Equations, colour: np.ndarray) -> list[np.ndarray]:
    """N of (P,): root mean square of a pixel's residuals."""
    return [np.sqrt((residual**2).mean(axis=1)) for residual in problem.residuals(colour)]


def _deviation(problem: Equations, colour: np.ndarray) -> float:
    """Robust standard deviation of the pixels that count."""
    sizes = np.concatenate(_sizes(problem, colour))
    return TO_DEVIATION * float(np.median(sizes[np.concatenate(problem.trust) > 0]))


def _root_mean_square(problem: Equations, colour: np.ndarray) -> float:
    sizes, trust = np.concatenate(_sizes(problem, colour)), np.concatenate(problem.trust)
    return float(np.sqrt((trust * sizes**2).sum() / trust.sum()))


def _reweighted(problem: Equations, colour: np.ndarray, limit: float) -> list[np.ndarray]:
    """Trust, less where a pixel's residual is above the limit."""
    return [
        share * np.minimum(1.0, limit / np.maximum(size, 1e-12))
        for share, size in zip(problem.trust, _sizes(problem, colour), strict=True)
    ]


def _round(
    problem: Equations,
    trust: list[np.ndarray],
    colour: np.ndarray,
    prior: np.ndarray,
    ridge: float,
    left: float,
    iterations: int,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Colours in [0, 1], what they would be without bounds of this round, and the iterations."""
    gradient = ridge * (colour - prior) + problem.backwards(
        [t[:, None] * residual for t, residual in zip(trust, problem.residuals(colour), strict=True)]
    )
    free = ~((colour <= 0) & (gradient > 0) | (colour >= 1) & (gradient < 0))

    def product(step: np.ndarray) -> np.ndarray:
        return (problem.normal(step, trust) + ridge * step) * free

    diagonal = problem.squares(trust) + ridge
    step, spent = conjugate_gradients(product, -gradient * free, diagonal, left, iterations)
    wanted = colour + step
    held = np.where(free, wanted, np.where(colour <= 0, -1.0, 2.0))
    return wanted.clip(0, 1), held, spent


def conjugate_gradients(
    product: Callable[[np.ndarray], np.ndarray],
    right: np.ndarray,
    diagonal: np.ndarray,
    left: float,
    most: int,
) -> tuple[np.ndarray, int]:
    """x (K, C) with product(x) = right, channel by channel, from 0 on, and the iterations, `most` at most.

    left: share of `right` that may be wrong.
    product: linear, positive definite.  diagonal: (K, 1) its preconditioner.  scipy's takes one channel, and sums by a
    BLAS whose threads change the last bits.
    """
    x, rest = np.zeros_like(right), right.copy()
    enough = left**2 * (right**2).sum(axis=0)
    way = rest / diagonal
    gain = (rest * way).sum(axis=0)
    for spent in range(most):
        if ((rest**2).sum(axis=0) <= enough).all():
            return x, spent
        bent = product(way)
        curve = (way * bent).sum(axis=0)
        length = np.divide(gain, curve, out=np.zeros_like(gain), where=curve > 0)
        x += length * way
        rest -= length * bent
        ready = rest / diagonal
        before, gain = gain, (rest * ready).sum(axis=0)
        way = ready + np.divide(gain, before, out=np.zeros_like(gain), where=before > 0) * way
    return x, most
