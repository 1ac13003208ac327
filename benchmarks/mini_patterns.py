"""A small network that names patterns and materials, trained only on the generator's own pictures.

python benchmarks/mini_patterns.py [--minutes M]     trains it and keeps it beside other caches
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from texsync.mini.captions import Recipe
from texsync.mini.data import on_shot
from texsync.mini.shapes import Shot, shots
from texsync.mini.words import COLOURS, MATERIALS, PATTERNS

NAMES = (*PATTERNS, *MATERIALS)
SEED = 2 * 10**6
CACHE = Path.home() / ".cache" / "texsync" / "mini_patterns.safetensors"


def network() -> nn.Sequential:
    """(N, 3, 256, 256) in [0, 1] to (N, names) scores."""
    widths, layers = (3, 24, 48, 96, 128), [nn.AvgPool2d(2)]
    for a, b in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
        layers += [nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()] if b > 24 else []
    return nn.Sequential(
        *layers, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(512, len(NAMES))
    )


def real(shot: Shot, name: str, rng: random.Random) -> Tensor:
    """A real picture of a name; patterns in any two colours."""
    colours = tuple(rng.sample(list(COLOURS), 2)) if name in PATTERNS else ()
    return on_shot(Recipe(name, colours), shot, 256, rng).picture


def train(minutes: float) -> nn.Module:
    rng, start, step = random.Random(SEED), time.time(), 0
    torch.manual_seed(0)
    held, judge = shots(400, 256, seed=SEED), network()
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.02)
    pool: list[tuple[Tensor, int]] = []
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * max(0.02, 1 - done)
        for _ in range(10 if pool else 200):
            label = rng.randrange(len(NAMES))
            item = ((real(rng.choice(held), NAMES[label], rng) * 255).byte(), label)
            if len(pool) < 3000:
                pool.append(item)
            else:
                pool[rng.randrange(3000)] = item
        chosen = rng.choices(pool, k=32)
        pictures = torch.stack([picture for picture, _ in chosen]) / 255.0
        pictures = blurred(pictures, rng)
        with torch.autocast("cpu", torch.bfloat16):
            scores = judge(pictures)
        loss = functional.cross_entropy(
            scores.float(), torch.tensor([label for _, label in chosen]), label_smoothing=0.05
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % 50 == 0:
            right = (scores.argmax(1) == torch.tensor([label for _, label in chosen])).float().mean()
            print(f"{time.time() - start:5.0f}s step {step} loss {loss:.3f} right {right:.2f}", flush=True)
    return judge.eval()


def blurred(pictures: Tensor, rng: random.Random) -> Tensor:
    """Half of the batches a little soft, as an autoencoder leaves them, so that sharpness decides nothing."""
    if rng.random() < 0.5:
        return pictures
    return functional.interpolate(
        functional.avg_pool2d(pictures, 2), scale_factor=2.0, mode="bilinear", align_corners=False
    )


def trained() -> nn.Module:
    """The network, trained now if no copy is kept."""
    judge = network().eval()
    if not CACHE.exists():
        judge = train(12)
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        save_file(judge.state_dict(), CACHE)
    judge.load_state_dict(load_file(CACHE))
    return judge.requires_grad_(False)


def accuracy(judge: nn.Module, pictures: Tensor, names: list[str]) -> Tensor:
    """(N, 2): whether each picture's name is the best, and among the best three."""
    best = torch.cat([judge(chunk).topk(3).indices for chunk in pictures.split(32)])
    hits = best == torch.tensor([NAMES.index(name) for name in names])[:, None]
    return torch.stack([hits[:, 0], hits.any(dim=1)], dim=1).float()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=12)
    judge = train(parser.parse_args().minutes)
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    save_file(judge.state_dict(), CACHE)


if __name__ == "__main__":
    main()
