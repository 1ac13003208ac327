# SPDX-License-Identifier: GPL-3.0-or-later
"""What lives as long as Blender does, not as long as a file: the session, the check, the list of results.

Kept here and not in Blender's data, so that it is neither saved nor undone.
"""

from __future__ import annotations

from pathlib import Path

from . import installed, results
from .client import Doctor
from .session import Session

session = Session()
doctor: Doctor | None = None
window = None  # the window that Generate was pressed in
_found: str | None = None
_latest: list[tuple[Path, dict]] = []
_latest_of: Path | None = None


def found() -> str:
    """texsync's path in the usual places; looked up once, as drawing asks for it all the time."""
    global _found
    if _found is None:
        _found = installed.find()
    return _found


def look_again() -> str:
    global _found
    _found = None
    return found()


def examine(command: list[str]) -> None:
    """Start a check."""
    global doctor
    doctor = Doctor(command)


def report() -> dict | None:
    return doctor.report() if doctor else None


def latest(base: Path) -> list[tuple[Path, dict]]:
    """The newest results; read when there is a new one, not at every redraw."""
    global _latest, _latest_of
    if _latest_of != base:
        _latest, _latest_of = results.latest(base), base
    return _latest


def forget_latest() -> None:
    global _latest_of
    _latest_of = None
