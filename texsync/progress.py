"""What a person at a terminal sees while a run goes on: a bar there, one line per stage in a log."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TextIO

from .errors import TexsyncWarning

STAGES = {
    "mesh": "reading the mesh",
    "model": "loading the model",
    "geometry": "looking at the mesh",
    "denoise": "painting",
    "decode": "developing the views",
    "texture": "baking the texture",
    "save": "writing files",
}
WORDS = STAGES | {  # those of 2D tasks, and of models that are not there yet, too
    "download": "downloading the model (MB)",
    "picture": "reading the picture",
    "invert": "finding the picture's noise",
    "attend": "looking for what changes",
}
# until these are over, a log holds its lines back, so that wrong input is told in one line alone
READING = ("mesh", "picture", "download", "model")


class Display:
    """Shows stages, steps and notes on stderr; use as a context, and call it as `on_progress`.

    quiet: nothing but errors.  verbose: also how long each stage took, and warnings of other libraries.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False, verbose: bool = False):
        self.stream = sys.stderr if stream is None else stream
        self.quiet, self.verbose = quiet, verbose
        self._stage, self._since = "", time.perf_counter()
        self._held: list[str] = []
        self._bar: Any = None
        self._task: Any = None
        self._open = ExitStack()

    def __enter__(self) -> Display:
        if not self.quiet and self.stream.isatty():
            self._bar = self._open.enter_context(_make_bar(self.stream))
        self._open.enter_context(warnings.catch_warnings())
        warnings.simplefilter("default" if self.verbose else "ignore")
        warnings.simplefilter("always", TexsyncWarning)
        warnings.showwarning = self._warned
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        self._finish_stage()
        if kind is None:
            self._release()
        self._open.close()

    def __call__(self, stage: str, step: int, total: int, preview: Callable[[], Any] | None = None) -> None:
        """Stage name, steps done and steps in all; the preview is for doors that can show pictures."""
        if stage != self._stage:
            self._finish_stage()
            self._begin_stage(stage)
        if self._bar:
            self._bar.update(self._task, completed=step, total=total)

    def note(self, text: str) -> None:
        """One line, above the bar where there is one."""
        if self.quiet:
            return
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self._held.append(f"{text}\n")
            if self.verbose or self._stage not in READING:
                self._release()

    def _release(self) -> None:
        self.stream.write("".join(self._held))
        self.stream.flush()
        self._held.clear()

    def _begin_stage(self, stage: str) -> None:
        self._stage, self._since = stage, time.perf_counter()
        words = WORDS.get(stage, stage)
        if self._bar:
            self._task = self._bar.add_task(words, total=None)
        else:
            self.note(words)

    def _finish_stage(self) -> None:
        if self._stage and self.verbose:
            self.note(f"{WORDS.get(self._stage, self._stage)}: {time.perf_counter() - self._since:.1f} s")
        self._stage = ""

    def _warned(self, message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        known = issubclass(category, TexsyncWarning)
        text = " ".join(str(message).split())
        self.note(f"note: {text}" if known else f"note: {category.__name__}: {text}")


def _make_bar(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(file=stream))
