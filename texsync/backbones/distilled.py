"""Models that were distilled to few steps: found by their configs, their scheduler or their name, and said."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from ..errors import TexsyncWarning, option
from .advice import Advice
from .folder import ModelFolder

TOLD = Advice(guidance=8.0, steps=8)  # it reads the guidance as a number, one evaluation a step
CONSISTENT = Advice(guidance=1.5, steps=8)
BY_NAME = {  # what the names of such models, and of merges with them, say; guidance 1 is none
    r"turbo": Advice(guidance=1.0, steps=4),
    r"lightning": Advice(guidance=1.0, steps=8),
    r"hyper": Advice(guidance=1.0, steps=8),
    r"dmd2?": Advice(guidance=1.0, steps=4),
    r"lcm|tcd": CONSISTENT,
}
APART = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # words written together
STEPS = re.compile(r"(?<![0-9])([1-9]|1[0-6])[-_ ]?steps?(?![a-z])")


def distilled(folder: ModelFolder) -> Advice:
    """How such a model likes to be sampled; says so (TexsyncWarning) unless its folder does.

    Sources: LCM (arXiv:2310.04378), SDXL-Turbo (arXiv:2311.17042), SDXL-Lightning (arXiv:2402.13929),
    Hyper-SD (arXiv:2404.13686), DMD2 (arXiv:2405.14867), TCD (arXiv:2402.19159).
    """
    advice, why = _found(folder)
    own = folder.advice
    if why and (own.steps is None or own.guidance is None):
        said = f"{folder.path.name} is distilled ({why}): {own.steps or advice.steps} steps and guidance"
        guidance = advice.guidance if own.guidance is None else own.guidance
        message = f"{said} {guidance:g}, unless {option('steps')} and {option('guidance')} say otherwise"
        warnings.warn(TexsyncWarning(message), stacklevel=2)
    return advice


def _found(folder: ModelFolder) -> tuple[Advice, str]:
    if folder.configs["unet"].get("time_cond_proj_dim"):
        return TOLD, "its network is told the guidance"
    scheduler = folder.configs["scheduler"].get("_class_name")
    if scheduler in ("LCMScheduler", "TCDScheduler"):
        return CONSISTENT, f"its scheduler is {scheduler}"
    for name in (APART.sub("-", name).lower() for name in _names(folder)):
        for pattern, advice in BY_NAME.items():
            if found := re.search(rf"(?<![a-z])(?:{pattern})(?![a-z])", name):
                steps = STEPS.search(name)
                count = int(steps.group(1)) if steps else advice.steps
                return Advice(guidance=advice.guidance, steps=count), f"its name says {found.group()}"
    return Advice(), ""


def _names(folder: ModelFolder) -> list[str]:
    """Its own name, the hub repository's, and what its configs say that it was made from."""
    path = Path(folder.path)
    hub = [part for part in path.parts if part.startswith("models--")]
    origins = [folder.index, folder.configs["unet"]]
    return [
        path.stem if path.is_file() else path.name,
        *hub,
        *(str(one.get("_name_or_path") or "") for one in origins),
    ]
