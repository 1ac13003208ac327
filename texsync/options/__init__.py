"""What a user may ask for: one list of names, defaults and ranges for shell, Python and Blender.

Nothing heavy is imported here, so wrong input is refused before a model or a mesh library loads.
"""

from __future__ import annotations

import math
import operator
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from inspect import Signature, signature
from pathlib import Path
from typing import Any, ClassVar

from ..errors import InputError, option
from ..plugins import COUPLINGS

INTEGRATORS = ("paper", "exact")
PICKS = ("mean", "best")
UVS = ("auto", "keep", "unwrap")
DTYPES = ("auto", "fp32", "fp16", "bf16")
VIEW_ORDERS = ("alternate", "paper")
FRAMINGS = ("tight", "paper")
EXTRA_VIEWS = ("auto", "none")
AXES = ("auto", "x", "y", "z", "-x", "-y", "-z")
NOISES = ("shared", "independent")
FADES = ("level", "first", "none")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]{1,3})?")
FORMATS = ("glb", "obj", "png", "sheet", "turntable", "viewer")  # what a textured mesh can be saved as
USUAL_FORMATS = FORMATS[:-1]
MARK = "run.json"  # every folder of results has one, and only such a folder may be overwritten
LONGEST_TEXT = 10_000  # characters; models read some 300
LEAST_DISK = 64 * 2**20  # bytes; a 1024 texture with previews takes about a tenth of it
SETTINGS = ("strength", "integrator", "pick", "fade")  # of a coupling, that are options of tasks
OURS = ("decode", "colours", "seed", *SETTINGS)  # of a coupling's options, set by other means
Kind = Callable[[str, Any], Any]  # (name, value) -> the value with its type, or an InputError that names both


class Presets(type):
    """The type of options that `like_paper` fills: what is not given, or None, comes from the class's `PAPER`.

    What is given wins, so options can be handed on whole, as `arguments` gives them, without changing again.
    """

    PAPER: dict[str, Any] = {}

    @property
    def __signature__(cls) -> Signature:
        """What the class takes: `__call__` below would hide it."""
        own = signature(vars(cls)["__init__"])
        return own.replace(parameters=list(own.parameters.values())[1:])

    def __call__(cls, *args: Any, **given: Any) -> Any:
        if type(given.get("like_paper")).__name__ in ("bool", "bool_") and given["like_paper"]:
            placed = [field.name for field in fields(cls) if not field.kw_only][: len(args)]  # type: ignore[arg-type]
            filled = {name: value for name, value in cls.PAPER.items() if name not in placed}
            given = {**given, **{n: v for n, v in filled.items() if given.get(n) is None}}
        return super().__call__(*args, **given)


@dataclass(frozen=True)
class MeshOptions(metaclass=Presets):
    """How a mesh gets its texture; raises InputError for any value out of range.

    None means: what the model's folder recommends, else the paper's value; for `controlnet` and `chunk`, what fits;
    for `integrator` "exact", for `pick` "best".
    model: a name, folder or hub id, or a Backbone, see `texsync.load_model`.  coupling: a name, or a Coupling, which
    brings its own settings.  coupling_options: more of a named coupling's own, each "name=value".
    steps: denoising steps, 1..1000.  strength: SyncSDE's 1/lambda at the noisiest step, >= 0, unitless.
    texture_size: texels a side, 64..8192.  view_size: pixels a side of each view, 64..4096.
    chunk: views per model call; the texture does not depend on it.  guidance: classifier-free, 1 = off.
    control_scale: how firmly depth is followed, (at the noisiest level, at the cleanest), linear between.
    framing: "tight" enlarges each view until the mesh fills it; "paper" shows the mesh's bounding sphere.
    extra_views: "auto" adds views from the top and from below where the ten around the mesh leave much of it unseen.
    up, front: axes of the mesh file; "auto" goes by the file's format.
    like_paper: what is not given is as in SyncSDE's paper and its authors' code, see `PAPER` and docs/differences.md.
    """

    PAPER: ClassVar[dict[str, Any]] = {
        "steps": 30,
        "strength": 5.0,
        "integrator": "paper",
        "pick": "mean",
        "view_order": "paper",
        "framing": "paper",
        "extra_views": "none",
        "noise": "independent",
    }
    prompt: str
    seed: int = 0
    steps: int | None = None
    strength: float | None = None
    coupling: str | Any = "syncsde"
    coupling_options: tuple[str, ...] = ()
    integrator: str | None = None
    pick: str | None = None
    model: str | Any = "mini"
    controlnet: str | None = None
    texture_size: int = 1024
    view_size: int | None = None
    uvs: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    chunk: int | None = None
    negative: str | None = None
    guidance: float | None = None
    control_scale: tuple[float, float] | None = None
    view_order: str = "alternate"
    framing: str = "tight"
    extra_views: str = "auto"
    up: str = "auto"
    front: str = "auto"
    noise: str = "shared"
    like_paper: bool = False

    def __post_init__(self) -> None:
        convert(self, MESH_KINDS)
        check_parts(self)
        check_axes(self.up, self.front)

    def arguments(self) -> dict[str, Any]:
        """Every option by name, as converted: what `run.json` keeps and `texture_mesh` takes."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def more(self) -> dict[str, Any]:
        """The coupling's options by name."""
        return named_values(self.coupling_options)

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Name to default, for every option that has one."""
        return {field.name: field.default for field in fields(cls) if field.name != "prompt"}


def convert(options: Any, kinds: Mapping[str, Kind]) -> None:
    """Give the fields of a frozen dataclass their types, in place; raises InputError for the first that has none."""
    for name, kind in kinds.items():
        object.__setattr__(options, name, kind(name.replace("_", " "), getattr(options, name)))


def maybe(kind: Kind) -> Kind:
    """The same, for options that may be left out: None stays None."""
    return lambda name, value: None if value is None else kind(name, value)


def whole(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int in low..high, both included; raises InputError naming it otherwise."""
    limits = f"use {low} to {high}"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InputError(f"{name} must be a whole number, got {brief(value)}", limits)
    try:
        number = operator.index(value)
    except (TypeError, ValueError):  # arrays and tensors of several numbers
        raise InputError(f"{name} must be a whole number, got {brief(value)}", limits) from None
    if not low <= number <= high:
        raise InputError(f"{name} {brief(value)} is out of range", limits)
    return number


def real(name: str, value: Any, low: float, high: float) -> float:
    """`value`, a number and not the text of one, as a finite float in low..high; raises InputError otherwise."""
    limits = f"use a number of at least {low:g}" if math.isinf(high) else f"use {low:g} to {high:g}"
    try:
        if isinstance(value, (str, bytes, bytearray, bool)):
            raise TypeError
        number = float(value)
    except OverflowError:
        raise InputError(f"{name} {brief(value)} is out of range", limits) from None
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{name} must be a number, got {brief(value)}", limits) from None
    if not math.isfinite(number) or not low <= number <= high:
        raise InputError(f"{name} {number:g} is out of range", limits)
    return number


def yes(name: str, value: Any) -> bool:
    """`value` as a bool, which it must be; raises InputError otherwise."""
    if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):  # numpy's
        raise InputError(f"{name} must be true or false, got {brief(value)}", "leave it out for its default")
    return bool(value)


def text(name: str, value: Any) -> str:
    """`value`, a text that can be written down; raises InputError for anything else, or one of book length."""
    if not isinstance(value, str):
        raise InputError(f"{name} must be a text, got {brief(value)}", "put it in quotes")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(f"{name} {brief(value)} is not Unicode text", "type it again") from None
    if len(value) > LONGEST_TEXT or "\0" in value:
        what = "has a NUL in it" if "\0" in value else f"has {len(value):,} characters"
        raise InputError(f"{name} {brief(value)} {what}", f"use at most {LONGEST_TEXT:,}, without NUL")
    return str(value)


def texts(name: str, value: Any, least: int = 0, remedy: str = "") -> tuple[str, ...]:
    """A list or tuple of at least `least` texts, as a tuple; raises InputError otherwise."""
    if not isinstance(value, (tuple, list)) or not all(isinstance(one, str) for one in value):
        raise InputError(f"{name} must be a list of texts, got {brief(value)}", remedy)
    if len(value) < least:
        raise InputError(f"{len(value)} {name}", remedy)
    return tuple(text(name, one) for one in value)


def path(name: str, value: Any) -> Path:
    """`value`, a text or a path, as a Path with "~" expanded; raises InputError for what cannot name a file."""
    if not isinstance(value, (str, os.PathLike)):
        raise InputError(f"{name} must be a path, got {brief(value)}", "give the path of a file or folder")
    try:
        where = Path(value).expanduser()  # RuntimeError: there is no such user
        str(where).encode()  # not os.fsencode: the name is printed, and written into the result's files
        if "\0" in str(where):
            raise ValueError("it has a NUL in it")
        where.exists()  # OSError: it is too long, or may not be looked at
        where.resolve()  # RuntimeError: links that lead to themselves
    except UnicodeEncodeError:
        raise InputError(f"{name} {brief(str(value))} is not a path (not UTF-8)", "rename it") from None
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        reason = (getattr(error, "strerror", None) or str(error))[:80]
        raise InputError(f"{name} {brief(str(value))} is not a path ({reason})", "check it") from None
    return where


def model(name: str, value: Any) -> Any:
    """A model's name, hub id or folder, as a text, or a loaded model; raises InputError for what can be neither."""
    if is_a(value, "Backbone"):
        return value
    said = text(name, os.fspath(value) if isinstance(value, os.PathLike) else value)
    path(name, said)
    return said


def coupling(name: str, value: Any) -> Any:
    """The name of a coupling, texsync's or an installed package's, or a Coupling; raises InputError otherwise."""
    if is_a(value, "Coupling"):
        return value
    if not isinstance(value, str) or not COUPLINGS.known(value):
        raise InputError(f"unknown {name} {brief(value)}", f"known: {', '.join(COUPLINGS.names())}")
    return str(value)


def is_a(value: Any, name: str) -> bool:
    """Whether an object's class, or one that it is derived from, has this name; spares importing it."""
    return any(kind.__name__ == name for kind in type(value).__mro__)


def check_parts(options: Any) -> None:
    """What options say about a model or a coupling that is there already; raises InputError for what it cannot be."""
    for pair in options.coupling_options:
        if not re.fullmatch(r"[a-z_]+=.+", pair) or pair.partition("=")[0] in OURS:
            raise InputError(f"coupling option {brief(pair)}", 'give name=value, e.g. "first=3"')
    if not isinstance(options.coupling, str):
        for name in (*SETTINGS, "coupling_options"):
            if getattr(options, name, None) not in (None, ()):
                raise InputError(
                    f"{name} {brief(getattr(options, name))} for a coupling that is made already",
                    f"make it with that, or leave out {option(name)}",
                )
    if not isinstance(options.model, str):
        for name, unsaid in (("controlnet", None), ("device", "auto"), ("dtype", "auto")):
            if getattr(options, name) != unsaid:
                raise InputError(
                    f"{name} {getattr(options, name)} for a model that is loaded already",
                    f"say it to load_model, or leave out {option(name)}",
                )


def named_values(pairs: Sequence[str]) -> dict[str, Any]:
    """What "first=3" and the like stand for, by name."""
    split = (pair.partition("=") for pair in pairs)
    return {name: plain(value) for name, _, value in split}


def plain(text: str) -> Any:
    """The whole or other number, or yes or no, that a text stands for; else the text."""
    text = text.strip()
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)


def brief(value: Any, most: int = 60) -> str:
    """How a value is named in a message: its repr, cut if it is long."""
    try:
        said = " ".join(repr(value).split())
    except Exception:  # a number of more digits than Python likes to print, an object of somebody's own
        said = f"a {type(value).__name__}"
    return said if len(said) <= most else f"{said[:most]}..."


def choice(name: str, value: Any, known: tuple[str, ...]) -> str:
    """`value` if it is one of `known`; raises InputError listing them otherwise."""
    if not isinstance(value, str) or value not in known:
        raise InputError(f"unknown {name} {brief(value)}", f"known: {', '.join(known)}")
    return str(value)


def check_prompt(prompt: Any, remedy: str = 'describe the surface, e.g. "weathered copper"') -> str:
    """The prompt, if there is a letter or a digit in it; raises InputError otherwise."""
    if not isinstance(prompt, str) or not any(character.isalnum() for character in prompt):
        raise InputError(f"the prompt {brief(prompt)} says nothing", remedy)
    return text("the prompt", prompt)


def check_formats(formats: Any) -> tuple[str, ...]:
    """Names of FORMATS, each once, from a list or from a text "glb,png"; None is the usual ones.  Raises InputError."""
    if formats is None:
        return USUAL_FORMATS
    names = formats.split(",") if isinstance(formats, str) else formats
    if not isinstance(names, (tuple, list, set, frozenset)) or not names:
        raise InputError(
            f"formats must be a list of names, got {brief(formats)}", f"known: {', '.join(FORMATS)}"
        )
    return tuple(dict.fromkeys(choice("format", text("format", name).strip(), FORMATS) for name in names))


def check_control_scale(scale: Any) -> tuple[float, float]:
    """(start, end), each 0..2; raises InputError otherwise."""
    if not isinstance(scale, (tuple, list)) or len(scale) != 2:
        raise InputError(
            f"control scale must be two numbers, start and end, got {brief(scale)}", "e.g. 0.7 0.9"
        )
    return real("control scale start", scale[0], 0.0, 2.0), real("control scale end", scale[1], 0.0, 2.0)


def listener(value: Any) -> Callable[..., None]:
    """What a run tells its progress to; None is nobody.  Raises InputError for what cannot be called."""
    if value is not None and not callable(value):
        raise InputError(f"on_progress must be a function, got {brief(value)}", "leave it out for silence")
    return value or (lambda *_: None)


def check_axes(up: Any, front: Any) -> None:
    """Both known, and not along the same line; raises InputError otherwise."""
    choice("up axis", up, AXES)
    choice("front axis", front, AXES)
    if up != "auto" and up.lstrip("-") == front.lstrip("-"):
        raise InputError(f"up {up} and front {front} lie on one axis", "choose two different axes")


def check_device_name(device: Any) -> str:
    """auto, cpu, cuda, cuda:N or mps; whether it is there is found out when the model loads."""
    if not isinstance(device, str) or not DEVICE.fullmatch(device):
        raise InputError(f"unknown device {brief(device)}", "known: auto, cpu, cuda, cuda:N, mps")
    return str(device)


SHARED_KINDS: dict[str, Kind] = {  # what every task takes
    "seed": partial(whole, low=0, high=2**63 - 1),
    "steps": maybe(partial(whole, low=1, high=1000)),
    "chunk": maybe(partial(whole, low=1, high=1000)),
    "strength": maybe(partial(real, low=0.0, high=math.inf)),
    "coupling": coupling,
    "coupling_options": partial(texts, remedy='e.g. "first=3"'),
    "integrator": maybe(partial(choice, known=INTEGRATORS)),
    "noise": partial(choice, known=NOISES),
    "model": model,
    "controlnet": maybe(model),
    "negative": maybe(text),
    "guidance": maybe(partial(real, low=0.0, high=100.0)),
    "control_scale": maybe(lambda _, value: check_control_scale(value)),
    "device": lambda _, value: check_device_name(value),
    "dtype": partial(choice, known=DTYPES),
}
MESH_KINDS: dict[str, Kind] = {
    "prompt": lambda _, value: check_prompt(value),
    **SHARED_KINDS,
    "pick": maybe(partial(choice, known=PICKS)),
    "texture_size": partial(whole, low=64, high=8192),
    "view_size": maybe(partial(whole, low=64, high=4096)),
    "uvs": partial(choice, known=UVS),
    "view_order": partial(choice, known=VIEW_ORDERS),
    "framing": partial(choice, known=FRAMINGS),
    "extra_views": partial(choice, known=EXTRA_VIEWS),
    "like_paper": yes,
}


def check_output(folder: str | Path, overwrite: bool = False) -> Path:
    """The folder that results may be written to; nothing of it is created or removed here.

    Raises InputError if it is taken (see `check_free`), or its place is read-only or full.
    """
    folder = path("output folder", folder)
    check_free(folder, overwrite)
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):  # os.access knows neither Windows' rules nor odd file systems
            pass
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{place} cannot be written to ({reason})", f"choose another {option('out')}"
        ) from None
    if shutil.disk_usage(place).free < LEAST_DISK:
        raise InputError(
            f"less than {LEAST_DISK >> 20} MB are free in {place}",
            f"free some space or choose another {option('out')}",
        )
    return folder


def check_free(folder: Path, overwrite: bool) -> None:
    """Raises InputError unless results may be put at, or with `overwrite` may replace, `folder`."""
    overwrite = yes("overwrite", overwrite)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file", f"choose another {option('out')}")
    if not any(folder.iterdir()):
        return
    if not (folder / MARK).is_file():
        raise InputError(
            f"{folder} already exists and is not a texsync result (it has no {MARK}), so it is not overwritten",
            f"choose another {option('out')}",
        )
    if not overwrite:
        raise InputError(
            f"{folder} already exists", f"pass {option('overwrite', True)} or choose another {option('out')}"
        )
