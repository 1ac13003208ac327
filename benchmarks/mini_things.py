"""Can the 16 things that mini paints be told?  A small network names them, trained only on the generator's own pictures
of things before even backdrops.

    python benchmarks/mini_things.py [--model NAME] [--seeds N] [--minutes M] [--save FILE]

Colours tell it little: seven things in ten are drawn in any of 42, the others as they usually are.  Beside mini's
pictures it names real ones, and the same softened as an autoencoder leaves them.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import mini_judge
import torch
from mini_judge import Judge, softened
from mini_paint import paint
from mini_sheet import alone, sheet
from torch import Tensor
from torch.nn import functional

from texsync.backbones.by_name import load_model
from texsync.mini.captions import Scene
from texsync.mini.scenes import draw
from texsync.mini.things import THINGS
from texsync.mini.words import COLOURS

NAMES = tuple(sorted(THINGS))
SEED, HELD_OUT = 3 * 10**6, 10**6
MINUTES = 6.0  # of one core
SIDE = 128
KEPT = "mini_things"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seeds", type=int, default=2, help="pictures of each thing")
    parser.add_argument("--first-seed", type=int, default=100, help="as mini_sheet.py has it")
    parser.add_argument("--minutes", type=float, help="train the network anew for so long")
    parser.add_argument("--save", type=Path, help="a sheet of the pictures with their names")
    options = parser.parse_args()
    if options.minutes:
        mini_judge.keep(KEPT, train(options.minutes))
    judge = mini_judge.kept(KEPT, Judge(3, len(NAMES)), lambda: train(MINUTES))
    names = [name for name in NAMES for _ in range(options.seeds)]
    rng = random.Random(HELD_OUT)
    real = torch.stack([drawn(name, 4 * SIDE, rng) for name in names])
    soft = torch.stack([softened(picture) for picture in real])
    for title, pictures in (("real", real), ("real, softened", soft)):
        tell(title, named(judge, pictures), names)
    model = load_model(options.model, device="cpu")
    advice = model.advice.for_pictures()
    prompts = [alone(name) for name in names]
    pictures = paint(model, prompts, None, seed=options.first_seed, steps=advice.steps, size=advice.view_size)
    found = named(judge, pictures)
    tell(options.model, found, names)
    if options.save:
        titles = [
            f"{name}: {'yes' if name == said else said}" for name, said in zip(names, found, strict=True)
        ]
        sheet(pictures, tuple(titles)).save(options.save)


def train(minutes: float) -> Judge:
    torch.manual_seed(0)
    return mini_judge.train(Judge(3, len(NAMES)), example, minutes, SEED)


def example(rng: random.Random) -> tuple[Tensor, int]:
    """A thing before an even backdrop, as the network sees it, and its label; half of them soft."""
    name = rng.choice(NAMES)
    picture = drawn(name, 2 * SIDE, rng)
    if rng.random() < 0.5:
        picture = softened(picture)
    inputs = seen(picture[None])[0].half()
    return inputs.flip(-1) if rng.random() < 0.5 else inputs, NAMES.index(name)


def drawn(name: str, size: int, rng: random.Random) -> Tensor:
    """(3, size, size) in [0, 1], mostly in any colour, before another."""
    tint, backdrop = rng.sample(list(COLOURS), 2)
    return draw(Scene(backdrop, name, tint if rng.random() < 0.7 else ""), size, rng)


def seen(pictures: Tensor) -> Tensor:
    """(N, 3, S, S) in [0, 1] to (N, 3, 128, 128) round 0."""
    small = functional.interpolate(pictures, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    return small - 0.5


@torch.no_grad()
def named(judge: Judge, pictures: Tensor) -> list[str]:
    return [NAMES[i] for i in judge(seen(pictures)).argmax(dim=1).tolist()]


def tell(title: str, found: list[str], names: list[str]) -> None:
    right = sum(one == other for one, other in zip(found, names, strict=True))
    wrong = [f"{name} as {said}" for name, said in zip(names, found, strict=True) if said != name]
    print(f"{title:16s} {right} of {len(names)} ({right / len(names):.3f})  {', '.join(wrong)}", flush=True)


if __name__ == "__main__":
    main()
