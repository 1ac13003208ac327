"""What it brings that views read each other's attention, on mini.

    python benchmarks/attention.py [--mesh FILE] [--prompts ...] [--view-size 256] [--out docs/attention-table.md]

Disagreement and sharpness: as in coupling.py, over the same prompts without coupling and attention between views;
1: as without.  Seconds: denoising, over the same coupling's without attention.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import geometric_mean

from coupling import MESHES
from samplers import Bench

from texsync.measures import disagreement, sharpness
from texsync.options.shared import ATTENTIONS

PROMPTS = ["blue and white marble", "red and yellow stripes", "mossy stone"]
METHODS = {
    "none": {"coupling": "none"},
    "syncsde, default": {},
    "syncsde, the paper's mean": {"blend": "mean"},
    "synctweedies": {"coupling": "synctweedies"},
    "syncmvd": {"coupling": "syncmvd"},
}


def rows(bench: Bench, prompts: list[str], steps: int) -> list[tuple[str, str, float, float, float]]:
    """(coupling, attention, disagreement, sharpness, seconds), each a ratio, over all prompts."""
    alone = {prompt: bench.pictures(prompt, steps=steps, coupling="none") for prompt in prompts}
    found = []
    for method, options in METHODS.items():
        usual = 0.0
        for attention in ATTENTIONS:
            start = time.perf_counter()
            made = {p: bench.pictures(p, steps=steps, attention=attention, **options) for p in prompts}
            seconds = time.perf_counter() - start
            usual = usual or seconds
            apart, sharp = (
                geometric_mean(kind(bench.pixels, made[p]) / kind(bench.pixels, alone[p]) for p in prompts)
                for kind in (disagreement, sharpness)
            )
            found.append((method, attention, apart, sharp, seconds / usual))
            print(*found[-1], flush=True)
    return found


def written(found: list[tuple[str, str, float, float, float]], about: str) -> str:
    """The table as Markdown."""
    lines = [
        "# Attention between views on mini",
        "",
        f"Made by `benchmarks/attention.py`; do not edit. {about}",
        "Disagreement and sharpness over the same prompts without coupling and attention; seconds over the same",
        "coupling without attention.",
        "",
        "| coupling | attention | disagreement | sharpness | seconds |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {a} | {b} | {apart:.3f} | {sharp:.2f} | {time:.2f} |" for a, b, apart, sharp, time in found]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mesh", type=Path, default=MESHES / "rabbit.obj")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--prompts", nargs="+", default=PROMPTS)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--view-size", type=int, default=256)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    bench = Bench(asked.mesh, asked.model, asked.view_size)
    views = f"views of {asked.view_size} pixels, {asked.steps} steps, seed 0"
    text = written(
        rows(bench, asked.prompts, asked.steps), f"{asked.mesh.stem}, {views}: {', '.join(asked.prompts)}."
    )
    print(text)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
