"""A small network that names patterns and materials, trained only on the generator's own pictures.

python benchmarks/mini_patterns.py [--minutes M]     trains it and keeps it beside other caches
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from texsync.mini.captions import Recipe
from texsync.mini.data import on_shot
from texsync.mini.pool import halves
from texsync.mini.shapes import Shot, shots
from texsync.mini.words import COLOURS, MATERIALS, PATTERNS

NAMES = (*PATTERNS, *MATERIALS)
SEED = 2 * 10**6
MINUTES = 16.0  # of one core
CACHE = Path.home() / ".cache" / "texsync" / "mini_patterns.safetensors"


class Block(nn.Module):
    """Half the size, more channels; then a residual layer."""

    def __init__(self, channels: int, wider: int):
        super().__init__()
        self.shrink = nn.Sequential(
            nn.Conv2d(channels, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU()
        )
        self.more = nn.Sequential(nn.Conv2d(wider, wider, 3, padding=1), nn.BatchNorm2d(wider), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        x = self.shrink(x)
        return x + self.more(x)


class Judge(nn.Module):
    """What `seen` makes of pictures, (N, 4, 128, 128), to (N, names) scores."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(4, 24), Block(24, 64), Block(64, 112), Block(112, 160))
        self.last = nn.Sequential(nn.Dropout(0.2), nn.Linear(320, len(NAMES)))

    def forward(self, x: Tensor) -> Tensor:
        features = self.blocks(x)
        return self.last(torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1))


def seen(pictures: Tensor, masks: Tensor, named: Sequence[Sequence[str]]) -> Tensor:
    """(N, 3, S, S) in [0, 1] and (N, S, S) bool to (N, 4, 128, 128): the thing alone, close up, and where each of
    its pixels lies between its two main colours.

    named: the colours that each prompt says, from the first to the second if there are two: "red and white grid" is
    white lines on red, and the other way round it would be tiles.
    """
    closer = [close_up(*each) for each in zip(pictures, masks, strict=True)]
    between = [main_axis(*each, colours) for each, colours in zip(closer, named, strict=True)]
    whole = [picture * mask for picture, mask in closer]
    return torch.cat([torch.stack(whole), torch.stack(between)], dim=1)


def close_up(picture: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """(3, 128, 128) around 0 and (128, 128) bool: the square that just holds the thing."""
    rows, columns = (mask.any(dim=d).nonzero().flatten() for d in (1, 0))
    side = max(int(each[-1] - each[0]) + 1 for each in (rows, columns))
    top, left = (
        min(max(int(each[0] + each[-1] + 1 - side) // 2, 0), len(mask) - side) for each in (rows, columns)
    )
    crop = torch.cat([picture, mask[None].to(picture)])[None, :, top : top + side, left : left + side]
    crop = functional.interpolate(crop, size=(128, 128), mode="bilinear", antialias=True)[0]
    return crop[:3] - 0.5, crop[3] > 0.5


def main_axis(picture: Tensor, mask: Tensor, named: Sequence[str]) -> Tensor:
    """(1, S, S): a masked picture along the direction in which its colours vary most; towards the second of two named
    colours, or else the tail, is positive."""
    colours = picture[:, mask] - picture[:, mask].mean(dim=1, keepdim=True)
    axis = torch.linalg.eigh(colours @ colours.T).eigenvectors[:, -1]
    place = axis @ colours
    if len(named) == 2:
        first, second = (torch.tensor(COLOURS[name]) / 255 for name in named)
        positive = axis @ (second - first) >= 0
    else:
        positive = (place**3).mean() >= 0
    place = place / place.std().clamp(min=0.02) * (1.0 if positive else -1.0)
    full = torch.zeros(1, *mask.shape)
    full[0, mask] = place
    return full


def train(minutes: float) -> nn.Module:
    rng, start, step = random.Random(SEED), time.time(), 0
    torch.manual_seed(0)
    held, judge = shots(300, 512, seed=SEED), Judge()
    optimizer = torch.optim.AdamW(judge.parameters(), 3e-3, weight_decay=0.02)
    pool: list[tuple[Tensor, int]] = []
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * max(0.02, 1 - done)
        pool = (pool + [example(held, rng) for _ in range(12 if pool else 400)])[-4000:]
        inputs, labels = zip(*rng.choices(pool, k=48), strict=True)
        answers, batch = torch.tensor(labels), torch.stack(inputs).float()
        with torch.autocast("cpu", torch.bfloat16, enabled=halves("cpu")):
            scores = judge(batch)
        loss = functional.cross_entropy(scores.float(), answers, label_smoothing=0.05)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % 50 == 0:
            right = (scores.argmax(1) == answers).float().mean()
            print(f"{time.time() - start:5.0f}s step {step} loss {loss:.3f} right {right:.2f}", flush=True)
    return judge.eval()


def example(held: list[Shot], rng: random.Random) -> tuple[Tensor, int]:
    """One thing as the network sees it, and its label; half of them soft, as an autoencoder leaves pictures, so that
    sharpness decides nothing."""
    # patterns are the harder ones to tell apart
    name, shot = rng.choice(PATTERNS if rng.random() < 0.6 else NAMES), rng.choice(held)
    colours = tuple(rng.sample(list(COLOURS), 2)) if name in PATTERNS else ()
    picture = on_shot(Recipe(name, colours), shot, 512, rng).picture[None]
    if rng.random() < 0.5:
        picture = functional.interpolate(functional.avg_pool2d(picture, 4), scale_factor=4.0, mode="bilinear")
    inputs = seen(picture, (shot.condition > 0)[None], [colours])[0].half()
    return inputs.flip(-1) if rng.random() < 0.5 else inputs, NAMES.index(name)


def trained() -> nn.Module:
    """The network, trained now if no copy is kept."""
    judge = Judge().eval()
    if not CACHE.exists():
        judge = train(MINUTES)
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        save_file(judge.state_dict(), CACHE)
    judge.load_state_dict(load_file(CACHE))
    return judge.requires_grad_(False)


def accuracy(
    judge: nn.Module, pictures: Tensor, masks: Tensor, names: list[str], named: Sequence[Sequence[str]]
) -> Tensor:
    """(N, 2): whether each picture's name is the best, and among the best three."""
    inputs = seen(pictures, masks, named)
    best = torch.cat([judge(chunk).topk(3).indices for chunk in inputs.split(32)])
    hits = best == torch.tensor([NAMES.index(name) for name in names])[:, None]
    return torch.stack([hits[:, 0], hits.any(dim=1)], dim=1).float()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=MINUTES)
    judge = train(parser.parse_args().minutes)
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    save_file(judge.state_dict(), CACHE)


if __name__ == "__main__":
    main()
