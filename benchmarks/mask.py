"""A thing inside a mask, by every coupling: is it there, and is the background what it would be without it?

    python benchmarks/mask.py [--model NAME] [--seeds N] [--prompts BACKGROUND THING ...]

Prompts are taken two by two; the mask is a disc off the middle. Fidelity: kernel and Frechet distance to uncoupled
single pictures of "<background> with <thing>". Thing %, background %: share of pictures that inside, or outside, the
mask the model itself would rather denoise with that prompt than with another. Outside: mean difference from the
uncoupled background of the same seed outside the mask, 0..1.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from measure import METHODS, Shelf, embedded, fidelity, flat, judge_of, parser, show, singles

from texsync import masked_image

PROMPTS = ("desert", "red ball", "meadow", "blue ball")
OTHERS = ("forest", "beach", "mossy stone")
MEASURES = ("kernel x1000", "Frechet", "thing %", "background %", "outside")


def disc(size: int) -> np.ndarray:
    """White disc, a quarter of the picture in radius, right of and below the middle."""
    y, x = np.mgrid[:size, :size] / size
    return (255 * ((x - 0.58) ** 2 + (y - 0.58) ** 2 < 0.25**2)).astype(np.uint8)


def run(asked: argparse.Namespace) -> None:
    shelf = Shelf(asked.work, {name: getattr(asked, name) for name in ("model", "steps")})
    judge = judge_of(asked, [*asked.prompts, *OTHERS])
    size, scale = judge.backbone.native_size, judge.backbone.scale
    mask = disc(size)
    inside = torch.as_tensor(mask[scale // 2 :: scale, scale // 2 :: scale] > 0)
    outside = torch.as_tensor(mask == 0)
    rows: dict = {method: {name: [] for name in MEASURES} for method in asked.methods}
    for back, thing in zip(asked.prompts[::2], asked.prompts[1::2], strict=True):
        known = embedded(singles(shelf, asked, f"{back} with {thing}", size))

        def made(method: str, seed: int, back: str = back, thing: str = thing) -> dict:
            options = dict(model=asked.model, steps=asked.steps, device=asked.device, **METHODS[method])
            return shelf.get(
                f"{method}/{back} with {thing}/{seed}",
                lambda: flat(masked_image(back, thing, mask, seed=seed, **options)),
            )

        grounds = [made("uncoupled", seed)["trajectory0"] for seed in range(asked.seeds)]
        for method in asked.methods:
            pictures = [made(method, seed)["picture"] for seed in range(asked.seeds)]
            row = rows[method]
            for figure, value in fidelity(pictures, known).items():
                row[figure].append(value)
            row["thing %"] += [100.0 * judge.prefers(picture, thing, inside) for picture in pictures]
            row["background %"] += [100.0 * judge.prefers(picture, back, ~inside) for picture in pictures]
            apart = [(p - g).abs().mean(0)[outside] for p, g in zip(pictures, grounds, strict=True)]
            row["outside"] += [float(one.mean()) for one in apart]
    show(f"mask, {asked.seeds} seeds x {len(asked.prompts) // 2} pairs", rows, digits=3)


if __name__ == "__main__":
    run(parser("mask", PROMPTS).parse_args())
