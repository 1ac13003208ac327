"""How well mini does what it is told, on shapes and seeds not used in training, in views of the size that it says.

    python benchmarks/mini_quality.py [--model NAME] [--size N] [--steps N] [--only colour pattern near vae levels]

colour      42 names on two shapes each: is the picture's mean colour nearest in CIELAB to its own name's reference,
            what people called so in xkcd's survey (blog.xkcd.com/2010/05/03/color-survey-results, public domain)?
geometry    the same pictures: intersection over union of the condition's silhouette and of what differs from the
            backdrop (told apart at half of the contrast between the two).
pattern     every pattern and material on two shapes: does a small network, trained on the generator's own pictures
            alone, name it?  Beside it what it says of real pictures of the same recipes.
near        words that no caption has used: the colour within the three nearest, or the pattern network's five best.
vae         the autoencoder alone: PSNR, sharpness of edges, and decode(T z) against T decode(z) for T in flips and
            quarter turns.
levels      not asked for by itself: where names get lost.  Real pictures of the recipes of `pattern` through the
            autoencoder, and given the noise of each step and finished by the model from there.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mini_paint import paint
from mini_patterns import NAMES, accuracy, seen, trained
from skimage.color import rgb2lab
from torch import Tensor
from torch.nn import functional
from torchvision.utils import save_image

from texsync.backbones.by_name import load_model
from texsync.mini.captions import Recipe
from texsync.mini.data import material_samples, on_shot, scene_samples
from texsync.mini.shapes import Shot, shots
from texsync.mini.train_vae import crispness, turn
from texsync.mini.words import PATTERNS

HELD_OUT = 10**6  # seeds from here on are not trained on
REFERENCES = {
    "red": "e50000", "green": "15b01a", "blue": "0343df", "yellow": "ffff14", "white": "ffffff", "black": "000000",
    "orange": "f97306", "purple": "7e1e9c", "pink": "ff81c0", "brown": "653700", "gray": "929591", "teal": "029386",
    "cyan": "00ffff", "magenta": "c20078", "navy": "01153e", "maroon": "650021", "olive": "6e750e", "beige": "e6daa6",
    "turquoise": "06c2ac", "lavender": "c79fef", "lime": "aaff32", "cream": "ffffc2", "tan": "d1b26f",
    "violet": "9a0eea", "indigo": "380282", "salmon": "ff796c", "coral": "fc5a50", "mint": "9ffeb0", "peach": "ffb07c",
    "charcoal": "343837", "khaki": "aaa662", "azure": "069af3", "mustard": "ceb301", "emerald": "01a049",
    "plum": "580f41", "rose": "cf6275", "mauve": "ae7181", "chartreuse": "c1f80a", "sienna": "a9561e",
    "ochre": "bf9005", "amber": "feb308", "periwinkle": "8e82fe",
}  # fmt: skip
NEAR_COLOURS = {
    "crimson": "8c000f",
    "ruby": "ca0147",
    "sapphire": "2138ab",
    "strawberry": "fb2943",
    "tangerine": "ff9408",
}
NEAR_MATERIALS = {
    "oak": {"wood", "planks", "bark"}, "pebbles": {"stone", "cobblestone"}, "glacier": {"ice", "snow"},
    "brass": {"gold", "copper", "bronze", "steel", "silver"}, "pavement": {"cobblestone", "concrete", "stone"},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mini")
    parser.add_argument("--size", type=int, help="pixels of a view, else as the model says for meshes")
    parser.add_argument("--steps", type=int, help="else as the model says for meshes")
    parser.add_argument("--sampler", default="ddim", help="as texsync --sampler")
    parser.add_argument("--dtype", default="auto", help="bf16 takes half of the time on some CPUs")
    parser.add_argument("--each", type=int, default=2, help="pictures of each colour, pattern and material")
    parser.add_argument("--save", type=Path, help="keep the pictures and the figures here")
    parser.add_argument("--only", nargs="+", default=["colour", "pattern", "near", "vae"])
    options = parser.parse_args()
    model = load_model(options.model, device="cpu", dtype=options.dtype)
    asked = Asked(
        options.size or model.advice.view_size,
        options.steps or model.advice.steps,
        options.each,
        options.sampler,
    )
    figures = {}
    for name in options.only:
        found, pictures = TESTS[name](model, asked)
        figures |= found
        for key, value in found.items():
            print(f"{key:34s} {value}", flush=True)
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
            save_image(pictures[:, :, ::2, ::2], options.save / f"{name}.png", nrow=14)
            (options.save / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")


@dataclass(frozen=True)
class Asked:
    """size: pixels of a view.  each: pictures of each colour, pattern and material."""

    size: int
    steps: int
    each: int
    sampler: str

    def paint(self, model, prompts: list[str], control: Tensor, **more) -> Tensor:
        """One picture for each prompt, see `mini_paint.paint`."""
        said = {"steps": self.steps, "size": self.size, "sampler": self.sampler}
        return paint(model, prompts, control, seed=HELD_OUT, **said, **more)


def colour(model, asked: Asked) -> tuple[dict, Tensor]:
    names = [name for name in REFERENCES for _ in range(asked.each)]
    control = conditions(shots(len(names), asked.size, seed=HELD_OUT, views_each=1))
    pictures = asked.paint(model, [f"a {name} object" for name in names], control)
    masks = control[:, 0] > 0
    ranks, overlaps = [], []
    for picture, mask, name in zip(pictures, masks, names, strict=True):
        ranks.append(rank(picture[:, mask].mean(dim=1), name))
        overlaps.append(overlap(picture, mask))
    wrong = sorted({name for name, place in zip(names, ranks, strict=True) if place > 0})
    return {
        "colour top-1": share(place < 1 for place in ranks),
        "colour top-3": share(place < 3 for place in ranks),
        "colours not nearest to their own": ", ".join(wrong),
        "silhouette IoU, mean": round(float(np.mean(overlaps)), 4),
        "silhouette IoU, median": round(float(np.median(overlaps)), 4),
        "silhouette IoU, lowest tenth": round(sorted(overlaps)[len(overlaps) // 10], 4),
    }, pictures


def rank(mean: Tensor, name: str, code: str | None = None) -> int:
    """How many other names' references are nearer to an sRGB colour (3,) than its own."""
    codes = list(REFERENCES.values()) if code is None else [code, *REFERENCES.values()]
    anchors = lab(torch.tensor([list(bytes.fromhex(c)) for c in codes]) / 255)
    distance = np.linalg.norm(anchors - lab(mean[None]), axis=1)
    return int((distance < distance[list(REFERENCES).index(name) if code is None else 0]).sum())


def lab(srgb: Tensor) -> np.ndarray:
    """(M, 3) sRGB in [0, 1] to CIELAB."""
    return rgb2lab(srgb.double().numpy()[None])[0]


def overlap(picture: Tensor, mask: Tensor) -> float:
    """Intersection over union of the mask and of the pixels nearer in colour to the thing than to the backdrop."""
    backdrop, thing = (picture[:, where].median(dim=1).values[:, None, None] for where in (~mask, mask))
    if (thing - backdrop).norm() < 0.08:  # grey on grey has no silhouette
        return 1.0
    away = (picture - backdrop).norm(dim=0) > 0.5 * (thing - backdrop).norm()
    return float((away & mask).sum() / (away | mask).sum())


def share(hits) -> float:
    hits = list(hits)
    return round(sum(hits) / len(hits), 3)


class Recipes:
    """Every pattern and material on shapes of its own: what is asked for, and real pictures of it."""

    def __init__(self, asked: Asked):
        rng = random.Random(HELD_OUT)
        self.each, self.names = asked.each, [name for name in NAMES for _ in range(asked.each)]
        said = ("red", "white", "navy", "yellow", "black", "teal", "pink")
        pairs = [rng.sample(said, 2) for _ in self.names]
        recipes = [
            Recipe(n, tuple(p) if n in PATTERNS else ()) for n, p in zip(self.names, pairs, strict=True)
        ]
        self.named = [recipe.colours for recipe in recipes]
        self.prompts = [f"{' and '.join(r.colours)} {r.base}".strip() for r in recipes]
        held = shots(len(self.names), asked.size, seed=HELD_OUT + 1, views_each=1)
        self.control = conditions(held)
        self.real = torch.stack(
            [on_shot(r, s, asked.size, rng).picture for r, s in zip(recipes, held, strict=True)]
        )
        self.is_pattern = torch.tensor([name in PATTERNS for name in self.names])

    def hits(self, pictures: Tensor) -> Tensor:
        """(N, 2): whether the judge's best name is right, and one of its best three."""
        return accuracy(trained(), pictures, self.control[:, 0] > 0, self.names, self.named)

    def shares(self, hits: Tensor) -> dict[str, str]:
        kinds = {"24 patterns": self.is_pattern, "51 materials": ~self.is_pattern}
        kinds["all 75"] = self.is_pattern | ~self.is_pattern
        return {
            kind: " / ".join(f"{value:.3f}" for value in hits[which].mean(0).tolist())
            for kind, which in kinds.items()
        }


def pattern(model, asked: Asked) -> tuple[dict, Tensor]:
    recipes = Recipes(asked)
    pictures = asked.paint(model, recipes.prompts, recipes.control)
    hits = recipes.hits(pictures)
    first = hits[:, 0].view(-1, asked.each).tolist()
    missed = [name for name, found in zip(NAMES, first, strict=True) if not any(found)]
    result = {"pattern: never named": ", ".join(missed)}
    for title, each in (("mini", hits), ("real", recipes.hits(recipes.real))):
        result |= {f"{kind}, {title}, top-1 / top-3": told for kind, told in recipes.shares(each).items()}
    return result, torch.cat([pictures, recipes.real])


def levels(model, asked: Asked) -> tuple[dict, Tensor]:
    recipes = Recipes(asked)
    spans = model.schedule.spans(asked.steps)
    decoded = [model.decode(model.encode(some)) for some in recipes.real.split(8)]
    made = {"through the autoencoder": torch.cat(decoded)}
    for skip in reversed(range(asked.steps)):
        title = f"from step {skip}, signal {spans[skip].alpha:.3f}"
        made[title] = asked.paint(model, recipes.prompts, recipes.control, begun=recipes.real, skip=skip)
    return {
        f"{title}, all 75": recipes.shares(recipes.hits(pictures))["all 75"]
        for title, pictures in made.items()
    }, torch.cat(list(made.values()))


def conditions(held: list[Shot]) -> Tensor:
    """(N, 3, S, S), what the ControlNet reads."""
    return torch.stack([shot.condition.float().expand(3, -1, -1) for shot in held])


def near(model, asked: Asked) -> tuple[dict, Tensor]:
    words = [*NEAR_COLOURS, *NEAR_MATERIALS]
    control = conditions(shots(len(words), asked.size, seed=HELD_OUT + 2, views_each=1))
    pictures = asked.paint(model, [f"a {word} object" for word in words], control)
    judge, right = trained(), []
    for picture, mask, word in zip(pictures, control[:, 0] > 0, words, strict=True):
        if word in NEAR_COLOURS:
            hit = rank(picture[:, mask].mean(dim=1), word, NEAR_COLOURS[word]) < 3
        else:
            best = judge(seen(picture[None], mask[None], [()]))[0].topk(5).indices.tolist()
            hit = bool({NAMES[i] for i in best} & NEAR_MATERIALS[word])
        if hit:
            right.append(word)
    return {f"near words right, of {len(words)}": f"{len(right)} ({', '.join(right)})"}, pictures


def vae(model, asked: Asked) -> tuple[dict, Tensor]:
    """On 32 held-out pictures: 24 materials, 8 scenes."""
    rng = random.Random(HELD_OUT)
    held = shots(24, asked.size, seed=HELD_OUT + 3, views_each=1)
    samples = material_samples(held, 24, asked.size, rng) + scene_samples(8, asked.size, rng)
    pictures = torch.stack([sample.picture for sample in samples])
    latents = model.encode(pictures)
    answer = model.decode(latents)
    error = (answer - pictures).square().mean(dim=(1, 2, 3))
    psnr = -10 * error.log10()
    turned = torch.stack(
        [functional.mse_loss(model.decode(turn(latents, k)), turn(answer, k)) for k in range(1, 8)]
    )
    return {
        "autoencoder PSNR, materials": f"{psnr[:24].mean():.2f} dB",
        "autoencoder PSNR, scenes": f"{psnr[24:].mean():.2f} dB",
        "edges' steepness kept": f"{(crispness(answer).mean() / crispness(pictures).mean()):.3f}",
        "decode(T z) against T decode(z)": f"{-10 * turned.mean().log10():.1f} dB",
        "the worst of seven T": f"{-10 * turned.max().log10():.1f} dB",
    }, torch.cat([pictures, answer])


TESTS = {"colour": colour, "pattern": pattern, "near": near, "vae": vae, "levels": levels}

if __name__ == "__main__":
    main()
