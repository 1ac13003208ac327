"""What long motion takes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Refused, got
from ..errors import option as named
from .declared import SHELL, declare, option_class, unsaid
from .kinds import Choice, Device, ModelName, Names, PathName, Prompt, Texts
from .number_kinds import Real, Whole
from .output import SaveOptions
from .shared import INTEGRATORS, NOISES, SETTINGS, MadeCoupling, RunOptions, slug

FPS = 20
MOTION_COUPLINGS = {
    "syncsde": "each segment is drawn to what the one before shows in their overlap",
    "synctweedies": "the clean guesses are averaged in overlaps",
    "multidiffusion": "the next states are averaged in overlaps",
    "doubletake": "they fade into each other, and transitions are made anew (PriorMDM)",
    "none": "every segment for itself",
}
MOTION_ASSEMBLIES = {
    "paste": "later segments lie on top, as in the paper",
    "blend": "segments fade into each other over their overlap",
}
MOTION_EDGES = {
    "soft": "the pull fades from the overlap's first frame to its last",
    "hard": "it is the same in all of it, as in the paper",
}
MOTION_FORMATS = {
    "bvh": "a skeleton and its motion, for animation programs",
    "glb": "an animated figure, for viewers and Blender",
    "npy": "joints in metres, and the model's features, as arrays",
    "gif": "a stick figure on a grid",
    "sheet": "poses over time, a row for each prompt",
    "results": "results.npy as MDM's own tools read it",
}
USUAL_MOTION_FORMATS = ("bvh", "glb", "npy", "gif", "sheet")
SAID = re.compile(r"(.*\S)\s*:\s*(-?[\d.]+)\s*s?\s*")
DESCRIBE = 'describe a motion, e.g. "a person walks forward"'
LONGEST = 3600.0  # seconds


@dataclass(frozen=True)
class TimedPrompt:
    """A prompt and how long it lasts, seconds; None: one segment, or an equal share of what is left."""

    prompt: str
    seconds: float | None


@option_class
class MotionSaveOptions(SaveOptions):
    """What is written of a motion."""

    formats: str | Sequence[str] = declare(
        f"What is written: some of {', '.join(MOTION_FORMATS)}.",
        Names(MOTION_FORMATS, "format"),
        "output",
        default=USUAL_MOTION_FORMATS,
        doors=SHELL,
        metavar="A,B,...",
    )


@option_class
class MotionOptions(RunOptions):
    """What long motion takes; None stands for what `unsaid` says.  Raises InputError for any value out of range."""

    saving = MotionSaveOptions
    prompts: str | Sequence[str] = declare(
        'What is done, one after the other; "walks:4" lasts 4 seconds.',
        Texts(1, Prompt(remedy=DESCRIBE), "prompt", DESCRIBE, alone=True),
        kw_only=False,
        argument=True,
    )
    seconds: float | None = declare(
        "How long the motion is.", Real(0.1, LONGEST), "main", default=unsaid("one segment for each prompt")
    )
    overlap: int = declare(
        "Frames that neighbouring segments share; 20 are a second.", Whole(2, 1000), default=30
    )
    segment: int | None = declare(
        "Frames of a segment at most.", Whole(10, 5000), "model", default=unsaid("120, or what the model can")
    )
    seed: int = declare("Same seed, same motion.", Whole(), "main", default=0, sweep=False)
    steps: int | None = declare(
        "Denoising steps.", Whole(1, 1000), "main", default=unsaid("all that the model has, at most 50")
    )
    strength: float = declare(
        "How hard segments are drawn to the one before, 1/lambda at the noisiest level.",
        Real(0.0, math.inf),
        default=3.0,
    )
    coupling: str | MadeCoupling = declare(
        "How segments influence each other.", Choice(MOTION_COUPLINGS, objects="Coupling"), default="syncsde"
    )
    integrator: str = declare(
        "SyncSDE's update; the paper's overshoots by far at the first step of motion models.",
        Choice(INTEGRATORS),
        default="exact",
    )
    noise: str = declare(
        "Segments start from the same noise where they overlap, or each from its own.",
        Choice(NOISES),
        default="shared",
    )
    edges: str = declare(
        "SyncSDE's pull fades over an overlap, or ends where the overlap ends.",
        Choice(MOTION_EDGES),
        default="soft",
    )
    assemble: str = declare("How segments become one motion.", Choice(MOTION_ASSEMBLIES), default="blend")
    model: str | Path = declare(
        "mini, or the folder or checkpoint of an MDM.",
        ModelName(),
        "model",
        default="mini",
        sweep=False,
        metavar="NAME|PATH",
    )
    text_encoder: str | Path | None = declare(
        "CLIP's text side, a folder or hub id.", ModelName(), "model", default=unsaid("the model's own")
    )
    statistics: str | Path | None = declare(
        "The folder of HumanML3D's Mean.npy and Std.npy.",
        PathName(),
        "model",
        default=unsaid("the model's own"),
    )
    guidance: float = declare(
        "How closely prompts are followed, 1 = off.", Real(0.0, 100.0), "main", default=2.5
    )
    device: str = declare("auto, cpu, cuda, cuda:N or mps.", Device(), "model", default="auto", sweep=False)
    chunk: int | None = declare(
        "Segments per model call; changes memory, not the result.",
        Whole(1, 1000),
        "model",
        default=unsaid("16"),
    )

    def check(self) -> None:
        """Prompts say something, and their lengths are lengths; a coupling that is made has its settings."""
        self.check_made("coupling", *SETTINGS)
        for part in self.parts:
            Prompt(remedy=DESCRIBE)("prompt", part.prompt)
            if part.seconds is not None:
                Real(0.1, LONGEST)(f"length of {part.prompt!r}", part.seconds)
        said = [part.seconds for part in self.parts if part.seconds is not None]
        if self.seconds is None:
            return
        rest, free = self.seconds - sum(said), len(self.parts) - len(said)
        if (free and rest <= 0) or (not free and abs(rest) > 0.5 / FPS):
            raise Refused.motion_length(
                f"the prompts' lengths are {sum(said):g} seconds together, {named('seconds')} is {got(self.seconds):g}",
                f"leave {named('seconds')} out, or a length",
            )

    @property
    def parts(self) -> list[TimedPrompt]:
        """The prompts, and how long each lasts."""
        found = []
        for text in self.prompts:
            said = SAID.fullmatch(text)
            number = _number(said[2]) if said else None
            found.append(
                TimedPrompt(text, None) if said is None or number is None else TimedPrompt(said[1], number)
            )
        return found

    @property
    def folder(self) -> str:
        return f"motion_{slug(' '.join(part.prompt for part in self.parts))}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
