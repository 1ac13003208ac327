"""Splats sampled from a mesh and painted, against the painted mesh: PSNR of what cameras see, in dB.

    python benchmarks/splats_mesh.py [--mesh FILE] [--count 60000] [--size 256] [--steps 20] [--out DIR] [--ply FILE]

same pictures: the views that the mesh task painted are solved for on the splats: what differs is the splats' doing.
same seed: both tasks paint by themselves, from one seed and the same cameras.  own cameras: those that painted; other
cameras: between them.  Pixels count where both show the object.  DIR/splats.png: mesh above, splats with the same
pictures in the middle, splats painted by themselves below.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from texsync import TexturedMesh, TexturedSplats, texture_mesh, texture_splats
from texsync.files.camera_file import read_cameras
from texsync.files.load import load
from texsync.files.loaded import Loaded
from texsync.files.splat_place import PlacedSplats, place
from texsync.files.world_frame import WorldFrame
from texsync.show.png import to_image
from texsync.show.render import render
from texsync.show.sheet import labelled
from texsync.splats.gaussians import Splats
from texsync.splats.rasterise import contributions
from texsync.splats.splat_files import splat_bytes
from texsync.surface.cameras import Camera
from texsync.surface.pixels import look
from texsync.tasks.splats import SplatJob, SplatOptions
from texsync.tasks.textured_splats import picture

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from splat_scenes import splats_on_mesh  # noqa: E402

MESHES = Path(__file__).parents[1] / "meshes"
SHOWN = (0, 2, 4)  # of the other cameras, on the sheet
SOLID = 0.99  # alpha of pixels that are compared


def sampled(loaded: Loaded, count: int) -> Splats:
    """Flat discs, evenly over a mesh, in its file's coordinates; grey."""
    vertices = loaded.vertices @ loaded.to_world[:3, :3].T + loaded.to_world[:3, 3]
    return splats_on_mesh(vertices, loaded.faces, count)


def said(cameras: Sequence[Camera], loaded: Loaded) -> dict[str, Any]:
    """The same cameras in the file's coordinates."""
    frame = WorldFrame.of(loaded)
    return {
        "cameras": [
            {
                "transform_matrix": frame.matrix(camera).tolist(),
                "convention": "opengl",
                "fov_deg": camera.fov_deg,
                "centre": list(camera.centre),
                "zoom": camera.zoom,
            }
            for camera in cameras
        ]
    }


def psnr(one: Tensor, other: Tensor, where: Tensor) -> float:
    """Of pictures (N, 3, S, S) over the pixels (N, S, S) bool, dB."""
    gap = ((one - other) ** 2).mean(1)[where].mean()
    return float(-10 * torch.log10(gap))


def apart(mesh: TexturedMesh, splats: TexturedSplats, placed: PlacedSplats, cameras, size: int) -> tuple:
    """(PSNR, what cameras see of the mesh, and of the splats)."""
    inside = read_cameras(said(cameras, mesh.loaded), placed)
    seen = [contributions(placed.splats, camera, size) for camera in inside]
    solid = torch.stack([torch.from_numpy(one.alpha) >= SOLID for one in seen])
    shown = torch.stack([picture(one, splats.colours) for one in seen])
    drawn = render(mesh.surface, mesh.texture, cameras, size, 0.0)
    return psnr(shown, drawn, solid & look(mesh.surface, cameras, size).mask), drawn, shown


def main() -> None:
    ask = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    ask.add_argument("--mesh", type=Path, default=MESHES / "rabbit.obj")
    ask.add_argument("--prompt", default="mossy stone")
    ask.add_argument("--count", type=int, default=60_000)
    ask.add_argument("--size", type=int, default=256)
    ask.add_argument("--steps", type=int, default=20)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--out", type=Path)
    ask.add_argument("--ply", type=Path, help="write the splats there, and do nothing else")
    asked = ask.parse_args()
    if asked.ply:
        asked.ply.write_bytes(splat_bytes(sampled(load(asked.mesh), asked.count), ".ply"))
        return
    shared: dict[str, Any] = {"steps": asked.steps, "view_size": asked.size, "seed": asked.seed}
    mesh = texture_mesh(asked.mesh, asked.prompt, **shared)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sampled.ply"
        path.write_bytes(splat_bytes(sampled(mesh.loaded, asked.count), ".ply"))
        up, front = mesh.loaded.axes
        options = dict(up=up, front=front, cameras=said(mesh.pixels.cameras, mesh.loaded), **shared)
        began = time.perf_counter()
        alone = texture_splats(path, asked.prompt, **options)
        seconds = time.perf_counter() - began
        same = solved(mesh, SplatOptions(path, asked.prompt, **options))
    placed = place(alone.splats, up, front)
    between = [Camera(22.5 + 45 * k, 15.0) for k in range(8)]
    table = Table("pictures", "own cameras (dB)", "other cameras (dB)")
    shown = []
    for title, splats in (("same pictures", same), ("same seed", alone)):
        own, _, _ = apart(mesh, splats, placed, mesh.pixels.cameras, asked.size)
        other, drawn, pictures = apart(mesh, splats, placed, between, asked.size)
        table.add_row(title, f"{own:.1f}", f"{other:.1f}")
        shown += [pictures]
    console = Console()
    console.print(table)
    console.print(
        f"{asked.count} splats painted in {seconds:.0f} s; seen {alone.seen.mean():.1%}; {alone.report['seconds']}"
    )
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        rows = [[to_image(one[k]) for k in SHOWN] for one in (drawn, *shown)]
        names = ["mesh", "same pictures", "same seed"]
        labelled(rows, names, [f"{between[k].azimuth_deg:g}°" for k in SHOWN]).save(asked.out / "splats.png")


def solved(mesh: TexturedMesh, options: SplatOptions) -> TexturedSplats:
    """The splats with colours from the mesh's own views."""
    from texsync.splats.splat_files import read_splats
    from texsync.splats.splat_sights import splat_pixels

    job, splats = SplatJob(options), read_splats(options.scene)
    placed = place(splats, options.up, options.front)
    cameras = job.standing.around_splats(placed)
    seen = job.look(placed, cameras, mesh.views.shape[-1])
    pixels = splat_pixels(placed.splats, cameras, seen)
    return job.coloured(splats, placed, seen, pixels, [mesh.views], mesh.condition)[0]


if __name__ == "__main__":
    main()
