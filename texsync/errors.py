"""The few errors that a user can meet: a code and a remedy, told in the words of each door.

A message or remedy names options by `option`.  The worker sends these as data, so that a panel can speak of its own
fields and offer a button.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

_OPEN, _CLOSE = "\x0e", "\x0f"  # around an option inside a text; no keyboard types them
_OPTION = re.compile(f"{_OPEN}(\\w+)(?:=([^{_CLOSE}]*))?{_CLOSE}")
PYTHON_WORDS = {"out": "folder"}  # what an option is called in Python, where names differ


@dataclass(frozen=True)
class Named:
    """An option that a text names, or a value for it; None: no value is said."""

    option: str
    value: Any = None


def option(name: str, value: Any = None) -> str:
    """An option, or a value for it, to be put into a message or a remedy; `worded` gives it a door's words.

    f"lower {option('view_size')}" is "lower --view-size" in a shell and "lower view_size" in Python.
    """
    return f"{_OPEN}{name}{'' if value is None else '=' + json.dumps(value)}{_CLOSE}"


def keyword(name: str, value: Any = None) -> str:
    """An option in Python's words."""
    name = PYTHON_WORDS.get(name, name)
    plain = value is None or isinstance(value, bool)
    return name if value is None else f"{name}={value if plain else json.dumps(value, ensure_ascii=False)}"


def parts(text: str) -> list[str | Named]:
    """A text as data: what is said, and the options that are named in between."""
    found: list[str | Named] = []
    pieces = _OPTION.split(text)
    for said, name, value in zip(pieces[::3], [*pieces[1::3], None], [*pieces[2::3], None], strict=True):
        found += [said] if said else []
        found += [Named(name, None if value is None else json.loads(value))] if name else []
    return found


def worded(text: str, naming: Callable[[str, Any], str] = keyword) -> str:
    """A text in which each `option` has the name that a door gives it."""
    return "".join(part if isinstance(part, str) else naming(part.option, part.value) for part in parts(text))


class TexsyncError(Exception):
    """Something that a person must be told in one line.

    message: names the thing and the value got.  remedy: what to do about it.  Both may name options, see `option`;
    as attributes and in `str` they are in Python's words.
    code: which error it is; it stays when the words change.  thing: what it is about, such as an option's name.
    value: what was got.
    `exit_code` is what the shell returns: 1 our fault, 2 wrong input, 130 interrupted.
    """

    exit_code = 1
    usual = "internal"  # the code of those that name none

    def __init__(self, message: str, remedy: str = "", *, code: str = "", thing: str = "", value: Any = None):
        self.texts = message, remedy
        self.code, self.thing, self.value = code or self.usual, thing, value
        self.message, self.remedy = self.told()
        super().__init__(self.line())

    @property
    def fixes(self) -> list[Named]:
        """The options that the remedy names, some with the value that would do."""
        return [part for part in parts(self.texts[1]) if isinstance(part, Named)]

    def told(self, naming: Callable[[str, Any], str] = keyword) -> tuple[str, str]:
        """(message, remedy) in the words of a door."""
        message, remedy = self.texts
        return worded(message, naming), worded(remedy, naming)

    def line(self, naming: Callable[[str, Any], str] = keyword) -> str:
        """Message and remedy in one."""
        return "; ".join(filter(None, self.told(naming)))


class InputError(TexsyncError):
    """The input is wrong and the user can put it right."""

    exit_code = 2
    usual = "input"


class Refused:
    """Wrong input by its code, which docs/worker.md explains: Refused.memory("not enough memory", "close programs")."""

    arguments = partial(InputError, code="arguments")
    axes = partial(InputError, code="axes")
    controlnet = partial(InputError, code="controlnet")
    coupling_option = partial(InputError, code="coupling-option")
    coupling_unfit = partial(InputError, code="coupling-unfit")
    device = partial(InputError, code="device")
    edit_nothing = partial(InputError, code="edit-nothing")
    hub = partial(InputError, code="hub")
    mask_empty = partial(InputError, code="mask-empty")
    mask_full = partial(InputError, code="mask-full")
    mask_size = partial(InputError, code="mask-size")
    memory = partial(InputError, code="memory")
    mesh_damaged = partial(InputError, code="mesh-damaged")
    mesh_empty = partial(InputError, code="mesh-empty")
    mesh_extreme = partial(InputError, code="mesh-extreme")
    mesh_kind = partial(InputError, code="mesh-kind")
    mesh_missing = partial(InputError, code="mesh-missing")
    mesh_unreadable = partial(InputError, code="mesh-unreadable")
    mesh_unseen = partial(InputError, code="mesh-unseen")
    model_config = partial(InputError, code="model-config")
    model_damaged = partial(InputError, code="model-damaged")
    model_kind = partial(InputError, code="model-kind")
    model_lacks = partial(InputError, code="model-lacks")
    model_missing = partial(InputError, code="model-missing")
    model_unknown = partial(InputError, code="model-unknown")
    model_unsafe = partial(InputError, code="model-unsafe")
    motion_length = partial(InputError, code="motion-length")
    not_finite = partial(InputError, code="not-finite")
    option_choice = partial(InputError, code="option-choice")
    option_count = partial(InputError, code="option-count")
    options_together = partial(InputError, code="options-together")
    output_foreign = partial(InputError, code="output-foreign")
    output_full = partial(InputError, code="output-full")
    output_place = partial(InputError, code="output-place")
    output_taken = partial(InputError, code="output-taken")
    package_missing = partial(InputError, code="package-missing")
    part_made = partial(InputError, code="part-made")
    picture_kind = partial(InputError, code="picture-kind")
    picture_missing = partial(InputError, code="picture-missing")
    picture_size = partial(InputError, code="picture-size")
    picture_unreadable = partial(InputError, code="picture-unreadable")
    plugin = partial(InputError, code="plugin")
    prompt_empty = partial(InputError, code="prompt-empty")
    prompt_word = partial(InputError, code="prompt-word")
    repaint_none = partial(InputError, code="repaint-none")
    repaint_size = partial(InputError, code="repaint-size")
    repaint_uvs = partial(InputError, code="repaint-uvs")
    run_files = partial(InputError, code="run-files")
    run_kind = partial(InputError, code="run-kind")
    run_missing = partial(InputError, code="run-missing")
    size_unfit = partial(InputError, code="size-unfit")
    steps = partial(InputError, code="steps")
    sweep = partial(InputError, code="sweep")
    uvs_impossible = partial(InputError, code="uvs-impossible")
    uvs_room = partial(InputError, code="uvs-room")
    uvs_unusable = partial(InputError, code="uvs-unusable")
    view_size = partial(InputError, code="view-size")
    view_unfit = partial(InputError, code="view-unfit")
    views_same = partial(InputError, code="views-same")
    views_wrong = partial(InputError, code="views-wrong")


class Cancelled(TexsyncError):
    """The user stopped the run; nothing was written."""

    exit_code = 130
    usual = "cancelled"


class TexsyncWarning(UserWarning):
    """Worth a line to the user, but the run goes on.  Its text may name options, see `option`."""

    def __init__(self, text: str):
        self.text = text
        super().__init__(worded(text))

    def line(self, naming: Callable[[str, Any], str] = keyword) -> str:
        """The text in the words of a door."""
        return worded(self.text, naming)


def line_of(told: BaseException | str, naming: Callable[[str, Any], str] = keyword) -> str:
    """An error or warning in the words of a door, whoever made it."""
    return told.line(naming) if isinstance(told, (TexsyncError, TexsyncWarning)) else str(told)


NO_ROOM = (  # in what torch raises for want of memory, where it is no class of its own
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "status_alloc_failed",  # cuBLAS, cuDNN, cuSOLVER, cuSPARSE
    "host_allocation_failed",
    "device_allocation_failed",
)


def out_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory: Python's own error, or torch's or a GPU library's RuntimeError."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in NO_ROOM)
    )


@contextmanager
def enough_memory(remedy: str) -> Iterator[None]:
    """What fails inside for want of memory is an InputError with this remedy."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise Refused.memory("not enough memory", remedy) from error


def check_finite(values: Any, stage: str, remedy: str) -> None:
    """Raises InputError naming the stage if there is NaN or infinity in a tensor or array of at least 32 bits."""
    total = values.sum()  # one number to fetch from the device, not a mask
    if not math.isfinite(float(total.detach() if hasattr(total, "detach") else total)):
        raise Refused.not_finite(f"NaN or infinity after {stage}", remedy, thing=stage)
