# SPDX-License-Identifier: GPL-3.0-or-later
"""Results on disk, one folder each, so that one can be applied again, also after Undo or in another session.

<output folder>/<time>_<name>/result.json beside texture/texture.png, texture/uvs.bin and faces.bin.  No bpy here.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from pathlib import Path

RECORD = "result.json"
SHOWN = 5


def new_folder(base: Path, name: str) -> Path:
    """Make an empty folder for one job; raises OSError where that is not possible."""
    stem = time.strftime("%Y-%m-%d_%H-%M-%S_") + (re.sub(r"[^\w-]+", "_", name)[:40].strip("_") or "mesh")
    for count in range(1000):
        folder = base / (f"{stem}_{count}" if count else stem)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise FileExistsError(f"{base} has a thousand folders like {stem}")


def write(folder: Path, record: dict) -> None:
    """Remember what the job was for."""
    (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")


def read(folder: Path) -> dict:
    """The record in a folder; raises ValueError, in words, if there is none."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ValueError(f"There is no result in {folder}") from None
    if not isinstance(record, dict) or not isinstance(record.get("targets"), list):
        raise ValueError(f"{folder / RECORD} is not a record of this add-on's")
    return record


def latest(base: Path, count: int = SHOWN) -> list[tuple[Path, dict]]:
    """The newest finished results, newest first."""
    found = []
    with contextlib.suppress(OSError):
        for folder in sorted(base.iterdir(), reverse=True):
            if len(found) == count:
                break
            if (folder / "texture" / "texture.png").is_file():
                with contextlib.suppress(ValueError):
                    found.append((folder, read(folder)))
    return found


def discard(folder: Path) -> None:
    """Remove a job that came to nothing: its own files and the folder, nothing else."""
    for name in (RECORD, "mesh.texmesh", "map.texmesh", "faces.bin"):
        (folder / name).unlink(missing_ok=True)
    for place in (folder / "map", folder):
        with contextlib.suppress(OSError):
            for name in ("uvs.bin", "run.json"):
                (place / name).unlink(missing_ok=True)
            place.rmdir()
