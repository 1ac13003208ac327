"""Stable Diffusion at full size with random weights, end to end on this machine: seconds, and memory beside the plan.

    python benchmarks/stable_diffusion.py [--kind sd1] [--size 256] [--steps 2] [--mesh rabbit.obj] [--work DIR]

The networks have the configs that texsync ships for single files, so their names and shapes are those of the real
ones; weights are written once, in 16 bits, into a diffusers folder in DIR (3 GB).  The mesh is then textured by the
command that a user types, in a process of its own, whose peak of resident memory is set against the plan of `texsync
doctor --plan` and what else such a process holds: what the same command takes with mini, less mini's own plan.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from coupling import MESHES

import texsync

LAYOUTS = Path(texsync.__file__).parent / "backbones" / "layouts"
MEASURED = """
import re, runpy, sys
from pathlib import Path
sys.argv = {argv!r}
try:
    runpy.run_module("texsync", run_name="__main__")
finally:
    print(*re.findall("VmHWM.*", Path("/proc/self/status").read_text()), file=sys.stderr)
"""


def network(part: str, config: dict[str, Any]) -> Any:
    """A part with random weights, as its library makes it."""
    if part == "text_encoder":
        from transformers import CLIPTextConfig, CLIPTextModel

        return CLIPTextModel(CLIPTextConfig(**config))
    kind = getattr(import_module("diffusers"), config["_class_name"])
    return kind.from_config(config)


def write_model(kind: str, folder: Path) -> Path:
    """A diffusers folder, its ControlNet inside."""
    from texsync.backbones.clip_words import clip_tokenizer

    source = LAYOUTS / kind
    for part in ("unet", "controlnet", "vae", "text_encoder"):
        config = json.loads((source / part / "config.json").read_text())
        torch.manual_seed(0)
        network(part, config).half().save_pretrained(folder / part)
        print(f"wrote {part}", flush=True)
    shutil.copytree(source / "scheduler", folder / "scheduler")
    words = json.loads((source / "tokenizer" / "tokenizer_config.json").read_text())
    clip_tokenizer(words).save_pretrained(folder / "tokenizer")
    index = json.loads((source / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))
    return folder


def painted(mesh: Path, model: str, size: int, steps: int, out: Path) -> tuple[float, float]:
    """(seconds, GB at its peak) of the command line in a child process."""
    sizes = ["--model", model, "--view-size", str(size), "--steps", str(steps)]
    argv = ["texsync", str(mesh), "weathered copper", *sizes, "--out", str(out), "--overwrite"]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED.format(argv=argv)], stderr=subprocess.PIPE, text=True
    )
    taken = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr)
    return taken, int(re.findall(r"VmHWM:\s*(\d+)", done.stderr)[-1]) / 2**20


def plan(model: str, size: int) -> Any:
    """What `texsync doctor --plan` is made of."""
    from texsync.backbones.foreseen import plan_for
    from texsync.backbones.memory import choose_device, free_bytes

    here = choose_device()
    return plan_for(model, None, device=here, dtype=torch.float32, free=free_bytes(here), size=size, views=12)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", default="sd1", choices=("sd1", "sd2"))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--mesh", default="rabbit.obj")
    parser.add_argument("--work", type=Path, help="where the model is kept; else it is made anew and removed")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = asked.work or Path(scratch)
        model = work / asked.kind
        if not (model / "model_index.json").exists():
            write_model(asked.kind, model)
        planned = plan(str(model), asked.size)
        print("\n".join(planned.lines(asked.kind)), flush=True)
        run = functools.partial(
            painted, MESHES / asked.mesh, size=asked.size, steps=asked.steps, out=work / "out"
        )
        rest = run(model="mini")[1] - plan("mini", asked.size).peak / 2**30
        taken, peak = run(model=str(model))
        foreseen = rest + planned.peak / 2**30
        print(f"end to end {taken:.0f} s; peak {peak:.2f} GB; planned {planned.peak / 2**30:.2f} GB, and {rest:.2f} GB "
              f"for all that is no model: {foreseen:.2f} GB, {100 * (foreseen / peak - 1):+.0f} %")  # fmt: skip


if __name__ == "__main__":
    main()
