"""Does "a COLOUR object" come out in that colour?  Twelve names, two meshes, 24 textures.

    python benchmarks/colours.py [--meshes FILE FILE] [--model NAME] [--steps N]

A texture's colour is the mean over its covered texels weighted by surface area, taken to CIELAB; it counts when
its own name's reference is the nearest of the twelve.  References: what people called those names in xkcd's colour
survey of 2010 (blog.xkcd.com/2010/05/03/color-survey-results, public domain).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.color import rgb2lab

from texsync.files.load import load
from texsync.surface.texture import bake_tables
from texsync.surface.uv import prepare
from texsync.tasks.mesh import Job, MeshOptions

MESHES = Path(__file__).parents[1] / "meshes"
REFERENCES = {
    "red": "#e50000", "green": "#15b01a", "blue": "#0343df", "yellow": "#ffff14", "white": "#ffffff",
    "black": "#000000", "orange": "#f97306", "purple": "#7e1e9c", "pink": "#ff81c0",
    "brown": "#653700", "gray": "#929591", "teal": "#029386",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--meshes", nargs="+", type=Path, default=[MESHES / "rabbit.obj", MESHES / "teapot.obj"]
    )
    parser.add_argument("--model", default="mini")
    parser.add_argument("--steps", type=int, default=None)
    options = parser.parse_args()
    names = list(REFERENCES)
    anchors = lab(np.array([list(bytes.fromhex(code[1:])) for code in REFERENCES.values()]) / 255)
    table, right, backbone = Table("mesh", "asked", "got", "mean sRGB", "distance to own"), 0, None
    for mesh in options.meshes:
        surface = prepare(load(mesh), texture_size=512)
        settings = MeshOptions(None, "a red object", model=options.model, steps=options.steps)
        backbone = backbone or Job(settings).backbone()
        pixels, condition, views = Job(settings).geometry(surface, backbone)
        tables = bake_tables(surface, pixels, 512)
        for i, name in enumerate(names):
            job = Job(replace(settings, prompt=f"a {name} object", seed=i))
            (latents,) = job.denoise(backbone, views, condition, pixels.cameras)
            baked = tables.apply(backbone.decode(latents))
            mean = np.average(baked.image[baked.covered] / 255, axis=0, weights=baked.area[baked.covered])
            distance = np.linalg.norm(anchors - lab(mean[None]), axis=1)
            got = names[int(distance.argmin())]
            right += got == name
            shown = tuple((255 * mean).round().astype(int).tolist())
            print(f"{mesh.stem}: {name} -> {got}, {right} right", flush=True)
            table.add_row(mesh.stem, name, got, str(shown), f"{distance[i]:.1f}")
    console = Console(width=100)
    console.print(table)
    console.print(f"{right} of {len(names) * len(options.meshes)} named right")


def quiet(*_) -> None:
    """No progress: the table says it all."""


def lab(srgb: np.ndarray) -> np.ndarray:
    """(M, 3) sRGB in [0, 1] to CIELAB."""
    return rgb2lab(srgb[None])[0]


if __name__ == "__main__":
    main()
