# SPDX-License-Identifier: GPL-3.0-or-later
"""What lives as long as Blender does, not as long as a file: the session, the check, the list of results.

Kept here and not in Blender's data, so that it is neither saved nor undone.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from . import installed, results
from .client import Doctor
from .session import Session
from .waiting import Waiting


@dataclass
class Outcome:
    """What was made since the file was opened.

    ready: folders of results that wait to be applied.  done: "NAME, seed N" of the last that was.
    seen: what cameras see of a mesh, in words.
    """

    ready: list[Path] = field(default_factory=list)
    done: str = ""
    seen: str = ""


session = Session()
waiting = Waiting()
outcome = Outcome()
opened = uuid.uuid4().hex  # a word for this .blend, for as long as it is open
doctor: Doctor | None = None
window = None  # the window that Generate was pressed in
place = 0  # and the address of its 3D view
_found: str | None = None
_latest: list[tuple[Path, dict]] = []
_latest_of: Path | None = None
_size: tuple[int, int] = (0, 0)
_size_of: Path | None = None


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


def another_file() -> None:
    """Forget what belonged to the .blend before.  A worker that does nothing stays: its start takes seconds."""
    global opened, window, place, outcome
    if session.busy:
        session.close()
    waiting.clear()
    session.problem = None
    opened, window, place, outcome = uuid.uuid4().hex, None, 0, Outcome()


def busy() -> bool:
    """Whether anything is being made, or waits to be."""
    return session.busy or waiting.goes_on


def examine(command: list[str], offline: bool = False) -> None:
    """Start a check."""
    global doctor
    doctor = Doctor(command, offline)


def report() -> dict | None:
    return doctor.report() if doctor else None


def latest(base: Path) -> list[tuple[Path, dict]]:
    """The newest results; read when there is a new one, not at every redraw."""
    global _latest, _latest_of
    if _latest_of != base:
        _latest, _latest_of = results.latest(base), base
    return _latest


def title(folder: Path) -> str:
    """What a result is called."""
    record = next((record for one, record in _latest if one == folder), None)
    try:
        record = record or results.read(folder)
    except ValueError:
        return folder.name
    return results.title(record)


def look(folder: Path) -> Path:
    """The picture that stands for a result."""
    path = folder / "texture" / results.LOOK
    return path if path.is_file() else results.picture(folder) or path


def size(base: Path) -> tuple[int, int]:
    """How many results there are and their bytes; counted when there is a new one."""
    global _size, _size_of
    if _size_of != base:
        _size, _size_of = results.size(base), base
    return _size


def forget_latest() -> None:
    global _latest_of, _size_of
    _latest_of = _size_of = None
