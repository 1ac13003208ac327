"""Jobs on a Ray cluster: actors hold the model, files travel as bytes, this process alone writes results."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError, Refused, about, got
from ..record.atomic import atomic_folder
from .parcel import inputs, packed, unpack_folder, unpacked
from .processes import CODE, CORES_EACH
from .table import JobLine
from .work import JobOutcome, failed, perform, ready

TRIES = 3  # of a job whose machine goes away


class RayPainter:
    """Works for a batch in a process of Ray's."""

    def __init__(self, threads: int):
        ready(threads)

    def version(self) -> str:
        return __version__

    def paint(self, job: JobLine, files: dict[str, bytes]) -> tuple[JobOutcome, bytes]:
        """(what came of it, its folder as bytes)."""
        with tempfile.TemporaryDirectory(prefix="texsync-") as scratch:
            options, before = unpacked(job, files, Path(scratch, "in"))
            outcome = perform(
                replace(job, options=options), Path(scratch, "out"), key=job.key, came_from=before
            )
            folder = Path(scratch, "out", job.out)
            return outcome, packed(folder) if outcome.status == "done" else b""


class Cluster:
    """The actors of a Ray cluster.

    address: of a cluster that runs, or auto; local starts one on this machine.  count: of actors; None: one for each
    GPU, or without any one for each four cores of the cluster.  threads: of each; None: the cores, shared evenly.
    Raises InputError where Ray is not installed, does not answer, or runs another texsync.
    """

    def __init__(
        self,
        address: str,
        count: int | None,
        home: Path,
        overwrite: bool = False,
        threads: int | None = None,
    ):
        self.home, self.overwrite, self.ray = home, overwrite, _connected(address)
        resources = self.ray.cluster_resources()
        gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        self.count = count or gpus or max(1, cores // CORES_EACH)
        self.cores = max(1, cores // self.count)
        needs = {"num_gpus": 1} if gpus else {"num_cpus": self.cores}
        self.threads = threads or self.cores
        self.actor = self.ray.remote(**needs)(RayPainter)

    def outcomes(self, jobs: Sequence[JobLine]) -> Iterator[JobOutcome]:
        """As they come; a job whose machine went away is done by another."""
        waiting, tries = list(reversed(jobs)), Counter[str]()
        free = [self._hired() for _ in range(min(self.count, len(jobs)))]
        busy: dict[Any, tuple[Any, JobLine]] = {}
        try:
            while waiting or busy:
                while waiting and free:
                    job, actor = waiting.pop(), free.pop()
                    busy[actor.paint.remote(job, inputs(job))] = actor, job
                (answer,), _ = self.ray.wait(list(busy), num_returns=1)
                actor, job = busy.pop(answer)
                try:
                    outcome, data = self.ray.get(answer)
                except self.ray.exceptions.RayError:
                    free.append(self._hired())
                    tries[job.key] += 1
                    if tries[job.key] < TRIES:
                        waiting.append(job)
                        continue
                    message = f"the process that painted it was ended {TRIES} times"
                    yield failed(job, CODE, message, "see Ray's log of that machine", "memory")
                    continue
                free.append(actor)
                yield self._written(job, outcome, data)
        finally:
            for actor in [*free, *(actor for actor, _ in busy.values())]:
                self.ray.kill(actor)

    def _hired(self) -> Any:
        return self.actor.remote(self.threads)

    def _written(self, job: JobLine, outcome: JobOutcome, data: bytes) -> JobOutcome:
        if outcome.status != "done":
            return outcome
        try:
            with atomic_folder(self.home / job.out, overwrite=self.overwrite) as place:
                unpack_folder(data, place)
        except InputError as error:
            return failed(job, error.code, *error.told(), "disk")
        return outcome


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise Refused.package_missing(
            f"a Ray cluster needs the package {about('ray')}", 'pip install "texsync[ray]"'
        ) from None
    if ray.is_initialized():
        return _checked(ray)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    where: dict[str, Any] = {} if address == "local" else {"address": address}
    try:
        ray.init(**where, log_to_driver=False, include_dashboard=False, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        what = " ".join(str(error).split())[:200]
        raise Refused.ray(
            f"no Ray cluster answers at {about(address)} ({what})",
            "start one, see the guide of Ray, and give its address",
        ) from None
    return _checked(ray)


def _checked(ray: Any) -> Any:
    """Raises InputError if the cluster's texsync is not this one, or it has none."""
    try:
        theirs = ray.get(ray.remote(num_cpus=0)(_version).remote())
    except ray.exceptions.RayError:
        theirs = None
    if theirs != __version__:
        raise Refused.ray(
            f"the cluster has {about('texsync')} {got(theirs)}, this machine {__version__}",
            "install the same on all machines",
        )
    return ray


def _version() -> str:
    return __version__
