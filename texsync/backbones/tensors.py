"""A file of weights, told by what is in it and not by its name: shapes first, tensors when they are wanted."""

from __future__ import annotations

import json
import math
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Refused, TexsyncWarning, about

PICKLED = (".bin", ".ckpt", ".pt", ".pth")
FILES = (".safetensors", *PICKLED)
BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2}
AGAIN = "fetch the model again"
PROTOCOLS = (b"\x02", b"\x03", b"\x04", b"\x05")  # of pickles
STRANGERS = (  # what stands at the start of files that are no weights
    (
        b"version https://git-lfs",
        "is a pointer of git-lfs, not the weights",
        "run `git lfs pull` in its folder",
    ),
    (b"<", "is a web page, not weights", "log in where it comes from, and fetch it again"),
    (b"{", "is a text, not weights", AGAIN),
    (b"GGUF", "is a quantised GGUF file", "use the model's safetensors"),
)


@dataclass(frozen=True)
class Header:
    """What a file of weights says of itself.  shapes: by name.  notes: texts and numbers beside the tensors."""

    shapes: dict[str, tuple[int, ...]]
    notes: dict[str, Any]


def is_weights(path: Path) -> bool:
    """Whether a file is named like weights."""
    return path.suffix.lower() in FILES


def read_header(path: Path) -> Header:
    """The names and shapes in a file, read without its numbers; raises InputError for a damaged or strange file."""
    return _pickled_header(path) if is_pickled(path) else _safe_header(path)


def read_tensors(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Any]:
    """The tensors of a file whose names are wanted, on the CPU.

    A pickle is read by torch's loader of weights alone, which runs no code.
    """
    if is_pickled(path):
        return {name: tensor for name, tensor in _unpickled(path, None).items() if wanted(name)}
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118


def warn_of_pickle(path: Path) -> None:
    """Say that a pickle is read (TexsyncWarning)."""
    told = f"{path.name} is a pickle; only its weights are read, a .safetensors is the safer file"
    warnings.warn(TexsyncWarning(told), stacklevel=3)


def is_pickled(path: Path) -> bool:
    """Whether torch has written a file; raises InputError for one that is neither that nor safetensors."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise Refused.model_damaged(f"{about(path)} cannot be read ({error.strerror})", AGAIN) from None
    if start[8:9] == b"{":  # after the length of a safetensors header
        return False
    if not start:
        raise Refused.model_damaged(f"{about(path)} is empty", AGAIN)
    for mark, what, remedy in STRANGERS:
        if start.lstrip().startswith(mark):
            raise Refused.model_damaged(f"{about(path)} {what}", remedy)
    pickled = start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[1:2] in PROTOCOLS)
    if pickled and path.suffix.lower() == ".safetensors":
        raise Refused.model_unsafe(
            f"{about(path)} is a pickle under the name of a safetensors file",
            "fetch it from its authors; rename it to .ckpt only if you trust its source",
        )
    return pickled


# ---- safetensors


def _safe_header(path: Path) -> Header:
    with _readable(path):
        header, body = _split(path)
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        size = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        shapes = {name: tuple(int(side) for side in entry["shape"]) for name, entry in entries.items()}
        if any(side < 0 for shape in shapes.values() for side in shape):
            raise ValueError("a negative side")
        wrong = [name for name, shape in shapes.items() if not _fits(shape, entries[name])]
        notes = dict(header.get("__metadata__") or {})
    if size != body:
        raise Refused.model_damaged(
            f"{about(path)} is cut short: {body} bytes of weights, {size} expected", AGAIN
        )
    if wrong:
        raise Refused.model_damaged(f"{about(path)} has another size for {wrong[0]} than its bytes", AGAIN)
    return Header(shapes, notes)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What goes wrong over a header that is none becomes one line."""
    odd = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, struct.error)
    try:
        yield
    except odd:
        if not is_weights(path):
            raise Refused.model_missing(
                f"{about(path)} is a file without weights",
                "give a folder in the diffusers layout, or a .safetensors or .ckpt file",
            ) from None
        raise Refused.model_damaged(f"{about(path)} is not a readable safetensors file", AGAIN) from None


def _fits(shape: tuple[int, ...], entry: dict) -> bool:
    begin, end = entry["data_offsets"]
    each = BYTES.get(entry["dtype"])
    return each is None or math.prod(shape) * each == end - begin


def _split(path: Path) -> tuple[dict, int]:
    """(header, bytes that follow it)."""
    total = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > total:
            raise ValueError("header longer than the file")
        return json.loads(file.read(length)), total - 8 - length


# ---- torch's pickles


def _pickled_header(path: Path) -> Header:
    import torch

    found = _unpickled(path, "meta")
    shapes = {name: tuple(value.shape) for name, value in found.items() if isinstance(value, torch.Tensor)}
    return Header(shapes, {name: value for name, value in found.items() if name not in shapes})


def _unpickled(path: Path, device: str | None) -> dict[str, Any]:
    """The names and tensors of a pickle, those of its "state_dict" if it has one.  device: "meta" reads no numbers."""
    import pickle

    import torch

    options: dict[str, Any] = {"map_location": device or "cpu", "weights_only": True}
    try:
        try:
            found = torch.load(path, mmap=True, **options)
        except RuntimeError as error:
            if "mmap" not in str(error):
                raise
            found = torch.load(path, **options)  # as torch wrote them before 1.6
    except pickle.UnpicklingError as error:
        raise Refused.model_unsafe(
            f"{about(path)} holds more than weights ({_strange(error)})", "use its safetensors"
        ) from None
    except Exception as error:  # a damaged archive raises whatever it meets
        raise Refused.model_damaged(
            f"{about(path)} is not a readable checkpoint ({type(error).__name__})", AGAIN
        ) from None
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise Refused.model_damaged(f"{about(path)} holds no table of weights", "use its safetensors")
    return found


def _strange(error: Exception) -> str:
    """What a pickle has beside weights, by torch's message."""
    found = re.search(r"GLOBAL (\S+)", str(error))
    return found[1] if found else "code"
