"""Make every picture in docs/images.md anew: `python docs/make_image_pictures.py [--model NAME] [--only wide ...]`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import texsync
from texsync.show.sheet import labelled
from texsync.tasks.sweep import sweep

PICTURES = Path(__file__).parent / "pictures"
SIDE = 384  # pixels of a picture of one view
SCENE, OTHER, THING, CHANGED = "meadow", "desert", "red ball", "blue ball"
FILLED = "red ball, red background"  # mini draws a ball of any outline; the mask gives it one
UPRIGHT, FLIPPED = "desert", "sunset"
CHANGES = ("reconstruction", "mask", "edit")


def disc(size: int = SIDE) -> Image.Image:
    """White where the thing goes: a disc on the ground."""
    y, x = np.mgrid[:size, :size] / size
    return Image.fromarray((255 * ((x - 0.5) ** 2 + (y - 0.68) ** 2 < 0.22**2)).astype(np.uint8))


def wide(model: str, seed: int) -> Image.Image:
    return texsync.wide_image(SCENE, width=1024, model=model, seed=seed).image


def loop(model: str, seed: int) -> Image.Image:
    """Twice round, so that the place where it closes is in the middle."""
    once = texsync.wide_image(OTHER, width=768, loop=True, model=model, seed=seed).image
    twice = Image.new("RGB", (2 * once.width, once.height))
    twice.paste(once, (0, 0))
    twice.paste(once, (once.width, 0))
    return twice


def ambiguous(model: str, seed: int) -> Image.Image:
    """One picture, as it is and upside down."""
    both = dict(prompts=[UPRIGHT, FLIPPED], views=["flip"])
    made = texsync.ambiguous_image(**both, model=model, seed=seed, count=2)
    rows = [[one, one.transpose(Image.Transpose.FLIP_TOP_BOTTOM)] for one in made.images]
    return labelled(list(zip(*rows, strict=True)), [f'"{UPRIGHT}"', f'"{FLIPPED}", flipped'], ["", ""])


def mask(model: str, seed: int) -> Image.Image:
    made = texsync.masked_image(OTHER, FILLED, disc(), model=model, seed=seed, count=3)
    row = [disc().convert("RGB"), *made.images]
    return labelled([row], [f'"{FILLED}" in "{OTHER}"'], ["mask", *(f"seed {seed + i}" for i in range(3))])


def edit(model: str, seed: int) -> Image.Image:
    """A place that becomes another, and the mask task's picture with the thing changed."""
    place = texsync.wide_image(OTHER, width=SIDE, view_size=SIDE, model=model, seed=seed).image
    thing = texsync.masked_image(OTHER, FILLED, disc(), model=model, seed=seed).image
    source, target = (f"{OTHER} with {thing}" for thing in (THING, CHANGED))
    rows = [changed(place, OTHER, SCENE, model, seed), changed(thing, source, target, model, seed)]
    return labelled(rows, [f"{OTHER} to {SCENE}", f"{THING} to {CHANGED}"], ["original", *CHANGES])


def changed(original: Image.Image, source: str, target: str, model: str, seed: int) -> list[Image.Image]:
    made = texsync.edit_image(original, source, target, model=model, seed=seed).made[0].images
    return [original, *(Image.fromarray(_bytes(made[name])) for name in CHANGES)]


def sheet(model: str, seed: int) -> Image.Image:
    """SyncSDE's strength, as in the paper's Figure 9."""
    varied = dict(prompts=[UPRIGHT, FLIPPED], model=model, seed=seed, count=2)
    return sweep(texsync.ambiguous_image, "strength", [0, 1, 3, 5, 7], **varied).sheet()


def _bytes(picture) -> np.ndarray:
    return (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


MADE = {"wide": wide, "loop": loop, "ambiguous": ambiguous, "mask": mask, "edit": edit, "sweep": sheet}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=MADE, default=list(MADE))
    asked = parser.parse_args()
    for name in asked.only:
        MADE[name](asked.model, asked.seed).save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
