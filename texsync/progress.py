"""What a person sees while a run goes on: one bar at a terminal or in a notebook, some lines in a log."""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from .errors import TexsyncWarning, keyword, line_of
from .options.shared import RunOptions

if TYPE_CHECKING:
    from torch import Tensor

Progress = Callable[[str, int, int, "Callable[..., Tensor] | None"], None]
"""(stage, step, total, preview) -> None; preview() decodes what the views show now, (N, 3, S, S) in [0, 1];
preview(4) only four of them, evenly chosen, which is faster.  Where a mesh is painted, preview.bake(preview()) is a
small texture, (256, 256, 3) uint8; elsewhere preview.bake is None.
Raise errors.Cancelled (or KeyboardInterrupt) from it to stop the run."""

STAGES = {  # in words; where it leads, as a share of the run, nearly all of which is painting
    "mesh": ("reading the mesh", 0.03),
    "splats": ("reading the splats", 0.03),
    "picture": ("reading the picture", 0.03),
    "download": ("downloading the model (MB)", None),
    "model": ("loading the model", 0.08),
    "geometry": ("looking from all sides", 0.12),
    "invert": ("finding the picture's noise", 0.45),
    "attend": ("looking for what changes", 0.5),
    "denoise": ("painting", 0.9),
    "decode": ("decoding the views", 0.93),
    "texture": ("baking the texture", 0.96),
    "colours": ("solving for the colours", 0.96),
    "closer": ("looking closer", 0.965),
    "refine": ("painting details", 0.985),
    "details": ("baking details", 0.99),
    "save": ("writing files", 1.0),
}
# until these are over, a log holds its lines back, so that wrong input is told in one line alone
READING = ("mesh", "splats", "picture", "download", "model")
STEADY = (
    "invert",
    "denoise",
    "refine",
)  # whose steps take the same time each, so that the run's end can be told
ALONE = ("download",)  # told by itself: how long it takes says nothing about the rest
EVERY = 10.0  # seconds between two lines in a log
Asked = TypeVar("Asked", bound=RunOptions)
Result = TypeVar("Result")


class Course:
    """How much of a run is done, from 0 to 1, and about how many seconds are left."""

    def __init__(self) -> None:
        self.done = 0.0
        self.left: float | None = None
        self._reached, self._stage = 0.0, ""

    def begin(self, stage: str) -> None:
        """A stage begins; one that lies behind is the first of another run, as in a sweep."""
        self._stage, self._began, self.left = stage, time.perf_counter(), None
        if stage in ALONE:
            self._from, self._to = 0.0, 1.0
            return
        end = STAGES[stage][1] if stage in STAGES else None
        if end is not None and end <= self._reached:
            self._reached = 0.0
        self._from, self._to = self._reached, self._reached if end is None else end

    def step(self, step: int, total: int) -> None:
        """So many of the stage's steps are done."""
        share = min(max(step / total, 0.0), 1.0) if total else 0.0
        self.done = self._from + share * (self._to - self._from)
        if self._stage not in ALONE:
            self._reached = self.done
        if share and self._stage in (*STEADY, *ALONE):
            seconds = time.perf_counter() - self._began
            self.left = (1 - self.done) * seconds / (self.done - self._from)

    def text(self) -> str:
        """Such as "43 %, about 40 s left"."""
        percent = f"{100 * self.done:.0f} %"
        return percent if self.left is None else f"{percent}, about {duration(self.left)} left"


def words(stage: str) -> str:
    """What a stage is called for people; one that is not known, by its name."""
    return STAGES[stage][0] if stage in STAGES else stage


def duration(seconds: float) -> str:
    """Seconds up to a minute and a half, then minutes."""
    return f"{max(round(seconds), 1)} s" if seconds < 90 else f"{round(seconds / 60)} min"


def with_bar(task: Callable[[Asked], Result]) -> Callable[[Asked], Result]:
    """A task whose options say `progress`: True shows a bar on stderr, or where there is no terminal, lines in it."""

    @functools.wraps(task)
    def run(asked: Asked) -> Result:
        if not asked.progress:
            return task(asked)
        with Display(notes=False) as display:

            def both(*told: Any) -> None:
                display(*told)
                asked.heard(*told)

            return task(dataclasses.replace(asked, progress=False, on_progress=both))

    return run


class Display:
    """Shows stages, steps and notes on stderr; use as a context, and call it as `on_progress`.

    quiet: nothing but errors.  verbose: also how long each stage took, and warnings of other libraries.
    notes: warnings are shown here, each once; False leaves them to Python.  naming: what options are called in them.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        verbose: bool = False,
        notes: bool = True,
        naming: Callable[[str, Any], str] = keyword,
    ):
        self.stream = sys.stderr if stream is None else stream
        self.quiet, self.verbose, self.notes, self.naming = quiet, verbose, notes, naming
        self._stage, self._since = "", time.perf_counter()
        self._course, self._last = Course(), time.perf_counter()
        self._held: list[str] = []
        self._noted: set[str] = set()
        self._bar: Any = None
        self._task: Any = None
        self._open = ExitStack()

    def __enter__(self) -> Display:
        console = None if self.quiet else _console(self.stream)
        if console:
            self._bar = self._open.enter_context(_make_bar(console))
            self._task = self._bar.add_task("", total=1.0, left="")
        if self.notes:
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
        self._course.step(step, total)
        if self._bar:
            self._show(step, total)
        elif time.perf_counter() - self._last >= EVERY:
            self.note(f"{words(stage)}: {self._course.text()}")
            self._release()

    def note(self, text: str) -> None:
        """One line, above the bar where there is one."""
        if self.quiet:
            return
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self._held.append(f"{text}\n")
            self._last = time.perf_counter()
            if self.verbose or self._stage not in READING:
                self._release()

    def _show(self, step: int, total: int) -> None:
        left = "" if self._course.left is None else f"about {duration(self._course.left)} left"
        said = f"{words(self._stage)} {step}/{total}" if total > 1 else words(self._stage)
        self._bar.update(self._task, completed=self._course.done, description=said, left=left)

    def _release(self) -> None:
        self.stream.write("".join(self._held))
        self.stream.flush()
        self._held.clear()

    def _begin_stage(self, stage: str) -> None:
        self._stage, self._since = stage, time.perf_counter()
        self._course.begin(stage)
        if not self._bar:
            self.note(words(stage))

    def _finish_stage(self) -> None:
        if self._bar:
            self._bar.refresh()  # with its last step
        if self._stage and self.verbose:
            self.note(f"{words(self._stage)}: {time.perf_counter() - self._since:.1f} s")
        self._stage = ""

    def _warned(self, message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        known = issubclass(category, TexsyncWarning)
        text = " ".join(line_of(message, self.naming).split())
        if text not in self._noted:
            self._noted.add(text)
            self.note(f"note: {text}" if known else f"note: {category.__name__}: {text}")


def _console(stream: TextIO) -> Any:
    """Where a bar can be drawn, else None: a terminal, or a notebook that has the widgets for it."""
    if stream.isatty():
        from rich.console import Console

        return Console(file=stream)
    if stream is sys.stderr and "ipykernel" in sys.modules and find_spec("ipywidgets"):
        from rich.console import Console

        return Console()
    return None


def _make_bar(console: Any) -> Any:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    percent, left = TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.fields[left]}")
    columns = (TextColumn("{task.description}"), BarColumn(), percent, TimeElapsedColumn(), left)
    return Progress(*columns, console=console)
