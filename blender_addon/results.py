# SPDX-License-Identifier: GPL-3.0-or-later
"""Results on disk, one folder each, so that one can be applied again, also after Undo or in another session.

<output folder>/<time>_<name>/result.json beside texture/<object>_<name>.png, texture/look.png, texture/uvs.bin and
faces.bin.  No bpy here.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

RECORD = "result.json"
MADE = "texture.png"  # the worker's name for the picture
LOOK = "look.png"  # and for what the views show
SHOWN = 6
DAY = 86400.0  # seconds


def new_folder(base: Path, name: str) -> Path:
    """Make an empty folder for one job; raises OSError where that is not possible."""
    stem = time.strftime("%Y-%m-%d_%H-%M-%S_") + plain(name, 40)
    for count in range(1000):
        folder = base / (f"{stem}_{count}" if count else stem)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise FileExistsError(f"{base} has a thousand folders like {stem}")


def plain(name: str, most: int = 60) -> str:
    """A name that every system takes as a file's."""
    return re.sub(r"[^\w-]+", "_", name)[:most].strip("_") or "mesh"


def name_picture(folder: Path, record: dict) -> None:
    """Give the worker's picture a name of its own: exporters and Unpack know pictures by their files' names."""
    name = f"{plain(record.get('file_name') or record['name'])}.png"
    with contextlib.suppress(OSError):  # locked: it keeps the name that it has
        (folder / "texture" / MADE).rename(folder / "texture" / name)


def picture(folder: Path) -> Path | None:
    """The texture in a folder of results, or None."""
    found = [path for path in (folder / "texture").glob("*.png") if path.name != LOOK]
    return min(found, key=lambda path: (len(path.name), path.name), default=None)


def free_picture(folder: Path, taken: Iterable[str]) -> Path | None:
    """The texture under a file name that no other picture has; a copy, where its own is taken."""
    first, names = picture(folder), {name.casefold() for name in taken}
    if first is None:
        return None
    for count in range(1, 1000):
        path = first if count == 1 else first.with_name(f"{first.stem}_{count}.png")
        if path.name.casefold() not in names:
            if not path.is_file():
                shutil.copyfile(first, path)
            return path
    return first


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


def title(record: dict) -> str:
    """What a result is called in lists; pictures that were baked have no seed."""
    seed = record.get("seed")
    return record["name"] if seed is None else f"{record['name']}, seed {seed}"


def latest(base: Path, count: int = SHOWN) -> list[tuple[Path, dict]]:
    """The newest finished results, newest first."""
    found = []
    with contextlib.suppress(OSError):
        for folder in sorted(base.iterdir(), reverse=True):
            if len(found) == count:
                break
            if picture(folder):
                with contextlib.suppress(ValueError):
                    found.append((folder, read(folder)))
    return found


def discard(folder: Path) -> None:
    """Remove a job that came to nothing, or a result: its own files and the folder, nothing else.

    What another program holds open stays; there is nothing to tell about that.
    """
    own = [folder / name for name in (RECORD, "mesh.texmesh", "map.texmesh", "faces.bin")]
    own += [folder / place / name for place in ("map", "texture") for name in ("uvs.bin", "run.json")]
    for path in (*own, *(folder / "texture").glob("*.png")):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    for place in (folder / "map", folder / "texture", folder):
        with contextlib.suppress(OSError):
            place.rmdir()


def size(base: Path) -> tuple[int, int]:
    """(how many results, bytes of all files) in a folder of results."""
    folders = [folder for folder, _ in latest(base, 10**6)]
    files = [path for folder in folders for path in folder.rglob("*")]
    return len(folders), sum(_bytes(path) for path in files)


def _bytes(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size if path.is_file() else 0
    return 0


def remove_old(base: Path, days: float) -> int:
    """Delete results older than that, but not pictures that a .blend reads from here, and logs; says how many."""
    before, count = time.time() - days * DAY, 0
    for folder, record in latest(base, 10**6):
        with contextlib.suppress(OSError):
            if record.get("storage", "pack") == "pack" and (folder / RECORD).stat().st_mtime < before:
                discard(folder)
                count += 1
    for log in base.glob("worker*.log"):
        with contextlib.suppress(OSError):  # of a Blender that runs still
            if log.stat().st_mtime < before:
                log.unlink()
    return count
