"""What is seen while a run goes on: one bar, per cent and time left, a line every ten seconds, a note once."""

from __future__ import annotations

import inspect
import io
import warnings

import pytest

import texsync
from texsync import progress
from texsync.errors import TexsyncWarning
from texsync.options.declared import takes
from texsync.options.shared import SharedOptions
from texsync.progress import Course, Display, with_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


MESH = [
    ("mesh", 1),
    ("model", 1),
    ("geometry", 4),
    ("denoise", 30),
    ("decode", 1),
    ("texture", 1),
    ("save", 1),
]
EDIT = [
    ("picture", 1),
    ("model", 1),
    ("invert", 10),
    ("attend", 10),
    ("denoise", 10),
    ("decode", 1),
    ("save", 1),
]


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


@pytest.mark.parametrize(
    "stages", [MESH, EDIT, [("download", 3000), *MESH], MESH[1:2] + MESH[3:5] + MESH[6:]]
)
def test_a_run_goes_from_nothing_to_all_and_never_back(stages):
    course, seen = Course(), []
    for stage, total in stages:
        course.begin(stage)
        for step in range(total + 1):
            course.step(step, total)
            seen += [course.done] if stage != "download" else []
    assert seen == sorted(seen) and seen[0] < 0.1 and seen[-1] == 1.0
    course.begin(stages[-3][0])  # as a sweep's next run does
    course.step(0, 1)
    assert course.done == 0.0


def test_time_left_is_told_from_steps_that_take_the_same_time(clock):
    """Painting from 12 to 90 %: 10 of 30 steps in 20 s leave 40 s of painting and a tenth of the run after it."""
    course = Course()
    for stage, _ in MESH[:3]:
        course.begin(stage)
        course.step(1, 1)
        assert course.left is None
    course.begin("denoise")
    clock[0] = 20.0
    course.step(10, 30)
    assert course.left == pytest.approx(40 + 0.1 / 0.78 * 60)
    assert course.text() == "38 %, about 48 s left"
    assert (progress.duration(200), progress.duration(0.1)) == ("3 min", "1 s")


def test_a_log_has_a_line_every_ten_seconds(clock):
    log = io.StringIO()
    with Display(log) as display:
        for stage, total in MESH:
            for step in range(total + 1):
                display(stage, step, total)
                clock[0] += 2.0 if stage == "denoise" else 0.1
    lines = log.getvalue().splitlines()
    ticks = [line for line in lines if "%" in line]
    assert [line for line in lines if line not in ticks] == [progress.words(stage) for stage, _ in MESH]
    assert 5 <= len(ticks) <= 6 and all(line.startswith("painting: ") and "s left" in line for line in ticks)


def test_a_download_is_told_by_itself(clock):
    log = io.StringIO()
    with Display(log) as display:
        for done in (0, 1000, 2000):
            display("download", done, 4000)
            clock[0] += 11
            assert ("left" in log.getvalue()) == (done > 0)  # at once, not when reading is over
    assert log.getvalue().splitlines()[-1] == "downloading the model (MB): 50 %, about 22 s left"


def test_a_terminal_has_one_bar_a_run(clock):
    screen = Terminal()
    with Display(screen) as display:
        for stage, total in MESH:
            for step in range(total + 1):
                display(stage, step, total)
                clock[0] += 1.0
        display.note("note: hello")
        assert len(display._bar.tasks) == 1
    shown = screen.getvalue()
    assert "100 %" in shown and "note: hello" in shown and "%" not in shown.replace("100 %", "", 1)[-20:]


def test_a_note_is_said_once_a_run():
    """However often it is raised, and from wherever; the next run says it again."""
    for _ in range(2):
        log = io.StringIO()
        with Display(log):
            for text in ("no such word", "long prompt", "no such word"):
                warnings.warn(text, TexsyncWarning, stacklevel=1)
        assert log.getvalue().splitlines() == ["note: no such word", "note: long prompt"]


TASKS = ("texture_mesh", "wide_image", "ambiguous_image", "masked_image", "edit_image")


@pytest.mark.parametrize("name", TASKS)
def test_python_has_a_bar_for_the_asking(name):
    """One documented argument, off unless asked for."""
    function = getattr(texsync, name)
    assert inspect.signature(function).parameters["progress"].default is False
    assert "progress: Show a bar" in function.__doc__


def test_the_bar_and_a_listener_hear_the_same(capsys):
    @takes(SharedOptions)
    @with_bar
    def task(options: SharedOptions):
        options.heard("denoise", 1, 2)
        warnings.warn("heed this", TexsyncWarning, stacklevel=1)
        return options.seed

    heard = []
    with pytest.warns(TexsyncWarning, match="heed this"):  # Python's own way, not a line on stderr
        assert task(progress=True, on_progress=lambda *told: heard.append(told), seed=3) == 3
    assert heard == [("denoise", 1, 2)] and capsys.readouterr() == ("", "painting\n")
    with pytest.warns(TexsyncWarning):
        task(on_progress=lambda *told: None)
    assert capsys.readouterr() == ("", "")
