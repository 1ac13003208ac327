"""What the detail pass adds to a texture, what it takes, and how much noise it should start from.

    python benchmarks/refine.py [--size 256] [--texture 2048] [--times 2 4] [--levels 0.3 0.4 0.5] [--out DIR]

details: root mean square, x100, of what the first pass's front view, looked at with four times its pixels, has above
the Nyquist limit of those pixels, in windows inside the silhouette.  apart: how far tiles are from their mean where
several show a texel, root mean square, x100; alone: the same of tiles that are not coupled.  MB: the most memory of the
process until then.  DIR/refine.png: a close look at the first texture and at each of the others.
"""

from __future__ import annotations

import argparse
import resource
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from coupling import MESHES
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional
from torchvision.utils import save_image

from texsync import texture_mesh
from texsync.show.render import render
from texsync.surface.cameras import Camera
from texsync.surface.pixels import look
from texsync.surface.texture import Sum, Texture
from texsync.surface.types import Surface
from texsync.tasks.mesh import LATENT_TEXELS, Job, MeshOptions
from texsync.tasks.refine import Closer, refined

CLOSE = Camera(25, 10, zoom=2.2)
CLOSER, WINDOWS = 4, 16  # times the pixels of a view; windows along a side


class Watched(Sum):
    """Also sums squares, so that it knows how far the pictures are apart."""

    def __init__(self, count: int):
        super().__init__(count)
        self.squares, self.heard = torch.zeros(count, 3), torch.zeros(count)

    def add(self, image: Tensor, which: Tensor, grid: Tensor, weight: Tensor) -> None:
        super().add(image, which, grid, weight)
        sample = functional.grid_sample(image[None], grid[None, None], align_corners=False)[0, :, 0].T
        self.squares.index_add_(0, which, weight[:, None] * sample**2)
        self.heard.index_add_(0, which, torch.ones(len(which)))

    def apart(self) -> float:
        """Root mean square, x100, over texels that several pictures show."""
        shared = self.heard > 1
        mean = self.squares / self.total.clamp(min=1e-12) - self.mean() ** 2
        return 100 * float(mean[shared].clamp(min=0).mean().sqrt())


class Watching(Closer):
    """Tiles whose sum is watched."""

    def total(self, count: int) -> Watched:
        self.watched = Watched(count)
        return self.watched


def details(surface: Surface, image: np.ndarray, camera: Camera, size: int) -> float:
    """Above the Nyquist limit of a view of `size` pixels, root mean square, x100; inside the silhouette."""
    picture = render(surface, image, [camera], CLOSER * size, samples=1)[0].mean(dim=0).double().numpy()
    inside = look(surface, [camera], CLOSER * size).mask[0].numpy()
    side = CLOSER * size // WINDOWS
    window = np.outer(np.hanning(side), np.hanning(side))
    rate = np.abs(np.fft.fftfreq(side))
    fine = np.maximum(rate[:, None], rate[None]) > 0.5 / CLOSER
    power = []
    for top, left in product(range(0, CLOSER * size - side + 1, side // 2), repeat=2):
        place = slice(top, top + side), slice(left, left + side)
        if inside[place].all():
            part = picture[place] - np.average(picture[place], weights=window)
            power.append((np.abs(np.fft.fft2(part * window)) ** 2)[fine].sum() / side**2 / (window**2).sum())
    return 100 * float(np.sqrt(np.mean(power)))


def memory() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}"


def close(surface: Surface, texture: Texture) -> Tensor:
    return render(surface, texture.image, [CLOSE], 512, 0.2)[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mesh", default="rabbit.obj")
    parser.add_argument("--prompt", default="red and white checks")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--texture", type=int, default=2048)
    parser.add_argument("--times", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--levels", type=float, nargs="+", default=[0.3, 0.4, 0.5])
    parser.add_argument("--strength", type=float, help="of the detail pass, else its own")
    parser.add_argument("--blend", help="likewise")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--out", type=Path, default=Path("."))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    said = {"view_size": options.size, "texture_size": options.texture, "steps": options.steps}
    said |= {"model": options.model, "extra_views": "none"}
    start = time.perf_counter()
    first = texture_mesh(MESHES / options.mesh, options.prompt, **said)
    taken, sheet = time.perf_counter() - start, [close(first.surface, first.baked)]
    front = first.pixels.cameras[0]
    table = Table("times", "noise", "tiles apart", "alone", "details", "s", "MB")
    lost = details(first.surface, first.texture, front, options.size)
    table.add_row("1", "", "", "", f"{lost:.2f}", f"{taken:.0f}", memory())
    for times in options.times:
        for level in options.levels:
            asked = {**said, "refine": times, "refine_noise": level}
            own_settings = {"strength": options.strength, "blend": options.blend}
            apart = []
            for coupling in ("syncsde", "none"):
                more = own_settings if coupling == "syncsde" else {}
                job = Job(MeshOptions(None, options.prompt, coupling=coupling, **asked, **more))
                start = time.perf_counter()
                closer = Watching(job, job.backbone(), first.pixels, LATENT_TEXELS)
                (made,) = refined(closer, [first.baked], None)
                apart.append((closer.watched.apart(), time.perf_counter() - start, made))
            (own, taken, made), (alone, *_) = apart
            sheet.append(close(first.surface, made))
            lost = details(first.surface, made.image, front, options.size)
            figures = f"{own:.2f}", f"{alone:.2f}", f"{lost:.2f}", f"{taken:.0f}", memory()
            table.add_row(str(times), f"{level}", *figures)
            print(times, level, *figures, flush=True)
            save_image(torch.stack(sheet), options.out / "refine.png", nrow=2)
    Console().print(table)


if __name__ == "__main__":
    main()
