# SPDX-License-Identifier: GPL-3.0-or-later
"""Where texsync may be installed, and how to start what the user points at.  No bpy here."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

WINDOWS = sys.platform == "win32"
BIN, EXE = ("Scripts", ".exe") if WINDOWS else ("bin", "")
# a program started from the desktop on macOS does not get the shell's PATH
USUAL = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin")


def find() -> str:
    """Path of the first texsync in the usual places, or ""."""
    return next((str(path) for path in candidates() if path.is_file()), "")


def candidates() -> Iterator[Path]:
    """Where texsync's program may be, likeliest first: TEXSYNC, PATH, virtual environments, pipx, uv."""
    if named := os.environ.get("TEXSYNC"):
        yield Path(named)
    if found := shutil.which("texsync"):
        yield Path(found)
    home = Path.home()
    folders = [home / "texsync" / ".venv", home / ".venv", home / "texsync", home / ".local"]
    folders += [home / ".local" / "share" / "pipx" / "venvs" / "texsync", home / ".local/pipx/venvs/texsync"]
    folders += [home / "pipx" / "venvs" / "texsync", home / ".local/share/uv/tools/texsync"]
    if data := os.environ.get("APPDATA"):
        folders.append(Path(data) / "uv" / "tools" / "texsync")
    for folder in folders:
        yield folder / BIN / f"texsync{EXE}"
    if not WINDOWS:
        yield from (Path(folder) / "texsync" for folder in USUAL)


def command(place: str) -> list[str]:
    """How to start texsync from what the user gave: texsync itself, a Python, or a folder that has either.

    Returns program and first arguments.  Raises ValueError, in words, if nothing there can be started.
    """
    path = Path(place.strip().strip('"')).expanduser()
    if path.is_dir():
        path = _inside(path)
    if not path.is_file():
        raise ValueError(f"There is no program at {path}")
    if not os.access(path, os.X_OK):
        raise ValueError(f"{path} is not a program that may be started")
    name = path.name.lower()
    return [str(path), "-m", "texsync"] if name.startswith(("python", "pypy")) else [str(path)]


def _inside(folder: Path) -> Path:
    """texsync or Python in a virtual environment, or in a folder that has one."""
    for base in (folder, folder / BIN, folder / ".venv" / BIN, folder / "venv" / BIN):
        for name in (f"texsync{EXE}", f"python{EXE}"):
            if (base / name).is_file():
                return base / name
    raise ValueError(f"There is neither texsync nor Python in {folder}")


def walled_in() -> str:
    """Why this Blender cannot start other programs, or ""."""
    for variable, kind in (("FLATPAK_ID", "Flatpak"), ("SNAP", "Snap")):
        if os.environ.get(variable) and "blender" in os.environ[variable].lower():
            return (
                f"This Blender is a {kind}, which may not start other programs; use the one from blender.org"
            )
    return ""
