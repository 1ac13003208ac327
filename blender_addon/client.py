# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker process and its pipes.  No bpy here: threads may run this, and tests need no Blender."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

WINDOWS = sys.platform == "win32"
# of Blender's own Python; the worker's must not see them
NOT_THEIRS = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
MOMENT = 0.3  # seconds; Blender stands still for it
TAIL = 4000  # characters of the log that an error quotes from


class CannotStart(Exception):
    """The program is not there, or the system refuses to run it; the text says which."""


def environment(offline: bool = False) -> dict[str, str]:
    """What the worker inherits.  offline: it may not use the network, as Blender may not."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_THEIRS}
    said = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    return {**kept, **said, **({"HF_HUB_OFFLINE": "1"} if offline else {})}


def start_options(offline: bool = False) -> dict:
    """Popen's options for a process of its own that opens no window and gets no Ctrl-C of Blender's."""
    if WINDOWS:
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return {"creationflags": flags, "env": environment(offline)}
    return {"start_new_session": True, "env": environment(offline)}


class Client:
    """One `texsync worker`.  Reading happens in a thread; `events()` never waits.

    command: program and arguments that come before "worker".  log: file for whatever the worker prints.
    offline: it may not use the network.  Raises CannotStart.
    """

    def __init__(self, command: list[str], log: Path, offline: bool = False):
        self.command, self.log, self.offline = list(command), log, offline
        self._queue: queue.SimpleQueue[dict] = queue.SimpleQueue()
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as file:
                self.process = subprocess.Popen(
                    [*command, "worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=file,
                    cwd=log.parent,
                    **start_options(offline),
                )
        except OSError as error:
            raise CannotStart(f"{command[0]}: {error.strerror or error}") from error
        atexit.register(self.kill)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """Every line to the queue; then one {"event": "gone"}."""
        with self.process.stdout as lines:
            for line in lines:
                with contextlib.suppress(ValueError):  # a start script may print what it likes
                    message = json.loads(line)
                    if isinstance(message, dict) and "event" in message:
                        self._queue.put(message)
        code = self.process.wait()
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.close()
        self._queue.put({"event": "gone", "code": code, "tail": tail(self.log)})

    def events(self) -> list[dict]:
        """What came in since the last call."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._queue.get_nowait())
        return found

    def send(self, **message) -> None:
        """One command; a worker that is gone says so in `events`."""
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def quit(self) -> None:
        """Ask it to end; closing its stdin makes it end even if it does not understand."""
        self.send(command="quit")
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.close()
        atexit.unregister(self.kill)

    def kill(self) -> None:
        """End it now, with everything that it started; it gets a moment to remove its temporary files."""
        atexit.unregister(self.kill)
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(MOMENT)
        if self.alive:
            with contextlib.suppress(OSError):
                if WINDOWS:
                    self.process.kill()
                else:
                    os.killpg(self.process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1.0)


class Doctor:
    """`texsync doctor --json` in the background; `report()` is None until it has an answer."""

    TIME = 180.0  # seconds; a cold disk takes a minute to import everything

    def __init__(self, command: list[str], offline: bool = False):
        self._answer: dict | None = None
        asked = ([*command, "doctor", "--json"], offline)
        threading.Thread(target=self._ask, args=asked, daemon=True).start()

    def _ask(self, command: list[str], offline: bool) -> None:
        options = {"capture_output": True, "stdin": subprocess.DEVNULL, "timeout": self.TIME}
        try:
            done = subprocess.run(command, **options, **start_options(offline))
            answer = json.loads(done.stdout)
            self._answer = answer if isinstance(answer, dict) else failed("it gave no report")
        except OSError as error:
            self._answer = failed(f"{command[0]}: {error.strerror or error}")
        except subprocess.TimeoutExpired:
            self._answer = failed(f"no answer within {self.TIME:.0f} seconds")
        except ValueError:
            said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            self._answer = failed(said[-1] if said else f"it ended with code {done.returncode} and no word")

    def report(self) -> dict | None:
        """{"texsync": version, "ok": bool, "checks": [{"name", "ok", "found", "remedy", "needed"}]}"""
        return self._answer


def failed(why: str) -> dict:
    """A report that says only that texsync could not be asked."""
    check = {"name": "texsync", "ok": False, "found": why, "remedy": "set the path above", "needed": True}
    return {"texsync": "", "ok": False, "checks": [check]}


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        return log.read_bytes()[-TAIL:].decode(errors="replace").strip()
    except OSError:
        return ""
