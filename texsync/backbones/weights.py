"""Which files hold a part's weights: safetensors only, checked without reading the tensors."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, Refused

STEMS = ("diffusion_pytorch_model", "model")
PICKLED = (".bin", ".ckpt", ".pt", ".pth")
BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class Weights:
    """The weight files of one part.  variant: None, or "fp16" as in `model.fp16.safetensors`."""

    files: tuple[Path, ...]
    variant: str | None
    numbers: int  # how many weights in all
    shapes: dict[str, tuple[int, ...]]  # by name, as the files' headers have them


def find_weights(folder: Path) -> Weights:
    """The safetensors of a part, whole or in shards; raises InputError naming a missing or damaged file."""
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
                    shapes |= read_shapes(file)
                return Weights(tuple(files), variant, sum(map(math.prod, shapes.values())), shapes)
    _explain_absence(folder)
    if lost:
        raise lost
    raise Refused.model_missing(
        f"{folder / STEMS[0]}.safetensors is missing", "fetch or save the model again"
    )


def _files(folder: Path, stem: str, variant: str | None) -> list[Path]:
    """The whole file, or the shards, of one kind; raises InputError if its index names a file that is not there."""
    whole = folder / (f"{stem}.{variant}.safetensors" if variant else f"{stem}.safetensors")
    if whole.is_file():
        return [whole]
    return _shards(folder / f"{stem}.safetensors.index{'.' + variant if variant else ''}.json")


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a safetensors file, by its header; raises InputError if the file is damaged."""
    try:
        header, body = _header(path)
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        size = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        shapes = {name: tuple(int(side) for side in entry["shape"]) for name, entry in entries.items()}
        if any(side < 0 for shape in shapes.values() for side in shape):
            raise ValueError("a negative side")
        wrong = [name for name, shape in shapes.items() if not _fits(shape, entries[name])]
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        RecursionError,
        struct.error,
    ):
        raise Refused.model_damaged(
            f"{path} is not a readable safetensors file", "fetch the model again"
        ) from None
    if size != body:
        raise Refused.model_damaged(
            f"{path} is cut short: {body} bytes of weights, {size} expected", "fetch the model again"
        )
    if wrong:
        raise Refused.model_damaged(
            f"{path} has another size for {wrong[0]} than its bytes", "fetch the model again"
        )
    return shapes


def _fits(shape: tuple[int, ...], entry: dict) -> bool:
    begin, end = entry["data_offsets"]
    each = BYTES.get(entry["dtype"])
    return each is None or math.prod(shape) * each == end - begin


def _header(path: Path) -> tuple[dict, int]:
    """(header, bytes that follow it)."""
    total = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > total:
            raise ValueError("header longer than the file")
        return json.loads(file.read(length)), total - 8 - length


def _shards(index: Path) -> list[Path]:
    if not index.is_file():
        return []
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError):
        raise Refused.model_damaged(f"{index} cannot be read", "fetch the model again") from None
    files = [index.parent / name for name in names]
    for file in files:
        if not file.is_file():
            raise Refused.model_missing(f"{file} is missing", "fetch the model again")
    return files


def _explain_absence(folder: Path) -> None:
    pickled = [p for p in sorted(folder.glob("*")) if p.suffix in PICKLED] if folder.is_dir() else []
    if pickled:
        raise Refused.model_unsafe(
            f"{pickled[0]} is a pickle, which can run code when it is read",
            "convert it once where you trust it: load it with diffusers or transformers and "
            "save_pretrained(folder, safe_serialization=True)",
        )
