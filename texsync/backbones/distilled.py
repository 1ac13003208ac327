"""Models that were distilled to few steps: found by their configs, their scheduler or their name, and said."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
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
    r"lcm": replace(CONSISTENT, sampler="lcm"),
    r"tcd": replace(CONSISTENT, sampler="tcd"),
}
APART = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # words written together
STEPS = re.compile(r"(?<![0-9])([1-9]|1[0-6])[-_ ]?steps?(?![a-z])")


def distilled(folder: ModelFolder, loras: Sequence[Path] = ()) -> Advice:
    """What the folder of a model says, and of one that was distilled how it likes to be sampled.

    Says so (TexsyncWarning) unless its folder does.  loras: files of LoRAs; one that distils it counts before the
    folder, which speaks of the model without it.

    Sources: LCM (arXiv:2310.04378), SDXL-Turbo (arXiv:2311.17042), SDXL-Lightning (arXiv:2402.13929),
    Hyper-SD (arXiv:2404.13686), DMD2 (arXiv:2405.14867), TCD (arXiv:2402.19159).
    """
    advice, why = _by_name(name for path in loras for name in _lora_names(path))
    own = folder.advice.under(advice)
    if why:
        why = f"its LoRA's name says {why}"
    else:
        advice, why = _found(folder)
        own = advice.under(folder.advice)
    if why and own != folder.advice:
        said = f"{folder.path.name} is distilled ({why}): {own.steps} steps and guidance"
        message = f"{said} {own.guidance:g}, unless {option('steps')} and {option('guidance')} say otherwise"
        warnings.warn(TexsyncWarning(message), stacklevel=2)
    return own


def _found(folder: ModelFolder) -> tuple[Advice, str]:
    if folder.configs["unet"].get("time_cond_proj_dim"):
        return TOLD, "its network is told the guidance"
    scheduler = folder.configs["scheduler"].get("_class_name")
    if scheduler in ("LCMScheduler", "TCDScheduler"):
        return CONSISTENT, f"its scheduler is {scheduler}"
    advice, word = _by_name(_names(folder))
    return advice, word and f"its name says {word}"


def _by_name(names: Iterable[str]) -> tuple[Advice, str]:
    """What the first name that speaks of it says, and the word that does; "" where none does."""
    for name in (APART.sub("-", name).lower() for name in names):
        for pattern, advice in BY_NAME.items():
            if found := re.search(rf"(?<![a-z])(?:{pattern})(?![a-z])", name):
                steps = STEPS.search(name)
                return replace(advice, steps=int(steps.group(1)) if steps else advice.steps), found.group()
    return Advice(), ""


def _lora_names(path: Path) -> list[str]:
    """Those of a file, its repository or its folder that name what it goes into; "lightning" alone may be weather."""
    hub = [part for part in path.parts if part.startswith("models--")]
    names = [path.stem, *hub, path.parent.name]
    return [name for name in names if re.search("lora", name, re.I) and re.search(r"sd|steps?", name, re.I)]


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
