"""Splats: how long the rasteriser takes, and the linear solve for colours against gradient steps.

    python benchmarks/splats.py [--mesh meshes/rabbit.obj] [--splats 200000] [--size 512] [--steps 1000 4000]

Splats lie on a mesh; ten views are painted with a pattern that differs a little from view to view, as a model's do.
Residual: root mean square of what splats and pictures differ by, on pixels that show something, colours in 0..1.
The gradient steps are Adam's on the same matrices, one view a step as 3D Gaussian Splatting trains, at the best of some
learning rates (0.0025 is that of 3DGS for colours).  `--solve-splats` and `--solve-size` are for the second
part, whose seconds are of processor time, so that a busy machine counts alike for all.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from texsync.files.load import load
from texsync.splats.gaussians import DEGREE_0
from texsync.splats.painted_splats import solve
from texsync.splats.rasterise import Seen, contributions
from texsync.surface.cameras import ring

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from splat_scenes import splats_on_mesh  # noqa: E402

RATES = (0.0025, 0.01, 0.04)


def pattern(means: np.ndarray) -> np.ndarray:
    """(K, 3) colours of a striped solid."""
    return 0.5 + 0.4 * np.sin(means @ np.array([[19.0, 3, 7], [5, 23, 2], [11, 4, 29]]))


def pictures(seen: list[Seen], means: np.ndarray, disagree: float) -> np.ndarray:
    """(N, S, S, 3): the pattern as each view paints it, with shades of its own that vary over the picture."""
    rng, made = np.random.default_rng(0), []
    for one in seen:
        row, column = np.indices(one.alpha.shape) / one.size
        phase = rng.uniform(0, 6, 3)
        shade = disagree * np.sin(9 * (row + column)[..., None] + phase)
        made.append((one.mean(pattern(means)) + shade) * one.alpha[..., None])
    return np.stack(made).clip(0, 1)


def residual(seen: list[Seen], painted: np.ndarray, colour: np.ndarray) -> float:
    total, count = 0.0, 0
    for one, picture in zip(seen, painted, strict=True):
        shown = one.alpha.ravel() > 0
        wrong = (one.weights @ colour.astype(np.float32) - picture.reshape(-1, 3))[shown]
        total, count = total + float((wrong.astype(np.float64) ** 2).sum()), count + wrong.size
    return (total / count) ** 0.5


def adam(seen: list[Seen], painted: np.ndarray, steps: int, rate: float) -> tuple[np.ndarray, float]:
    """Colours after so many steps from grey, and seconds of processor time.  Learned: coefficients of degree 0."""
    matrices = [
        torch.sparse_csr_tensor(*map(torch.as_tensor, (m.indptr, m.indices, m.data)), size=m.shape)
        for m in (one.weights for one in seen)
    ]
    turned = [m.t().to_sparse_csr() for m in matrices]
    targets = [torch.as_tensor(picture.reshape(-1, 3), dtype=torch.float32) for picture in painted]
    learned = torch.zeros(matrices[0].shape[1], 3, requires_grad=True)
    optimiser = torch.optim.Adam([learned], lr=rate, eps=1e-15)
    order = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(steps):
        view = int(order.integers(len(matrices)))
        with torch.no_grad():
            wrong = matrices[view] @ (0.5 + DEGREE_0 * learned) - targets[view]
            learned.grad = DEGREE_0 * 2 / wrong.numel() * (turned[view] @ wrong)
        optimiser.step()
    spent = time.process_time() - start
    return (0.5 + DEGREE_0 * learned.detach()).numpy(), spent


def rasteriser(surface, count: int, size: int) -> None:
    splats = splats_on_mesh(surface.vertices, surface.faces, count)
    start, entries = time.perf_counter(), 0
    for camera in ring():
        entries += contributions(splats, camera, size).weights.nnz
    spent = time.perf_counter() - start
    print(
        f"{count:,} splats, ten views of {size} px: {spent:.1f} s with compiling, {entries / 1e6:.0f} M entries"
    )


def solvers(surface, count: int, size: int, steps: list[int], disagree: float) -> None:
    splats = splats_on_mesh(surface.vertices, surface.faces, count)
    seen = [contributions(splats, camera, size) for camera in ring()]
    painted = pictures(seen, splats.means, disagree)
    print(
        f"{count:,} splats, ten views of {size} px, {sum(one.weights.nnz for one in seen) / 1e6:.1f} M entries"
    )
    print(f"{'':34} {'residual':>9} {'in 0..1':>9} {'CPU s':>8} {'time':>6}")
    start = time.process_time()
    found = solve(seen, painted, splats.means)
    usual = time.process_time() - start
    print(f"{'linear solve, robust':34} {'':9} {residual(seen, painted, found.colour):9.5f} {usual:8.1f}")
    start = time.process_time()
    found = solve(seen, painted, splats.means, robust=False)
    plain = time.process_time() - start
    own = residual(seen, painted, found.colour)
    print(f"{'linear solve, least squares':34} {'':9} {own:9.5f} {plain:8.1f} {1:6.1f}")
    rates = RATES
    for number in steps:
        free = {}
        for rate in rates:
            colour, spent = adam(seen, painted, number, rate)
            free[rate], cut = (residual(seen, painted, c) for c in (colour, colour.clip(0, 1)))
            name = f"Adam, {number:,} steps, rate {rate:g}"
            print(f"{name:34} {free[rate]:9.5f} {cut:9.5f} {spent:8.1f} {spent / plain:6.1f}")
        rates = tuple({RATES[0], min(free, key=free.__getitem__)})  # the paper's, and the best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mesh", type=Path, default=Path("meshes/rabbit.obj"))
    parser.add_argument("--splats", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--solve-splats", type=int, default=10_000)
    parser.add_argument("--solve-size", type=int, default=128)
    parser.add_argument("--steps", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--disagree", type=float, default=0.05, help="shades of each view's own, 0..1")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", "Sparse")
    surface = load(asked.mesh)
    rasteriser(surface, asked.splats, asked.size)
    solvers(surface, asked.solve_splats, asked.solve_size, asked.steps, asked.disagree)


if __name__ == "__main__":
    main()
