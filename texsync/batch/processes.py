"""Jobs side by side in processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from .table import JobLine
from .work import JobOutcome, failed, perform, ready

CORES_EACH = 4  # of a process without a GPU; mini is hardly faster with more
ROOM_EACH = 4 * 2**30  # bytes that such a process is given; Stable Diffusion takes 6 GB, mini 1.3
CODE = "process-ended"


def usual_processes() -> int:
    """One for each GPU; on CPUs one for each four cores, as many as memory holds."""
    import torch

    from ..backbones.memory import free_bytes

    if torch.cuda.is_available():
        return torch.cuda.device_count()
    room = free_bytes(torch.device("cpu"))
    return max(1, min((os.cpu_count() or 1) // CORES_EACH, room // ROOM_EACH))


class Processes:
    """Processes that take jobs; one that dies costs the job that killed it, and no other.

    processes: how many.  home: the batch's folder.  threads: of each; None: the cores, shared evenly.
    """

    def __init__(self, processes: int, home: Path, overwrite: bool = False, threads: int | None = None):
        self.processes, self.home, self.overwrite = processes, home, overwrite
        self.threads = threads or max(1, (os.cpu_count() or 1) // processes)

    def outcomes(self, jobs: Sequence[JobLine]) -> Iterator[JobOutcome]:
        """As they come.  Closing the generator ends the processes at once."""
        left = list(jobs)
        while left:
            suspects: list[JobLine] = []
            for job, outcome in self._run(list(left), self.processes):
                if outcome is None:
                    suspects.append(job)
                    continue
                left.remove(job)
                yield outcome
            # a process has died; which of the jobs under way did it shows when each is alone
            for job in suspects:
                left.remove(job)
                for _, outcome in self._run([job], 1):
                    yield outcome or _killed(job)

    def _run(self, jobs: Sequence[JobLine], processes: int) -> Iterator[tuple[JobLine, JobOutcome | None]]:
        """(job, outcome), or None for those under way when a process died; the rest is not begun then."""
        executor = _executor(min(processes, len(jobs)), self.threads)
        running: dict[Future[JobOutcome], JobLine] = {}
        waiting = iter(jobs)
        try:
            for _ in range(processes):
                self._begin(executor, running, waiting)
            while running:
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                broken = False
                for one in ended:
                    job = running.pop(one)
                    try:
                        yield job, one.result()
                    except BrokenProcessPool:
                        broken = True
                        yield job, None
                if broken:
                    for job in running.values():
                        yield job, None
                    return
                for _ in ended:
                    self._begin(executor, running, waiting)
        finally:
            _end(executor)

    def _begin(self, executor: ProcessPoolExecutor, running: dict, waiting: Iterator[JobLine]) -> None:
        job = next(waiting, None)
        if job is not None:
            running[executor.submit(perform, job, self.home, self.overwrite)] = job


def _executor(count: int, threads: int) -> ProcessPoolExecutor:
    import torch

    context, devices = get_context("spawn"), None
    if torch.cuda.is_available():
        devices = context.Manager().Queue()
        for number in range(count):
            devices.put(number % torch.cuda.device_count())
    initial: dict[str, Any] = {"initializer": ready, "initargs": (threads, devices)}
    return ProcessPoolExecutor(count, mp_context=context, **initial)


def _end(executor: ProcessPoolExecutor) -> None:
    """What is under way is left: its folder is not there yet, and what it wrote goes with the next run."""
    processes = list((executor._processes or {}).values())
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def _killed(job: JobLine) -> JobOutcome:
    message = "the process that painted it was ended, which the system does where memory runs out"
    return failed(job, CODE, message, "use a smaller mesh or picture", "memory")
