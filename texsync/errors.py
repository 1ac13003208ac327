"""The few errors that a user can meet: a code and a remedy, told in the words of each door.

A message or remedy names options by `option`.  The worker sends these as data, so that a panel can speak of its own
fields and offer a button.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

_OPEN, _CLOSE = "\x0e", "\x0f"  # around an option inside a text; no keyboard types them
_THING, _VALUE, _SAID, _END = (
    "\x11",
    "\x12",
    "\x13",
    "\x14",
)  # around what a message is about, and a value in it
_ABOUT, _GOT = (
    re.compile(f"{_THING}([^{_END}]*){_END}"),
    re.compile(f"{_VALUE}([^{_SAID}]*){_SAID}([^{_END}]*){_END}"),
)
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


def about(thing: Any) -> str:
    """What a message is about, to be put into it: f"{about(path)} is missing" makes `path` the error's `thing`."""
    return f"{_THING}{thing}{_END}"


class got:
    """A value in a message, which makes it the error's `value`: f"{about(path)} has {got(count):,} faces".

    An "r" in front of the format is for its repr in a line: f"{got(name):r.60}" shows at most 60 characters of it.
    """

    def __init__(self, value: Any):
        self.value = value

    def __format__(self, how: str) -> str:
        value = self.value
        data, said = "null", f"a {type(value).__name__}"  # if it cannot be printed, as 5000 digits
        with suppress(Exception):
            in_line = " ".join(repr(value).split())
            said = format(in_line, how[1:]) if how.startswith("r") else format(value, how)
            data = json.dumps(value.item() if hasattr(value, "item") else value, default=repr)
        return f"{_VALUE}{data}{_SAID}{said}{_END}"

    def __repr__(self) -> str:
        return format(self, "r")


def _without_data(message: str) -> tuple[str, str, Any]:
    """(text, thing, value) of a message: what `about` and `got` say, else the option that it names first, and None."""
    things = [*_ABOUT.findall(message), *(name for name, _ in _OPTION.findall(message))]
    values = [json.loads(data) for data, _ in _GOT.findall(message)]
    return _GOT.sub(r"\2", _ABOUT.sub(r"\1", message)), next(iter(things), ""), next(iter(values), None)


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
    code: which error it is; it stays when the words change.  thing: what it is about, such as an option's name; said
    in the message with `about`, or else the option that it names first.  value: what was got, said with `got`.
    `exit_code` is what the shell returns: 1 our fault, 2 wrong input, 130 interrupted.
    """

    exit_code = 1
    usual = "internal"  # the code of those that name none

    def __init__(self, message: str, remedy: str = "", *, code: str = "", thing: str = "", value: Any = None):
        message, found, got_there = _without_data(message)
        self.texts = message, remedy
        self.code, self.thing = code or self.usual, thing or found
        self.value = got_there if value is None else value
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


class _ByCode(type):
    def __getattr__(cls, name: str) -> partial[InputError]:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(InputError, code=name.replace("_", "-"))


class Refused(metaclass=_ByCode):
    """Wrong input by its code: Refused.mesh_empty("no faces", "export it as a mesh") has the code "mesh-empty".

    Codes are those that docs/worker.md explains; a test holds every error to that list.
    """


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
