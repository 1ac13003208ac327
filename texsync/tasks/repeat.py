"""A run again, from the `run.json` that it left."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Refused, TexsyncWarning, about
from ..options.declared import UNSET, declared
from ..options.output import MARK
from ..options.shared import SETTINGS
from ..record.inputs import sha256
from . import FUNCTIONS, function_of, options_of

if TYPE_CHECKING:
    from .made import Pictures
    from .textured import TexturedMesh
    from .variants import Variants


SETTLED = {"model": ("controlnet", "device", "dtype"), "coupling": (*SETTINGS, "coupling_options")}
"""What a model or coupling that is an object has settled."""


def repeat(run: str | Path, *, on_progress: Any = None, **changes: Any) -> TexturedMesh | Variants | Pictures:
    """Do a run of any task again.

    run: a `run.json`, or the folder that holds it.  changes: options that shall differ, by name.
    Files are looked for beside the folder as they lay, then where they were; one that has changed since is said
    (TexsyncWarning), so is a hub model of another commit.  Raises InputError for what is no such file, for files that
    are gone, and as the task does.
    """
    path = Path(run).expanduser()
    path = path / MARK if path.is_dir() else path
    record = read_run(path)
    function = function_of(record["task"])
    options = {**repeatable(record, changes), **_files(record, path.parent), **changes}
    said = declared(options_of(record["task"]))
    lacking = [name for name, one in said.items() if one.default is UNSET and name not in options]
    if lacking:
        raise Refused.run_files(
            f"{about(path)} does not say which {lacking[0]} it was made from, since that was no file",
            f"call {function.__name__}({lacking[0]}, **options) with its options",
        )
    result = function(on_progress=on_progress, **options)
    _compare_commits(record.get("commits"), result.report.get("commits", {}))
    _compare_additions(record.get("additions"), result.report.get("additions", ()))
    return result


def repeatable(record: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The recorded options, without those that an object among the changes settles.

    Raises InputError for a run with objects that are not handed in again.
    """
    objects = [name for name in record.get("objects", ()) if name not in changes]
    if objects:
        raise Refused.run_kind(
            f"that run had a {about(' and a '.join(objects))} that were objects",
            f"hand them in again: repeat(run, {', '.join(f'{name}={name}' for name in objects)})",
        )
    given = [name for name in SETTLED if name in changes and not isinstance(changes[name], (str, Path))]
    settled = {option for name in given for option in SETTLED[name]}
    return {name: value for name, value in record["options"].items() if name not in settled}


def read_run(path: Path) -> dict[str, Any]:
    """What a `run.json` holds; raises InputError if it is none that can be repeated."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused.run_missing(
            f"{about(path)} does not exist", f"name a {MARK}, or a folder of results"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise Refused.run_kind(
            f"{about(path)} cannot be read ({error})", f"name a {MARK} of texsync's"
        ) from None
    if isinstance(record, dict) and "sweep" in record:
        raise Refused.run_kind(
            f"{about(path)} is a sweep's, which is several runs",
            "call the task with the options of one of them",
        )
    right = isinstance(record, dict) and isinstance(record.get("options"), dict)
    if not right or not isinstance(record.get("task"), str) or record["task"] not in FUNCTIONS:
        raise Refused.run_kind(
            f"{about(path)} holds no task and options", f"name the {MARK} of a run that has ended"
        )
    return record


def _files(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The options that name files, each where it is now."""
    found: dict[str, Any] = {}
    for file in record.get("files", ()):
        try:
            option, place = str(file["option"]), _found(file, folder)
        except (KeyError, TypeError, ValueError):
            raise Refused.run_kind(
                f"{about(folder / MARK)} has an odd list of files", f"name a {MARK} of texsync's"
            ) from None
        if isinstance(record["options"].get(option), list):
            found.setdefault(option, []).append(place)
        else:
            found[option] = place
    return found


def _found(file: dict[str, str], folder: Path) -> str:
    """Where a file is; says if it is not what it was."""
    places = [folder / file["relative"]] if file.get("relative") else []
    there = [place for place in (*places, Path(file["path"])) if place.is_file()]
    if not there:
        raise Refused.run_files(
            f"{about(file['path'])} is not there any more", "put it back, or call the task in Python"
        )
    same = next((place for place in there if sha256(place) == file["sha256"]), None)
    if same is None:
        message = f"{there[0]} has changed since that run, so the result will differ"
        warnings.warn(message, TexsyncWarning, stacklevel=4)
    return str((same or there[0]).resolve())


def _compare_commits(before: Any, now: dict[str, str]) -> None:
    for part, commit in before.items() if isinstance(before, dict) else ():
        if now.get(part) not in (None, commit):
            message = f"the {part} was at commit {commit} of its hub repository, now it is at {now[part]}"
            warnings.warn(message, TexsyncWarning, stacklevel=3)


def _compare_additions(before: Any, now: Sequence[dict[str, str]]) -> None:
    """Say which LoRAs and the like have other bytes now."""
    known = {one["path"]: one["sha256"] for one in now}
    for one in before if isinstance(before, list) else ():
        path = one.get("path") if isinstance(one, dict) else None
        if path in known and known[path] != one.get("sha256"):
            message = f"{path} has changed since that run, so the result differs"
            warnings.warn(message, TexsyncWarning, stacklevel=3)
