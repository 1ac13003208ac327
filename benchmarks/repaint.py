"""The seam of a repainted patch: painted among what is kept, against painted alone and pasted.

    python benchmarks/repaint.py [--size 256] [--steps 10] [--meshes ...] [--out DIR]

A patch of each mesh, the part near its front, is painted anew with the prompt it had.  excess: how much more the
texture changes across the patch's border than inside it, over so many texels; 0 is no seam.  pasted: all is painted
and the patch cut out, hard; pasted softly: with the same soft edge; in context: what is kept takes part.
DIR/repaint.png: front views, a row each mesh and prompt: before, pasted, in context.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from coupling import MESHES
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchvision.utils import save_image

from texsync.files.load import load
from texsync.known import Known
from texsync.show.render import render
from texsync.surface.cameras import Camera
from texsync.surface.partial import Patch, patch
from texsync.surface.texture import bake_tables, texels_of
from texsync.surface.types import Surface
from texsync.surface.uv import prepare
from texsync.tasks.in_context import InContext
from texsync.tasks.mesh import Job, MeshOptions

PROMPTS = ("weathered copper", "mossy stone", "red and white checks")
MESH_FILES = ("rabbit.obj", "teapot.obj", "monkey.obj", "knot.ply", "crate.glb")
TEXTURE, RADIUS = 512, 0.45  # texels a side; of the patch, the mesh having 1
SPANS = (1, 8)  # texels
HOW = ("pasted", "pasted softly", "in context")
FRONT = np.array([0.3, 0.2, 0.93])


def near_the_front(surface: Surface) -> np.ndarray:
    """(S, S) float: 1 on the texels within RADIUS of the surface's foremost point."""
    texels = texels_of(surface, TEXTURE)
    middle = texels.point[(texels.point @ FRONT).argmax()]
    mask = np.zeros(TEXTURE * TEXTURE, np.float32)
    mask[texels.texel] = np.linalg.norm(texels.point - middle, axis=1) < RADIUS
    return mask.reshape(TEXTURE, TEXTURE)


def excess(surface: Surface, texture: np.ndarray, mask: np.ndarray, span: int) -> float:
    """Mean change across the border over mean change inside, minus 1, of texels `span` apart on one island."""
    texels = texels_of(surface, TEXTURE)
    island = np.full(TEXTURE * TEXTURE, -1)
    island[texels.texel] = surface.island[texels.face]
    island, chosen = island.reshape(mask.shape), mask > 0
    across, inside = [], []
    for axis in (0, 1):
        change = np.abs(texture.astype(float) - np.roll(texture, span, axis)).mean(axis=-1)
        near, there = np.roll(island, span, axis), np.roll(chosen, span, axis)
        real = (island >= 0) & (island == near) & (np.indices(mask.shape)[axis] >= span)
        across.append(change[real & (chosen != there)])
        inside.append(change[real & chosen & there])
    return float(np.concatenate(across).mean() / np.concatenate(inside).mean() - 1)


class Bench:
    """One mesh and what is looked up once for all of its prompts."""

    def __init__(self, mesh: str, options: argparse.Namespace):
        self.said = {"view_size": options.size, "steps": options.steps, "model": options.model}
        self.surface = prepare(load(MESHES / mesh), policy="unwrap", texture_size=TEXTURE)
        job = self.job("x", 0)
        self.backbone = job.backbone()
        self.pixels, self.controls, self.views = job.geometry(self.surface, self.backbone)
        self.tables = bake_tables(self.surface, self.pixels, TEXTURE)
        self.mask = near_the_front(self.surface)

    def job(self, prompt: str, seed: int) -> Job:
        return Job(MeshOptions(None, prompt, seed=seed, extra_views="none", **self.said))

    def painted(self, prompt: str, seed: int, known: Known | None = None) -> np.ndarray:
        """A texture of all of the mesh."""
        job = self.job(prompt, seed)
        (latents,) = job.denoise(self.backbone, self.views, self.controls, self.pixels.cameras, known)
        return self.tables.apply(self.backbone.decode(latents).float().cpu()).image

    def textures(self, prompt: str) -> list[np.ndarray]:
        """Before, then one for each of HOW."""
        old, alone = self.painted(prompt, 0), self.painted(prompt, 1)
        soft, hard = patch(old, self.mask, self.surface, None), Patch(old, self.mask)
        known = InContext(old, 1.0, soft).known(self.backbone, self.pixels, self.views.shape[1])
        return [old, hard.apply(alone), soft.apply(alone), soft.apply(self.painted(prompt, 1, known))]


def shown(surface: Surface, textures: list[np.ndarray]) -> list[Tensor]:
    return [render(surface, texture, [Camera(18, 12)], 256, 0.3)[0] for texture in textures]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--meshes", nargs="+", default=list(MESH_FILES))
    parser.add_argument("--prompts", nargs="+", default=list(PROMPTS))
    parser.add_argument("--model", default="mini")
    parser.add_argument("--out", type=Path, default=Path("."))
    options = parser.parse_args()
    table = Table("mesh", "prompt", *(f"{how}, {span}" for span in SPANS for how in HOW))
    sums, sheet = np.zeros((len(SPANS), len(HOW))), list[Tensor]()
    for mesh in options.meshes:
        bench = Bench(mesh, options)
        for prompt in options.prompts:
            old, *made = bench.textures(prompt)
            found = np.array(
                [[excess(bench.surface, one, bench.mask, span) for one in made] for span in SPANS]
            )
            sums += found
            table.add_row(mesh, prompt, *(f"{value:.2f}" for value in found.ravel()))
            sheet += shown(bench.surface, [old, made[0], made[2]])
            print(mesh, prompt, found.round(2).tolist(), flush=True)
            save_image(torch.stack(sheet), options.out / "repaint.png", nrow=3)
    Console(width=140).print(table)
    for span, (pasted, softly, context) in zip(SPANS, sums, strict=True):
        softened = f"pasted softly / pasted {softly / pasted:.2f}"
        print(f"over {span} texels: in context / pasted {context / pasted:.2f}, {softened}")


if __name__ == "__main__":
    main()
