"""Which view size and how many steps: what a newcomer's first mesh looks like, and what it takes.

    python benchmarks/view_size.py [--sizes 256 384 512 640] [--steps 8 10 15 20] [--out DIR]

seconds: denoising alone.  apart: mean squared difference between two views where both see the same point, x1000.
named: share of the views whose pattern a small network names (mini_patterns).  DIR/view_size.png: the front views, a
row each size, a column each number of steps.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from coupling import MESHES
from mini_patterns import accuracy, trained
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional
from torchvision.utils import save_image

from texsync.files.load import load
from texsync.measures import disagreement
from texsync.surface.uv import prepare
from texsync.tasks.mesh import Job, MeshOptions

ASKED = (
    ("rabbit.obj", "black and white stripes", "stripes"),
    ("teapot.obj", "red and white checks", "checks"),
)
SHOWN = 256  # pixels a side in the sheet


def painted(mesh: str, prompt: str, size: int, steps: int, model) -> tuple[float, float, Tensor, Tensor]:
    """(seconds, disagreement, pictures (N, 3, size, size), masks (N, size, size)) of one mesh."""
    surface = prepare(load(MESHES / mesh), policy="auto", texture_size=512)
    job = Job(MeshOptions(None, prompt, view_size=size, steps=steps, model=model))
    backbone = job.backbone()
    pixels, condition, views = job.geometry(surface, backbone)
    start = time.perf_counter()
    (latents,) = job.denoise(backbone, views, condition, pixels.cameras)
    seconds = time.perf_counter() - start
    pictures = backbone.decode(latents).float().cpu()
    return seconds, disagreement(pixels, pictures), pictures, pixels.mask


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 384, 512, 640])
    parser.add_argument("--steps", type=int, nargs="+", default=[8, 10, 15, 20])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--out", type=Path, default=Path("."))
    options = parser.parse_args()
    judge, sheet = trained(), list[Tensor]()
    table = Table(
        "pixels", "steps", *(f"{what}, {mesh}" for mesh, *_ in ASKED for what in ("s", "apart", "named"))
    )
    for size in options.sizes:
        for steps in options.steps:
            row = list[str]()
            for mesh, prompt, pattern in ASKED:
                seconds, apart, pictures, masks = painted(mesh, prompt, size, steps, options.model)
                names, named = [pattern] * len(pictures), [tuple(prompt.split()[0:3:2])] * len(pictures)
                hits = accuracy(judge, pictures, masks, names, named)[:, 0].mean().item()
                row += [f"{seconds:.0f}", f"{1000 * apart:.2f}", f"{hits:.2f}"]
                sheet.append(
                    functional.interpolate(pictures[:1], size=SHOWN, mode="bilinear", antialias=True)[0]
                )
            print(size, steps, *row, flush=True)
            table.add_row(str(size), str(steps), *row)
            save_image(torch.stack(sheet), options.out / "view_size.png", nrow=2 * len(options.steps))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
