"""A table of jobs, done: what is there already is kept, what fails costs its line."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Refused, about, option
from ..options.declared import PYTHON, Options, declare, option_class, takes, unsaid
from ..options.kinds import Call, PathName, Text
from ..options.number_kinds import Flag, Whole
from .report import failed_before, write_failed, write_report
from .table import JobLine, read_jobs
from .work import JobOutcome, is_done

LOCK = ".texsync-batch.lock"
Told = Callable[[int, int, JobOutcome], None]
"""(jobs that have an outcome, all jobs, the newest one) -> None"""


@option_class
class BatchOptions(Options):
    """Which jobs, and where and how they are done."""

    table: Path = declare(
        "A .csv or .yaml file of jobs: one a line, any option a column.",
        PathName(),
        kw_only=False,
        argument=True,
        metavar="JOBS",
    )
    out: Path | None = declare(
        "Folder for the folders of all results.",
        PathName(),
        "output",
        default=unsaid("<table>_results"),
    )
    jobs: int | None = declare(
        "Processes that work side by side.",
        Whole(1, 256),
        "main",
        default=unsaid("one a GPU; on CPUs one for each four cores, as memory allows"),
    )
    threads: int | None = declare(
        "Processor threads of each process; the same number gives the same pixels on the same machine.",
        Whole(1, 1024),
        default=unsaid("the cores, shared evenly"),
    )
    retry_failed: bool = declare(
        "Do those again that failed in an earlier start.", Flag(), "main", default=False
    )
    overwrite: bool = declare(
        "Replace folders of other jobs than the table's.", Flag(), "output", default=False
    )
    ray: str | None = declare(
        "Do them on a Ray cluster: its address, or auto.", Text(), "main", default=None, metavar="ADDRESS"
    )
    on_job: Told | None = declare("Called with (done, all, outcome).", Call(), default=None, doors=PYTHON)

    @property
    def folder(self) -> str:
        """<table>_results."""
        return f"{self.table.stem}_results"


@dataclass
class BatchResult:
    """What came of all jobs.  outcomes: in the table's order; of those kept from an earlier start, too."""

    folder: Path
    outcomes: list[JobOutcome] = field(default_factory=list)

    @property
    def failed(self) -> list[JobOutcome]:
        return [one for one in self.outcomes if one.status == "failed"]

    def __repr__(self) -> str:
        return f"<BatchResult {str(self.folder)!r}: {len(self.outcomes)} jobs, {len(self.failed)} failed>"


@takes(BatchOptions)
def run_batch(asked: BatchOptions) -> BatchResult:
    """Do all jobs of TABLE, which may be any task's; what was done in an earlier start is kept.

    Writes a folder for each job, whole or not at all, failed.csv, summary.csv and index.html.
    Raises InputError for a table that cannot be read or contradicts itself, before any job.
    """
    jobs = read_jobs(asked.table)
    home = asked.out or Path(asked.folder)
    with _alone(home):
        known = {} if asked.retry_failed else failed_before(home)
        outcomes: dict[str, JobOutcome] = {}
        for job in jobs:
            if is_done(job, home):
                outcomes[job.key] = JobOutcome(job.line, job.task, job.out, job.key, "kept")
            elif job.key in known:
                outcomes[job.key] = known[job.key]
        todo = [job for job in jobs if job.key not in outcomes]
        try:
            for outcome in _outcomes(asked, todo, home):
                outcomes[outcome.key] = outcome
                if outcome.status == "failed":
                    write_failed(home, outcomes.values())
                if asked.on_job:
                    asked.on_job(len(outcomes), len(jobs), outcome)
        finally:
            write_failed(home, outcomes.values())
            write_report(home, jobs, outcomes)
    return BatchResult(home, [outcomes[job.key] for job in jobs])


def _outcomes(asked: BatchOptions, todo: list[JobLine], home: Path) -> Iterator[JobOutcome]:
    if not todo:
        return
    if asked.ray is not None:
        from .on_ray import Cluster

        yield from Cluster(asked.ray, asked.jobs, home, asked.overwrite, asked.threads).outcomes(todo)
        return
    from .processes import Processes, usual_processes

    count = asked.jobs or usual_processes()
    yield from Processes(count, home, asked.overwrite, asked.threads).outcomes(todo)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """The folder, for one batch at a time; raises InputError if another works there, or it cannot be made."""
    from ..record.atomic import unwritable

    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / LOCK).open("w")
    except OSError as error:
        raise unwritable(home, error) from None
    with file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows: two batches in one folder are not noticed
            pass
        except OSError:
            message = f"another batch is working in {about(home)}"
            raise Refused.output_taken(message, f"wait for it, or choose another {option('out')}") from None
        yield
        (home / LOCK).unlink(missing_ok=True)
