"""Wide pictures by every coupling: as good as single ones? told what was asked? without seams? in what time and memory?

    python benchmarks/wide.py [--model NAME] [--seeds N] [--width PIXELS] [--assemble paste|blend] [--cost]

Fidelity: kernel and Frechet distance of crops to uncoupled single pictures of the same prompts. Prompt: share of
crops that the model itself would rather denoise with their own prompt than with another. Seam: change of colour
across the borders of windows, over that elsewhere; 1 means no seam. Unlike: difference of texture statistics
of the left and the right end. --cost prints time and memory at 4:1 and 16:1 instead.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from measure import METHODS, Shelf, embedded, fidelity, flat, judge_of, parser, show, singles

from texsync import wide_image
from texsync.couplings.perceptual import texture
from texsync.measures import beside_each_other, seam_ratio

PROMPTS = ("meadow", "desert", "forest", "beach")
OTHERS = ("mossy stone", "gold", "snow")
MEASURES = ("kernel x1000", "Frechet", "prompt %", "seam", "unlike")


def run(asked: argparse.Namespace) -> None:
    settings = {
        k: v for k, v in vars(asked).items() if k in ("model", "steps", "width", "overlap", "assemble")
    }
    shelf = Shelf(asked.work, settings)
    judge = judge_of(asked, [*asked.prompts, *OTHERS])
    step = judge.backbone.native_size - asked.overlap
    common = {"model": asked.model, "steps": asked.steps, "device": asked.device}
    rows: dict = {method: {name: [] for name in MEASURES} for method in asked.methods}
    for prompt in asked.prompts:
        known = embedded(singles(shelf, asked, prompt, judge.backbone.native_size))
        for method in asked.methods:
            options = dict(
                width=asked.width, overlap=asked.overlap, assemble=asked.assemble, **METHODS[method], **common
            )
            pictures = [
                shelf.get(
                    f"{method}/{prompt}/{seed}",
                    lambda p=prompt, s=seed, o=options: flat(wide_image(p, seed=s, **o)),
                )["picture"]
                for seed in range(asked.seeds)
            ]
            parts = [crop for picture in pictures for crop in beside_each_other(picture)]
            row = rows[method]
            for figure, value in fidelity(parts, known).items():
                row[figure].append(value)
            row["prompt %"] += [100.0 * judge.prefers(part, prompt) for part in parts]
            row["seam"] += [seam_ratio(picture, step, judge.backbone.scale) for picture in pictures]
            ends = [beside_each_other(picture) for picture in pictures]
            row["unlike"] += [float(texture(e[0][None], e[-1][None])) for e in ends]
    show(f"wide, {asked.width} px, {asked.seeds} seeds x {len(asked.prompts)} prompts", rows)


COST = """
import json, sys, time
from texsync import wide_image
options = json.loads(sys.argv[1])
wide_image("sand", **(options | {"width": 256, "steps": 1}))
start = time.process_time()
wide_image("sand", **options)
from texsync.record.facts import peak_memory_mb
print(json.dumps([time.process_time() - start, peak_memory_mb()]))
"""


def cost(asked: argparse.Namespace) -> None:
    """Processor seconds and peak memory of one picture at 4:1, 8:1 and 16:1, each in a process of its own."""
    import json

    rows: dict = {}
    for times in (4, 8, 16):
        options = {"width": times * 256, "steps": 4, "chunk": 8, "model": asked.model, "device": asked.device}
        told = subprocess.run(
            [sys.executable, "-c", COST, json.dumps(options)], capture_output=True, text=True, check=True
        )
        seconds, memory = json.loads(told.stdout.splitlines()[-1])
        rows[f"{times}:1"] = {
            "seconds": [seconds],
            "s per window": [seconds / (4 * times - 3)],
            "MB": [memory],
        }
    show("wide: time and memory, 4 steps, 8 views at a time", rows)


if __name__ == "__main__":
    made = parser("wide", PROMPTS)
    made.set_defaults(methods=[m for m in METHODS if m != "CSG"])
    made.add_argument("--width", type=int, default=768)
    made.add_argument("--overlap", type=int, default=128)
    made.add_argument("--assemble", choices=("paste", "blend"), default="blend")
    made.add_argument("--cost", action="store_true")
    given = made.parse_args()
    (cost if given.cost else run)(given)
