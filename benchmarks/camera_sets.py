"""How much of twelve meshes the ring of views and `--cameras cover` see well: the table in docs/cameras.md.

python3 benchmarks/camera_sets.py
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import trimesh

from texsync.files.load import load
from texsync.surface.cameras import ring
from texsync.surface.coverage import cover
from texsync.surface.extra import extra_views
from texsync.surface.uv import prepare

MESHES = Path(__file__).parents[1] / "meshes"
FILES = ("bracket.stl", "crate.glb", "knot.ply", "monkey.obj", "rabbit.obj", "table_scene.glb", "teapot.obj")


def box(size: tuple[float, float, float], place: tuple[float, float, float] = (0, 0, 0)) -> trimesh.Trimesh:
    made = trimesh.creation.box(size)
    made.apply_translation(place)
    return made


def table() -> trimesh.Trimesh:
    """Its underside is half of its top, and its legs hide each other."""
    legs = [box((0.08, 0.7, 0.08), (x, -0.39, z)) for x in (-0.62, 0.62) for z in (-0.37, 0.37)]
    return trimesh.util.concatenate([box((1.4, 0.08, 0.9)), *legs])


def room() -> trimesh.Trimesh:
    """Closed, with thick walls, a table and a pillar inside."""
    inner = box((4.0, 2.6, 3.2))
    inner.invert()
    things = table()
    things.apply_translation((0.6, -0.55, 0.3))
    return trimesh.util.concatenate(
        [box((4.4, 3.0, 3.6)), inner, things, box((0.3, 2.58, 0.3), (-1.2, 0, -0.8))]
    )


def comb() -> trimesh.Trimesh:
    """Teeth as far apart as they are thick."""
    teeth = [box((0.08, 0.6, 0.3), (-0.88 + 0.16 * k, -0.36, 0)) for k in range(12)]
    return trimesh.util.concatenate([box((1.92, 0.12, 0.3)), *teeth])


def terrain() -> trimesh.Trimesh:
    """Hills with a flat ground under them."""
    side = np.linspace(-1, 1, 65)
    x, z = np.meshgrid(side, side)
    y = 0.15 * np.sin(5 * x + 1) * np.cos(4 * z) + 0.25 * np.exp(-8 * ((x - 0.3) ** 2 + (z + 0.2) ** 2))
    corner = (np.arange(64)[:, None] * 65 + np.arange(64)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 65, corner + 1], 1), np.stack([corner + 1, corner + 65, corner + 66], 1)]
    )
    return trimesh.Trimesh(np.stack([x, y, z], -1).reshape(-1, 3), faces)


def cup() -> trimesh.Trimesh:
    """Deep, with a wall of its own thickness."""
    profile = np.array([[0, -0.5], [0.4, -0.5], [0.45, 0.5], [0.4, 0.5], [0.35, -0.42], [0, -0.42]])
    made = trimesh.creation.revolve(profile, sections=48)
    made.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    return made


MADE: dict[str, Callable[[], trimesh.Trimesh]] = {
    "table from below": table,
    "room with a table": room,
    "comb": comb,
    "terrain": terrain,
    "cup": cup,
}


def main() -> None:
    print("| mesh | ring | cameras | cover | cameras | close | seen at all | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, mesh in {
        **{file: MESHES / file for file in FILES},
        **{n: make() for n, make in MADE.items()},
    }.items():
        surface = prepare(load(mesh), policy="auto", texture_size=256)
        around = (*ring(), *extra_views(surface, ring()).cameras)
        start = time.process_time()
        found = cover(surface, around)
        close = sum(any(camera.target) for camera in found.cameras)
        print(
            f"| {name} | {100 * found.before:.1f} % | {len(around)} | {100 * found.after:.1f} % | "
            f"{len(found.cameras)} | {close} | {100 * found.reachable:.1f} % | {time.process_time() - start:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
