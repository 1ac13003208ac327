"""The few errors that a user can meet, each with a remedy, in the words of the door that the user came by."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Literal

Door = Literal["python", "shell"]

_OPEN, _CLOSE = "\x0e", "\x0f"  # around an option inside a text; no keyboard types them
_OPTION = re.compile(f"{_OPEN}(\\w+)(?:=([^{_CLOSE}]*))?{_CLOSE}")
PYTHON_WORDS = {"out": "folder"}  # what a shell's option is called in Python, where names differ
FLAGS = {  # what an option, or one value of it, is called in the shell, where names differ
    ("uvs", "unwrap"): "--unwrap",
    ("uvs", "keep"): "--keep-uvs",
    ("faithful", False): "--resampled",
    ("views", None): "--view",
    ("masks", None): "--mask",
    ("foregrounds", None): "--foreground",
}


def option(name: str, value: Any = None) -> str:
    """An option, or a value for it, to be put into a message or a remedy; `worded` gives it the door's words.

    f"lower {option('view_size')}" is "lower --view-size" in a shell and "lower view_size" in Python.
    """
    return f"{_OPEN}{name}{'' if value is None else '=' + json.dumps(value)}{_CLOSE}"


def worded(text: str, door: Door = "python") -> str:
    """A text in which each `option` has the name that it has at this door."""

    def name(match: re.Match) -> str:
        value = None if match[2] is None else json.loads(match[2])
        return (_flag if door == "shell" else _keyword)(match[1], value)

    return _OPTION.sub(name, text)


def _keyword(name: str, value: Any) -> str:
    name = PYTHON_WORDS.get(name, name)
    plain = value is None or isinstance(value, bool)
    return name if value is None else f"{name}={value if plain else json.dumps(value, ensure_ascii=False)}"


def _flag(name: str, value: Any) -> str:
    if (name, value) in FLAGS:
        return FLAGS[name, value]
    flag = FLAGS.get((name, None), "--" + name.replace("_", "-"))
    if value is None or value is True:
        return flag
    return f'{flag} "{value}"' if " " in str(value) else f"{flag} {value}"


class TexsyncError(Exception):
    """Something that a person must be told in one line.

    message: names the thing and the value got.  remedy: what to do about it.  Both may name options, see `option`;
    as attributes and in `str` they are in Python's words.
    `exit_code` is what the shell returns: 1 our fault, 2 wrong input, 130 interrupted.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = ""):
        self._said = message, remedy
        self.message, self.remedy = self.told()
        super().__init__(self.line())

    def told(self, door: Door = "python") -> tuple[str, str]:
        """(message, remedy) in the words of a door."""
        message, remedy = self._said
        return worded(message, door), worded(remedy, door)

    def line(self, door: Door = "python") -> str:
        """Message and remedy in one."""
        return "; ".join(filter(None, self.told(door)))


class InputError(TexsyncError):
    """The input is wrong and the user can put it right."""

    exit_code = 2


class Cancelled(TexsyncError):
    """The user stopped the run; nothing was written."""

    exit_code = 130


class TexsyncWarning(UserWarning):
    """Worth a line to the user, but the run goes on.  Its text may name options, see `option`."""

    def __init__(self, text: str):
        self._said = text
        super().__init__(worded(text))

    def line(self, door: Door = "python") -> str:
        """The text in the words of a door."""
        return worded(self._said, door)


def line_of(told: BaseException | str, door: Door) -> str:
    """An error or warning in the words of a door, whoever made it."""
    return told.line(door) if isinstance(told, (TexsyncError, TexsyncWarning)) else str(told)


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


def check_finite(values: Any, stage: str, remedy: str) -> None:
    """Raises InputError naming the stage if there is NaN or infinity in a tensor or array of at least 32 bits."""
    total = values.sum()  # one number to fetch from the device, not a mask
    if not math.isfinite(float(total.detach() if hasattr(total, "detach") else total)):
        raise InputError(f"NaN or infinity after {stage}", remedy)
