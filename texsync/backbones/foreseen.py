"""The memory plan of a model by its name, for those who ask before they have it loaded, or even fetched."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

from ..errors import Refused, TexsyncWarning, about
from ..options.control_kinds import said_controls
from . import hub
from .additions import Additions
from .by_name import named
from .checked import read_json
from .controls import find_controls
from .folder import ControlFolder, ModelFolder, read_layout
from .loading import CONTROL, class_of
from .locate import find_model, on_hub, read_found
from .memory_plan import MemoryPlan, plan_of
from .meta import described
from .presets import preset_of
from .single_file import LAYOUTS


def plan_for(model: str, controlnet: str | None, **options: Any) -> MemoryPlan:
    """The plan for a model by its name; fetches nothing.  options: device, dtype, free, size, views.

    A preset that is not there is planned by its architecture, and said to be missing (TexsyncWarning).
    Raises InputError for another model that is not there, or of another kind than Stable Diffusion 1.x, 2.x or XL.
    """
    asked = named(model, controlnet, Additions())
    missing = _missing(asked.model, asked.controlnet)
    preset = preset_of(model)
    remedy = f"texsync models get {model}"
    if missing and preset and preset.kind and controlnet is None:
        told = f"{missing} is not on this machine yet; planned by its architecture; fetch it: {remedy}"
        warnings.warn(TexsyncWarning(told), stacklevel=2)
        size = options.pop("size", None) or preset.advice.get("view_size")
        folder, control = by_architecture(preset.kind)
        return plan_of(folder, [control], size=size, **options)
    if missing:
        raise Refused.model_missing(
            f"{about(missing)} is not on this machine yet", f"fetch it first: {remedy}"
        )
    folder = read_found(find_model(asked.model))
    if folder.layout.denoiser != "unet":
        raise Refused.model_kind(
            f"{about(model)} is laid out like {folder.layout.name}",
            "plans are for Stable Diffusion 1.x, 2.x and XL",
        )
    found = find_controls(folder, asked.model, asked.controlnet)
    return plan_of(folder, [one.folder for one in found], **options)


def by_architecture(kind: str) -> tuple[ModelFolder, ControlFolder]:
    """A model and a ControlNet of one of LAYOUTS, of whose weights nothing but names and shapes is there."""
    place = LAYOUTS[kind]
    folder = read_layout(place)
    weights = {
        part: described(class_of(folder.classes[part], place), place / part, folder.configs[part])
        for part in folder.layout.networks
    }
    config = read_json(place / "controlnet" / "config.json")
    control = described(class_of(CONTROL, place), place / "controlnet", config)
    return replace(folder, weights=weights), ControlFolder(place / "controlnet", config, control)


def _missing(model: str, controlnet: str | None) -> str | None:
    """The first of a model and its ControlNets that is a hub's and has not been fetched."""
    controls = [one.name for one in said_controls(controlnet)] if controlnet else []
    for name, parts in ((model, None), *((one, ("",)) for one in controls)):
        ref = hub.parse(name) if on_hub(name) else None
        there = ref is None or (
            hub.cached_file(ref) if ref.file else hub.cached(str(ref), *([parts] if parts else []))
        )
        if not there:
            return name
    return None
