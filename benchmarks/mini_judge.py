"""Small networks that name what a picture shows, trained only on the generator's own pictures and kept beside other
caches: shared by mini_patterns.py and mini_things.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from texsync.mini.pool import halves

CACHE = Path.home() / ".cache" / "texsync"
RATE = 3e-3
# one input of the network, (C, S, S), and its label
Example = Callable[[Random], tuple[Tensor, int]]


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
    """Pictures (N, C, S, S), about S = 128, to (N, names) scores."""

    def __init__(self, channels: int, names: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(channels, 24), Block(24, 64), Block(64, 112), Block(112, 160))
        self.last = nn.Sequential(nn.Dropout(0.2), nn.Linear(320, names))

    def forward(self, x: Tensor) -> Tensor:
        features = self.blocks(x)
        return self.last(torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1))


def train(judge: Judge, example: Example, minutes: float, seed: int) -> Judge:
    """Learns for that long from examples made on the way, the latest 4000 of which are drawn again and again."""
    rng, start, step = Random(seed), time.time(), 0
    optimizer = torch.optim.AdamW(judge.parameters(), RATE, weight_decay=0.02)
    pool: list[tuple[Tensor, int]] = []
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * max(0.02, 1 - done)
        pool = (pool + [example(rng) for _ in range(12 if pool else 400)])[-4000:]
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


def softened(picture: Tensor) -> Tensor:
    """(C, S, S) as an autoencoder leaves pictures, so that sharpness decides nothing."""
    small = functional.avg_pool2d(picture[None], 4)
    return functional.interpolate(small, scale_factor=4.0, mode="bilinear")[0]


def kept(name: str, judge: Judge, make: Callable[[], Judge]) -> Judge:
    """The network of that name from the cache, made now if no copy is kept."""
    file = CACHE / f"{name}.safetensors"
    if not file.exists():
        keep(name, make())
    judge.load_state_dict(load_file(file))
    return judge.eval().requires_grad_(False)


def keep(name: str, judge: Judge) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    save_file(judge.state_dict(), CACHE / f"{name}.safetensors")
