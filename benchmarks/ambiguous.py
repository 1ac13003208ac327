"""Pictures that read both ways up, by every coupling: do both views show what was asked, as good as single pictures?

    python benchmarks/ambiguous.py [--model NAME] [--seeds N] [--view NAME] [--prompts A B C D ...]

Prompts are taken two by two. Fidelity: kernel and Frechet distance of both views to uncoupled single pictures of their
prompts. First, second, both: share of pictures whose view the model itself would rather denoise with its own prompt
than with the other's or with further ones; both is what an ambiguous picture is for.
"""

from __future__ import annotations

import argparse

from measure import METHODS, Shelf, embedded, fidelity, flat, judge_of, parser, show, singles

from texsync import ambiguous_image

PROMPTS = ("desert", "sunset", "meadow", "lake")  # pairs that can be true at once: no ground above a sky
# 5 is the paper's; the other methods take what the model's folder says
METHODS.update({f"SyncSDE, {s:g}": {"coupling": "syncsde", "strength": s} for s in (3.0, 4.0, 5.0)})
OTHERS = ("mossy stone", "gold", "snow")
MEASURES = ("kernel x1000", "Frechet", "first %", "second %", "both %")


def run(asked: argparse.Namespace) -> None:
    shelf = Shelf(asked.work, {name: getattr(asked, name) for name in ("model", "steps", "view")})
    judge = judge_of(asked, [*asked.prompts, *OTHERS])
    rows: dict = {method: {name: [] for name in MEASURES} for method in asked.methods}
    for pair in zip(asked.prompts[::2], asked.prompts[1::2], strict=True):
        known = [embedded(singles(shelf, asked, p, judge.backbone.native_size)) for p in pair]
        for method in asked.methods:
            options = dict(model=asked.model, steps=asked.steps, device=asked.device, **METHODS[method])
            made = [
                shelf.get(
                    f"{method}/{' and '.join(pair)}/{seed}",
                    lambda p=pair, s=seed, o=options: flat(
                        ambiguous_image(p, views=[asked.view], seed=s, **o)
                    ),
                )
                for seed in range(asked.seeds)
            ]
            views = [
                [next(v for k, v in one.items() if k.startswith(f"view_{i}")) for one in made] for i in (1, 2)
            ]
            row = rows[method]
            for seen, reference in zip(views, known, strict=True):
                for figure, value in fidelity(seen, reference).items():
                    row[figure].append(value)
            right = [
                [judge.prefers(picture, p) for picture in seen] for seen, p in zip(views, pair, strict=True)
            ]
            row["first %"] += [100.0 * one for one in right[0]]
            row["second %"] += [100.0 * one for one in right[1]]
            row["both %"] += [100.0 * (one and two) for one, two in zip(*right, strict=True)]
    pairs = len(asked.prompts) // 2
    show(f"ambiguous, {asked.view}, {asked.seeds} seeds x {pairs} pairs", rows)


if __name__ == "__main__":
    made = parser("ambiguous", PROMPTS)
    made.set_defaults(methods=[m for m in METHODS if m != "CSG"])
    made.add_argument("--view", default="flip")
    run(made.parse_args())
