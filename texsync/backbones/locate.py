"""What a model's name stands for: the embedded model, a folder, or a hub repository."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import Refused, option
from . import download, hub
from .folder import ControlFolder, ModelFolder, read_control

EMBEDDED = {"mini": Path(__file__).parents[1] / "mini" / "weights"}
USUAL_DEPTH = {  # the depth ControlNet of models from a hub, by the width of the words that they read
    768: "lllyasviel/control_v11f1p_sd15_depth",
    2048: "diffusers/controlnet-depth-sdxl-1.0",
}
NO_CONTROL = "none"


def on_hub(name: str | Path) -> bool:
    """Whether a model's name stands for a hub repository."""
    text = os.fspath(name)
    return text not in EMBEDDED and not Path(text).expanduser().exists() and bool(hub.HUB_ID.fullmatch(text))


def find_model(model: str | Path, *, half: bool = False, on_bytes: hub.OnBytes | None = None) -> Path:
    """The folder that a model's name stands for; raises InputError if there is none.  on_bytes: of a download."""
    name = os.fspath(model)
    if name in EMBEDDED:
        return EMBEDDED[name]
    path = Path(name).expanduser()
    if path.is_dir():
        if (path / "args.json").is_file() and not (path / "model_index.json").exists():
            raise Refused.model_kind(
                f"{path} is a model of motion, not of pictures", "use it with texsync motion"
            )
        return path
    if path.is_file():
        remedy = "load it with StableDiffusionPipeline.from_single_file and save_pretrained it to a folder"
        raise Refused.model_unknown(f"{path} is a file, a model is a folder in the diffusers layout", remedy)
    if on_hub(name):
        return download.fetch(name, half=half, on_bytes=on_bytes)
    known = ", ".join(EMBEDDED)
    raise Refused.model_unknown(
        f"unknown model {name!r}", f"known: {known}, the path of a folder, or a hub id owner/name"
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
                f"{folder.path} has no controlnet folder",
                f"name a depth ControlNet with {option('controlnet')}",
            )
        controlnet = usual
    name = os.fspath(controlnet)
    if on_hub(name):
        return read_control(download.fetch(name, half=half, parts=("",), on_bytes=on_bytes), folder)
    return read_control(Path(name).expanduser(), folder)
