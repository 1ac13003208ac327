"""How views influence each other; one file per method, in `methods`, and found there by its name."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from inspect import isclass
from numbers import Integral, Real
from types import ModuleType
from typing import Any

from ..errors import Refused, about, got
from ..options.kind_errors import brief
from ..plugins import COUPLINGS
from .base import Coupling as Coupling
from .methods.csg import CSG as CSG
from .methods.multidiffusion import MultiDiffusion as MultiDiffusion
from .methods.multidiffusion import flat_colours as flat_colours
from .methods.none import Independent as Independent
from .methods.syncdiffusion import SyncDiffusion as SyncDiffusion
from .methods.syncmvd import SyncMVD as SyncMVD
from .methods.syncsde import SyncSDE as SyncSDE
from .methods.synctweedies import SyncTweedies as SyncTweedies
from .methods.visual_anagrams import VisualAnagrams as VisualAnagrams


def names() -> list[str]:
    """Of all couplings, texsync's own first."""
    return COUPLINGS.names()


def named(name: str) -> type[Coupling]:
    """The coupling of that name, texsync's or another package's.  Raises InputError if there is none."""
    found = COUPLINGS.load(name)
    if isinstance(found, ModuleType):
        mine = [one for one in vars(found).values() if _is_coupling(one) and one.__module__ == found.__name__]
        found = mine[0] if len(mine) == 1 else found
    if not _is_coupling(found):
        raise Refused.coupling_option(
            f"{about('coupling')} {got(name)!r} is {brief(found)}",
            "it must be one class, derived from Coupling",
        )
    return found


def takes(name: str) -> tuple[str, ...]:
    """The options of a coupling, by name.  Raises InputError on an unknown one."""
    return tuple(_annotations(named(name)))


def make(name: str, **options: Any) -> Coupling:
    """Build a coupling by name.  Raises InputError on an unknown name, option or value."""
    kind, known = named(name), takes(name)
    for option in options:
        if option not in known:
            raise Refused.coupling_option(
                f"{about('coupling')} {got(name)!r} has no {option}",
                f"it takes {', '.join(known) or 'no options'}",
            )
    for option, annotation in _annotations(kind).items():
        if option in options:
            check_type(option, options[option], annotation)
    return kind(**options)


def check_type(name: str, value: Any, annotation: str) -> None:
    """Raises InputError unless a coupling's option is the number, text or bool that its annotation says."""
    kind, optional, _ = annotation.partition(" | None")
    if kind not in TYPES or (optional and value is None):
        return
    type_, words = TYPES[kind]
    wrong = not isinstance(value, type_) or (isinstance(value, bool) and kind != "bool")
    if wrong or (isinstance(value, int) and abs(value) >= 2**63):
        raise Refused.coupling_option(f"{about(name)} is {brief(value)}", f"give {words}")


def _annotations(kind: type[Coupling]) -> dict[str, str]:
    """Option to its type, as it is written."""
    if not is_dataclass(kind):
        return {}
    return {one.name: getattr(one.type, "__name__", str(one.type)) for one in fields(kind)}


def _is_coupling(value: Any) -> bool:
    return isclass(value) and issubclass(value, Coupling) and value is not Coupling


TYPES: dict[str, tuple[type, str]] = {
    "float": (Real, "a number"),
    "int": (Integral, "a whole number"),
    "bool": (bool, "yes or no"),
    "str": (str, "a text"),
}
