"""How well views agree, and how sharp they stay, for every coupling, step count and integrator.

    python benchmarks/coupling.py [--mesh FILE] [--prompts ...] [--seeds N] [--steps 10 20 30]

Disagreement: mean squared difference between two views where both see the same surface point. Sharpness:
gradient energy on the object. Both are ratios over the uncoupled views of the same seeds and step count, so 1
means "as if nobody talked"; the last rows compare with the uncoupled views of 30 steps instead.
"""

from __future__ import annotations

import argparse
from itertools import combinations, product
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from texsync.options import MeshOptions
from texsync.surface.load import load
from texsync.surface.pixels import Pixels, visible
from texsync.surface.uv import prepare
from texsync.tasks.mesh import Job

MESHES = Path(__file__).parents[1] / "meshes"
METHODS = {
    "none": {"coupling": "none"},
    "synctweedies": {"coupling": "synctweedies"},
    "syncsde paper": {"coupling": "syncsde", "integrator": "paper"},
    "syncsde exact": {"coupling": "syncsde", "integrator": "exact"},
}


def disagreement(pixels: Pixels, pictures: Tensor) -> float:
    """Mean squared difference (channels averaged) over all pairs of views and all points that both see well."""
    total, count = 0.0, 0
    inner = inside(pixels.mask, 4)
    for i, j in combinations(range(len(pictures)), 2):
        here = inner[i] & (pixels.facing[i] > 0.5)
        outward = torch.where(pixels.behind[i][here][:, None], -1, 1) * pixels.normal[i][here]
        seen, facing, where = visible(pixels, pixels.position[i][here], outward)
        grid = where[j, :, :2] / pixels.size * 2 - 1
        sampled = functional.grid_sample(pictures[j][None], grid[None, None], align_corners=False)[0, :, 0].T
        safe = functional.grid_sample(inner[j].float()[None, None], grid[None, None], align_corners=False)[
            0, 0, 0
        ]
        both = seen[j] & (facing[j] > 0.5) & (safe > 0.999)
        difference = (sampled - pictures[i][:, here].T)[both].square()
        total, count = total + difference.sum().item(), count + difference.numel()
    return total / max(count, 1)


def sharpness(pixels: Pixels, pictures: Tensor) -> float:
    """Mean squared difference between neighbouring pixels, away from the silhouette."""
    inner = inside(pixels.mask, 4)[:, None]
    right = (pictures.diff(dim=3).square() * (inner[..., 1:] & inner[..., :-1])).sum()
    down = (pictures.diff(dim=2).square() * (inner[:, :, 1:] & inner[:, :, :-1])).sum()
    return ((right + down) / (3 * inner.sum())).item()


def inside(mask: Tensor, pixels: int) -> Tensor:
    """The mask shrunk by so many pixels."""
    outside = functional.max_pool2d((~mask).float()[:, None], 2 * pixels + 1, 1, pixels)[:, 0]
    return outside == 0


def measure(
    surface, prompt: str, seed: int, steps: int, noise: str, method: dict, shared: dict
) -> tuple[float, float]:
    """(disagreement, sharpness) of one run; `shared` keeps the model and the geometry between runs."""
    job = Job(MeshOptions(prompt, seed=seed, steps=steps, noise=noise, **method), lambda *_: None)
    if not shared:
        backbone = job.backbone()
        shared.update(backbone=backbone, geometry=job.geometry(surface, backbone))
    backbone, (pixels, condition, views) = shared["backbone"], shared["geometry"]
    latents = job.denoise(backbone, views, condition, pixels.cameras)
    pictures = backbone.decode(latents).cpu()
    return disagreement(pixels, pictures), sharpness(pixels, pictures)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mesh", type=Path, default=MESHES / "rabbit.obj")
    parser.add_argument(
        "--prompts", nargs="+", default=["weathered copper", "blue and white marble", "mossy stone"]
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 20, 30])
    parser.add_argument("--noise", nargs="+", default=["shared", "independent"])
    options = parser.parse_args()
    loaded = load(options.mesh)
    surface, shared = prepare(loaded, policy="auto", texture_size=1024), {}
    table = Table(
        "noise", "steps", "coupling", "disagreement", "sharpness", "disagreement (abs)", "sharpness (abs)"
    )
    for noise, steps in product(options.noise, options.steps):
        totals = {name: [0.0, 0.0] for name in METHODS}
        for prompt, seed, (name, method) in product(options.prompts, range(options.seeds), METHODS.items()):
            got = measure(surface, prompt, seed, steps, noise, method, shared)
            totals[name] = [a + b for a, b in zip(totals[name], got, strict=True)]
        runs = len(options.prompts) * options.seeds
        for name, (apart, sharp) in totals.items():
            ratios = (apart / totals["none"][0], sharp / totals["none"][1])
            table.add_row(
                noise,
                str(steps),
                name,
                *(f"{r:.3f}" for r in ratios),
                f"{apart / runs:.5f}",
                f"{sharp / runs:.5f}",
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
