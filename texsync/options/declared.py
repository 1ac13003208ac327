"""An option is declared once, as a field of a class; the shell, Python, the worker and Blender derive theirs from it.

    @option_class
    class Common(Options):
        seed: int = declare("Same seed, same picture.", Whole(), default=0)
        steps: int | None = declare("Denoising steps.", Whole(1, 1000), "main", default=unsaid("the model's"))

    @takes(Common)
    def paint(options: Common) -> Picture: ...

`Common(seed=3)` checks and converts every value; `paint(seed=3)` has the same keywords with the same defaults, for
editors and type checkers too, and a wrong name is a TypeError with the nearest right one.

Plain dataclasses, since they cost no time to import: pydantic takes 0.28 s until its first class is there, tyro 0.17 s,
cyclopts 0.12 s (CPU time on one machine), and none of them describes a panel.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

from .kind_errors import warn_renamed
from .kinds import Choice, CouplingName, Kind, Texts
from .number_kinds import Real, Reals, Whole

if TYPE_CHECKING or sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:  # type checkers alone need it

    def dataclass_transform(**_: Any) -> Any:
        return lambda decorator: decorator


SECTIONS = ("main", "surface", "output", "model", "advanced")
PYTHON, SHELL = ("python",), ("shell",)  # options that one door alone may set
PRESET = "like_paper"  # the option that gives others their `paper` value
UNSET: Any = object()  # no default, or no value of the paper's
P = ParamSpec("P")
Class = TypeVar("Class")
Asked = TypeVar("Asked")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Declared:
    """What is said of an option beside its name, type and default.

    help: one line, for --help, tooltips and docs.  kind: what values it takes.  unsaid: in words, what None stands for.
    section: of SECTIONS, where shell and panel show it.  label: the panel's name where that is not "Its Own Name"; ""
    keeps it out of the panel.
    soft: (low, high) of the panel's slider.  usual: where the panel's field starts, if 0 cannot stand for None there.
    sweep: whether `--sweep` may vary it.  doors: who may set it, of "shell", "python", "worker".
    argument: the shell takes it without a flag.  needed: the shell's flag has to be given.
    flag: the shell's flag, without its dashes, where it is not the name; of a choice,
    name to flag; of a flag that is on, what turns it off.
    metavar: what the shell calls its value.  file: it names files, which `run.json` remembers with what was in them.
    recorded: whether `run.json` keeps it.  paper: its value as in SyncSDE's paper, where that is another.
    was: its name in an earlier edition, which works for one release more, with a warning.
    """

    help: str
    kind: Kind
    section: str = "advanced"
    default: Any = UNSET
    unsaid: str = ""
    label: str | None = None
    soft: tuple[float, float] | None = None
    usual: Any = None
    sweep: bool = True
    doors: tuple[str, ...] = ("shell", "python", "worker")
    argument: bool = False
    flag: str | Mapping[str, str] = ""
    metavar: str | None = None
    file: bool = False
    recorded: bool = True
    paper: Any = UNSET
    was: str = ""

    @property
    def kept(self) -> bool:
        """Whether `run.json` keeps it."""
        return self.recorded and self.doors != PYTHON

    @property
    def varies(self) -> bool:
        """Whether `--sweep` may vary it."""
        listed = isinstance(self.kind, Texts) and not self.kind.alone
        return self.sweep and self.kept and self.default is not UNSET and not listed

    def title(self, name: str) -> str:
        """What the panel calls it; "" where it does not show it."""
        shown = name.replace("_", " ").title() if self.label is None else self.label
        return "" if isinstance(self.kind, Texts) or "worker" not in self.doors else shown


def unsaid(words: str) -> Any:
    """A default of None, and in words what that stands for."""
    return _Unsaid(words)


class _Unsaid(str):
    pass


def declare(
    help: str,
    kind: Kind,
    section: str = "advanced",
    *,
    default: Any = UNSET,
    kw_only: bool = True,
    **more: Any,
) -> Any:
    """A field of a class of options; see `Declared`.  kw_only: Python takes it by name only."""
    if isinstance(default, _Unsaid):
        default, more["unsaid"] = None, str(default)
    said = Declared(help, kind, section, default, **more)
    return field(
        metadata={"declared": said}, kw_only=kw_only, **({} if default is UNSET else {"default": default})
    )


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(declare,))
def option_class(cls: type[Class]) -> type[Class]:
    """Make a class of options of its fields: a frozen dataclass that checks and converts every value."""
    made: Any = dataclass(frozen=True, kw_only=True, repr=False)(cls)
    plain = made.__init__

    @wraps(plain)
    def init(self: Any, *values: Any, **named: Any) -> None:
        named = renamed(named, declared(made))
        check_names(cls.__name__, named, declared(made))
        plain(self, *values, **with_preset(made, len(values), named))

    made.__init__ = init
    return made


class Options:
    """Base of all classes of options."""

    SMALLER: ClassVar[str] = "close other programs"
    """What to do where there is not enough memory."""
    PAPER: ClassVar[Mapping[str, Any]] = {}
    """The paper's values that are this task's alone; others are declared with the option."""

    def __post_init__(self) -> None:
        for name, said in declared(type(self)).items():
            value = getattr(self, name)
            if value is not None or said.default is not None:
                object.__setattr__(self, name, said.kind(name.replace("_", " "), value))
        self.check()

    def check(self) -> None:
        """What several options together must fulfil; raises InputError."""

    @property
    def folder(self) -> str:
        """Where the shell puts results if it is not told."""
        return "result"

    def arguments(self, door: str = "python") -> dict[str, Any]:
        """Every option that a door may set, by name, as converted: what the task's function takes."""
        return {
            name: getattr(self, name) for name, said in declared(type(self)).items() if door in said.doors
        }

    def record(self) -> dict[str, Any]:
        """Those of them that `run.json` keeps."""
        return {name: getattr(self, name) for name, said in declared(type(self)).items() if said.kept}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Name to default, for every option that has one and is recorded."""
        said = {n: one for n, one in declared(cls).items() if one.kept}
        return {name: one.default for name, one in said.items() if one.default is not UNSET}


def declared(cls: type) -> dict[str, Declared]:
    """Name to what is declared, in the order in which Python takes them."""
    found = [one for one in fields(cls) if "declared" in one.metadata]
    return {one.name: one.metadata["declared"] for one in sorted(found, key=lambda one: bool(one.kw_only))}


def with_preset(cls: type[Options], placed: int, named: dict[str, Any]) -> dict[str, Any]:
    """Keywords, and what the preset gives, if it is on, to options that are not given, or None.

    placed: how many options were given without their names.
    """
    wanted = named.get(PRESET)
    if type(wanted).__name__ not in ("bool", "bool_") or not wanted:
        return named
    said = list(declared(cls).items())[placed:]
    papers = {name: cls.PAPER.get(name, one.paper) for name, one in said}
    papers = {name: value for name, value in papers.items() if value is not UNSET}
    return {**named, **{name: value for name, value in papers.items() if named.get(name) is None}}


def nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'seed'?" for a name close to a known one, else ""."""
    close = get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def renamed(given: Mapping[str, Any], known: Mapping[str, Declared]) -> dict[str, Any]:
    """The options given, each by the name that it has now; warns (TexsyncWarning) of those that had another."""
    names = {said.was: name for name, said in known.items() if said.was}
    for old in names.keys() & given.keys():
        warn_renamed(old, names[old])
    return {names.get(name, name): value for name, value in given.items()}


def check_names(function: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raises TypeError for a name that there is not, with the nearest that there is."""
    known = list(known)
    for name in given:
        if name not in known:
            raise TypeError(f"{function}() has no option {name!r}{nearest(name, known)}")


def takes(asked: Callable[P, Asked]) -> Callable[[Callable[[Asked], Result]], Callable[P, Result]]:
    """The decorated function of one object of options becomes one of their keywords.

    Raises TypeError, as Python does, for a name that there is not, but with the nearest one.
    """
    known = signature(asked)

    def decorate(function: Callable[[Asked], Result]) -> Callable[P, Result]:
        @wraps(function)
        def call(*values: P.args, **named: P.kwargs) -> Result:
            now = renamed(named, declared(asked))  # type: ignore[arg-type]
            check_names(function.__name__, now, known.parameters)
            try:
                known.bind(*values, **now)
            except TypeError as error:
                raise TypeError(f"{function.__name__}(): {error}") from None
            return function(asked(*values, **now))

        returned = signature(function).return_annotation
        call.__signature__ = known.replace(return_annotation=returned)  # type: ignore[attr-defined]
        call.takes = asked  # type: ignore[attr-defined]
        call.__doc__ = f"{(function.__doc__ or '').rstrip()}\n\n{documented(declared(asked))}"  # type: ignore[arg-type]
        return call

    return decorate


def documented(known: Mapping[str, Declared]) -> str:
    """The options as lines of a docstring."""
    lines = (
        f"{name}: {said.help}" + f"  None: {said.unsaid}." * bool(said.unsaid) for name, said in known.items()
    )
    return "".join(f"    {line}\n" for line in lines)


def described(cls: type) -> list[dict[str, Any]]:
    """The options that a panel shows, as plain data: name, kind, default, limits, choices, words."""
    return [_described(name, said) for name, said in declared(cls).items() if said.title(name)]


def _described(name: str, said: Declared) -> dict[str, Any]:
    kind = said.kind
    limits = kind.each if isinstance(kind, Reals) else kind if isinstance(kind, (Real, Whole)) else None
    plain: dict[str, Any] = {
        "name": name,
        "label": said.title(name),
        "help": said.help,
        "unsaid": said.unsaid,
        "section": said.section,
        "kind": type(kind).__name__,
        "default": None if said.default is UNSET else said.default,
        "usual": said.usual,
        "soft": said.soft,
    }
    if isinstance(kind, Whole):
        plain["kind"] = "Whole"
    if limits:
        plain |= {"low": limits.low, "high": limits.high if limits.high < 2**31 else None}
    if isinstance(kind, Reals):
        plain["names"] = kind.names
    if isinstance(kind, (Choice, CouplingName)):
        plain["kind"] = "Choice"
        plain["choices"] = [[value, kind.label(value), line] for value, line in kind.known.items()]
    return plain
