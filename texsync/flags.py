"""From declared options to the shell's flags: what click is told, and what an error calls them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import click

from .options import kinds, number_kinds
from .options.declared import UNSET, Declared, Options, declared
from .tasks import FUNCTIONS, options_of

HEADINGS = {
    "main": "Main",
    "surface": "Surface",
    "output": "Output",
    "model": "Model",
    "advanced": "Advanced",
    "help": "Help",
}


class ShellOption(click.Option):
    """A shell's option that knows its section."""

    def __init__(self, names: list[str], *, section: str = "main", **details: Any):
        super().__init__(names, **details)
        self.section = section


class KnownValue(click.ParamType):
    """A name that a kind knows; they are looked for when they are needed, not when a command is declared."""

    name = "name"

    def __init__(self, kind: kinds.CouplingName):
        self.kind = kind

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(self.kind.known)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value not in self.kind.known:
            self.fail(f"{value!r} is not one of {', '.join(self.kind.known)}.", param, ctx)
        return value


class TexelCount(click.ParamType):
    """One number, or a text that its kind reads."""

    name = "integer or WIDTHxHEIGHT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else value


def parameters(cls: type[Options]) -> list[click.Parameter]:
    """The arguments and flags of a class of options, its own before those that it shares."""
    said = {name: one for name, one in declared(cls).items() if "shell" in one.doors}
    names = sorted(said, key=lambda name: name not in vars(cls)["__annotations__"])
    return [made for name in names for made in _parameters(name, said[name])]


def values_of(cls: type[Options], given: dict[str, Any]) -> dict[str, Any]:
    """What the shell was given, as values of a class of options; what was left out is left out.

    Raises click.UsageError for two flags that set one option.
    """
    values: dict[str, Any] = {}
    for name, said in declared(cls).items():
        if isinstance(said.flag, dict):
            chosen = [value for value, flag in said.flag.items() if given.get(_key(flag))]
            if len(chosen) > 1:
                both = " and ".join(f"--{said.flag[value]}" for value in chosen)
                raise click.UsageError(f"{both} exclude each other; give one of them, or neither")
            if chosen:
                values[name] = chosen[0]
        elif given.get(name) not in (None, ()):
            values[name] = given[name]
        elif said.was and given.get(said.was) is not None:
            values[said.was] = given[said.was]
        elif said.default is UNSET:  # the check of the values says what is missing
            values[name] = () if _is_list(said) else ""
    return values


def flag(name: str, value: Any = None) -> str:
    """An option, or a value for it, in the shell's words."""
    said = _known().get(name)
    if said and isinstance(said.flag, dict):
        flags = said.flag if value is None else {value: said.flag.get(value, name)}
        return " or ".join(f"--{one}" for one in flags.values())
    word = "--" + (str(said.flag) if said and said.flag else name.replace("_", "-"))
    if value is None or isinstance(value, bool):
        return word
    return f'{word} "{value}"' if " " in str(value) else f"{word} {value}"


@cache
def _known() -> dict[str, Declared]:
    """Every option of every task."""
    classes = [options_of(task) for task in FUNCTIONS]
    return {
        name: said for cls in classes for one in (cls, cls.saving) for name, said in declared(one).items()
    }


def _is_list(said: Declared) -> bool:
    return isinstance(said.kind, (kinds.Texts, kinds.ControlNames)) or (
        isinstance(said.kind, kinds.Thing) and said.kind.many
    )


def _key(flag: str) -> str:
    return flag.replace("-", "_")


def _parameters(name: str, said: Declared) -> list[click.Parameter]:
    if said.argument:
        kind = click.Path(path_type=Path) if said.file else click.STRING
        return [click.Argument([name], type=kind, required=True, nargs=-1 if _is_list(said) else 1)]
    if isinstance(said.flag, dict) and isinstance(said.kind, kinds.Choice):
        lines = said.kind.known
        return [
            ShellOption([f"--{flag}"], is_flag=True, help=_sentence(lines[value]), section=said.section)
            for value, flag in said.flag.items()
        ]
    word = "--" + (str(said.flag) if said.flag else name.replace("_", "-"))
    shown = said.unsaid or _shown(said.default)
    help = f"{said.help}  [default: {shown}]" if shown else said.help
    details = {
        "help": help,
        "section": said.section,
        "metavar": said.metavar or getattr(said.kind, "metavar", None),
        "default": None,
    }
    old = [ShellOption([f"--{said.was}"], type=click.STRING, hidden=True)] if said.was else []
    return [ShellOption([word, name], **{**details, **_type(said)}), *old]


def _type(said: Declared) -> dict[str, Any]:
    """What click is to be told of a kind."""
    kind = said.kind
    if isinstance(kind, number_kinds.Flag):
        return {"is_flag": True, "flag_value": not said.default}
    if isinstance(kind, number_kinds.Reals):
        return {"type": click.FLOAT, "nargs": len(kind.names)}
    if _is_list(said):
        return {"type": _path(said), "multiple": True}
    if isinstance(kind, kinds.CouplingName):
        return {"type": KnownValue(kind)}
    if isinstance(kind, kinds.Choice):
        return {"type": click.STRING if said.metavar else click.Choice(list(kind.known))}
    if isinstance(kind, number_kinds.TextureSize):
        return {"type": TexelCount()}
    return {
        "type": {number_kinds.Whole: click.INT, number_kinds.Real: click.FLOAT}.get(type(kind), _path(said))
    }


def _path(said: Declared) -> click.ParamType:
    is_path = said.file or isinstance(said.kind, kinds.PathName)
    return click.Path(path_type=Path) if is_path else click.STRING


def _shown(default: Any) -> str:
    """A default as --help says it; "" where there is none to say."""
    if default is UNSET or default in (None, (), ""):
        return ""
    if isinstance(default, bool):
        return ""
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _sentence(line: str) -> str:
    return f"{line[:1].upper()}{line[1:]}."
