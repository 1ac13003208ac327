# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel shows: one worker, at most one job, the last problem.  A state machine without bpy or threads.

idle -> starting -> running -> idle          `tick()` moves it on, a few times a second
             \\         \\-> cancelling -> idle
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .client import CannotStart, Client
from .wording import START, Problem, in_panel_words, problem_of

PROTOCOL = 2
HELLO = 180.0  # seconds until a start counts as failed; a cold disk takes a minute
GRACE = 3.0  # seconds to stop in after Cancel; then the process is ended
STAGES = {
    "mesh": "Reading the mesh",
    "download": "Downloading the model (MB)",
    "model": "Loading the model",
    "geometry": "Looking at the mesh",
    "denoise": "Painting",
    "decode": "Decoding the views",
    "texture": "Baking the texture",
    "closer": "Looking closer",
    "refine": "Painting details",
    "details": "Baking details",
    "save": "Writing the picture",
}


@dataclass
class Request:
    """One `run`.

    finish: called with the files when it is done; what it raises becomes a problem.
    drop: called if it comes to nothing.
    title: what a list of jobs calls it.
    touches: finishing reads or changes the scene, so it waits for the user's hands.
    follows: it is the second half of one that is over.
    live: shows what is being painted on the objects themselves (see `live.Overlay`); None: nothing does.
    """

    ident: str
    task: str
    arguments: dict
    finish: Callable[[dict], None]
    drop: Callable[[], None]
    previews: bool = True
    title: str = ""
    touches: bool = False
    follows: bool = False
    live: Any = None
    stage: str = ""
    step: int = 0
    total: int = 1
    since: float = 0.0  # when the stage began
    notes: list[str] = field(default_factory=list)


class Session:
    """Use `run`, `cancel`, `release` and `close`, and call `tick` while `busy`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self.client: Client | None = None
        self.hello: dict = {}
        self.phase = "idle"
        self.job: Request | None = None
        self.problem: Problem | None = None
        self.preview = ""
        self.notes: list[str] = []
        self.keep_warm = True
        self.seconds: dict[str, float] = {}  # what each stage took the last time
        self.hold: Callable[[], bool] = lambda: False  # whether the user's hands may be busy
        self._late: list[dict] = []  # what waits for them
        self._let = False  # the user said to go on
        self._since = 0.0  # when the phase began

    @property
    def busy(self) -> bool:
        return self.phase != "idle"

    @property
    def waits(self) -> bool:
        """Whether it would go on but for the user's hands."""
        return bool(self._late)

    def go_on(self) -> None:
        """The user's hands are off."""
        self._let = True

    def run(
        self, command: list[str], log: Path, job: Request, keep_warm: bool = True, offline: bool = False
    ) -> None:
        """Start a job, and before it a worker if there is none or another program or network is asked for."""
        self.preview, self.notes, self.keep_warm, self._let = "", [], keep_warm, False
        if self.client and (
            self.client.command != command or self.client.offline != offline or not self.client.alive
        ):
            self.close()
        self.job = job
        if self.client is None:
            try:
                self.client = Client(command, log, offline)
            except CannotStart as error:
                self._end(Problem(f"texsync cannot be started ({error})", START, "start", "preferences"))
                return
            self.hello = {}
        self._enter("running" if self.hello else "starting")
        if self.hello:
            self._submit()

    def cancel(self) -> None:
        """Stop the job; if it does not listen, its process is ended."""
        if self.phase == "starting":
            self.close()
        elif self.phase == "running":
            self.client.send(command="cancel", id=self.job.ident)
            self._enter("cancelling")

    def release(self) -> None:
        """Give all memory back, on the GPU too: end the worker.  The next job starts another."""
        if not self.busy:
            self.close()

    def close(self) -> None:
        """End job and worker now."""
        client, self.client, self.hello, self._late = self.client, None, {}, []
        try:
            if client:
                client.kill()
        finally:
            self._end(None)

    def fail(self, error: Exception) -> None:
        """Something here broke: tell it, and end job and worker, so that the next one starts afresh."""
        with contextlib.suppress(Exception):  # the first error is the one to tell
            self.close()
        self.problem = Problem(
            str(error) or type(error).__name__, "generate again, or see the log", "internal"
        )

    def tick(self) -> bool:
        """Take in what the worker said; True if anything changed that the panel shows."""
        changed = False
        events, self._late = self._late + (self.client.events() if self.client else []), []
        for number, event in enumerate(events):
            if self._must_wait(event):
                self._late = events[number:]
                break
            changed |= self._take(event)
            if self.client is None:
                break
        return self._check_time() or changed

    def _must_wait(self, event: dict) -> bool:
        """Whether a result is to wait until the user's hands are off; for as long as that takes."""
        mine = event["event"] == "done" and self._is_mine(event) and self.job is not None
        return mine and self.job.touches and self.phase == "running" and not self._let and self.hold()

    def _take(self, event: dict) -> bool:
        """Handle one event; True if it was for us.  An event that makes no sense ends the job, not the panel."""
        handle = getattr(self, f"_on_{event['event']}", None)
        if not (handle and self._is_mine(event)):
            return False
        try:
            handle(event)
        except Exception as error:
            self.fail(error)
        return True

    def _is_mine(self, event: dict) -> bool:
        """Not of a job that is over."""
        return event.get("id") is None or (self.job is not None and event["id"] == self.job.ident)

    def _check_time(self) -> bool:
        waited = self.clock() - self._since
        if self.phase == "cancelling" and waited > GRACE:
            self.close()
            return True
        if self.phase == "starting" and waited > HELLO:
            self.close()
            self.problem = Problem("texsync was started but does not answer", START, "start", "check")
            return True
        return False

    def _submit(self) -> None:
        job = self.job
        job.since = self.clock()
        shows = {"previews": job.previews or bool(job.live), "textures": bool(job.live)}
        self.client.send(command="run", id=job.ident, task=job.task, arguments=job.arguments, **shows)

    def _enter(self, phase: str) -> None:
        self.phase, self._since = phase, self.clock()

    def _end(self, problem: Problem | None, *, done: bool = False) -> None:
        job, self.job, self.preview = self.job, None, ""
        self.problem = problem or self.problem
        self._enter("idle")
        if self.client and not self.keep_warm:
            client, self.client, self.hello = self.client, None, {}
            client.quit()
        if job and job.live:
            job.live.close()
        if job and not done:
            job.drop()

    def _on_hello(self, event: dict) -> None:
        if event.get("protocol") != PROTOCOL:
            theirs, version = event.get("protocol"), event.get("texsync", "?")
            older = "the add-on" if isinstance(theirs, int) and theirs > PROTOCOL else "texsync"
            self.close()
            message = f"texsync {version} and this add-on do not understand each other"
            message += f" (protocol {theirs}, not {PROTOCOL})"
            self.problem = Problem(message, f"update {older}", "version", "preferences")
            return
        self.hello = event
        if self.phase == "starting":
            self._enter("running")
            self._submit()

    def _on_progress(self, event: dict) -> None:
        job = self.job
        stage = str(event.get("stage", ""))
        if stage != job.stage:
            if job.stage:
                self.seconds[job.stage] = self.clock() - job.since
            job.stage, job.since = stage, self.clock()
        job.step, job.total = int(event.get("step", 0)), max(int(event.get("total", 1)), 1)

    def _on_preview(self, event: dict) -> None:
        if self.job.previews:
            self.preview = str(event.get("path", ""))
        if self.job.live and isinstance(event.get("texture"), dict):
            self.job.live.show(event["texture"])

    def _on_note(self, event: dict) -> None:
        self.notes.append(in_panel_words(event.get("text")))

    def _on_done(self, event: dict) -> None:
        job, cancelled = self.job, self.phase == "cancelling"
        self._end(None, done=not cancelled)
        if cancelled:
            return
        try:
            job.finish(event.get("files", {}))
        except Exception as error:  # whatever it is, the panel is the only place to tell it
            self.problem = Problem(str(error) or type(error).__name__, "", "apply")

    def _on_cancelled(self, event: dict) -> None:
        self._end(None)

    def _on_error(self, event: dict) -> None:
        if event.get("kind") == "idle" or (event.get("id") is None and self.hello):
            return  # an answer to a cancel that came too late
        self._end(problem_of(event))

    def _on_gone(self, event: dict) -> None:
        self.client, self.hello = None, {}
        if not self.busy or self.phase == "cancelling" or self.problem:
            self._end(None)
            return
        last = event.get("tail", "").splitlines()[-1:] or [""]
        why = f": {last[0][:200]}" if last[0] else ""
        when = "before it said hello" if self.phase == "starting" else "in the middle of the job"
        remedy = "open the log for details" if self.phase == "running" else START
        fix = "check" if self.phase == "starting" else ""
        self._end(Problem(f"texsync ended with code {event.get('code')} {when}{why}", remedy, "gone", fix))

    def status(self) -> str:
        """What goes on, in a few words."""
        if self.phase == "starting":
            return "Starting texsync"
        if self.phase == "cancelling":
            return "Cancelling"
        if not self.job:
            return ""
        if self._late:
            return "Ready to go on"
        words = STAGES.get(self.job.stage, self.job.stage.capitalize()) or "Sending the mesh"
        return f"{words} {self.job.step}/{self.job.total}" if self.job.total > 1 else words

    def fraction(self) -> float:
        """How much of the painting is done, 0..1; the other stages are short."""
        job = self.job
        if not job:
            return 0.0
        order = list(STAGES)
        if job.stage == "denoise":
            return 0.1 + 0.8 * job.step / job.total
        place, painting = order.index(job.stage) if job.stage in order else 0, order.index("denoise")
        return 0.025 * place if place < painting else 0.9 + 0.1 * (place - painting) / (len(order) - painting)

    def seconds_left(self) -> float | None:
        """An estimate once some steps are over; None before."""
        job = self.job
        if not job or self.phase != "running" or job.stage not in STAGES:
            return None
        order = list(STAGES)
        later = sum(self.seconds.get(stage, 0.0) for stage in order[order.index(job.stage) + 1 :])
        spent = self.clock() - job.since
        if job.stage == "denoise":
            return spent / job.step * (job.total - job.step) + later if job.step else None
        known = self.seconds.get(job.stage)
        return None if known is None or order.index(job.stage) < 3 else max(known - spent, 0.0) + later
