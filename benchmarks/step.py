"""What a coupled step costs: beside the model's call, and beside the reference's way of doing it.

    python benchmarks/step.py [--model FOLDER] [--mesh FILE] [--cells N] [--device cpu]

Table 1: the share of a step that the coupling takes.  Table 2: one compiled matrix against baking every prefix of
views again at every step, with and without the rendering that the reference adds to it.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from rebaked import Rebaked
from torch import Tensor

from texsync.backbones.conditions import Conditions
from texsync.couplings import Independent, SyncSDE, SyncTweedies
from texsync.errors import InputError
from texsync.files.load import load
from texsync.schedule import Schedule
from texsync.surface.cameras import ring
from texsync.surface.pixels import depth_condition, look
from texsync.surface.uv import prepare
from texsync.views import Views, shared_noise, surface_views

ROOT = Path(__file__).parents[1]
FINER = 8  # pixels per latent cell, for the depth test
TEXELS = 16  # per latent cell along a side
SPAN = Schedule.scaled_linear().spans(30)[5]
COUPLINGS = {
    "none": Independent(),
    "SyncTweedies": SyncTweedies(),
    "SyncSDE, paper": SyncSDE(),
    "SyncSDE, exact": SyncSDE(integrator="exact"),
    "SyncSDE, best": SyncSDE(blend="best-facing"),
}


def milliseconds(run: Callable[[], object], repeats: int = 5) -> float:
    """The fastest of some runs, after one that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def table(title: str, head: tuple[str, ...], rows: list[tuple]) -> None:
    print(f"\n{title}")
    for row in (head, *rows):
        print("  " + "".join(f"{cell:<46}" if i == 0 else f"{cell:>14}" for i, cell in enumerate(row)))


def share_of_a_step(backbone, surface, views: Views, pixels, x: Tensor) -> None:
    """Table 1: the same step with and without coupling, against one call of the model."""
    condition = depth_condition(look(surface, pixels.cameras, pixels.size * backbone.scale, str(x.device)))
    words = ["a red stone object"] * len(x)
    predict = backbone.predictor(Conditions(words, control=condition, guidance=3.0), chunk=len(x))
    eps = predict(x, SPAN)
    call = milliseconds(lambda: predict(x, SPAN), 3)
    rows = []
    for name, coupling in COUPLINGS.items():
        own = milliseconds(lambda c=coupling: c.step(x, None, lambda *_: eps, views, SPAN))
        rows.append((name, f"{own:.2f}", f"{call:.0f}", f"{own / (own + call):.2%}"))
    head = ("coupling", "coupling ms", "model ms", "share of step")
    table(f"1. A step of {len(x)} views of {x.shape[-1]} latent cells, {x.device}", head, rows)


def compiled_or_not(surface, views: Views, pixels, x: Tensor) -> None:
    """Table 2: three ways to the same numbers."""
    prefix, naive = views.prefix(), Rebaked(views)
    assert torch.allclose(prefix.reference(x), naive.told(x), atol=1e-5)
    count, device = len(x), str(x.device)

    def rendered() -> None:
        """The reference renders a view for each of the 45 bakes, and the view that is told."""
        for i in range(1, count):
            look(surface, [*pixels.cameras[:i], pixels.cameras[i]], pixels.size, device)
        naive.told(x)

    once = milliseconds(lambda: prefix.reference(x), 20)
    ways = {
        "one compiled matrix": once,
        "bake every prefix again, geometry tabled": milliseconds(lambda: naive.told(x)),
        "bake and render every prefix again": milliseconds(rendered, 1),
    }
    rows = [(name, f"{ms:.2f}", f"{ms / once:.0f}x") for name, ms in ways.items()]
    table(
        f"2. What {count} views are told, {x.shape[-1]} latent cells, {device}", ("way", "ms", "ratio"), rows
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mini", help="a model folder, or mini")
    parser.add_argument("--mesh", default=str(ROOT / "meshes" / "rabbit.obj"))
    parser.add_argument("--cells", type=int, default=32, help="latent cells along a side of a view")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    warnings.simplefilter("ignore")

    start = time.perf_counter()
    surface = prepare(load(options.mesh))
    pixels, fine = (look(surface, ring(), options.cells * n, options.device) for n in (1, FINER))
    middle = time.perf_counter()
    views = surface_views(pixels, fine, options.cells * TEXELS)
    views.prefix()
    end = time.perf_counter()
    print(
        f"{Path(options.mesh).name}, {len(surface.faces)} faces: load, unwrap, rasterise {middle - start:.2f} s; ",
        end="",
    )
    print(f"compile views and prefix {end - middle:.2f} s; {views.prefix().matrix.nnz} entries")
    x = shared_noise(views, 4, torch.Generator().manual_seed(0)).to(options.device)
    compiled_or_not(surface, views, pixels, x)
    try:
        from texsync.backbones.by_name import load_model

        share_of_a_step(load_model(options.model, device=options.device), surface, views, pixels, x)
    except InputError as error:
        print(f"\n1. left out: {error}")


if __name__ == "__main__":
    main()
