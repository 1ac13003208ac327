"""How far mini's pictures are from the generator's own, as a public network sees them.

    python benchmarks/mini_distance.py [--model NAME] [--count N] [--steps N]

Both sides show the same captions on the same held-out shapes. Frechet and kernel distance (KID) of the features of
EfficientNet-Lite0. Beside them, as the floor, what the generator's pictures have from as many
others of its own.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator

import numpy as np
import torch
from mini_paint import paint
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from texsync.backbones.by_name import load_model
from texsync.measures import features_by, frechet, kernel
from texsync.mini.data import Sample, material_samples
from texsync.mini.shapes import shots

SEEDS = 5 * 10**6, 6 * 10**6  # of the two halves; training has seen neither
BATCH = 25


def batches(count: int, seed: int) -> Iterator[list[Sample]]:
    """`count` things in random materials, a few at a time, each on shapes of its own."""
    for start in range(0, count, BATCH):
        held = shots(BATCH, 512, seed=seed + start, views_each=1)
        yield material_samples(held, min(BATCH, count - start), 512, random.Random(seed + start))


def pictures(samples: list[Sample]) -> Tensor:
    return torch.stack([sample.picture for sample in samples])


def painted(model, samples: list[Sample], seed: int, steps: int) -> Tensor:
    """What mini makes of the same captions and conditions."""
    rng = random.Random(seed)
    control = torch.stack([sample.condition.expand(3, -1, -1) for sample in samples])
    return paint(model, [s.caption(rng) for s in samples], control, seed=seed, steps=steps, chunk=5)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mini")
    parser.add_argument("--count", type=int, default=2000, help="pictures on each side")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--dtype", default="auto", help="bf16 takes half of the time on some CPUs")
    options = parser.parse_args()
    model = load_model(options.model, device="cpu", dtype=options.dtype)
    see = features_by()
    real, other, made = [], [], []
    total = -(-options.count // BATCH)
    for k, samples in enumerate(track(batches(options.count, SEEDS[0]), "painting", total)):
        real.append(see(pictures(samples)))
        made.append(see(painted(model, samples, SEEDS[0] + k * BATCH, options.steps)))
    for samples in track(batches(options.count, SEEDS[1]), "the other half", total):
        other.append(see(pictures(samples)))
    table = Table("against the generator's pictures", "Frechet", "kernel", title=f"{options.count:,} each")
    for name, side in (("mini's", made), ("others of its own", other)):
        sets = np.concatenate(side), np.concatenate(real)
        table.add_row(name, f"{frechet(*sets):.1f}", f"{kernel(*sets):.4f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
