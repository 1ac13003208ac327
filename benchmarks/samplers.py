"""What a step buys: every sampler at every step count under both integrators, on mini.

    python benchmarks/samplers.py [--mesh FILE] [--prompts ...] [--view-size 128] [--out docs/samplers-table.md]

Distance: root of the mean squared difference on the object, in percent of full scale, to the same integrator's DDIM run
of the most steps, which all deterministic samplers approach (so ancestral ones and LCM are not measured by it).
Disagreement and sharpness: as in coupling.py, over the uncoupled DDIM run of the most steps; 1: as without coupling.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from statistics import geometric_mean, mean

from coupling import MESHES
from torch import Tensor

from texsync.files.load import load
from texsync.measures import disagreement, sharpness
from texsync.options.shared import INTEGRATORS
from texsync.surface.uv import prepare
from texsync.tasks.mesh import Job, MeshOptions

STEPS = [4, 6, 8, 10, 20, 30, 50]
DETERMINISTIC = ["ddim", "euler", "dpm++", "unipc"]
RANDOM = ["ddpm"]
PROMPTS = ["blue and white marble", "red and yellow stripes"]


class Bench:
    """One mesh, whose geometry and model are made once."""

    def __init__(self, mesh: Path, model: str, view_size: int):
        self.surface = prepare(load(mesh), policy="auto", texture_size=512)
        self.options = {"model": model, "view_size": view_size}
        job = self._job("a", steps=4)
        self.backbone = job.backbone()
        self.pixels, self.condition, self.views = job.geometry(self.surface, self.backbone)

    def pictures(self, prompt: str, **options) -> Tensor:
        """The decoded views (N, 3, h, w) of one run."""
        job = self._job(prompt, **options)
        (latents,) = job.denoise(self.backbone, self.views, self.condition, self.pixels.cameras)
        return self.backbone.decode(latents).float().cpu()

    def distance(self, one: Tensor, other: Tensor) -> float:
        """In percent of full scale, on the object."""
        inside = self.pixels.mask[:, None].expand(-1, 3, -1, -1)
        return 100 * (one - other)[inside].square().mean().sqrt().item()

    def _job(self, prompt: str, **options) -> Job:
        return Job(MeshOptions(None, prompt, **self.options, **options))


def rows(
    bench: Bench, prompts: list[str], samplers: list[str], integrators: list[str], steps: list[int]
) -> list[list]:
    """[integrator, sampler, steps, distance or None, disagreement, sharpness], over all prompts."""
    most = max(steps)
    alone = {p: bench.pictures(p, sampler="ddim", coupling="none", steps=most) for p in prompts}
    found = []
    for integrator in integrators:
        ends = {p: bench.pictures(p, sampler="ddim", integrator=integrator, steps=most) for p in prompts}
        for sampler, count in product(samplers, steps):
            made = ends
            if (sampler, count) != ("ddim", most):
                made = {
                    p: bench.pictures(p, sampler=sampler, integrator=integrator, steps=count) for p in prompts
                }
            far = mean(bench.distance(made[p], ends[p]) for p in prompts)
            apart, sharp = (
                geometric_mean(kind(bench.pixels, made[p]) / kind(bench.pixels, alone[p]) for p in prompts)
                for kind in (disagreement, sharpness)
            )
            far = far if sampler in DETERMINISTIC else None
            found.append([integrator, sampler, count, far, apart, sharp])
            print(*found[-1], flush=True)
    return found


def written(found: list[list], about: str) -> str:
    """The table as Markdown."""
    lines = [
        "# Samplers on mini",
        "",
        f"Made by `benchmarks/samplers.py`; do not edit. {about}",
        "Distance in percent of full scale to the same integrator's DDIM run of the most steps; disagreement between",
        "views and sharpness over the uncoupled run of the most steps.",
        "",
        "| integrator | sampler | steps | distance | disagreement | sharpness |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for integrator, sampler, steps, far, apart, sharp in found:
        told = "" if far is None else f"{far:.2f}"
        lines.append(f"| {integrator} | {sampler} | {steps} | {told} | {apart:.3f} | {sharp:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mesh", type=Path, default=MESHES / "rabbit.obj")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--prompts", nargs="+", default=PROMPTS)
    parser.add_argument("--samplers", nargs="+", default=[*DETERMINISTIC, *RANDOM])
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--view-size", type=int, default=128)
    parser.add_argument("--integrators", nargs="+", choices=list(INTEGRATORS), default=list(INTEGRATORS))
    parser.add_argument("--rows", type=Path, help="figures of earlier runs (JSON), which these are added to")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    bench = Bench(asked.mesh, asked.model, asked.view_size)
    found = rows(bench, asked.prompts, asked.samplers, asked.integrators, asked.steps)
    if asked.rows:
        before = json.loads(asked.rows.read_text()) if asked.rows.exists() else []
        found = [row for row in before if row[:3] not in [new[:3] for new in found]] + found
        asked.rows.write_text(json.dumps(found))
    about = f"{asked.mesh.stem}, views of {asked.view_size} pixels, seed 0: {', '.join(asked.prompts)}."
    text = written(found, about)
    print(text)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
