"""What geometry costs on this machine: Embree beside PyTorch3D's CPU rasteriser, and all tables of a large mesh.

    python benchmarks/geometry.py [--full] [--unwrap] [--reference-size N]

Table 1: ten 768 px views of a mesh of 20,000 faces. PyTorch3D's CPU kernel is timed on one view and multiplied by ten,
unless --full asks for all ten; --reference-size makes it smaller still, and its time is scaled by the pixels.
Table 2: every table of a run for 330,000 faces, as `texsync` makes them with mini. --unwrap adds a new UV map.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from texsync.surface.cameras import ring, to_pytorch3d
from texsync.surface.faces import smooth_normals
from texsync.surface.pixels import look
from texsync.surface.raster import rasterize
from texsync.surface.texture import bake_tables
from texsync.surface.types import Surface
from texsync.surface.uv import unwrap
from texsync.views import surface_views

VIEW, CELLS, TEXTURE = 256, 32, 1024  # mini's view and latent sizes, and the default texture
TEXELS = 16 * CELLS


def lumpy_ball(faces: int) -> Surface:
    """A ball with bumps, close to `faces` triangles, with a map of longitude and latitude."""
    rows = round((faces / 4) ** 0.5)
    u, v = np.meshgrid(np.linspace(0, 1, 2 * rows + 1), np.linspace(0.01, 0.99, rows + 1))
    turn, rise = 2 * np.pi * u, np.pi * (v - 0.5)
    radius = 0.8 + 0.15 * np.sin(5 * turn) * np.cos(4 * rise) + 0.04 * np.sin(24 * turn) * np.sin(20 * rise)
    place = np.stack([np.cos(rise) * np.sin(turn), np.sin(rise), np.cos(rise) * np.cos(turn)], axis=-1)
    vertices = (radius[..., None] * place).reshape(-1, 3)
    corner = np.arange(u.size).reshape(u.shape)
    a, b, c, d = (x.ravel() for x in (corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    normals = smooth_normals(vertices, triangles, np.zeros(len(vertices), np.int64))
    uv = np.stack([u, v], axis=-1).reshape(-1, 2)
    return Surface(vertices, triangles, normals, uv, triangles, np.zeros(len(triangles), np.int64))


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of one call."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def pytorch3d_seconds(surface: Surface, size: int, views: int) -> float:
    """PyTorch3D's own CPU kernel; the pixel table of `texsync` is not part of it."""
    from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
    from pytorch3d.structures import Meshes

    mesh = Meshes([torch.as_tensor(surface.vertices, dtype=torch.float32)], [torch.as_tensor(surface.faces)])
    settings = RasterizationSettings(image_size=size, cull_backfaces=False, perspective_correct=True)
    cameras = to_pytorch3d(ring())
    rasterizer = MeshRasterizer(raster_settings=settings)
    return timed(lambda: [rasterizer(mesh, cameras=cameras[[i]]) for i in range(views)])[0]


def rasterisers(full: bool, reference_size: int) -> None:
    surface = lumpy_ball(20_000)
    cameras = to_pytorch3d(ring())
    embree, _ = timed(lambda: rasterize(surface.vertices, surface.faces, cameras, 768))
    views = 10 if full else 1
    measured = pytorch3d_seconds(surface, reference_size, views)
    reference = measured * (10 / views) * (768 / reference_size) ** 2
    how = f"{views} of 10 views at {reference_size} px took {measured:.1f} s"
    print(f"\nTen 768 px views of {len(surface.faces):,} faces, {torch.get_num_threads()} threads")
    print(f"  {'Embree':<34}{embree:>9.2f} s")
    print(f"  {'PyTorch3D on the CPU':<34}{reference:>9.2f} s   ({how})")
    print(f"  {'ratio':<34}{reference / embree:>9.0f}     (asked: at least 50)")


def tables(with_unwrap: bool) -> None:
    surface = lumpy_ball(330_000)
    print(f"\nAll geometry tables for {len(surface.faces):,} faces, ten views")
    steps: dict[str, float] = {}
    steps[f"pixels, {VIEW} px"], fine = timed(lambda: look(surface, ring(), VIEW))
    steps[f"latent pixels, {CELLS} px"], coarse = timed(lambda: look(surface, ring(), CELLS))
    steps[f"views, {TEXELS} latent texels"], views = timed(lambda: surface_views(coarse, fine, TEXELS))
    steps["prefixes of the coupling"], _ = timed(lambda: views.prefix(None, "mean"))
    steps[f"texture, {TEXTURE} texels"], baked = timed(lambda: bake_tables(surface, fine, TEXTURE))
    for name, seconds in steps.items():
        print(f"  {name:<34}{seconds:>9.2f} s")
    print(f"  {'together':<34}{sum(steps.values()):>9.2f} s   (asked: at most 15)")
    seconds, _ = timed(lambda: baked.apply(torch.rand(len(ring()), 3, VIEW, VIEW)))
    print(f"  {'applying them once to ten pictures':<34}{seconds:>9.2f} s")
    if with_unwrap:
        seconds, _ = timed(lambda: unwrap(surface.vertices, surface.faces, TEXTURE))
        print(f"  {'a new UV map (not a table)':<34}{seconds:>9.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="time all ten views with PyTorch3D (minutes)")
    parser.add_argument("--unwrap", action="store_true", help="time a new UV map of the large mesh, too")
    parser.add_argument("--reference-size", type=int, default=768, help="pixels a side for PyTorch3D")
    asked = parser.parse_args()
    rasterisers(asked.full, asked.reference_size)
    tables(asked.unwrap)


if __name__ == "__main__":
    main()
