"""The worker: reads commands in one thread, works in the other, and never outlives its parent."""

from __future__ import annotations

import os
import platform
import queue
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import Cancelled, InputError, TexsyncError, TexsyncWarning, option, out_of_memory, parts
from ..options.kind_errors import brief
from ..signals import TERMINATED, Terminated, ending_on_sigterm
from .channel import Channel, parse
from .previews import Previews
from .tasks import Task, tasks

PROTOCOL = 2
COMMANDS = ("run", "cancel", "release", "quit")
GRACE = 5.0  # seconds that a job has to stop in when the parent is gone
Ident = str | int | None


@dataclass
class Order:
    """A `run` that was taken.  textures: with previews of the mesh's texture.  stop: set when it is to end."""

    ident: Ident
    task: str
    arguments: dict[str, Any]
    previews: bool = True
    textures: bool = False
    stop: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Serves one parent until it says quit or goes away."""

    def __init__(self, channel: Channel, known: dict[str, Task] | None = None):
        self.channel = channel
        self.known = tasks() if known is None else known
        self.todo: queue.SimpleQueue[tuple[str, Ident]] = queue.SimpleQueue()
        self.job: Order | None = None  # taken and not yet answered

    def serve(self) -> int:
        """Say hello, work until the end, return the exit code."""
        from ..backbones import warm

        self.channel.send("hello", **about(), tasks=sorted(self.known))
        warm.keep(True)
        threading.Thread(target=self.listen, daemon=True).start()
        while True:
            command, ident = self.todo.get()
            if command == "quit":
                self.channel.send("bye", id=ident)
                return 0
            if command == "release":
                warm.release()
                self.channel.send("released", id=ident)
            if command == "run" and self.job:
                self.work(self.job)

    # in the reading thread

    def listen(self) -> None:
        """Take commands until stdin ends, then see to it that the process does, too."""
        for line in self.channel.lines():
            ident: Ident = None
            try:
                message = parse(line)
                if isinstance(message.get("id"), (str, int)) and len(str(message["id"])) <= 100:
                    ident = message["id"]
                self.take(message, ident)
            except ValueError as error:
                remedy = f"send one JSON object a line, with a command: {', '.join(COMMANDS)}"
                self.error(ident, "protocol", str(error), remedy)
        self.leave()

    def take(self, message: dict[str, Any], ident: Ident) -> None:
        """One command; raises ValueError for what is none."""
        command = message.get("command")
        if command == "cancel":
            self.cancel(ident)
        elif command == "quit":
            self.stop_job()
            self.todo.put(("quit", ident))
        elif command in ("run", "release") and self.job:
            self.error(ident, "busy", "another job is running", "wait for it or cancel it")
        elif command == "run":
            self.job = self.accepted(message, ident)
            self.todo.put(("run", ident))
        elif command == "release":
            self.todo.put(("release", ident))
        else:
            raise ValueError(f"unknown command {str(command)[:40]!r}")

    def accepted(self, message: dict[str, Any], ident: Ident) -> Order:
        task, arguments = message.get("task"), message.get("arguments", {})
        if not isinstance(task, str) or task not in self.known:
            raise ValueError(f"unknown task {str(task)[:40]!r}, known: {', '.join(sorted(self.known))}")
        if not isinstance(arguments, dict):
            raise ValueError("the arguments are not an object")
        previews, textures = message.get("previews", True) is True, message.get("textures") is True
        return Order(ident, task, arguments, previews, textures)

    def cancel(self, ident: Ident) -> None:
        job = self.job
        if job is None or (ident is not None and ident != job.ident):
            self.error(ident, "idle", "there is no such job to cancel", "it may have ended by itself")
        else:
            job.stop.set()

    def stop_job(self) -> None:
        if self.job:
            self.job.stop.set()

    def leave(self) -> None:
        """The parent is gone: end the job and the process, by force if the job does not listen."""
        self.stop_job()
        self.todo.put(("quit", None))
        timer = threading.Timer(GRACE, os._exit, (1,))
        timer.daemon = True
        timer.start()

    # in the working thread

    def work(self, job: Order) -> None:
        """Run a job to its one answer: done, cancelled or error."""
        answer, fields = "done", {}  # type: str, dict[str, Any]
        with tempfile.TemporaryDirectory(prefix="texsync-") as scratch:
            progress = Reporter(self.channel, job, Path(scratch))
            try:
                with heard(job, progress.note):
                    fields = {"files": self.known[job.task](job.arguments, progress)}
            except (Cancelled, KeyboardInterrupt):
                answer = "cancelled"
            except Terminated:
                raise
            except BaseException as error:
                answer, fields = "error", explained(error)
        self.job = None
        self.channel.send(answer, id=job.ident, **fields)

    def error(self, ident: Ident, kind: str, message: str, remedy: str) -> None:
        self.channel.send("error", id=ident, **problem(kind, message, remedy))


class Reporter:
    """A job's `on_progress`: tells stage, step and previews, and stops the job when asked to."""

    def __init__(self, channel: Channel, job: Order, scratch: Path):
        self.channel, self.job = channel, job
        self.previews = Previews(scratch, job.textures)

    def __call__(self, stage: str, step: int, total: int, preview: Any = None) -> None:
        check(self.job)
        self.channel.send("progress", id=self.job.ident, stage=stage, step=step, total=total)
        if preview and self.job.previews and self.previews.due(step, total):
            self.show(step, total, preview)

    def show(self, step: int, total: int, preview: Any) -> None:
        """A preview; if that fails, for want of memory perhaps, there are no more of them, but the job goes on."""
        try:
            said = self.previews.write(preview)
        except Cancelled:
            raise
        except Exception as error:
            traceback.print_exception(error)
            self.job.previews = False
        else:
            self.channel.send("preview", id=self.job.ident, **said, step=step, total=total)

    def note(self, text: str) -> None:
        """Something worth a line to the user."""
        self.channel.send("note", id=self.job.ident, text=as_data(text))


def check(job: Order) -> None:
    """Raises Cancelled once the job is to stop."""
    if job.stop.is_set():
        raise Cancelled("cancelled")


@contextmanager
def heard(job: Order, note: Callable[[str], None]) -> Iterator[None]:
    """While a job runs: warnings for the user become notes, and every layer of every network asks whether to stop.

    One step of a large model takes a minute on a CPU; between layers it is a fraction of a second.
    """
    from torch.nn.modules.module import register_module_forward_pre_hook

    noted: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        text = " ".join((message.text if isinstance(message, TexsyncWarning) else str(message)).split())
        if text in noted:
            return
        noted.add(text)
        if issubclass(category, TexsyncWarning):
            note(text)
        else:
            print(f"{category.__name__}: {text}", file=sys.stderr)  # noqa: T201

    hook = register_module_forward_pre_hook(lambda *_: check(job))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", TexsyncWarning)
            warnings.showwarning = show
            yield
    finally:
        hook.remove()


def explained(error: BaseException) -> dict[str, Any]:
    """What an `error` event says; the traceback of what is not the user's doing goes to the log."""
    if isinstance(error, InputError):
        return told("input", error)
    traceback.print_exception(error)
    what = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    if isinstance(error, TexsyncError):
        return told("internal", error)
    if out_of_memory(error):
        return problem("memory", "there is not enough memory", "close other programs, or use a smaller mesh")
    if isinstance(error, ImportError):
        remedy = "install texsync again in a fresh environment; texsync doctor says more"
        return problem("installation", what, remedy)
    if isinstance(error, OSError):
        return problem("disk", what, f"free some space or choose another {option('out')}")
    return problem("internal", what, "report it with the log; it has the details")


def told(kind: str, error: TexsyncError) -> dict[str, Any]:
    """An error of texsync's."""
    thing = {"thing": error.thing, "value": plain_value(error.value)}
    return {**problem(kind, *error.texts), "code": error.code, **thing}


def problem(kind: str, message: str, remedy: str) -> dict[str, Any]:
    """What went wrong, as data (see docs/worker.md)."""
    said = {"message": as_data(message), "remedy": as_data(remedy)}
    return {"kind": kind, "code": kind, **said, "thing": "", "value": None}


def as_data(text: str) -> list[str | dict[str, Any]]:
    """A text in which options are objects, so that the other program can call them by its own names."""
    return [part if isinstance(part, str) else asdict(part) for part in parts(text)]


def plain_value(value: Any) -> Any:
    """A number or a short text as it is, anything else as it is named in messages."""
    plain = value is None or isinstance(value, (bool, float)) or (isinstance(value, str) and len(value) < 100)
    return value if plain or (isinstance(value, int) and abs(value) < 2**63) else brief(value)


def about() -> dict[str, Any]:
    """Versions and devices."""
    import torch

    devices = [{"name": "cpu", "what": platform.processor() or platform.machine()}]
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        devices += [{"name": f"cuda:{k}", "what": torch.cuda.get_device_name(k)} for k in range(count)]
    if torch.backends.mps.is_available():
        devices.append({"name": "mps", "what": "Apple GPU"})
    return {
        "protocol": PROTOCOL,
        "texsync": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "pid": os.getpid(),
        "devices": devices,
    }


def main() -> int:
    """The process behind `texsync worker`; returns the exit code."""
    channel = Channel.claim()
    try:
        with ending_on_sigterm():
            return Worker(channel).serve()
    except Terminated:
        return TERMINATED
    except Exception as error:  # a broken installation: the parent is told before the process ends
        channel.send("error", id=None, **explained(error))
        return 1
