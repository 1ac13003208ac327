"""Make training pictures in processes of their own: `python -m texsync.mini.spool --out DIR --processes N`.

Each file holds CHUNK pictures of one kind; train and train_vae take them from DIR as they come.  The processes wait
while DIR holds `--full` files and end when a file DIR/stop appears.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .data import Sample, material_samples, scene_samples, swatch_samples
from .models import PIXELS
from .shapes import Shot, endless_shots

CHUNK = 16
CAPTIONS = 6  # of each picture
KEPT = 48  # shots that a process reuses before new ones push them out
RENEWED = 2  # of them, for each chunk of views
SCENES = 0.3  # share of chunks
FLAT = 3  # swatches in a chunk of views


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--full", type=int, default=1000, help="files")
    parser.add_argument("--size", type=int, default=PIXELS, help="pixels")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "stop").unlink(missing_ok=True)
    arguments = (options.out, options.full, options.size)
    context = multiprocessing.get_context("spawn")
    for rank in range(options.processes):
        context.Process(target=make, args=(*arguments, options.seed + rank), daemon=False).start()


def make(out: Path, full: int, size: int, seed: int) -> None:
    """One process: files of pictures until told to stop."""
    os.nice(19)  # whoever learns from the pictures goes first
    torch.set_num_threads(1)
    rng = random.Random(seed)
    endless, shots, count = endless_shots(size, rng), list[Shot](), 0
    while not (out / "stop").exists():
        if len(list(out.glob("*.safetensors"))) >= full:
            time.sleep(0.5)
            continue
        scenes = rng.random() < SCENES
        samples = scene_samples(CHUNK, size, rng) if scenes else views(endless, shots, size, rng)
        count += 1
        write(out / f"{'scenes' if scenes else 'views'}-{seed}-{count}.safetensors", samples, rng)


def views(endless: Iterator[Shot], shots: list[Shot], size: int, rng: random.Random) -> list[Sample]:
    """Materials on things and some flat pieces; renews a few of the shots."""
    for _ in range(RENEWED if len(shots) >= KEPT else 4 * RENEWED):
        shots.append(next(endless))
    del shots[:-KEPT]
    return material_samples(shots, CHUNK - FLAT, size, rng) + swatch_samples(FLAT, size, rng)


def write(file: Path, samples: list[Sample], rng: random.Random) -> None:
    """picture (CHUNK, 3, S, S) and condition (CHUNK, S, S), 0 for none, in bytes; captions as JSON."""
    pictures = torch.stack([as_bytes(sample.picture) for sample in samples])
    tensors = {"picture": pictures}
    if any(sample.condition is not None for sample in samples):
        blank = torch.zeros(pictures.shape[-2:], dtype=torch.uint8)
        conditions = [blank if s.condition is None else as_bytes(s.condition) for s in samples]
        tensors["condition"] = torch.stack(conditions)
    captions = [[sample.caption(rng) for _ in range(CAPTIONS)] for sample in samples]
    part = file.with_suffix(".part")
    save_file(tensors, part, {"captions": json.dumps(captions)})
    part.rename(file)


def read(file: Path) -> tuple[dict[str, Tensor], list[list[str]]]:
    """What `write` wrote: tensors by name, and the captions of each picture."""
    with safe_open(file, "pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return tensors, json.loads(opened.metadata()["captions"])


def as_bytes(picture: Tensor) -> Tensor:
    """[0, 1] to 0..255."""
    return (picture.float() * 255).round().clamp(0, 255).byte()


if __name__ == "__main__":
    main()
