# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that wait for the worker, in order.  No bpy here."""

from __future__ import annotations

import contextlib

from .session import Request


class Waiting:
    """A list of jobs that can be looked through, put in another order, and emptied.

    held: nothing is started until the user says so, as what kept one from starting would keep the others too.
    """

    def __init__(self) -> None:
        self.jobs: list[Request] = []
        self.held = False

    @property
    def goes_on(self) -> bool:
        return bool(self.jobs) and not self.held

    def add(self, job: Request, first: bool = False) -> None:
        """first: it is the second half of one that was begun."""
        self.jobs.insert(0 if first else len(self.jobs), job)

    def next(self) -> Request | None:
        return self.jobs.pop(0) if self.goes_on else None

    def move(self, ident: str, by: int) -> None:
        """Earlier (-1) or later (1)."""
        place = self._place(ident)
        if place is not None:
            job = self.jobs.pop(place)
            self.jobs.insert(max(place + by, 0), job)

    def remove(self, ident: str) -> None:
        place = self._place(ident)
        if place is not None:
            _drop(self.jobs.pop(place))

    def clear(self) -> None:
        jobs, self.jobs, self.held = self.jobs, [], False
        for job in jobs:
            _drop(job)

    def _place(self, ident: str) -> int | None:
        return next((place for place, job in enumerate(self.jobs) if job.ident == ident), None)


def _drop(job: Request) -> None:
    with contextlib.suppress(OSError):  # what cannot be deleted stays
        job.drop()
