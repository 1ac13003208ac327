"""One job in one process: paint, and write the folder; the model stays in memory for the next one."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, Refused, TexsyncError, TexsyncWarning, about, enough_memory, out_of_memory
from ..flags import flag
from ..options.declared import UNSET, declared
from ..options.output import MARK, check_output
from ..tasks import function_of, options_of
from .table import JobLine

MEMORY = "use fewer processes, or a smaller mesh or picture"


@dataclass
class JobOutcome:
    """What came of a job.

    status: "done", "failed", or "kept" where its folder was there already.  code, message, remedy: of a failure, in
    the shell's words.  fault: whose, "input", "memory", "disk" or "internal".
    """

    line: int
    task: str
    out: str
    key: str
    status: str
    seconds: float = 0.0
    code: str = ""
    message: str = ""
    remedy: str = ""
    fault: str = ""
    notes: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def ready(threads: int, devices: Any = None) -> None:
    """Make this process one that works for a batch: it keeps its model and ends with its parent.

    threads: of processor to compute with.  devices: a queue of GPU numbers, of which this process takes one.
    """
    from multiprocessing import parent_process

    if devices is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(devices.get())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's business
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    import torch

    from ..backbones import warm

    torch.set_num_threads(threads)
    warm.keep(True)


def _end_with(parent: Any) -> None:
    """A killed parent takes its children along; folders appear whole or not at all, whenever that is."""
    parent.join()
    os._exit(1)


def perform(
    job: JobLine,
    home: Path,
    overwrite: bool = False,
    *,
    key: str | None = None,
    came_from: Mapping[str, str] | None = None,
) -> JobOutcome:
    """Do a job; never raises for what is wrong with it.

    home: the batch's folder.  key: of the job as it is known elsewhere.  came_from: path of each file that was brought
    here to where it was, which is what is remembered.
    """
    key = job.key if key is None else key
    start, outcome = time.perf_counter(), JobOutcome(job.line, job.task, job.out, key, "done")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", TexsyncWarning)
        try:
            _made(job, home / job.out, overwrite, key, came_from or {})
        except Exception as error:
            outcome = replace(failed(job, *_failure(error)), key=key)
    outcome.notes = list(dict.fromkeys(_told(one.message) for one in heard))
    outcome.seconds = round(time.perf_counter() - start, 2)
    return outcome


def _made(job: JobLine, folder: Path, overwrite: bool, key: str, came_from: Mapping[str, str]) -> None:
    check_output(folder, overwrite)
    asked = options_of(job.task)
    lacking = [n for n, said in declared(asked).items() if said.default is UNSET and n not in job.options]
    if lacking:
        raise Refused.arguments(f"the job has no {about(lacking[0])}", f"fill the column {lacking[0]}")
    more: dict[str, Any] = {}
    if job.formats is not None:
        saving: Any = asked.saving
        more = saving(formats=job.formats).more
    with enough_memory(asked.SMALLER):
        result = function_of(job.task)(**job.options)
    result.report["job"] = key
    for file in result.report.get("files", ()):
        file["path"] = came_from.get(file["path"], file["path"])
    result.save(folder, overwrite=overwrite, **more)


def failed(job: JobLine, code: str, message: str, remedy: str, fault: str) -> JobOutcome:
    """What came of a job of which nothing came."""
    said = {"code": code, "message": message, "remedy": remedy, "fault": fault}
    return replace(JobOutcome(job.line, job.task, job.out, job.key, "failed"), **said)  # type: ignore[arg-type]


def _failure(error: Exception) -> tuple[str, str, str, str]:
    """(code, message, remedy, whose fault)."""
    if isinstance(error, TexsyncError):
        return error.code, *error.told(flag), "input" if isinstance(error, InputError) else "internal"
    if out_of_memory(error):
        return "memory", "not enough memory", MEMORY, "memory"
    traceback.print_exception(error)
    what = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    fault = "disk" if isinstance(error, OSError) else "internal"
    return fault, what, "", fault


def _told(note: Any) -> str:
    text = note.line(flag) if isinstance(note, TexsyncWarning) else str(note)
    return " ".join(text.split())


def is_done(job: JobLine, home: Path) -> bool:
    """Whether the job's folder is there, made by this very job."""
    import json

    try:
        record = json.loads((home / job.out / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and record.get("job") == job.key
