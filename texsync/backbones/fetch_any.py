"""Fetch whatever a name stands for: a model, or a network or stage that goes with one."""

from __future__ import annotations

from ..errors import Refused, about, got, option
from . import download, hub
from .by_name import fetch_model
from .checked import read_json
from .latent_upscaler import PIPELINE, fetch_upscaler
from .layout import IF_SECOND_PARTS
from .locate import find_part, on_hub
from .presets import preset_of

IF_SECOND = "IFSuperResolutionPipeline"
NO_MODELS = ("ControlNetModel", PIPELINE, IF_SECOND)  # by their own class


def fetch_any(name: str, controlnet: str | None, *, fp32: bool, on_bytes: hub.OnBytes | None) -> str:
    """Download what texsync reads of it, where that is not in the cache.

    Returns the option that takes it, without its dashes: "model", "controlnet" or "upscaler".
    Raises InputError if the hub does not give it or it is nothing that texsync uses, or a
    ControlNet is asked for beside what is no model.
    """
    half = not fp32
    kind = _class_of(name)
    if kind in NO_MODELS and controlnet not in (None, "none"):
        raise Refused.options_together(
            f"{about(name)} is no model, so {option('controlnet')} {got(controlnet)} cannot go with it",
            "fetch each by itself",
        )
    if kind == "ControlNetModel":
        find_part(name, half=half, on_bytes=on_bytes)
        return "controlnet"
    if kind == PIPELINE:
        fetch_upscaler(name, half=half, on_bytes=on_bytes)
        return "upscaler"
    if kind == IF_SECOND:
        download.fetch(name, half=half, parts=IF_SECOND_PARTS, on_bytes=on_bytes)
        return "upscaler"
    fetch_model(name, controlnet, dtype="fp32" if fp32 else "fp16", on_bytes=on_bytes)
    return "model"


def _class_of(name: str) -> str:
    """What a repository says that it is; "" for what has a short name, a file, or no such word."""
    ref = hub.parse(name)
    if preset_of(name) or not on_hub(name) or ref is None or ref.file is not None:
        return ""
    place = hub.cached(name, ("",)) or download.fetch(name, half=True, parts=())
    for file in ("model_index.json", "config.json"):
        if (place / file).is_file():
            return str(read_json(place / file).get("_class_name", ""))
    return ""
