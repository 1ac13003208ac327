"""Which files hold a part's weights, checked without reading the tensors: safetensors, else torch's pickles."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, Refused, about
from .tensors import PICKLED, is_pickled, read_header, warn_of_pickle

STEMS = ("diffusion_pytorch_model", "model")
PICKLES = ("diffusion_pytorch_model.bin", "pytorch_model.bin")


@dataclass(frozen=True)
class Weights:
    """The weight files of one part.  variant: None, or "fp16" as in `model.fp16.safetensors`.

    layout: whose names the weights have: "" diffusers' or transformers', else a part of a single file, see
    `single_file.py`.  pickled: torch has written them.
    """

    files: tuple[Path, ...]
    variant: str | None
    numbers: int  # how many weights in all
    shapes: dict[str, tuple[int, ...]]  # by name, as the files' headers have them
    layout: str = ""
    pickled: bool = False


def find_weights(folder: Path) -> Weights:
    """The weights of a part, whole or in shards; raises InputError naming a missing or damaged file."""
    lost: InputError | None = None
    for variant in (None, "fp16"):
        for stem in STEMS:
            try:
                files = _files(folder, stem, variant)
            except InputError as error:  # an index alone: weights of the other kind may be there
                lost = lost or error
                continue
            if files:
                shapes: dict[str, tuple[int, ...]] = {}
                for file in files:
                    shapes |= read_header(file).shapes
                return Weights(tuple(files), variant, sum(map(math.prod, shapes.values())), shapes)
    if pickles := [folder / name for name in PICKLES if (folder / name).is_file()]:
        if not is_pickled(pickles[0]):
            name = f"{STEMS[0] if pickles[0].name == PICKLES[0] else STEMS[1]}.safetensors"
            raise Refused.model_damaged(
                f"{about(pickles[0])} is a safetensors file under another name", f"rename it to {name}"
            )
        shapes = read_header(pickles[0]).shapes
        return Weights((pickles[0],), None, sum(map(math.prod, shapes.values())), shapes, pickled=True)
    _explain_absence(folder)
    if lost:
        raise lost
    raise Refused.model_missing(
        f"{about(folder / STEMS[0])}.safetensors is missing", "fetch or save the model again"
    )


def warn_of_pickles(every: Iterable[Weights]) -> None:
    """Say which of them are pickles (TexsyncWarning), a file that holds several once."""
    for file in dict.fromkeys(weights.files[0] for weights in every if weights.pickled):
        warn_of_pickle(file)


def _files(folder: Path, stem: str, variant: str | None) -> list[Path]:
    """The whole file, or the shards, of one kind; raises InputError if its index names a file that is not there."""
    whole = folder / (f"{stem}.{variant}.safetensors" if variant else f"{stem}.safetensors")
    if whole.is_file():
        return [whole]
    return _shards(folder / f"{stem}.safetensors.index{'.' + variant if variant else ''}.json")


def _shards(index: Path) -> list[Path]:
    if not index.is_file():
        return []
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError):
        raise Refused.model_damaged(f"{about(index)} cannot be read", "fetch the model again") from None
    files = [index.parent / name for name in names]
    for file in files:
        if not file.is_file():
            raise Refused.model_missing(f"{about(file)} is missing", "fetch the model again")
    return files


def _explain_absence(folder: Path) -> None:
    pickled = [p for p in sorted(folder.glob("*")) if p.suffix in PICKLED] if folder.is_dir() else []
    if pickled:
        raise Refused.model_unsafe(
            f"{about(pickled[0])} is a pickle under a name that no part of a model has",
            f"name it {' or '.join(PICKLES)}, or convert it to safetensors",
        )
