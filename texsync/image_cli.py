"""The shell doors of the 2D tasks: `texsync wide | ambiguous | mask | edit`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from .errors import InputError, out_of_memory
from .grouped import CouplingName, Grouped, typed
from .image_options import (
    ASSEMBLIES,
    FINDERS,
    MASK_CELLS,
    MASK_SCALES,
    OUTSIDES,
    AmbiguousOptions,
    EditOptions,
    ImageOptions,
    MaskOptions,
    WideOptions,
    slug,
    swept,
)
from .options import DTYPES, FADES, INTEGRATORS, NOISES, check_output
from .progress import Display

Option = Callable[[Callable], Callable]


def flag(options: type[ImageOptions], name: str, text: str, **details: Any) -> Option:
    """A flag for a field of `options`, with that field's default."""
    default = options.defaults()[name]
    if isinstance(default, bool):
        return click.option("--" + name.replace("_", "-"), name, is_flag=True, help=text)
    shown = default is not None
    return click.option(
        "--" + name.replace("_", "-"), name, default=default, show_default=shown, help=text, **details
    )


def common(name: str, text: str, **details: Any) -> Option:
    return flag(ImageOptions, name, text, **details)


COUPLING_OPTION = click.option(
    "--coupling-option",
    "coupling_options",
    multiple=True,
    default=(),
    metavar="NAME=VALUE",
    help="More for the coupling, e.g. first=3 or weight=20 for syncdiffusion; may be repeated.",
)
COMMON: tuple[Option, ...] = (
    click.option("--out", type=click.Path(path_type=Path), help="Output folder.  [default: <task>_<prompt>]"),
    click.option("--overwrite", is_flag=True, help="Replace the output folder if it exists."),
    common("seed", "Same seed, same picture.", type=int),
    common("count", "Pictures to make, of as many seeds from --seed on.", type=int),
    common("steps", "Denoising steps.  [default: the model's, else 50]", type=int),
    common(
        "strength", "How hard views are drawn to earlier ones.  [default: the model's, else 5]", type=float
    ),
    common("coupling", "How views listen to each other.", type=CouplingName()),
    COUPLING_OPTION,
    common(
        "integrator",
        "SyncSDE's update; exact is stable with few steps.  [default: exact]",
        type=click.Choice(INTEGRATORS),
    ),
    common(
        "fade",
        "1/lambda weakens with the noise level, as that from the first step on, or not.  [default: level; "
        "edits, with the exact integrator: none]",
        type=click.Choice(FADES),
    ),
    common("like_paper", "Whatever is not said otherwise as in SyncSDE's paper and its authors' code."),
    common("noise", "Views start from the same noise, or each its own.", type=click.Choice(NOISES)),
    common("model", "mini, the path of a diffusers folder, or a hub id.", metavar="NAME|PATH|HUB_ID"),
    common("negative", "What the picture should not show.  [default: the model's]"),
    common("guidance", "How closely prompts are followed, 1 = off.  [default: the model's]", type=float),
    common("view_size", "Pixels a side that the model sees at once.  [default: the model's]", type=int),
    common(
        "control", "What the ControlNet follows in --control-image, e.g. canny, depth, plain.", metavar="NAME"
    ),
    common("control_image", "A picture of yours that the result is laid out like.", metavar="FILE"),
    common("controlnet", "A ControlNet for --control.  [default: the model's own]", metavar="PATH|HUB_ID"),
    common(
        "control_scale",
        "How firmly it is followed at the noisiest level and at the cleanest.  [default: the model's]",
        type=float,
        nargs=2,
        metavar="START END",
    ),
    common("device", "auto, cpu, cuda, cuda:N or mps."),
    common("dtype", "Number format; auto is fp32 on a CPU, fp16 on a GPU.", type=click.Choice(DTYPES)),
    common("chunk", "Views per model call; changes memory, not the result.  [default: what fits]", type=int),
    click.option(
        "--sweep", metavar="OPTION=A,B,...", help="One sheet with a picture per value of an option."
    ),
    click.option("--quiet", is_flag=True, help="Print errors only."),
    click.option("--verbose", is_flag=True, help="Print times and other libraries' warnings."),
)


CELLS = "A latent cell takes the mean of the mask's pixels, or the nearest one."


def with_options(*own: Option) -> Option:
    """The task's own options, then what every task takes, in the order of --help."""

    def decorate(command: Callable) -> Callable:
        for option in reversed((*own, *COMMON)):
            command = option(command)
        return command

    return decorate


FUNCTIONS = {
    "wide": "wide_image",
    "ambiguous": "ambiguous_image",
    "mask": "masked_image",
    "edit": "edit_image",
}
SHELL = ("out", "overwrite", "sweep", "quiet", "verbose")  # what only the shell asks


def split(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the task's options, the shell's own)."""
    return (
        typed({name: value for name, value in values.items() if name not in SHELL}),
        {name: values[name] for name in SHELL},
    )


def paint(task: str, options: ImageOptions, words: str, shell: dict[str, Any]) -> None:
    """Run a task and write its folder; words: what the default folder is named after."""
    varied = swept(options, shell["sweep"]) if shell["sweep"] else None
    folder = check_output(shell["out"] or Path(f"{task}_{slug(words)}"), shell["overwrite"])
    try:
        with Display(quiet=shell["quiet"], verbose=shell["verbose"]) as display:
            result = _run(task, options, varied, display)
            display("save", 0, 1)
            written = result.save(folder, overwrite=shell["overwrite"])
            display("save", 1, 1)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise InputError("not enough memory", "ask for a smaller picture, or use --chunk 1") from error
    if not shell["quiet"]:
        click.echo(f"{written}: {', '.join(sorted(file.name for file in written.iterdir()))}")


def _run(task: str, options: ImageOptions, varied: Any, display: Display) -> Any:
    """The task's pictures; as a sheet of them if an option is `varied`, (its name, its values)."""
    function = getattr(import_module(f".tasks.{task}", __package__), FUNCTIONS[task])
    if not varied:
        return function(on_progress=display, **options.arguments())
    from .tasks.sweep import sweep

    return sweep(function, *varied, on_progress=display, **options.arguments())


@click.command(cls=Grouped)
@click.argument("prompt")
@with_options(
    flag(WideOptions, "width", "Pixels; any from one view up.  [default: four views]", type=int),
    flag(WideOptions, "height", "Pixels; higher than one view works too.  [default: one view]", type=int),
    flag(WideOptions, "overlap", "Pixels that windows share.  [default: 3/4 of a view]", type=int),
    flag(WideOptions, "loop", "Close the picture on itself along its longer side, without a seam."),
    flag(
        WideOptions,
        "assemble",
        "Windows fade into each other, or later ones lie on top as in the paper.",
        type=click.Choice(ASSEMBLIES),
    ),
)
def wide(prompt: str, **values: Any) -> None:
    """Paint a picture that is wider or higher than the model sees at once."""
    asked, shell = split(values)
    paint("wide", WideOptions(prompt, **asked), prompt, shell)


@click.command(cls=Grouped)
@click.argument("prompts", nargs=-1, required=True)
@with_options(
    click.option(
        "--view",
        "views",
        multiple=True,
        default=AmbiguousOptions.defaults()["views"],
        show_default=True,
        metavar="NAME",
        help="How the picture is seen for the next prompt: identity, rotate90, rotate180, rotate270, flip, mirror "
        "and, for models that work on pixels, negate, skew, inner_circle, patches, pixels, jigsaw; or several "
        "joined by +.  Repeat it for more prompts.",
    ),
    flag(
        AmbiguousOptions,
        "assemble",
        "Keep the last view's picture, as in the paper, or the mean of all.",
        type=click.Choice(ASSEMBLIES),
    ),
    flag(
        AmbiguousOptions,
        "upscaler",
        "Stage II of DeepFloyd IF, if --model is its stage I.",
        metavar="PATH|HUB_ID",
    ),
)
def ambiguous(prompts: tuple[str, ...], **values: Any) -> None:
    """Paint one picture that is the first PROMPT as it is and the second when seen another way."""
    asked, shell = split(values)
    paint("ambiguous", AmbiguousOptions(prompts, **asked), " ".join(prompts), shell)


@click.command(cls=Grouped)
@click.argument("background")
@click.option("--foreground", "foregrounds", multiple=True, help="What is inside the mask; one per --mask.")
@click.option(
    "--mask",
    "masks",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A picture, white where the foreground is.  Repeat both for more; later ones lie in front.",
)
@with_options(
    flag(MaskOptions, "whole", "The whole picture in words.  [default: BACKGROUND with the foregrounds]"),
    flag(MaskOptions, "soft", "Greys of the masks are shares; without it they are rounded."),
    flag(MaskOptions, "mask_cells", CELLS, type=click.Choice(MASK_CELLS)),
)
def mask(background: str, foregrounds: tuple[str, ...], masks: tuple[Path, ...], **values: Any) -> None:
    """Paint BACKGROUND and, inside each mask, a thing of its own."""
    asked, shell = split(values)
    paint("mask", MaskOptions(background, foregrounds, masks, **asked), background, shell)


@click.command(cls=Grouped)
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("target")
@click.option("--source", default="", help="What the picture shows now, in words; needed.")
@with_options(
    flag(EditOptions, "word", "What changes, of --source.  [default: the words that TARGET lacks]"),
    flag(
        EditOptions,
        "mask",
        "A picture, white where the change goes.  [default: see --find]",
        type=click.Path(path_type=Path),
    ),
    flag(
        EditOptions,
        "find",
        "Without a mask, the change goes where the model attends to the word, or where it makes a difference.",
        type=click.Choice(FINDERS),
    ),
    flag(EditOptions, "mask_threshold", "What of that counts, on a scale from 0 to 1.", type=float),
    flag(
        EditOptions,
        "mask_scale",
        "Attention stretched to 0..1 over the picture first, or as it is.",
        type=click.Choice(MASK_SCALES),
    ),
    flag(EditOptions, "mask_cells", CELLS, type=click.Choice(MASK_CELLS)),
    flag(
        EditOptions,
        "outside",
        "Outside of the change your picture to the bit, in its own size; or all as the model paints it.",
        type=click.Choice(OUTSIDES),
    ),
    click.option(
        "--resampled",
        "faithful",
        flag_value=False,
        default=True,
        help="Keep the background of the model's reconstruction, as the paper's code does.",
    ),
)
def edit(image: Path, target: str, source: str, **values: Any) -> None:
    """Change the picture IMAGE, which shows --source, so that it shows TARGET; the rest stays as it is."""
    asked, shell = split(values)
    paint("edit", EditOptions(image, source, target, **asked), target, shell)


COMMANDS = (wide, ambiguous, mask, edit)
