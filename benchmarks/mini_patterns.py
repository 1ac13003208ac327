"""A small network that names patterns and materials, trained only on the generator's own pictures.

python benchmarks/mini_patterns.py [--minutes M]     trains it and keeps it beside other caches
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence

import mini_judge
import torch
from mini_judge import Judge, softened
from torch import Tensor
from torch.nn import functional

from texsync.mini.captions import Recipe
from texsync.mini.data import on_shot
from texsync.mini.shapes import Shot, shots
from texsync.mini.words import COLOURS, MATERIALS, PATTERNS

NAMES = (*PATTERNS, *MATERIALS)
SEED = 2 * 10**6
MINUTES = 16.0  # of one core
KEPT = "mini_patterns"


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


def train(minutes: float) -> Judge:
    torch.manual_seed(0)
    held = shots(300, 512, seed=SEED)
    return mini_judge.train(Judge(4, len(NAMES)), lambda rng: example(held, rng), minutes, SEED)


def example(held: list[Shot], rng: random.Random) -> tuple[Tensor, int]:
    """One thing as the network sees it, and its label; half of them soft."""
    # patterns are the harder ones to tell apart
    name, shot = rng.choice(PATTERNS if rng.random() < 0.6 else NAMES), rng.choice(held)
    colours = tuple(rng.sample(list(COLOURS), 2)) if name in PATTERNS else ()
    picture = on_shot(Recipe(name, colours), shot, 512, rng).picture
    if rng.random() < 0.5:
        picture = softened(picture)
    inputs = seen(picture[None], (shot.condition > 0)[None], [colours])[0].half()
    return inputs.flip(-1) if rng.random() < 0.5 else inputs, NAMES.index(name)


def trained() -> Judge:
    """The network, trained now if no copy is kept."""
    return mini_judge.kept(KEPT, Judge(4, len(NAMES)), lambda: train(MINUTES))


def accuracy(
    judge: Judge, pictures: Tensor, masks: Tensor, names: list[str], named: Sequence[Sequence[str]]
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
    mini_judge.keep(KEPT, train(parser.parse_args().minutes))


if __name__ == "__main__":
    main()
