"""How pictures listen to each other; one file per method."""

from __future__ import annotations

from dataclasses import fields

from ..errors import InputError
from .base import Coupling as Coupling
from .independent import Independent as Independent
from .sync_sde import SyncSDE as SyncSDE
from .sync_tweedies import SyncTweedies as SyncTweedies

COUPLINGS: dict[str, type[Coupling]] = {
    "syncsde": SyncSDE,
    "synctweedies": SyncTweedies,
    "none": Independent,
}


def make(name: str, **options) -> Coupling:
    """Build a coupling by name.  Raises InputError on an unknown name, option or value."""
    if name not in COUPLINGS:
        raise InputError(f"unknown coupling {name!r}", f"use one of {', '.join(COUPLINGS)}")
    takes = [field.name for field in fields(COUPLINGS[name])]  # type: ignore[arg-type]
    for option in options:
        if option not in takes:
            raise InputError(
                f"coupling {name!r} has no {option}", f"it takes {', '.join(takes) or 'no options'}"
            )
    return COUPLINGS[name](**options)
