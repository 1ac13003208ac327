"""How long a scene of many parts takes to be read, judged and saved.

    python benchmarks/many_parts.py [--parts 1500]

Every part is a box on a grid, with UVs in a cell of its own on the map.  Seconds of processor time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import trimesh

from texsync.files.load import load
from texsync.files.save import save_model
from texsync.surface.uv import prepare


def scene(parts: int) -> trimesh.Scene:
    side = int(np.ceil(parts**0.5))
    made = trimesh.Scene()
    for k in range(parts):
        column, row = k % side, k // side
        box = trimesh.creation.box((0.8, 0.8, 0.8))
        box.apply_translation((column, 0, row))
        flat = box.vertices @ np.array([[1, 0], [0, 1], [0.5, 0.3]])  # so that every side has an area
        flat = (flat - flat.min(axis=0)) / np.ptp(flat, axis=0)
        uv = (np.array([column, row]) + 0.1 + 0.8 * flat) / side
        box.visual = trimesh.visual.TextureVisuals(uv=uv)
        made.add_geometry(box, node_name=f"part {k}")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", type=int, default=1500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "parts.glb")
        scene(asked.parts).export(path)
        texture = SimpleNamespace(image=np.full((64, 64, 3), 128, np.uint8))
        moments = [time.process_time()]
        loaded = load(path)
        moments.append(time.process_time())
        surface = prepare(loaded, policy="auto", texture_size=1024)
        moments.append(time.process_time())
        save_model(loaded, surface, texture, Path(scratch), "out")
        moments.append(time.process_time())
    read, judged, saved = np.diff(moments)
    print(f"{asked.parts} parts: read {read:.1f} s, UVs judged {judged:.1f} s, saved {saved:.1f} s")


if __name__ == "__main__":
    main()
