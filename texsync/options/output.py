"""Where results go: a folder that is free, or one of texsync's own that may be replaced."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from ..errors import Refused, about
from ..errors import option as named
from .declared import SHELL, Options, declare, declared, option_class, unsaid
from .kinds import PathName, Text
from .number_kinds import Flag

MARK = "run.json"  # every folder of results has one, and only such a folder may be overwritten
LEAST_DISK = 64 * 2**20  # bytes; a 1024 texture with previews takes about a tenth of it


@option_class
class PlaceOptions(Options):
    """Where results go, and what is said meanwhile; Python says it to `save`."""

    out: Path | None = declare(
        "Output folder.",
        PathName(),
        "output",
        default=unsaid("<mesh>_textured, or <task>_<prompt>"),
        doors=("shell", "worker"),
    )
    overwrite: bool = declare(
        "Replace the output folder if it exists.", Flag(), "output", default=False, doors=("shell", "worker")
    )
    quiet: bool = declare("Print errors only.", Flag(), "output", default=False, doors=SHELL)
    verbose: bool = declare(
        "Print times and other libraries' warnings.", Flag(), "output", default=False, doors=SHELL
    )


@option_class
class SaveOptions(PlaceOptions):
    """The same for a task."""

    sweep: str | None = declare(
        "One sheet with a picture per value of an option.",
        Text(),
        "output",
        default=None,
        metavar="OPTION=A,B,...",
        doors=SHELL,
    )

    @property
    def more(self) -> dict[str, Any]:
        """What the result's `save` takes beside folder and overwrite."""
        return {
            name: getattr(self, name) for name in declared(type(self)) if name not in declared(SaveOptions)
        }


def check_output(folder: str | Path, overwrite: bool = False) -> Path:
    """The folder that results may be written to; nothing of it is created or removed here.

    Raises InputError if it is taken (see `check_free`), or its place is read-only or full.
    """
    folder = PathName()("output folder", folder)
    check_free(folder, overwrite)
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    another = f"choose another {named('out')}"
    try:
        with tempfile.TemporaryFile(dir=place):  # os.access knows neither Windows' rules nor odd file systems
            pass
    except OSError as error:
        message = f"{about(place)} cannot be written to ({error.strerror or error})"
        raise Refused.output_place(message, another) from None
    if shutil.disk_usage(place).free < LEAST_DISK:
        message = f"less than {LEAST_DISK >> 20} MB are free in {about(place)}"
        raise Refused.output_full(message, f"free some space or {another}")
    return folder


def check_free(folder: Path, overwrite: bool) -> None:
    """Raises InputError unless results may be put at, or with `overwrite` may replace, `folder`."""
    overwrite, remedy = Flag()("overwrite", overwrite), f"choose another {named('out')}"
    if not folder.exists():
        return
    if not folder.is_dir():
        raise Refused.output_taken(f"{about(folder)} is a file", remedy)
    if not any(folder.iterdir()):
        return
    message = f"{about(folder)} already exists"
    if not (folder / MARK).is_file():
        message += f" and is not a texsync result (it has no {MARK}), so it is not overwritten"
        raise Refused.output_foreign(message, remedy)
    if not overwrite:
        remedy = f"pass {named('overwrite', True)} or {remedy}"
        raise Refused.output_taken(message, remedy)
