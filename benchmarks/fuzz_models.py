"""Model folders with one value or some bytes of a JSON file changed: each must work, or be refused in one line.

python benchmarks/fuzz_models.py FOLDER [--count 1200] [--seed 0] [--first 0]

FOLDER: a small model in the diffusers layout with a ControlNet and a texsync.json.  A fault is any other exception, a
message of several lines, NaN, more than 10 seconds of computing, or more than 300 MB beyond what a whole folder takes.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.errors import InputError, check_finite

FILES = (
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "controlnet/config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
    "texsync.json",
    "model_index.json",
)
WILD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 0.5, -0.5, 1e308, -1e308, 1e-320, 10**9, 10**19, 2**63, -(2**31)),
    *(
        float("nan"),
        float("inf"),
        "",
        "x",
        "\ud800",
        "../..",
        "é" * 5000,
        "1",
        [],
        [0],
        [1, 2],
        [[]],
        {},
        {"a": 1},
    ),
    *([10**9] * 3, [None], ["x"] * 3, [[10**8]], {"": {}}, [1e308, -1e308]),
)
SECONDS, MEGABYTES = 10.0, 300


def places(node: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths to every value of a JSON document."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def mutated(text: bytes, draw: random.Random) -> tuple[bytes, str]:
    """(another document or what is left of it, what was done)."""
    if draw.random() < 0.15:
        start = draw.randrange(len(text))
        if draw.random() < 0.5:
            return text[:start], f"cut at byte {start}"
        junk = bytes(draw.randrange(256) for _ in range(draw.randint(1, 4)))
        return text[:start] + junk + text[start + len(junk) :], f"bytes {junk!r} at {start}"
    document = json.loads(text)
    *parents, key = draw.choice(list(places(document)))
    node = document
    for step in parents:
        node = node[step]
    if draw.random() < 0.15:
        del node[key]
        done = "deleted"
    else:
        old = node[key]
        node[key] = draw.choice(
            (*WILD, *(() if not isinstance(old, (int, float)) else (old * 2, old + 1, -old)))
        )
        node[key] = copy.deepcopy(node[key])
        done = f"= {node[key]!r:.40}"
    return json.dumps(document).encode(), f"{'/'.join(map(str, (*parents, key)))} {done}"


def outcome(folder: Path) -> str:
    """What became of a folder: "worked", "refused", or the fault."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            use(folder)
    except InputError as error:
        return "refused" if "\n" not in str(error) and error.remedy else f"message {str(error)!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return "worked"


def use(folder: Path) -> None:
    """Load a model, predict one step of one view with control, and develop it."""
    backbone = load_model(folder, device="cpu")
    said = backbone.advice
    size = backbone.multiple * 2
    cells = size // backbone.scale
    prompt = f"{said.prompt_prefix or ''}a red object"
    control = torch.full((1, 3, size, size), 0.5)
    predict = backbone.predictor(Conditions([prompt], [said.negative_prompt or ""], control), chunk=1)
    span = backbone.schedule.spans(min(4, len(backbone.schedule.alphas)))[0]
    x = torch.ones(1, backbone.latent_channels, cells, cells)
    eps = predict(x, span)
    x = span.ddim(span.tweedie(x, eps), eps)
    check_finite(x, "painting", "see the model")
    assert backbone.decode(x).isfinite().all(), "NaN in the picture"


def fuzz(source: Path, count: int, seed: int, first: int = 0) -> tuple[Counter, list[str]]:
    """(how many worked and were refused, the faults) of mutations number `first` and on."""
    told, faults = Counter(), []  # type: Counter, list[str]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(source, Path(scratch) / "model"))
        assert outcome(folder) == "worked", "the folder itself must work"
        for number in range(first, first + count):
            draw = random.Random(f"{seed} {number}")
            file = folder / draw.choice(FILES)
            whole = file.read_bytes()
            changed, done = mutated(whole, draw)
            file.write_bytes(changed)
            start, before = time.process_time(), peak()
            ended = outcome(folder)
            took, grown = time.process_time() - start, peak() - before
            file.write_bytes(whole)
            if took > SECONDS:
                ended = f"{took:.0f} seconds, then {ended}"
            elif grown > MEGABYTES:
                ended = f"{grown:.0f} MB, then {ended}"
            told[ended if ended in ("worked", "refused") else "fault"] += 1
            if ended not in ("worked", "refused"):
                faults.append(f"{number} {file.relative_to(folder)} {done}: {ended}")
    return told, faults


def peak() -> float:
    """The most memory that this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    for name, default in (("count", 1200), ("seed", 0), ("first", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(1)
    told, faults = fuzz(asked.folder, asked.count, asked.seed, asked.first)
    print("\n".join([*faults, f"{asked.count} folders: {dict(told)}, peak {peak():.0f} MB"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
