"""The shell door: instant help, one-line errors, the right exit code, and the same names as Python."""

from __future__ import annotations

import inspect
import io
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import texsync
from texsync import cli
from texsync.errors import Cancelled, InputError, TexsyncWarning
from texsync.progress import Display
from texsync.tasks import mesh as task
from texsync.tasks.mesh import MeshOptions

HEAVY = {"torch", "numpy", "diffusers", "transformers", "pytorch3d", "trimesh", "xatlas", "embreex", "rich"}


class Painted:
    """Stands for a TexturedMesh; remembers how it was saved."""

    def save(self, folder: Path, **options) -> Path:
        self.saved = (folder, options)
        folder.mkdir()
        (folder / "jug.glb").write_bytes(b"glTF")
        return folder


@pytest.fixture
def painter(monkeypatch, tmp_path):
    """A texture_mesh that paints nothing and remembers its arguments; the current folder is empty."""
    monkeypatch.chdir(tmp_path)

    def paint(mesh, *, on_progress, **options):
        paint.mesh, paint.options, paint.result = mesh, options, Painted()
        on_progress("mesh", 0, 1)
        for step in range(3):
            on_progress("denoise", step, 3)
        paint.act()
        return paint.result

    paint.act = lambda: None
    monkeypatch.setattr(task, "texture_mesh", paint)
    return paint


def run(code: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_help_is_instant():
    """No heavy import, and well under half a second of processor time, which a busy machine does not lengthen."""
    code = "import sys; from texsync.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    seconds = []
    for _ in range(3):
        start = os.times()
        told = run(code)
        done = os.times()
        seconds.append(done.children_user - start.children_user)
    assert not HEAVY & set(told.stderr.split())
    assert min(seconds) < 0.5
    assert "doctor " in told.stdout and "--texture-size" in told.stdout


def test_shell_and_python_share_names():
    """What Python alone takes are functions and a bar; the rest is where results go, and two flags for one choice."""
    flags = {p.name for p in cli.texsync.commands["mesh"].params if not getattr(p, "hidden", False)}
    names = set(inspect.signature(texsync.texture_mesh).parameters)
    assert names - flags == {"on_progress", "progress", "uvs"}
    shell_only = {"out", "overwrite", "preview", "formats", "quiet", "verbose", "sweep"}
    assert flags - names == shell_only | {"keep_uvs", "unwrap"}


def test_a_run_hands_everything_on(painter, capsys):
    """Arguments arrive as typed, defaults as declared, files are named at the end."""
    assert (
        cli.main(["--seed", "3", "jug.obj", "rust", "--unwrap", "--control-scale", "0.5", "1", "--preview"])
        == 0
    )
    changed = {"prompt": "rust", "seed": 3, "uvs": "unwrap", "control_scale": (0.5, 1.0)}
    assert painter.mesh == Path("jug.obj") and painter.options == MeshOptions.defaults() | changed
    assert painter.result.saved == (
        Path("jug_textured"),
        {"overwrite": False, "preview": True, "formats": None},
    )
    told = capsys.readouterr()
    assert told.out == "jug_textured: jug.glb\n"
    assert told.err.splitlines() == ["reading the mesh", "painting", "writing files"]


def test_mesh_can_be_said_and_quiet_is_quiet(painter, capsys):
    assert cli.main(["mesh", "jug.obj", "rust", "--keep-uvs", "--out", "here", "--quiet"]) == 0
    assert painter.options["uvs"] == "keep" and painter.result.saved[0] == Path("here")
    assert capsys.readouterr() == ("", "")


WRONG = {
    "no arguments to a mesh": (["jug.obj"], "Missing argument 'PROMPT'"),
    "unknown flag": (["jug.obj", "rust", "--bogus"], "No such option '--bogus'"),
    "unknown coupling": (["jug.obj", "rust", "--coupling", "glue"], "syncsde, synctweedies, "),
    "not a number": (["jug.obj", "rust", "--seed", "x"], "'x' is not a valid integer"),
    "empty prompt": (["jug.obj", ""], "the prompt '' is empty"),
    "steps": (["jug.obj", "rust", "--steps", "0"], "steps 0 is out of range; use 1 to 1000"),
    "nan": (["jug.obj", "rust", "--strength", "nan"], "strength nan"),
    "texture size": (["jug.obj", "rust", "--texture-size", "0"], "texture size 0"),
    "both uvs": (["jug.obj", "rust", "--unwrap", "--keep-uvs"], "exclude each other"),
    "device": (["jug.obj", "rust", "--device", "tpu"], "known: auto, cpu"),
    "existing output": (["jug.obj", "rust", "--out", "old"], "old already exists; pass --overwrite"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_code_2(case, painter, capsys, tmp_path):
    """Nothing runs, nothing is written, and the line names what was wrong."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").touch()
    arguments, message = WRONG[case]
    assert cli.main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == "" and message in told.err
    assert told.err.startswith("texsync: ") and told.err.count("\n") == 1
    assert not hasattr(painter, "mesh") and [p.name for p in tmp_path.iterdir()] == ["old"]


def raiser(error):
    def act():
        raise error

    return act


ENDS = {
    "input": (
        InputError("jug.obj has no faces", "export it again"),
        2,
        "texsync: jug.obj has no faces; export it again",
    ),
    "cancelled": (Cancelled("cancelled"), 130, "texsync: cancelled"),
    "memory": (MemoryError(), 2, "texsync: not enough memory; lower --texture-size"),
    "torch's memory": (
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"),
        2,
        "texsync: not enough memory; lower --texture-size",
    ),
    "full disk": (
        OSError(28, "No space left on device", "out"),
        2,
        "texsync: out: No space left on device; choose",
    ),
    "bug": (KeyError("x\ny"), 1, "texsync: internal error: KeyError: 'x\\ny'; please report"),
    "other os error": (OSError(5, "Input/output error"), 1, "texsync: internal error: OSError"),
}


@pytest.mark.parametrize("case", ENDS)
def test_every_end_is_one_line(case, painter, capsys):
    """Ours, theirs and the machine's: exit code and last line."""
    error, code, line = ENDS[case]
    painter.act = raiser(error)
    assert cli.main(["jug.obj", "rust"]) == code
    told = capsys.readouterr().err.splitlines()
    assert told[:-1] == ["reading the mesh", "painting"] and told[-1].startswith(line)


def test_debug_shows_where_it_broke(painter, capsys, monkeypatch):
    monkeypatch.setenv("TEXSYNC_DEBUG", "1")
    painter.act = raiser(KeyError("x"))
    assert cli.main(["jug.obj", "rust"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(painter, capsys, tmp_path):
    """A real signal in the middle of a run."""
    painter.act = lambda: signal.raise_signal(signal.SIGINT)
    assert cli.main(["jug.obj", "rust"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "texsync: interrupted; nothing was written"
    assert not list(tmp_path.iterdir())


def test_our_warnings_are_notes_and_others_are_silent(painter, capsys):
    """One line each; other libraries' warnings only with --verbose."""

    def warn():
        warnings.warn("the prompt is\nlong", TexsyncWarning, stacklevel=1)
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)

    painter.act = warn
    assert cli.main(["jug.obj", "rust"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert "note: the prompt is long" in told and not any("old thing" in line for line in told)
    assert cli.main(["jug.obj", "rust", "--verbose", "--out", "again"]) == 0
    told = capsys.readouterr().err
    assert "note: DeprecationWarning: old thing" in told and "painting: 0.0 s" in told


def test_a_terminal_gets_a_bar():
    """Stage, count and notes on one screen; nothing of it in a log."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    with Display(screen) as display:
        for step in range(31):
            display("denoise", step, 30)
        display.note("note: [hello] there")
        display("something new", 0, 0)
    shown = screen.getvalue()
    assert (
        "painting" in shown
        and "30/30" in shown
        and "note: [hello] there" in shown
        and "something new" in shown
    )


def test_version_and_module_door():
    assert run("import sys; from texsync.cli import main; sys.exit(main(['--version']))").stdout == (
        f"texsync {texsync.__version__}\n"
    )
    told = subprocess.run(
        [sys.executable, "-m", "texsync", "x.obj"], capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 2 and told.stderr.startswith("texsync: Missing argument")


def test_public_names():
    """What __all__ promises is there; a typo is an AttributeError."""
    for name in texsync.__all__:
        assert getattr(texsync, name) is not None and name in dir(texsync)
    with pytest.raises(AttributeError, match="txture_mesh"):
        _ = texsync.txture_mesh
