"""A whole denoising run at Stable Diffusion 1.5's size: seconds, memory, the networks' share; and baked at every step.

    python benchmarks/gpu.py --prepare DIR       here: what ten views see of the rabbit, and random weights, into DIR
    python benchmarks/gpu.py DIR                 there, a GPU; needs no PyTorch3D
    python benchmarks/gpu.py DIR --device cpu --dtypes fp32 --steps 2     a rehearsal, of --prepare DIR --cells 16
    --model mini, with both, takes that in place of the random weights

A row for each number format and way.  Networks: the share of the time that UNet and ControlNet take, by events of the
GPU's own clock.  GB: the most that torch held; planned: what `doctor --plan` says of the same.  Waits: how often a step
waits for the GPU.  "baked at every step": the same method as the reference computes it, without its renderings.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rebaked import Rebaked
from rich.console import Console
from rich.table import Table
from scipy import sparse
from torch import Tensor

from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.foreseen import plan_for
from texsync.backbones.memory import choose_dtype, free_bytes
from texsync.couplings import SyncSDE
from texsync.loop import sample
from texsync.schedule import Span
from texsync.views import Views, shared_noise

RABBIT = Path(__file__).parents[1] / "meshes" / "rabbit.obj"
FINER, TEXELS = 8, 16  # pixels per latent cell for the depth test; texels per latent cell along a side
PROMPT = "weathered copper"
GUIDANCE = 7.5


def prepare(folder: Path, cells: int, model: str, pixels_a_cell: int = 8) -> None:
    """Write what does not change: lookups, control pictures, and a model with random weights unless one is named."""
    from stable_diffusion import write_model

    from texsync.files.load import load
    from texsync.surface.cameras import ring
    from texsync.surface.pixels import depth_condition, look
    from texsync.surface.uv import prepare as unwrapped
    from texsync.views import surface_views

    folder.mkdir(parents=True, exist_ok=True)
    surface = unwrapped(load(RABBIT))
    coarse, fine, whole = (look(surface, ring(), cells * n) for n in (1, FINER, pixels_a_cell))
    views = surface_views(coarse, fine, cells * TEXELS)
    control = (255 * depth_condition(whole)[:, :1]).round().byte().numpy()
    np.savez_compressed(
        folder / "views.npz", shape=views.shape, canvas=views.canvas, control=control, cells=cells
    )
    for name in ("look", "merge"):
        sparse.save_npz(folder / f"{name}.npz", sparse.csr_matrix(getattr(views, name)))
    if model == "sd1" and not (folder / model).exists():
        write_model(model, folder / model)


def read(folder: Path) -> tuple[Views, Tensor]:
    """(views, control pictures (N, 3, S, S))."""
    said = np.load(folder / "views.npz")
    look, merge = (sparse.csr_array(sparse.load_npz(folder / f"{name}.npz")) for name in ("look", "merge"))
    views = Views(look, merge, tuple(said["shape"].tolist()), tuple(said["canvas"].tolist()))
    return views, torch.as_tensor(said["control"]).float().expand(-1, 3, -1, -1) / 255


class Clock:
    """Adds up what calls take, without making anyone wait for them."""

    def __init__(self, run: Callable[[Tensor, Span], Tensor], device: torch.device):
        self.run, self.on_gpu, self.spans = run, device.type == "cuda", list[tuple[Any, Any]]()

    def __call__(self, x: Tensor, span: Span) -> Tensor:
        start = self._now()
        eps = self.run(x, span)
        self.spans.append((start, self._now()))
        return eps

    def _now(self) -> Any:
        if not self.on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self) -> float:
        if self.on_gpu:
            return sum(a.elapsed_time(b) for a, b in self.spans) / 1000
        return sum(b - a for a, b in self.spans)


class BakedAnew(Views):
    """The same views, whose earlier ones are baked anew whenever they are asked for."""

    def prefix(self, memory: int | None = None, blend: str = "mean") -> Any:
        once = super().prefix(memory, blend)
        if (memory, blend) != (None, "mean"):
            return once
        naive = Rebaked(self)
        return SimpleNamespace(mask=once.mask, reference=naive.told)


def waits(step: Callable[[], object], device: torch.device) -> int | None:
    """How often it waits for the GPU; None without one."""
    if device.type != "cuda":
        return None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        step()
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(one.message) for one in told)


def run(backbone: Any, views: Views, control: Tensor, steps: int) -> dict[str, float | None]:
    """Seconds of `steps` steps, the networks' share of them, waits in one more."""
    device, count = backbone.device, len(control)
    predict = backbone.predictor(Conditions([PROMPT] * count, control=control, guidance=GUIDANCE), chunk=None)
    clock = Clock(predict, device)
    x = shared_noise(views, backbone.latent_channels, torch.Generator().manual_seed(0)).to(device)
    spans = backbone.schedule.spans(steps)
    for _ in sample(
        clock, views, SyncSDE(integrator="exact"), spans[:1], x
    ):  # measures the chunk, picks kernels
        pass
    clock.spans.clear()
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    for _ in sample(clock, views, SyncSDE(integrator="exact"), spans, x):
        pass
    if device.type == "cuda":
        torch.cuda.synchronize()
    taken = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else None
    often = waits(lambda: list(sample(predict, views, SyncSDE(integrator="exact"), spans[1:2], x)), device)
    return {
        "s": taken,
        "share": clock.seconds() / taken,
        "peak": peak,
        "waits": often,
        "chunk": predict.chunk,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--model", default="sd1", help="sd1 with random weights, or any that --model takes")
    parser.add_argument(
        "--cells", type=int, default=96, help="with --prepare: of a view's side, 8 pixels each"
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtypes", nargs="+", default=["fp16", "bf16"])
    parser.add_argument("--steps", type=int, default=30)
    asked = parser.parse_args()
    if asked.prepare:
        return prepare(asked.folder, asked.cells, asked.model)
    device = torch.device(asked.device)
    name = str(asked.folder / asked.model) if asked.model == "sd1" else asked.model
    views, control = read(asked.folder)
    views.prefix()  # made once for a mesh, not in the loop
    anew = BakedAnew(views.look, views.merge, views.shape, views.canvas)
    table = Table("format", "way", "s", "networks", "GB", "planned", "views at once", "waits a step")
    for number in asked.dtypes:
        dtype = choose_dtype(number, device)
        plan = plan_for(
            name,
            None,
            device=device,
            dtype=dtype,
            free=free_bytes(device),
            size=control.shape[-1],
            views=len(control),
        )
        backbone = load_model(name, device=asked.device, dtype=number)
        for way, seen in (("one matrix", views), ("baked at every step", anew)):
            found = run(backbone, seen, control, asked.steps)
            held = "" if found["peak"] is None else f"{found['peak']:.2f}"
            figures = f"{found['s']:.2f}", f"{found['share']:.1%}", held, f"{plan.peak / 2**30:.2f}"
            table.add_row(number, way, *figures, str(found["chunk"]), str(found["waits"]))
            print(number, way, *figures, found["chunk"], found["waits"], flush=True)
        del backbone
    Console().print(table)


if __name__ == "__main__":
    main()
