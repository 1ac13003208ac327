"""Stable Diffusion at full size with random weights, end to end on this machine: seconds, and memory beside the plan.

    python benchmarks/full_size.py [--kind sd1] [--size 256] [--steps 2] [--mesh rabbit.obj] [--work DIR]

The networks have the configs that texsync ships for single files, so their names and shapes are those of the real
ones; weights are written once, in 16 bits, into a diffusers folder in DIR (3 GB).  The mesh is then textured by the
command that a user types, in a process of its own, whose peak of resident memory is set against the plan of `texsync
doctor --plan` and what a process holds before it has a model.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from coupling import MESHES

import texsync

LAYOUTS = Path(texsync.__file__).parent / "backbones" / "layouts"
EMPTY = (
    "import torch, diffusers, transformers, pytorch3d.renderer; from diffusers import UNet2DConditionModel"
)
MEASURED = """
import re, runpy, sys
from pathlib import Path
sys.argv = {argv!r}
try:
    {what}
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


def peak_of(
    argv: list[str], what: str = 'runpy.run_module("texsync", run_name="__main__")'
) -> tuple[float, float]:
    """(seconds, GB at its peak) of a child process."""
    start = time.perf_counter()
    command = [sys.executable, "-c", MEASURED.format(argv=["texsync", *argv], what=what)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    taken = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr)
    peaks = re.findall(r"VmHWM:\s*(\d+)", done.stderr)
    return taken, int(peaks[-1]) / 2**20


def plan(mesh: Path, model: Path, size: int) -> Any:
    """What `texsync doctor --plan` is made of."""
    from texsync.backbones.foreseen import plan_for
    from texsync.backbones.memory import choose_device, free_bytes

    device: Callable[..., torch.device] = choose_device
    here = device()
    return plan_for(
        str(model), None, device=here, dtype=torch.float32, free=free_bytes(here), size=size, views=12
    )


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
        planned = plan(MESHES / asked.mesh, model, asked.size)
        print("\n".join(planned.lines(asked.kind)), flush=True)
        _, bare = peak_of([], EMPTY)
        out = work / "out"
        options = ["--model", str(model), "--view-size", str(asked.size), "--steps", str(asked.steps)]
        argv = [str(MESHES / asked.mesh), "weathered copper", "--out", str(out), "--overwrite", *options]
        taken, peak = peak_of(argv)
        foreseen = bare + planned.peak / 2**30
        print(f"end to end {taken:.0f} s; peak {peak:.2f} GB")
        print(f"planned    {planned.peak / 2**30:.2f} GB and {bare:.2f} GB of a bare process: {foreseen:.2f} GB, "
              f"{100 * (foreseen / peak - 1):+.0f} %")  # fmt: skip


if __name__ == "__main__":
    main()
