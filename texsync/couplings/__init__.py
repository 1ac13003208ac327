"""How pictures listen to each other; one file per method."""

from __future__ import annotations

from dataclasses import fields

from ..errors import InputError
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
    return COUPLINGS[name](**options)
