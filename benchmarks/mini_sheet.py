"""Sheets of what mini paints: 48 prompts on four meshes, whole scenes without a condition, each of 16 things twice.

Each at the size, steps and guidance that the model's folder says for meshes and for pictures.

    python benchmarks/mini_sheet.py [--model NAME] [--out DIR] [--steps N] [--few]
    python benchmarks/mini_sheet.py --before FOLDER     24 prompts by an earlier edition too: mini-before.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from mini_paint import MESHES, front, paint
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from texsync.backbones.by_name import load_model
from texsync.mini.words import THINGS

PROMPTS = (
    "a red object", "a teal teapot", "red and white stripes", "black and yellow checks", "blue and white polka dots",
    "brick wall", "mossy stone", "cobblestone", "weathered copper", "rusted iron", "brushed steel", "gold leaf",
    "white marble", "granite", "wooden planks", "oak wood", "tree bark", "bamboo", "terracotta pot", "cracked earth",
    "blue ceramic with gold cracks", "knitted wool", "denim", "brown leather", "green dragon scales", "snakeskin",
    "leopard print", "zebra", "camouflage in olive and tan", "red plaid", "grass", "snow", "ice", "lava", "clouds",
    "sand", "circuit board", "honeycomb", "woven basket", "purple and gold mosaic", "chocolate",
    "jade with gold veins", "galaxy", "rainbow", "orange and navy zigzag", "pink stars on white",
    "stone covered in moss", "snowy wooden planks",
)  # fmt: skip
SCENES = (
    "snowy mountains", "a beach", "desert dunes", "a forest", "a flower meadow", "a starry night sky",
    "a city skyline", "underwater", "sunset over the sea", "a lake", "an erupting volcano", "a snowy forest",
    "a red ball on a blue background", "a boat on a lake", "a house in a meadow", "an apple on a white background",
    "a yellow car in a city", "a fish underwater", "a green tree in the desert",
    "a purple balloon in front of mountains", "a cup on a teal background", "a pink flower in a meadow",
    "a rocket, night sky", "an orange umbrella on a beach",
)  # fmt: skip
EVERY = {"materials": PROMPTS[2::4], "scenes": SCENES[1::2]}  # 24, to stand beside an earlier edition's
COLUMNS = 6  # of pairs


def alone(thing: str) -> str:
    """The prompt for a thing by itself."""
    return f"{'an' if thing[0] in 'au' else 'a'} {thing} on a white background"


ALONE = tuple(alone(thing) for thing in sorted(THINGS) for _ in range(2))
SHOWN = ("rabbit.obj", "teapot.obj", "monkey.obj", "crate.glb")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mini")
    parser.add_argument("--out", type=Path, default=Path("."))
    parser.add_argument("--steps", type=int, default=None, help="else as the model says")
    parser.add_argument("--only", choices=("materials", "scenes", "things"))
    parser.add_argument("--guidance", type=float, default=None)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--few", action="store_true", help="every third prompt")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--before", help="an earlier edition's folder, or another model")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    model = load_model(options.model, device="cpu", dtype=options.dtype)
    if options.before:
        earlier = load_model(options.before, device="cpu", dtype=options.dtype)
        beside(earlier, model, options).save(options.out / "mini-before.jpg", quality=85)
        return
    for kind, names in {"materials": PROMPTS, "scenes": SCENES, "things": ALONE}.items():
        if options.only in (None, kind):
            prompts = names[:: 3 if options.few else 1]
            made = painted(model, kind, prompts, options)
            sheet(made, prompts).save(options.out / f"mini-{kind}.jpg", quality=80)


def painted(model, kind: str, prompts: tuple[str, ...], options: argparse.Namespace) -> Tensor:
    """(N, 3, S, S): each prompt on one of the meshes, or as a scene."""
    advice = model.advice if kind == "materials" else model.advice.for_pictures()
    size = advice.view_size
    seen = [front(MESHES / name, size=size) for name in SHOWN] if kind == "materials" else []
    control = torch.stack([seen[i % len(seen)] for i in range(len(prompts))]) if seen else None
    said = {"steps": options.steps or advice.steps, "guidance": options.guidance or advice.guidance}
    return paint(model, list(prompts), control, seed=options.seed, size=size, **said)


def beside(earlier, model, options: argparse.Namespace) -> Image.Image:
    """The same prompts and seeds, the earlier model's pictures above; each model at the size and steps that it says."""
    rows, titles = list[Tensor](), list[str]()
    for kind, prompts in EVERY.items():
        pairs = [painted(one, kind, prompts, options) for one in (earlier, model)]
        for start in range(0, len(prompts), COLUMNS):
            some = slice(start, start + COLUMNS)
            rows += [
                functional.interpolate(made[some], (384, 384), mode="bicubic").clamp(0, 1) for made in pairs
            ]
            titles += [
                *(f"before: {prompt}" for prompt in prompts[some]),
                *(f"now: {p}" for p in prompts[some]),
            ]
    return sheet(torch.cat(rows), tuple(titles), columns=COLUMNS)


def sheet(pictures: Tensor, titles: tuple[str, ...], columns: int = 8, side: int = 192) -> Image.Image:
    """Pictures in rows, each with its prompt below."""
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * side, rows * (side + 16)), "white")
    pen = ImageDraw.Draw(page)
    for i, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        place = side * (i % columns), (side + 16) * (i // columns)
        tile = Image.fromarray((picture.permute(1, 2, 0) * 255).round().byte().numpy())
        page.paste(tile.resize((side, side), Image.Resampling.LANCZOS), place)
        pen.text((place[0] + 3, place[1] + side + 2), title, "black")
    return page


if __name__ == "__main__":
    main()
