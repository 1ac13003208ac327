"""The memory plan of a model by its name, for those who ask before they have it loaded."""

from __future__ import annotations

from typing import Any

from ..errors import Refused, about
from ..options.control_kinds import said_controls
from . import hub
from .additions import Additions
from .by_name import named
from .controls import find_controls
from .locate import find_model, on_hub, read_found
from .memory_plan import MemoryPlan, plan_of


def plan_for(model: str, controlnet: str | None, **options: Any) -> MemoryPlan:
    """The plan for a model by its name; fetches nothing.  options: device, dtype, free, size, views.

    Raises InputError for a model that is not there, or of another kind than Stable Diffusion 1.x, 2.x or XL.
    """
    asked = named(model, controlnet, Additions())
    controls = [one.name for one in said_controls(asked.controlnet)] if asked.controlnet else []
    for name, parts in ((asked.model, None), *((one, ("",)) for one in controls)):
        ref = hub.parse(name) if on_hub(name) else None
        there = ref is None or (
            hub.cached_file(ref) if ref.file else hub.cached(str(ref), *([parts] if parts else []))
        )
        if not there:
            raise Refused.model_missing(
                f"{about(name)} is not on this machine yet", f"fetch it first: texsync models get {model}"
            )
    folder = read_found(find_model(asked.model))
    if folder.layout.denoiser != "unet":
        raise Refused.model_kind(
            f"{about(model)} is laid out like {folder.layout.name}",
            "plans are for Stable Diffusion 1.x, 2.x and XL",
        )
    found = find_controls(folder, asked.model, asked.controlnet)
    return plan_of(folder, [one.folder for one in found], **options)
