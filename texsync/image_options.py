"""What a user may ask of the 2D tasks: names, defaults and ranges for shell and Python.

Nothing heavy is imported here, so wrong input is refused before a picture is read or a model loads.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from .errors import InputError, option
from .options import (
    FADES,
    SHARED_KINDS,
    Kind,
    MeshOptions,
    Presets,
    check_parts,
    check_prompt,
    choice,
    convert,
    maybe,
    model,
    named_values,
    plain,
    real,
    text,
    texts,
    whole,
    yes,
)

ASSEMBLIES = ("paste", "blend")
CONTROLS = (
    "plain",
    "canny",
    "depth",
    "hed",
    "lineart",
    "mlsd",
    "normal",
    "openpose",
    "shuffle",
    "softedge",
)
OUTSIDES = ("original", "model")
MASK_CELLS = ("mean", "nearest")
MASK_SCALES = ("stretched", "raw")
FINDERS = ("auto", "attention", "difference")
PICTURE_REMEDY = 'describe the picture, e.g. "mossy stone"'
STEPS = 50  # the paper's (SyncSDE, supplement A)
MOST_PICTURES = 1000  # of one run
LONGEST_SIDE = 65536  # pixels


def prompt(_: str, value: Any) -> str:
    """A prompt of a picture."""
    return check_prompt(value, PICTURE_REMEDY)


def listed(_: str, value: Any) -> tuple[Any, ...]:
    """A list, or one thing alone, as a tuple."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def assembly(_: str, value: Any) -> str:
    """How windows become one picture."""
    return choice("assembly", value, ASSEMBLIES)


SIDE = maybe(partial(whole, low=16, high=LONGEST_SIDE))
IMAGE_KINDS: dict[str, Kind] = {
    **SHARED_KINDS,
    "count": partial(whole, low=1, high=MOST_PICTURES),
    "view_size": maybe(partial(whole, low=16, high=4096)),
    "control": maybe(partial(choice, known=CONTROLS)),
    "fade": maybe(partial(choice, known=FADES)),
    "like_paper": yes,
}


@dataclass(frozen=True, kw_only=True)
class ImageOptions(metaclass=Presets):
    """What every 2D task takes; raises InputError for any value out of range.

    None means: what the model's folder recommends, else the paper's value; for `strength`, the coupling's own (5 for
    SyncSDE, 10 for CSG); for `chunk`, what fits.
    model: a name, folder or hub id, or a Backbone, see `texsync.load_model`.  coupling: a name, or a Coupling, which
    brings its own settings.  integrator: None is "exact".
    seed, count: pictures of `count` seeds, `seed` the first.  steps: denoising steps, 1..1000.
    coupling_options: more of the coupling's own, each "name=value", e.g. "first=3" for SyncDiffusion.
    strength: SyncSDE's 1/lambda, >= 0, unitless; fade: how it weakens, see `couplings.SyncSDE`, None is "level" and for
    edits with the exact integrator "none".  like_paper: what is not given is as in SyncSDE's paper and its authors'
    code, see `PAPER` and docs/differences.md.  view_size: pixels a side of what the model
    sees at once, 64..4096.  guidance: classifier-free, 1 = off.  chunk: views per model call; the picture does not
    depend on it.  control: what is taken from `control_image`, a file, for the ControlNet to follow: see
    `tasks.control`; control_scale: how firmly, (at the noisiest level, at the cleanest).
    """

    KINDS: ClassVar[dict[str, Kind]] = IMAGE_KINDS
    PAPER: ClassVar[dict[str, Any]] = {
        "steps": STEPS,
        "integrator": "paper",
        "fade": "first",
        "noise": "independent",
    }
    seed: int = 0
    count: int = 1
    steps: int | None = None
    strength: float | None = None
    coupling: str | Any = "syncsde"
    coupling_options: tuple[str, ...] = ()
    integrator: str | None = None
    noise: str = "shared"
    model: str | Any = "mini"
    negative: str | None = None
    guidance: float | None = None
    view_size: int | None = None
    control: str | None = None
    control_image: str | Path | None = None
    controlnet: str | None = None
    control_scale: tuple[float, float] | None = None
    device: str = "auto"
    dtype: str = "auto"
    chunk: int | None = None
    fade: str | None = None
    like_paper: bool = False

    def __post_init__(self) -> None:
        convert(self, self.KINDS)
        check_parts(self)
        self._check_control()
        self.check()

    def check(self) -> None:
        """What a task asks of its own options beside their types; raises InputError."""

    def _check_control(self) -> None:
        if (self.control is None) != (self.control_image is None):
            raise InputError(
                f"{option('control')} and {option('control_image')} belong together",
                f"give both, e.g. {option('control', 'canny')} and {option('control_image', 'house.jpg')}",
            )
        if self.control is None and self.controlnet is not None:
            raise InputError(
                f"{option('controlnet')} without {option('control')}",
                f"say what it follows, e.g. {option('control', 'canny')}",
            )

    @property
    def more(self) -> dict[str, Any]:
        """The coupling's options by name."""
        return named_values(self.coupling_options)

    @property
    def seeds(self) -> range:
        """One per picture."""
        return range(self.seed, self.seed + self.count)

    def arguments(self) -> dict[str, Any]:
        """Every option by name, as converted: what `run.json` keeps and the task takes."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Name to default, for every option that has one."""
        return {field.name: field.default for field in fields(cls) if field.default is not MISSING}


@dataclass(frozen=True)
class WideOptions(ImageOptions):
    """A picture larger than the model sees at once.

    width, height: pixels, each at least `view_size`; None is 4 views wide and 1 high.
    overlap: pixels that neighbouring windows share, 1..view_size - 1; None is three quarters of a window.
    loop: the picture closes on itself along its longer side.  assemble: "blend" fades between windows, "paste" lays
    later ones on top as the paper does.
    """

    KINDS = {
        **IMAGE_KINDS,
        "prompt": prompt,
        "width": SIDE,
        "height": SIDE,
        "overlap": maybe(partial(whole, low=1, high=LONGEST_SIDE)),
        "loop": yes,
        "assemble": assembly,
    }
    PAPER = {**ImageOptions.PAPER, "assemble": "paste"}
    prompt: str
    width: int | None = None
    height: int | None = None
    overlap: int | None = None
    loop: bool = False
    assemble: str = "blend"


@dataclass(frozen=True)
class AmbiguousOptions(ImageOptions):
    """One picture that is something else seen another way.

    prompts: two or more.  views: how the picture is turned or mirrored for each of them, see `views.shuffle.NAMES`,
    several joined by "+"; one fewer than prompts means that the first prompt is told of the picture as it is.
    assemble: "paste" keeps the last view's picture as the paper does, "blend" the mean of all.
    upscaler: stage II of DeepFloyd IF, a folder or hub id, for a `model` that is its stage I.
    """

    KINDS = {
        **IMAGE_KINDS,
        "prompts": partial(texts, least=2, remedy="give two or more, one per view"),
        "views": partial(texts, least=1, remedy="name one or more, e.g. flip or rotate90"),
        "assemble": assembly,
        "upscaler": maybe(model),
    }
    PAPER = {**ImageOptions.PAPER, "assemble": "paste"}
    prompts: tuple[str, ...]
    views: tuple[str, ...] = ("flip",)
    assemble: str = "paste"
    upscaler: str | None = None

    def check(self) -> None:
        for prompt in self.prompts:
            check_prompt(prompt, PICTURE_REMEDY)
        if not 0 <= len(self.prompts) - len(self.views) <= 1:
            raise InputError(
                f"{len(self.prompts)} prompts for {len(self.views)} views ({', '.join(self.views)})",
                "give each view one prompt, or one prompt more for the picture as it is",
            )

    @property
    def all_views(self) -> tuple[str, ...]:
        """One per prompt."""
        return self.views if len(self.views) == len(self.prompts) else ("identity", *self.views)


@dataclass(frozen=True)
class MaskOptions(ImageOptions):
    """A picture with things in front of a background.

    background: a prompt.  foregrounds: one prompt per mask.  masks: pictures, white where the thing is.
    whole: the prompt for everything together; None is "<background> with <foreground>".
    soft: greys of the masks are shares; otherwise half white and more is foreground.
    mask_cells: a latent cell takes the "mean" of its pixels, or the "nearest" one, as the authors' code has it.
    """

    KINDS = {
        **IMAGE_KINDS,
        "background": prompt,
        "foregrounds": lambda name, value: texts(name, listed(name, value), 1, "say what is inside the mask"),
        "masks": listed,
        "whole": maybe(prompt),
        "soft": yes,
        "mask_cells": partial(choice, known=MASK_CELLS),
    }
    PAPER = {**ImageOptions.PAPER, "mask_cells": "nearest"}
    background: str
    foregrounds: tuple[str, ...]
    masks: tuple[Any, ...]
    whole: str | None = None
    soft: bool = False
    mask_cells: str = "mean"

    def check(self) -> None:
        for words in (*self.foregrounds, self.everything):
            check_prompt(words, PICTURE_REMEDY)
        if len(self.foregrounds) != len(self.masks):
            raise InputError(
                f"{len(self.foregrounds)} foreground prompts for {len(self.masks)} masks",
                "give each mask one prompt",
            )

    @property
    def everything(self) -> str:
        """The prompt of the whole picture."""
        return self.whole or f"{self.background} with {' and '.join(self.foregrounds)}"


@dataclass(frozen=True)
class EditOptions(ImageOptions):
    """A change to a picture of the user's own.

    image: a picture.  source: what it shows.  target: what it shall show.  word: of the source prompt, what changes;
    None: the words that the target does not have.  mask: a picture of one's own, white where the change goes.
    find: without a mask the change goes where the model pays "attention" to the word, as in the paper, or where the
    two prompts make a "difference" to it; "auto" takes attention where the model has any at its latents' full size.
    mask_threshold: what is above it is foreground, in (0, 1); mask_scale: the least in the picture is 0 and the most 1
    ("stretched"), or attention is taken as it is ("raw"), as the authors' code has it.  mask_cells: how `mask` comes to
    latent cells, see `MaskOptions`.
    outside: outside of where the change goes the result is the "original", to the bit and in its own size, with a soft
    border inside; or, as in the paper, what the "model" makes of it, all in the model's size.
    faithful: the background follows the picture itself; off: the model's reconstruction of it, as in the paper's code.
    """

    KINDS = {
        **IMAGE_KINDS,
        "source": text,
        "target": prompt,
        "word": maybe(text),
        "find": lambda _, value: choice("way to find the change", value, FINDERS),
        "mask_threshold": partial(real, low=0.01, high=0.99),
        "outside": partial(choice, known=OUTSIDES),
        "faithful": yes,
        "mask_cells": partial(choice, known=MASK_CELLS),
        "mask_scale": partial(choice, known=MASK_SCALES),
    }
    PAPER = {
        **ImageOptions.PAPER,
        "mask_cells": "nearest",
        "mask_scale": "raw",
        "outside": "model",
        "faithful": False,
    }
    image: Any
    source: str
    target: str
    word: str | None = None
    mask: Any = None
    find: str = "auto"
    mask_threshold: float = 0.3
    faithful: bool = True
    outside: str = "original"
    mask_cells: str = "mean"
    mask_scale: str = "stretched"

    def check(self) -> None:
        if not self.source:
            raise InputError(
                "no source prompt",
                f"say what the picture shows, e.g. {option('source', 'a photo of a white cat')}",
            )
        check_prompt(self.source, PICTURE_REMEDY)
        if self.mask is None and not self.changing:
            raise InputError(
                f"every word of the source {self.source!r} is in the target {self.target!r}",
                f"say with {option('word')} which one changes, or give a {option('mask')}",
            )

    @property
    def changing(self) -> str:
        """The words of the source prompt that change, as they stand there."""
        if self.word is not None:
            return self.word
        target = {word.lower() for word in re.findall(r"[\w'-]+", self.target)}
        words = list(re.finditer(r"[\w'-]+", self.source))
        gone = [word for word in words if word.group().lower() not in target]
        return self.source[gone[0].start() : gone[-1].end()] if gone else ""


NOT_SWEPT = (
    "seed",
    "count",
    "model",
    "device",
    "prompt",
    "prompts",
    "masks",
    "foregrounds",
    "image",
    "views",
    "like_paper",  # the rest is given by then, and what is given wins
)


def swept(options: ImageOptions | MeshOptions, text: str) -> tuple[str, list[Any]]:
    """What "strength=0,1,3" asks for: the option's name and its values, each of which the options would take.

    Raises InputError if there is no such option, or no or a wrong value.
    """
    name, _, listed = text.partition("=")
    name = name.strip().replace("-", "_")
    able = [field for field in options.defaults() if field not in NOT_SWEPT]
    if name not in able:
        raise InputError(
            f"{option('sweep')} {text!r} names no option that can vary", f"use one of {', '.join(able)}"
        )
    values = [plain(value) for value in listed.split(",") if value.strip()]
    if not values:
        raise InputError(
            f"{option('sweep')} {text!r} gives no values", f"e.g. {option('sweep')} {name}=0,1,3"
        )
    for value in values:
        replace(options, **{name: value})
    return name, values


def slug(text: str, most: int = 40) -> str:
    """A prompt as part of a folder's name: small letters, digits and underscores."""
    return re.sub(r"[^\w]+|_+", "_", text.lower()).strip("_")[:most].rstrip("_") or "picture"
