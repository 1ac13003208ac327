"""A thing changed in pictures, by every coupling and by SDEdit: is it what was asked, and is the rest as it was?

    python benchmarks/edit.py [--model NAME] [--seeds N] [--prompts SOURCE TARGET ...]

Prompts are taken two by two; the pictures are the model's own, one per seed, uncoupled. Target %: share of edits that,
where the change goes, the model itself would rather denoise with the target than with the source or another prompt.
Outside, inside: mean difference from the original outside and inside that region, 0..1; "model's" is what the model
paints, all of which has gone through the autoencoder, "result's" what a user gets, which is laid into the original.
SDEdit: noise to half of the way and back with the target (Meng et al. 2021, arXiv:2108.01073). Autoencoder: the
original encoded and decoded, which no model's picture can come nearer. Reconstruction: the original from its own noise.
"""

from __future__ import annotations

import argparse

import torch
from measure import METHODS, Shelf, embedded, fidelity, flat, judge_of, parser, show, singles
from torch import Tensor

from texsync import edit_image
from texsync.backbones.base import Backbone
from texsync.backbones.conditions import Conditions
from texsync.show.png import to_image

PROMPTS = ("red ball", "blue ball", "desert", "meadow")
OTHERS = ("forest", "beach", "mossy stone")
MEASURES = ("kernel x1000", "Frechet", "target %", "model's outside", "result's outside", "result's inside")
HALF = 0.6  # of the noise levels, for SDEdit


@torch.no_grad()
def sdedit(backbone: Backbone, picture: Tensor, target: str, steps: int, seed: int) -> Tensor:
    """Noise to `HALF` of the levels and denoise with the target prompt."""
    spans = [span for span in backbone.schedule.spans(steps) if span.frac <= HALF]
    latent = backbone.encode(picture[None])
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(seed))
    guidance = backbone.advice.guidance or 7.5
    predict, x = backbone.predictor(Conditions([target], guidance=guidance)), spans[0].noised(latent, noise)
    for span in spans:
        eps = predict(x, span)
        x = span.ddim(span.tweedie(x, eps), eps)
    return backbone.decode(x)[0]


def run(asked: argparse.Namespace) -> None:
    shelf = Shelf(asked.work, {name: getattr(asked, name) for name in ("model", "steps")})
    judge = judge_of(asked, [*asked.prompts, *OTHERS])
    backbone = judge.backbone
    names = ["autoencoder", "reconstruction", "SDEdit", *asked.methods]
    rows: dict = {name: {measure: [] for measure in MEASURES} for name in names}
    asked.references = max(asked.references, asked.seeds)  # the originals are among them
    for source, target in zip(asked.prompts[::2], asked.prompts[1::2], strict=True):
        originals = singles(shelf, asked, source, backbone.native_size)[: asked.seeds]
        known = embedded(singles(shelf, asked, target, backbone.native_size))
        made: dict = {name: [] for name in names}
        for seed, original in enumerate(originals):
            where = f"{source} to {target}/{seed}"
            for method in asked.methods:
                options = dict(model=asked.model, steps=asked.steps, device=asked.device, seed=seed)
                options |= METHODS[method]
                one = shelf.get(
                    f"{method}/{where}",
                    lambda o=options, p=original, s=source, t=target: flat(
                        edit_image(to_image(p), s, t, **o)
                    ),
                )
                made[method].append((one["edit"], one["trajectory2"], one["mask"]))
                again, mask = one["reconstruction"], one["mask"]
            made["reconstruction"].append((again, again, mask))
            copy = backbone.decode(backbone.encode(original[None]))[0]
            made["autoencoder"].append((copy, copy, mask))
            plain = shelf.get(
                f"SDEdit/{where}",
                lambda p=original, t=target, s=seed: {"edit": sdedit(backbone, p, t, asked.steps, s)},
            )
            made["SDEdit"].append((plain["edit"], plain["edit"], mask))
        for name in names:
            pictures, row = [picture for picture, _, _ in made[name]], rows[name]
            for figure, value in fidelity(pictures, known).items():
                row[figure].append(value)
            for original, (picture, painted, mask) in zip(originals, made[name], strict=True):
                apart, inside = (picture - original).abs().mean(0), mask[0] > 0.5
                cells = inside[backbone.scale // 2 :: backbone.scale, backbone.scale // 2 :: backbone.scale]
                row["target %"].append(100.0 * judge.prefers(picture, target, cells))
                row["model's outside"].append(float((painted - original).abs().mean(0)[~inside].mean()))
                row["result's outside"].append(float(apart[~inside].mean()))
                row["result's inside"].append(float(apart[inside].mean()))
    show(f"edit, {asked.seeds} pictures x {len(asked.prompts) // 2} changes", rows, digits=3)


if __name__ == "__main__":
    made = parser("edit", PROMPTS)
    made.set_defaults(methods=["SyncSDE paper", "SyncSDE exact", "CSG", "SyncTweedies", "MultiDiffusion"])
    run(made.parse_args())
