"""What the benchmarks of the 2D tasks share: pictures kept on disk, distances between sets of them, and a judge.

Features are a small public network's. Prompts are judged by the model itself: it says which of several
it would rather have denoised a picture with (Li et al. 2023, arXiv:2303.16203). Numbers compare methods within one
run; they are not Inception's or CLIP's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from texsync import wide_image
from texsync.backbones.by_name import load_model
from texsync.measures import ModelJudge, features_by, frechet, kernel
from texsync.tasks.made import Pictures
from texsync.tasks.reading import read_picture, to_tensor

METHODS: dict[str, dict] = {
    "uncoupled": {"coupling": "none"},
    "SyncSDE paper": {"coupling": "syncsde", "integrator": "paper"},
    "SyncSDE exact": {"coupling": "syncsde", "integrator": "exact"},
    "SyncTweedies": {"coupling": "synctweedies"},
    "MultiDiffusion": {"coupling": "multidiffusion"},
    "Visual Anagrams": {"coupling": "visual-anagrams"},
    "SyncMVD": {"coupling": "syncmvd"},
    "SyncDiffusion": {"coupling": "syncdiffusion", "coupling_options": ("first=3",)},
    "CSG": {"coupling": "csg", "strength": 4.0},  # 10, the paper's, overshoots with fewer than 50 steps
}
COMPONENTS = 8  # of the features of the pictures compared with, in the Frechet distance


def parser(task: str, prompts: Sequence[str]) -> argparse.ArgumentParser:
    """Arguments that every benchmark of a 2D task has."""
    made = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--model", default="mini")
    made.add_argument("--seeds", type=int, default=20)
    made.add_argument("--steps", type=int, default=20)
    made.add_argument("--prompts", nargs="+", default=list(prompts))
    made.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    made.add_argument("--references", type=int, default=60, help="uncoupled pictures per prompt")
    made.add_argument("--device", default="auto")
    made.add_argument(
        "--work", type=Path, default=Path("benchmarks") / "work" / task, help="kept between runs"
    )
    return made


class Shelf:
    """Pictures by name in a folder; what is there already is not made again, so a run can be taken up."""

    def __init__(self, folder: Path, settings: Mapping[str, object]):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, note = folder, folder / "settings.json"
        told = json.dumps(settings, sort_keys=True, default=str)
        if note.exists() and note.read_text() != told:
            raise SystemExit(f"{folder} holds pictures of other settings; remove it or name another --work")
        note.write_text(told)

    def get(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The pictures (3, H, W) of a run, made if they are not there."""
        place = self.folder / name
        if not (place / "done").exists():
            place.mkdir(parents=True, exist_ok=True)
            for part, picture in make().items():
                array = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
                Image.fromarray(array).save(place / f"{part}.png")
            (place / "done").touch()
        return {file.stem: to_tensor(read_picture(file)) for file in sorted(place.glob("*.png"))}


def flat(result: Pictures) -> dict[str, Tensor]:
    """Everything that a run of one seed made: its pictures by name and its views as view0, view1 ..."""
    made = result.made[0]
    return {**made.images, **{f"trajectory{i}": view for i, view in enumerate(made.views)}}


def singles(shelf: Shelf, asked: argparse.Namespace, prompt: str, size: int) -> list[Tensor]:
    """Uncoupled pictures of a prompt, of seeds that no coupled run has."""
    options = dict(width=size, coupling="none", model=asked.model, steps=asked.steps, device=asked.device)
    seeds = range(10_000, 10_000 + asked.references)
    return [
        shelf.get(f"single/{prompt}/{s}", lambda s=s: flat(wide_image(prompt, seed=s, **options)))["picture"]
        for s in seeds
    ]


def judge_of(asked: argparse.Namespace, candidates: Sequence[str]) -> ModelJudge:
    """The model as a judge of pictures."""
    return ModelJudge(load_model(asked.model, "none", device=asked.device), candidates)


def embedded(pictures: Sequence[Tensor]) -> np.ndarray:
    """Features (N, D) of pictures (3, S, S)."""
    return features_by()(pictures)


def fidelity(pictures: Sequence[Tensor], known: np.ndarray) -> dict[str, float]:
    """Distances of pictures (3, S, S) to features (M, D) of others; Frechet's in those others' main directions alone,
    because a covariance of more dimensions than pictures is not one."""
    seen = embedded(pictures)
    _, _, axes = np.linalg.svd(known - known.mean(0), full_matrices=False)
    main = axes[:COMPONENTS].T
    return {
        "kernel x1000": 1000 * kernel(seen, known),
        "Frechet": frechet(seen @ main, known @ main),
    }


def show(title: str, rows: Mapping[str, Mapping[str, Sequence[float]]], digits: int = 2) -> None:
    """A table: one row per method, mean and standard error of each measure over its samples."""
    measures = list(next(iter(rows.values())))
    table = Table(title=title)
    for name in ("method", *measures):
        table.add_column(name, justify="left" if name == "method" else "right")
    for method, values in rows.items():
        table.add_row(method, *(_cell(np.asarray(values[m], float), digits) for m in measures))
    Console(width=140).print(table)


def _cell(samples: np.ndarray, digits: int) -> str:
    if not len(samples):
        return "-"
    mean = f"{samples.mean():.{digits}f}"
    return mean if len(samples) == 1 else f"{mean} ± {samples.std(ddof=1) / len(samples) ** 0.5:.{digits}f}"
