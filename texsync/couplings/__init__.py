"""How pictures listen to each other; one file per method."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real
from typing import Any

from ..errors import InputError
from ..options import brief
from .base import Coupling as Coupling
from .csg import CSG as CSG
from .independent import Independent as Independent
from .multi_diffusion import MultiDiffusion as MultiDiffusion
from .multi_diffusion import flat_colours as flat_colours
from .sync_diffusion import SyncDiffusion as SyncDiffusion
from .sync_mvd import SyncMVD as SyncMVD
from .sync_sde import SyncSDE as SyncSDE
from .sync_tweedies import SyncTweedies as SyncTweedies
from .visual_anagrams import VisualAnagrams as VisualAnagrams

COUPLINGS: dict[str, type[Coupling]] = {
    "syncsde": SyncSDE,
    "synctweedies": SyncTweedies,
    "multidiffusion": MultiDiffusion,
    "visual-anagrams": VisualAnagrams,
    "syncmvd": SyncMVD,
    "syncdiffusion": SyncDiffusion,
    "csg": CSG,
    "none": Independent,
}


def takes(name: str) -> tuple[str, ...]:
    """The options of a coupling, by name.  Raises InputError on an unknown one."""
    if name not in COUPLINGS:
        raise InputError(f"unknown coupling {name!r}", f"use one of {', '.join(COUPLINGS)}")
    return tuple(field.name for field in fields(COUPLINGS[name]))  # type: ignore[arg-type]


def make(name: str, **options) -> Coupling:
    """Build a coupling by name.  Raises InputError on an unknown name, option or value."""
    known = takes(name)
    for option in options:
        if option not in known:
            raise InputError(
                f"coupling {name!r} has no {option}", f"it takes {', '.join(known) or 'no options'}"
            )
    for field in fields(COUPLINGS[name]):  # type: ignore[arg-type]
        if field.name in options:
            check_type(field.name, options[field.name], str(field.type))
    return COUPLINGS[name](**options)


def check_type(name: str, value: Any, annotation: str) -> None:
    """Raises InputError unless a coupling's option is the number, text or bool that its annotation says."""
    kind, optional, _ = annotation.partition(" | None")
    if kind not in TYPES or (optional and value is None):
        return
    type_, words = TYPES[kind]
    wrong = not isinstance(value, type_) or (isinstance(value, bool) and kind != "bool")
    if wrong or (isinstance(value, int) and abs(value) >= 2**63):
        raise InputError(f"{name} is {brief(value)}", f"give {words}")


TYPES: dict[str, tuple[type, str]] = {
    "float": (Real, "a number"),
    "int": (Integral, "a whole number"),
    "bool": (bool, "yes or no"),
    "str": (str, "a text"),
}
