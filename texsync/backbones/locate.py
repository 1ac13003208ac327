"""What a model's name stands for: the embedded model, a folder, or a hub repository."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError, Refused, about, got, option
from . import download, hub
from .folder import ControlFolder, ModelFolder, read_control, read_layout, read_model
from .presets import PRESETS, SD15_DEPTH, XL_DEPTH
from .single_file import read_single, read_single_control
from .tensors import FILES

EMBEDDED = {"mini": Path(__file__).parents[1] / "mini" / "weights"}
USUAL_DEPTH = {  # the depth ControlNet of models from a hub, by the width of the words that they read
    768: SD15_DEPTH,
    2048: XL_DEPTH,
}
NO_CONTROL = "none"


def on_hub(name: str | Path) -> bool:
    """Whether a model's name stands for something on the hub."""
    text = os.fspath(name)
    return text not in EMBEDDED and not Path(text).expanduser().exists() and hub.parse(text) is not None


def find_model(
    model: str | Path,
    *,
    half: bool = False,
    on_bytes: hub.OnBytes | None = None,
    check: Callable[[Path], object] = read_layout,
) -> Path:
    """The folder or file that a model's name stands for; raises InputError if there is none.

    check: see `download.fetch`.
    """
    name = os.fspath(model)
    if name in EMBEDDED:
        return EMBEDDED[name]
    path = Path(name).expanduser()
    if path.is_dir():
        path = hub.newest_snapshot(path)
        if (path / "args.json").is_file() and not (path / "model_index.json").exists():
            raise Refused.model_kind(
                f"{about(path)} is a model of motion, not of pictures", "use it with texsync motion"
            )
        return path
    if path.is_file():
        return path
    if on_hub(name):
        return _fetched(name, half=half, on_bytes=on_bytes, check=check)
    raise _unknown(name)


def read_found(path: Path) -> ModelFolder:
    """What `find_model` has found, checked: a folder, or a file; raises InputError."""
    return read_single(path) if path.is_file() else read_model(path)


def _fetched(name: str, **options: Any) -> Path:
    """A folder or file from the hub."""
    ref = hub.parse(name)
    if ref is not None and ref.file is not None:
        return download.fetch_file(ref, options["on_bytes"])
    return download.fetch(name, **options)


def find_part(name: str, *, half: bool, on_bytes: hub.OnBytes | None = None) -> Path:
    """The folder or file of one network, on this machine or a hub; raises InputError if there is none."""
    path = Path(name).expanduser()
    if on_hub(name):
        return _fetched(name, half=half, parts=("",), on_bytes=on_bytes, check=None)
    if not path.exists():
        raise _unknown(name)
    return hub.newest_snapshot(path) if path.is_dir() else path


def find_file(name: str, what: str, flag: str, usual: str, on_bytes: hub.OnBytes | None = None) -> Path:
    """A file on this machine or a hub; raises InputError if there is none.

    what: it is.  flag: the option.  usual: what the file is called in folders and repositories.
    """
    path = Path(name).expanduser()
    path = path / usual if path.is_dir() else path
    if path.is_file():
        return path
    ref = hub.parse(name) if on_hub(name) else None
    if ref is None:
        raise Refused.model_missing(
            f"there is no {what} {about(path)}", f"give {flag} a file, or owner/name of the hub"
        )
    return download.fetch_file(replace(ref, file=ref.file or usual), on_bytes)


def _unknown(name: str) -> InputError:
    if "://" in name:
        return Refused.model_unknown(
            f"{about(name)} is not on the Hugging Face hub",
            "download the file with your browser, and give its path",
        )
    if name.endswith(FILES):
        return Refused.model_unknown(f"there is no file {about(name)}", "check its path")
    known = ", ".join((*EMBEDDED, *PRESETS))
    return Refused.model_unknown(
        f"unknown {about('model')} {got(name)!r}",
        f"known: {known}, the path of a folder or file, or a hub id owner/name",
    )


def find_control(
    folder: ModelFolder,
    model: str | Path,
    controlnet: str | Path | None,
    *,
    half: bool,
    on_bytes: hub.OnBytes | None = None,
) -> ControlFolder | None:
    """The checked ControlNet for a model: the one asked for, else its own, else the usual one; or None.

    controlnet: a folder, a hub id, "none", or None.  Raises InputError if there is none or it does not fit.
    """
    if controlnet == NO_CONTROL:
        return None
    if controlnet is None:
        own = folder.path / "controlnet"
        if own.is_dir():
            return read_control(own, folder)
        usual = USUAL_DEPTH.get(folder.configs["unet"].get("cross_attention_dim", 0))
        if usual is None or not on_hub(model):
            raise Refused.controlnet(
                f"{about(folder.path)} has no controlnet folder",
                f"name a depth ControlNet with {option('controlnet')}"
                + (f", such as {option('controlnet', usual)}" if usual else ""),
            )
        controlnet = usual
    name = os.fspath(controlnet)
    path = Path(name).expanduser()
    if on_hub(name):
        path = _fetched(name, half=half, parts=("",), on_bytes=on_bytes, check=None)
    if path.is_file():
        return read_single_control(path, folder)
    return read_control(hub.newest_snapshot(path), folder)
