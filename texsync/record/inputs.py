"""The files that a run was made from: where they were and what was in them, so that it can be repeated."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

BLOCK = 2**20  # bytes read at once


def input_files(**given: Any) -> list[dict[str, str]]:
    """{"option", "path", "sha256"} of every value that is the path of a file, or a list of such.

    path: absolute.  Pictures, arrays and meshes from memory are no files and not among them.
    """
    found = []
    for option, value in given.items():
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(one, (str, os.PathLike)) and (place := existing(one)):
                path = place.absolute()
                found.append({"option": option, "path": str(path), "sha256": sha256(path)})
    return found


def existing(name: str | os.PathLike) -> Path | None:
    """The file of that name; None for a name that is no file's, or can be none's."""
    try:
        path = Path(name).expanduser()  # RuntimeError: there is no such user
        return path if path.is_file() else None
    except (OSError, RuntimeError, ValueError):
        return None


def seen_from(files: list[dict[str, str]], folder: Path) -> list[dict[str, str]]:
    """The same, each with its path relative to a folder of results, where there is one."""
    return [{**file, "relative": _relative(Path(file["path"]), folder.absolute())} for file in files]


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return ""


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
