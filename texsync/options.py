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
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .errors import InputError, option

COUPLINGS = (
    "syncsde",
    "synctweedies",
    "multidiffusion",
    "visual-anagrams",
    "syncmvd",
    "syncdiffusion",
    "csg",
    "none",
)
MESH_COUPLINGS = tuple(name for name in COUPLINGS if name != "csg")  # which needs the shares of masks
INTEGRATORS = ("paper", "exact")
PICKS = ("mean", "best")
UVS = ("auto", "keep", "unwrap")
DTYPES = ("auto", "fp32", "fp16", "bf16")
VIEW_ORDERS = ("alternate", "paper")
FRAMINGS = ("tight", "paper")
AXES = ("auto", "x", "y", "z", "-x", "-y", "-z")
NOISES = ("shared", "independent")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
FORMATS = ("glb", "obj", "png", "sheet", "turntable", "viewer")  # what a textured mesh can be saved as
USUAL_FORMATS = FORMATS[:-1]
MARK = "run.json"  # every folder of results has one, and only such a folder may be overwritten
LEAST_DISK = 64 * 2**20  # bytes; a 1024 texture with previews takes about a tenth of it


@dataclass(frozen=True)
class MeshOptions:
    """How a mesh gets its texture; raises InputError for any value out of range.

    None means: what the model's folder recommends, or for `controlnet` and `chunk`, what fits.
    steps: denoising steps, 1..1000.  strength: SyncSDE's 1/lambda at the noisiest step, >= 0, unitless.
    texture_size: texels a side, 64..8192.  view_size: pixels a side of each view, 64..4096.
    chunk: views per model call; the texture does not depend on it.  guidance: classifier-free, 1 = off.
    control_scale: how firmly depth is followed, (at the noisiest level, at the cleanest), linear between.
    framing: "tight" enlarges each view until the mesh fills it; "paper" shows the mesh's bounding sphere.
    up, front: axes of the mesh file; "auto" goes by the file's format.
    """

    prompt: str
    seed: int = 0
    steps: int | None = None
    strength: float = 5.0
    coupling: str = "syncsde"
    integrator: str = "exact"
    pick: str = "best"
    model: str = "mini"
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
    up: str = "auto"
    front: str = "auto"
    noise: str = "shared"

    def __post_init__(self) -> None:
        check_prompt(self.prompt)
        whole("seed", self.seed, 0, 2**63 - 1)
        real("strength", self.strength, 0.0, math.inf)
        whole("texture size", self.texture_size, 64, 8192)
        self._check_optional()
        self._check_choices()

    def _check_optional(self) -> None:
        if self.steps is not None:
            whole("steps", self.steps, 1, 1000)
        if self.view_size is not None:
            whole("view size", self.view_size, 64, 4096)
        if self.chunk is not None:
            whole("chunk", self.chunk, 1, 1000)
        if self.guidance is not None:
            real("guidance", self.guidance, 0.0, 100.0)
        if self.control_scale is not None:
            check_control_scale(self.control_scale)

    def _check_choices(self) -> None:
        choice("coupling", self.coupling, MESH_COUPLINGS)
        choice("integrator", self.integrator, INTEGRATORS)
        choice("pick", self.pick, PICKS)
        choice("uvs", self.uvs, UVS)
        choice("dtype", self.dtype, DTYPES)
        choice("view order", self.view_order, VIEW_ORDERS)
        choice("framing", self.framing, FRAMINGS)
        choice("noise", self.noise, NOISES)
        check_axes(self.up, self.front)
        check_device_name(self.device)

    def arguments(self) -> dict[str, Any]:
        """Every option by name, values untouched: what `run.json` keeps and `texture_mesh` takes."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Name to default, for every option that has one."""
        return {field.name: field.default for field in fields(cls) if field.name != "prompt"}


def whole(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int in low..high, both included; raises InputError naming it otherwise."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} must be a whole number, got {value!r}", f"use {low} to {high}") from None
    if isinstance(value, bool) or not low <= number <= high:
        raise InputError(f"{name} {value} is out of range", f"use {low} to {high}")
    return number


def real(name: str, value: Any, low: float, high: float) -> float:
    """`value` as a finite float in low..high; raises InputError naming it otherwise."""
    limits = f"use a number of at least {low:g}" if math.isinf(high) else f"use {low:g} to {high:g}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, got {value!r}", limits) from None
    if not math.isfinite(number) or not low <= number <= high:
        raise InputError(f"{name} {number:g} is out of range", limits)
    return number


def path(name: str, value: Any) -> Path:
    """`value`, a text or a path, as a Path with "~" expanded; raises InputError for what cannot name a file."""
    try:
        where = Path(value).expanduser()  # RuntimeError: there is no such user
        if b"\0" in os.fsencode(where):
            raise ValueError("it has a NUL in it")
        where.exists()  # OSError: it is too long, or may not be looked at
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, TypeError):
            raise InputError(
                f"{name} must be a path, got {brief(value)}", "give the path of a file"
            ) from None
        raise InputError(f"{name} {brief(value)} is not a path ({reason[:80]})", "check it") from None
    return where


def brief(value: Any, most: int = 60) -> str:
    """How a value is named in a message: its repr, cut if it is long."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def choice(name: str, value: Any, known: tuple[str, ...]) -> str:
    """`value` if it is one of `known`; raises InputError listing them otherwise."""
    if value not in known:
        raise InputError(f"unknown {name} {value!r}", f"known: {', '.join(known)}")
    return value


def check_prompt(prompt: Any, remedy: str = 'describe the surface, e.g. "weathered copper"') -> str:
    """The prompt, if there is a letter or a digit in it; raises InputError otherwise."""
    if not isinstance(prompt, str) or not any(character.isalnum() for character in prompt):
        raise InputError(f"the prompt {prompt!r} says nothing", remedy)
    return prompt


def check_formats(formats: Any) -> tuple[str, ...]:
    """Names of FORMATS, each once, from a list or from a text "glb,png"; None is the usual ones.  Raises InputError."""
    if formats is None:
        return USUAL_FORMATS
    names = formats.split(",") if isinstance(formats, str) else formats
    if not isinstance(names, (tuple, list, set, frozenset)) or not names:
        raise InputError(f"formats must be a list of names, got {formats!r}", f"known: {', '.join(FORMATS)}")
    return tuple(dict.fromkeys(choice("format", str(name).strip(), FORMATS) for name in names))


def check_control_scale(scale: Any) -> tuple[float, float]:
    """(start, end), each 0..2; raises InputError otherwise."""
    if not isinstance(scale, (tuple, list)) or len(scale) != 2:
        raise InputError(f"control scale must be two numbers, start and end, got {scale!r}", "e.g. 0.7 0.9")
    return real("control scale start", scale[0], 0.0, 2.0), real("control scale end", scale[1], 0.0, 2.0)


def check_axes(up: Any, front: Any) -> None:
    """Both known, and not along the same line; raises InputError otherwise."""
    choice("up axis", up, AXES)
    choice("front axis", front, AXES)
    if up != "auto" and up.lstrip("-") == front.lstrip("-"):
        raise InputError(f"up {up} and front {front} lie on one axis", "choose two different axes")


def check_device_name(device: Any) -> None:
    """auto, cpu, cuda, cuda:N or mps; whether it is there is found out when the model loads."""
    if not isinstance(device, str) or not DEVICE.fullmatch(device):
        raise InputError(f"unknown device {device!r}", "known: auto, cpu, cuda, cuda:N, mps")


def check_output(folder: str | Path, overwrite: bool = False) -> Path:
    """The folder that results may be written to; nothing of it is created or removed here.

    Raises InputError if it is taken (see `check_free`), or its place is read-only or full.
    """
    folder = Path(folder).expanduser()
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
