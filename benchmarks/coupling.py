"""How well views agree, and how sharp they stay, for every coupling, step count and integrator.

    python benchmarks/coupling.py [--mesh FILE] [--prompts ...] [--seeds N] [--steps 10 20 30]

Disagreement: mean squared difference between two views where both see the same surface point. Sharpness:
gradient energy on the object. Both are ratios over the uncoupled views of the same prompt, seed and step count, so
1 means "as if nobody talked": their geometric mean over prompts and seeds, and the worst of them. The prompt that
is nearly one flat colour has little to disagree about, and its ratio counts as much as any other's.
"""

from __future__ import annotations

import argparse
from itertools import combinations, product
from pathlib import Path
from statistics import geometric_mean

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from texsync.files.load import load
from texsync.surface.pixels import Pixels, visible
from texsync.surface.uv import prepare
from texsync.tasks.mesh import Job, MeshOptions

PROMPTS = [
    "weathered copper",
    "blue and white marble",
    "mossy stone",
    "red and yellow stripes",
    "gray and white bricks",
    "green and black camouflage",
]
MESHES = Path(__file__).parents[1] / "meshes"
METHODS = {
    "none": {"coupling": "none"},
    "synctweedies": {"coupling": "synctweedies"},
    "syncmvd": {"coupling": "syncmvd"},
    "multidiffusion": {"coupling": "multidiffusion"},
    "visual-anagrams": {"coupling": "visual-anagrams"},
    "syncdiffusion": {"coupling": "syncdiffusion"},
    "syncsde paper mean": {"integrator": "paper", "blend": "mean"},
    "syncsde exact mean": {"integrator": "exact", "blend": "mean"},
    "syncsde paper best": {"integrator": "paper", "blend": "best-facing"},
    "syncsde exact best": {"integrator": "exact", "blend": "best-facing"},
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
    asked = MeshOptions(None, prompt, seed=seed, steps=steps, noise=noise, model=shared["model"], **method)
    job = Job(asked)
    if "backbone" not in shared:
        backbone = job.backbone()
        shared.update(backbone=backbone, geometry=job.geometry(surface, backbone))
    backbone, (pixels, condition, views) = shared["backbone"], shared["geometry"]
    (latents,) = job.denoise(backbone, views, condition, pixels.cameras)
    pictures = backbone.decode(latents).cpu()
    return disagreement(pixels, pictures), sharpness(pixels, pictures)


def ratios(surface, options: argparse.Namespace, noise: str, steps: int, shared: dict) -> dict[str, list]:
    """For each method the (disagreement, sharpness) of every prompt and seed over the uncoupled run's."""
    found: dict[str, list] = {name: [] for name in ["none", *options.methods]}
    for prompt, seed in product(options.prompts, range(options.seeds)):
        alone = (1.0, 1.0)
        for name in found:
            got = measure(surface, prompt, seed, steps, noise, METHODS[name], shared)
            alone = got if name == "none" else alone
            found[name].append((got[0] / alone[0], got[1] / alone[1]))
            print(f"{noise} {steps} {prompt!r} {seed} {name}: {got[0]:.5f} {got[1]:.5f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mesh", type=Path, default=MESHES / "rabbit.obj")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--prompts", nargs="+", default=PROMPTS)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS)[1:], default=list(METHODS)[1:])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 20, 30])
    parser.add_argument("--noise", nargs="+", default=["shared", "independent"])
    options = parser.parse_args()
    surface, shared = prepare(load(options.mesh), policy="auto", texture_size=1024), {"model": options.model}
    table = Table("noise", "steps", "coupling", "disagreement", "worst", "sharpness", "least")
    for noise, steps in product(options.noise, options.steps):
        for name, found in ratios(surface, options, noise, steps, shared).items():
            apart, sharp = zip(*found, strict=True)
            figures = (geometric_mean(apart), max(apart), geometric_mean(sharp), min(sharp))
            table.add_row(noise, str(steps), name, *(f"{figure:.3f}" for figure in figures))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
