"""Kinds of values: each turns what a user gave into the type that texsync works with, or says in one line why not.

A kind is called with (name, value).  It raises InputError naming both, and what would be right, for everything else;
no text is taken for a number, since in Python and JSON that is a mistake.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import Refused, about, got
from ..plugins import COUPLINGS
from .control_kinds import joined_controls, said_controls
from .kind_errors import brief, is_a, unknown, warn_renamed, wrong
from .number_kinds import Flag, Real, Reals, Whole
from .prompt_grammar import parse, without_tags

LONGEST_TEXT = 10_000  # characters; models read some 300
DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]{1,3})?")


@dataclass(frozen=True)
class Text:
    """A text that can be written down, of less than book length."""

    def __call__(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise wrong("option-type", name, value, "must be a text", "put it in quotes")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise wrong("option-text", name, value, "is not Unicode text", "type it again") from None
        if len(value) > LONGEST_TEXT or "\0" in value:
            what = "has a NUL in it" if "\0" in value else f"has {len(value):,} characters"
            raise wrong("option-text", name, value, what, f"use at most {LONGEST_TEXT:,}, without NUL")
        return str(value)


@dataclass(frozen=True)
class WeighedText(Text):
    """A text that may weigh its words, see `prompt_grammar`."""

    def __call__(self, name: str, value: Any) -> str:
        said = super().__call__(name, value)
        parse(said)
        return said


@dataclass(frozen=True)
class Prompt(WeighedText):
    """One with a letter or a digit in it, beside what it names."""

    remedy: str = 'describe the picture, e.g. "mossy stone"'

    def __call__(self, name: str, value: Any) -> str:
        words = without_tags(value) if isinstance(value, str) else ""
        if not any(character.isalnum() for character in words):
            message = f"the prompt {brief(value)} is empty"
            raise Refused.prompt_empty(message, self.remedy, thing=name, value=value)
        return super().__call__("the prompt", value)


@dataclass(frozen=True)
class Choice:
    """One of the names in `known`, which maps each to a line on it.  objects: or an object of this class.

    what: what they are called in a message, else the option's name.  labels: what the panel calls those of them that
    are not called there as they are here.  was: names of an earlier edition, and what they are now.
    """

    known: Mapping[str, str]
    what: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    was: Mapping[str, str] = field(default_factory=dict)
    objects: str = ""

    def __call__(self, name: str, value: Any) -> Any:
        if is_a(value, self.objects):
            return value
        if isinstance(value, str) and value in self.was:
            warn_renamed(f"{name} {value}", f"{name} {self.was[value]}")
            value = self.was[value]
        if not isinstance(value, str) or value not in self.known:
            raise unknown(self.what or name, value, self.known)
        return str(value)

    def label(self, value: str) -> str:
        return self.labels.get(value, value.replace("-", " ").title())


@dataclass(frozen=True)
class Texts:
    """At least `least` texts, each of a kind, as a tuple."""

    least: int = 0
    each: Any = field(default_factory=Text)
    one: str = ""
    """What one of them is called."""
    remedy: str = "give a list"
    alone: bool = False
    """Whether one text alone counts as a list of one."""

    def __call__(self, name: str, value: Any) -> tuple[str, ...]:
        values = (value,) if self.alone and isinstance(value, (str, os.PathLike)) else value
        known = (str, os.PathLike) if isinstance(self.each, ModelName) else str
        if not isinstance(values, (tuple, list)) or not all(isinstance(one, known) for one in values):
            raise wrong("option-type", name, value, "must be a list of texts", self.remedy)
        if len(values) < self.least:
            raise Refused.option_count(f"{got(len(values))} {about(name)}", self.remedy)
        return tuple(self.each(self.one or name, one) for one in values)


@dataclass(frozen=True)
class Names:
    """Some of the names in `known`, each once, as a tuple; from a list, or from a text "glb,png"."""

    known: Mapping[str, str]
    one: str

    def __call__(self, name: str, value: Any) -> tuple[str, ...]:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, (tuple, list, set, frozenset)) or not names:
            raise wrong(
                "option-type", name, value, "must be a list of names", f"known: {', '.join(self.known)}"
            )
        choice = Choice(self.known)
        return tuple(dict.fromkeys(choice(self.one, Text()(self.one, said).strip()) for said in names))


@dataclass(frozen=True)
class PathName:
    """A Path with "~" expanded, that can name a file, whether or not there is one."""

    def __call__(self, name: str, value: Any) -> Path:
        if not isinstance(value, (str, os.PathLike)):
            raise wrong("option-type", name, value, "must be a path", "give the path of a file or folder")
        try:
            where = Path(value).expanduser()  # RuntimeError: there is no such user
            str(where).encode()  # not os.fsencode: the name is printed, and written into the result's files
            if "\0" in str(where):
                raise ValueError("it has a NUL in it")
            where.exists()  # OSError: it is too long, or may not be looked at
            where.resolve()  # RuntimeError: links that lead to themselves
        except UnicodeEncodeError:
            raise wrong("option-path", name, str(value), "is not a path (not UTF-8)", "rename it") from None
        except (TypeError, ValueError, RuntimeError, OSError) as error:
            reason = (getattr(error, "strerror", None) or str(error))[:80]
            raise wrong("option-path", name, str(value), f"is not a path ({reason})", "check it") from None
        return where


@dataclass(frozen=True)
class ModelName:
    """A model's name, hub id or folder, as a text.  objects: or an object of this class, which is a loaded model."""

    objects: str = ""

    @property
    def metavar(self) -> str:
        """What the shell calls it."""
        return "NAME|PATH|HUB_ID" if self.objects else "PATH|HUB_ID"

    def __call__(self, name: str, value: Any) -> Any:
        if is_a(value, self.objects):
            return value
        said = Text()(name, os.fspath(value) if isinstance(value, os.PathLike) else value)
        PathName()(name, said)
        return said


@dataclass(frozen=True)
class ControlNames:
    """ControlNets as one text, see `said_controls`; from a text, a path, or a list of them."""

    metavar: str = "[KIND=]PATH|HUB_ID[:SCALE]"

    def __call__(self, name: str, value: Any) -> str:
        if isinstance(value, (tuple, list)):
            if not value or not all(isinstance(one, (str, os.PathLike)) for one in value):
                raise wrong(
                    "option-type", name, value, "must be a list of names", "e.g. depth=owner/name:0.8"
                )
            value = joined_controls(value)
        said = Text()(name, os.fspath(value) if isinstance(value, os.PathLike) else value)
        for one in said_controls(said):
            PathName()(name, one.name)
        return said


@dataclass(frozen=True)
class CameraSet:
    """A set of cameras: one of the names in `known`, as a text, or a file or folder of cameras, as a Path, or what
    a JSON file of them holds, as a dict."""

    known: Mapping[str, str]

    @property
    def metavar(self) -> str:
        """What the shell calls it."""
        return "|".join([*self.known, "FILE", "FOLDER"])

    def __call__(self, name: str, value: Any) -> str | Path | dict[str, Any]:
        if isinstance(value, Mapping):
            return dict(value)
        where = PathName()(name, value)
        return str(where) if str(where) in self.known else where


@dataclass(frozen=True)
class CouplingName:
    """The name of a coupling, texsync's or an installed package's; or a Coupling."""

    def __call__(self, name: str, value: Any) -> Any:
        if is_a(value, "Coupling"):
            return value
        if not isinstance(value, str) or not COUPLINGS.known(value):
            raise unknown(name, value, COUPLINGS.names())
        return str(value)

    @property
    def known(self) -> dict[str, str]:
        """Name to a line on it."""
        return {name: COUPLINGS.line(name) for name in COUPLINGS.names()}

    def label(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Device:
    """auto, cpu, cuda, cuda:N or mps; whether it is there is found out when the model loads."""

    def __call__(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not DEVICE.fullmatch(value):
            raise unknown(name, value, ("auto", "cpu", "cuda", "cuda:N", "mps"))
        return str(value)


@dataclass(frozen=True)
class Thing:
    """Anything; what it may be is found out when it is read.  many: a list of them, or one alone, as a tuple."""

    many: bool = False

    def __call__(self, name: str, value: Any) -> Any:
        if not self.many:
            return value
        return tuple(value) if isinstance(value, (tuple, list)) else (value,)


@dataclass(frozen=True)
class PictureOr:
    """A picture, whatever holds it, or a text: one of `words`, or one that begins with one of `before` and a colon."""

    words: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    def __call__(self, name: str, value: Any) -> Any:
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(text, str):
            return value
        said = Text()(name, text)
        if said in self.words or said.partition(":")[0] in self.before:
            return said
        return PathName()(name, said)


@dataclass(frozen=True)
class Call:
    """A function; only Python can give one."""

    def __call__(self, name: str, value: Any) -> Any:
        if not callable(value):
            raise wrong("option-type", name, value, "must be a function", "leave it out for silence")
        return value


Kind = (
    Whole
    | Real
    | Reals
    | Flag
    | Text
    | Choice
    | Texts
    | Names
    | PathName
    | ModelName
    | ControlNames
    | CameraSet
    | CouplingName
    | Device
    | Thing
    | PictureOr
    | Call
)
