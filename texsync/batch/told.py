"""How far a batch is: a bar at a terminal, else a line a job."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import Any, TextIO

from ..progress import duration
from .work import JobOutcome


class Counter:
    """Shows how many jobs are done, and about how long the rest takes; use as a context, and as `on_job`."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = sys.stderr if stream is None else stream
        self._open = ExitStack()
        self._bar: Any = None
        self._task: Any = None
        self._since, self._first = time.perf_counter(), -1

    def __enter__(self) -> Counter:
        if self.stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
            self._bar = self._open.enter_context(Progress(*columns, console=Console(file=self.stream)))
            self._task = self._bar.add_task("", total=None, left="")
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __call__(self, done: int, count: int, outcome: JobOutcome) -> None:
        """One more job has an outcome."""
        if self._first < 0:
            self._first = done - 1  # those that were there before took no time
        each = (time.perf_counter() - self._since) / (done - self._first)
        left = f"about {duration(each * (count - done))} left" if done < count else ""
        why = "; ".join(filter(None, (outcome.message, outcome.remedy)))
        said = f"line {outcome.line}: {outcome.out}: " + (
            f"failed: {why}" if why else f"{outcome.seconds:.1f} s"
        )
        if self._bar:
            self._bar.update(self._task, total=count, completed=done, left=left)
            if why:
                self._bar.console.print(said, markup=False, highlight=False, soft_wrap=True)
            return
        self.stream.write(f"{done}/{count} {said}{f'; {left}' if left else ''}\n")
        self.stream.flush()
