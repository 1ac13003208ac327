"""Kinds of mesh files, a file each: a module here that has a `FORMAT` is read, and painted, like all others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from ..source import TrimeshSource

Y_UP, Z_UP = ("y", "z"), ("z", "-y")  # glTF's convention; Blender's, which most STL and PLY files follow


@dataclass(frozen=True)
class Format:
    """A kind of mesh file.

    endings: of its files, in small letters.  read: what is in a file; it may raise whatever its first wrong assumption
    leads to.  axes: which of a file's axes are taken to point up and to the front.  public: named to users.
    """

    endings: tuple[str, ...]
    read: Callable[[Path], TrimeshSource]
    axes: tuple[str, str] = Y_UP
    public: bool = True


@cache
def formats() -> dict[str, Format]:
    """Every format of this folder, by ending."""
    found = [import_module(f"{__name__}.{module.name}").FORMAT for module in iter_modules(__path__)]
    return {ending: format for format in found for ending in format.endings}


def known() -> tuple[str, ...]:
    """The endings that users are told of."""
    return tuple(ending for ending, format in formats().items() if format.public)
