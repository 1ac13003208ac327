"""What every task takes, declared once for meshes and pictures alike."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ..errors import Refused, about
from ..errors import option as named
from .declared import PYTHON, Options, declare, declared, option_class, unsaid
from .kind_errors import brief
from .kinds import Call, Choice, ControlNames, CouplingName, Device, ModelName, Texts, WeighedText
from .number_kinds import Flag, Real, Reals, Whole
from .output import SaveOptions


class LoadedModel(Protocol):
    """A Backbone, as far as its type is told from others here, below that room."""

    def decode(self, latents: Any, /) -> Any: ...
    def encode(self, images: Any, /) -> Any: ...


class MadeCoupling(Protocol):
    """A Coupling, likewise."""

    def step(self, x: Any, z: Any, predict: Any, views: Any, span: Any) -> Any: ...


INTEGRATORS = {
    "exact": "solves the equation of one step; stable with few steps",
    "paper": "the published update; overshoots with fewer than 30 steps",
}
SAMPLERS = {
    "ddim": "the paper's; first order, no new noise",
    "euler": "the same step at the levels of Euler's scheduler",
    "dpm++": "DPM-Solver++ 2M: looks back one step, for few steps",
    "unipc": "UniPC: looks back and corrects, for few steps",
    "lcm": "for latent consistency models: 1 to 8 steps, new noise after each",
    "tcd": "for trajectory consistency models: 1 to 8 steps",
    "euler-ancestral": "Euler's levels, with new noise after each step",
    "ddpm": "DDPM's levels, with new noise after each step, as the authors' mesh code samples",
}
SAMPLER_LABELS = {
    "ddim": "DDIM",
    "dpm++": "DPM++ 2M",
    "unipc": "UniPC",
    "lcm": "LCM",
    "tcd": "TCD",
    "ddpm": "DDPM",
}
PLAIN_SAMPLERS = ("ddim", "euler", "tcd")  # these look at one step alone and add no noise
ATTENTIONS = {
    "none": "each view attends to itself",
    "neighbours": "and to those beside it, and to the front at first, as in the authors' code",
    "earlier": "the same, but only to views before it",
}
CLIPPINGS = {
    "agree": "noise and clipped guess agree, which couplings that read guesses want",
    "raw": "the noise stays as predicted, as the authors' code has it",
}
FADES = {
    "level": "it weakens with the noise level",
    "first": "as that from the run's first step on",
    "none": "it holds to the end",
}
NOISES = {
    "shared": "views start from noise on the canvas, so that they agree about it",
    "independent": "each view starts from noise of its own, as the authors' code does",
}
DTYPES = {
    "auto": "fp32 on a CPU, fp16 on a GPU",
    "fp32": "exact, twice the memory",
    "fp16": "half the memory",
    "bf16": "half the memory, coarser, no overflow",
}
MODEL_OWN = "the model's own"
MOST_RESULTS = 1000  # of one run
SETTINGS = ("strength", "integrator", "blend", "fade")  # of a coupling, that are options of tasks
MADE = {  # why an option cannot be said beside an object, and what to do
    "coupling": ("for a coupling that is made already", "make it with that, or leave out"),
    "model": ("for a model that is loaded already", "say it to load_model, or leave out"),
}
OURS = ("decode", "colours", "seed", *SETTINGS)  # of a coupling's options, set by other means


@option_class
class RunOptions(Options):
    """Who hears how far a run is."""

    saving: ClassVar[type[SaveOptions]] = SaveOptions
    """What saving its results takes."""
    on_progress: Callable[..., None] | None = declare(
        "Called with (stage, step, total, preview) as the run goes on.", Call(), default=None, doors=PYTHON
    )
    progress: bool = declare(
        "Show a bar on stderr, or where there is no terminal, lines.", Flag(), default=False, doors=PYTHON
    )

    @property
    def heard(self) -> Callable[..., None]:
        """What the run tells its progress to."""
        return self.on_progress or (lambda *_: None)

    def check_made(self, part: str, *names: str) -> None:
        """Raises InputError for options that an object has settled.  part: of MADE.  names: of the options."""
        if isinstance(getattr(self, part), str):
            return
        known, (made, remedy) = declared(type(self)), MADE[part]
        for name in names:
            if name in known and getattr(self, name) != known[name].default:
                message = f"{name.replace('_', ' ')} {getattr(self, name)} {made}"
                raise Refused.part_made(
                    message, f"{remedy} {named(name)}", thing=name, value=getattr(self, name)
                )


@option_class
class SharedOptions(RunOptions):
    """What every task takes; None stands for what `unsaid` says.

    like_paper: what is not given, or None, is as in SyncSDE's paper and its authors' code, see docs/differences.md.
    Raises InputError for any value out of range.
    """

    seed: int = declare("Same seed, same result.", Whole(), "main", default=0, sweep=False)
    count: int = declare(
        "Results to make, of as many seeds from the seed on.",
        Whole(1, MOST_RESULTS),
        "main",
        default=1,
        label="",  # a panel shows one result
        sweep=False,
    )
    steps: int | None = declare(
        "Denoising steps.",
        Whole(1, 1000),
        "main",
        default=unsaid("the model's, else the paper's"),
        usual=30,
    )
    model: str | Path | LoadedModel = declare(
        "mini, the path of a diffusers folder or of a checkpoint in one file, or a hub id.",
        ModelName(objects="Backbone"),
        "model",
        default="mini",
        sweep=False,
    )
    view_size: int | None = declare(
        "Pixels a side that the model sees at once.",
        Whole(16, 4096),
        "model",
        default=unsaid(MODEL_OWN),
        usual=512,
    )
    controlnet: str | Path | Sequence[str] | None = declare(
        "A ControlNet, several if repeated, each with its kind and scale where they are not as usual.",
        ControlNames(),
        "model",
        default=unsaid(MODEL_OWN),
        label="ControlNet",
    )
    vae: str | Path | None = declare(
        "Another autoencoder: a file, a folder or a hub id.",
        ModelName(),
        "model",
        default=unsaid(MODEL_OWN),
        metavar="PATH|HUB_ID",
        label="",
    )
    lora: Sequence[str] = declare(
        "A LoRA and its weight, e.g. rust.safetensors:0.8; may be repeated.",
        Texts(each=ModelName(), remedy='e.g. "rust.safetensors:0.8"'),
        "model",
        default=(),
        metavar="FILE[:WEIGHT]",
    )
    embedding: Sequence[str] = declare(
        "A textual inversion, whose file's name is its word in prompts; may be repeated.",
        Texts(each=ModelName(), remedy='e.g. "my_rust.safetensors"'),
        "model",
        default=(),
        metavar="FILE",
    )
    ip_adapter: str | Path | None = declare(
        "An IP-Adapter's file, its image_encoder folder beside it, for an image prompt.",
        ModelName(),
        "model",
        default=unsaid("none"),
        metavar="FILE",
        label="",
    )
    image_prompt: str | Path | None = declare(
        "A picture that the result should look like and how much it counts, e.g. rust.jpg:0.6.",
        ModelName(),
        "model",
        default=unsaid("none"),
        metavar="FILE[:SCALE]",
        label="",
    )
    control_scale: tuple[float, float] | None = declare(
        "How firmly the ControlNet is followed at the noisiest level and at the cleanest.",
        Reals(Real(0.0, 2.0), ("start", "end"), "e.g. 0.7 0.9"),
        "model",
        default=unsaid(MODEL_OWN),
        usual=(0.7, 0.9),
        metavar="START END",
        label="Control Strength",
    )
    device: str = declare("auto, cpu, cuda, cuda:N or mps.", Device(), "model", default="auto", sweep=False)
    dtype: str = declare(
        "Number format; auto is fp32 on a CPU, fp16 on a GPU.",
        Choice(DTYPES, labels={name: name for name in ("fp32", "fp16", "bf16")}),
        "model",
        default="auto",
        label="Number Format",
    )
    vram: float | None = declare(
        "GB of the GPU's memory that may be used; what does not fit takes turns with the CPU's.",
        Real(0.5, 1024.0),
        "model",
        default=unsaid("all that is free"),
        usual=6.0,
        sweep=False,
        label="VRAM",
    )
    chunk: int | None = declare(
        "Views per model call; changes memory, not the result.",
        Whole(1, 1000),
        "model",
        default=unsaid("what fits"),
        usual=4,
        label="Views at Once",
    )
    negative: str | None = declare(
        "What the result should not look like.", WeighedText(), "main", default=unsaid(MODEL_OWN)
    )
    guidance: float | None = declare(
        "How closely the prompt is followed, 1 = off.",
        Real(0.0, 100.0),
        "main",
        default=unsaid(MODEL_OWN),
        usual=7.5,
    )
    guidance_rescale: float | None = declare(
        "How far guidance's contrast is brought back to the prompt's own; 0.7 tames high guidance.",
        Real(0.0, 1.0),
        default=unsaid("the model's, else 0"),
        usual=0.0,
    )
    clip_skip: int | None = declare(
        "Which layer of the text encoder is read, counted from the end: 1 the last, 2 the one before.",
        Whole(1, 48),
        default=unsaid(MODEL_OWN),
        usual=2,
        label="CLIP Skip",
    )
    clipping: str = declare(
        "DeepFloyd IF: the noise of a clipped guess is what they imply together, or as it was predicted.",
        Choice(CLIPPINGS),
        default="agree",
        paper="raw",
    )
    strength: float | None = declare(
        "How hard views are drawn to earlier ones, 1/lambda at the noisiest level.",
        Real(0.0, math.inf),
        "main",
        default=unsaid("the model's, else 5"),
        usual=5.0,
        soft=(0.0, 10.0),
    )
    sampler: str | None = declare(
        "How steps are taken; some look back, some add noise.",
        Choice(SAMPLERS, labels=SAMPLER_LABELS),
        default=unsaid("what the model's scheduler is"),
        usual="ddim",
    )
    coupling: str | MadeCoupling = declare(
        "How views influence each other.", CouplingName(), default="syncsde"
    )
    coupling_options: Sequence[str] = declare(
        "More for the coupling, e.g. first=3 or weight=20 for syncdiffusion; may be repeated.",
        Texts(remedy='e.g. "first=3"'),
        default=(),
        flag="coupling-option",
        metavar="NAME=VALUE",
    )
    integrator: str | None = declare(
        "SyncSDE's update; the paper's overshoots with fewer than 30 steps.",
        Choice(INTEGRATORS),
        default=unsaid("exact"),
        usual="exact",
        paper="paper",
    )
    noise: str = declare(
        "Views start from the same noise, or each its own.",
        Choice(NOISES),
        default="shared",
        paper="independent",
    )
    like_paper: bool = declare(
        "Whatever is not said otherwise as in SyncSDE's paper and its authors' code.",
        Flag(),
        default=False,
        label="",
        sweep=False,  # the rest is given by then, and what is given wins
    )

    def check(self) -> None:
        """Raises InputError for what cannot be said of a coupling, or of a model or coupling that is there already."""
        for pair in self.coupling_options:
            if not re.fullmatch(r"[a-z_]+=.+", pair) or pair.partition("=")[0] in OURS:
                message, remedy = f"coupling option {brief(pair)}", 'give name=value, e.g. "first=3"'
                raise Refused.coupling_option(message, remedy, thing="coupling_options", value=pair)
        self.check_made("coupling", *SETTINGS, "coupling_options")
        if self.image_prompt is not None and self.ip_adapter is None and isinstance(self.model, str):
            raise Refused.model_lacks(
                f"an {about('image prompt')} needs an IP-Adapter", f"name its file with {named('ip_adapter')}"
            )
        self.check_made(
            "model", "controlnet", "device", "dtype", "vae", "lora", "embedding", "ip_adapter", "vram"
        )

    @property
    def seeds(self) -> range:
        """One per result."""
        return range(self.seed, self.seed + self.count)

    @property
    def more(self) -> dict[str, Any]:
        """The coupling's options by name."""
        pairs = (pair.partition("=") for pair in self.coupling_options)
        return {name: plain(value) for name, _, value in pairs}


def plain(text: str) -> Any:
    """The whole or other number, or yes or no, that a text stands for; else the text."""
    text = text.strip()
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)


def slug(text: str, most: int = 40) -> str:
    """A prompt as part of a folder's name: small letters, digits and underscores."""
    return re.sub(r"[^\w]+|_+", "_", text.lower()).strip("_")[:most].rstrip("_") or "picture"
