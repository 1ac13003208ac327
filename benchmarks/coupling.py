"""How well views agree, and how sharp they stay, for every coupling, step count and integrator.

    python benchmarks/coupling.py [--mesh FILE] [--prompts ...] [--seeds N] [--steps 10 20 30]

Disagreement: mean squared difference between two views where both see the same surface point. Sharpness:
gradient energy on the object. Both are ratios over the uncoupled views of the same prompt, seed and step count, so
1 means "as if nobody talked": their geometric mean over prompts and seeds, and the worst of them. The prompt that
is nearly one flat colour has little to disagree about, and its ratio counts as much as any other's.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from statistics import geometric_mean

from rich.console import Console
from rich.table import Table

from texsync.files.load import load
from texsync.measures import disagreement, sharpness
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
