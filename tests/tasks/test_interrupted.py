"""A full disk, Ctrl-C, too little memory, a bug: one line, and no half a result; here and in a real process."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import trimesh
from doors import FACE, MESHES, ROOT, TRIANGLE, check_line, put, refused, small, tree

from texsync import cli
from texsync.files import save as saving
from texsync.show import render as preview


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def test_a_full_disk_is_told_before_the_work(place, monkeypatch, capsys, no_weights):
    usage = shutil.disk_usage(place)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    refused(["jug.obj", "rust"], capsys, "less than 64 MB are free", "free some space")


@pytest.mark.parametrize(
    ("number", "out"),
    [(errno.ENOSPC, []), (errno.EROFS, ["--out", "done", "--overwrite"])],
    ids=["new", "over"],
)
def test_a_disk_that_fills_up_leaves_nothing(number, out, place, tiny_model, monkeypatch, capsys):
    """The last thing that is written fails: no half a folder, and the earlier result stays."""

    def write(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(preview, "turntable", write)
    refused(small(tiny_model, "--quiet", *out), capsys, "cannot write", os.strerror(number), "; ")


def test_torch_out_of_memory_is_no_bug_of_ours(place, tiny_model, monkeypatch, capsys):
    def decode(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr("texsync.surface.texture.BakeTables.apply", decode)
    refused(small(tiny_model, "--quiet"), capsys, "not enough memory", "lower --texture-size")


ENDS = {
    signal.SIGINT: (130, "texsync: interrupted; nothing was written"),
    signal.SIGTERM: (143, "texsync: terminated; nothing was written"),
}


@pytest.mark.parametrize("out", [[], ["--out", "done", "--overwrite"]], ids=["new", "over"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_files_are_written(number, out, place, tiny_model, monkeypatch, capsys):
    before = tree(place)

    def press(*_):
        assert len(tree(place)) > len(before)  # something is half written
        signal.raise_signal(number)

    monkeypatch.setattr(preview, "turntable", press)
    assert cli.main(small(tiny_model, "--quiet", *out)) == ENDS[number][0]
    assert capsys.readouterr().err.splitlines()[-1] == ENDS[number][1]
    assert tree(place) == before


def test_a_bug_leaves_nothing_either(place, tiny_model, monkeypatch, capsys):
    before = tree(place)
    monkeypatch.setattr(saving, "obj_text", lambda *_: 1 / 0)
    assert cli.main(small(tiny_model, "--quiet")) == 1
    assert capsys.readouterr().err.startswith("texsync: internal error: ZeroDivisionError")
    assert tree(place) == before


# ---- what is taken after all ------------------------------------------------------------------------------------


def test_a_long_prompt_is_read_whole_and_without_a_word(place, tiny_model, still, capsys):
    """Twice as long as the model reads at once: in two chunks."""
    arguments = small(tiny_model, "--quiet")
    arguments[1] = "weathered copper " * 9 + "with a red object"
    assert cli.main(arguments) == 0 and capsys.readouterr() == ("", "")
    assert (place / "jug_textured" / "jug.glb").is_file()


def test_one_triangle_is_painted(place, tiny_model, still, capsys):
    put(place, "jug.obj", TRIANGLE + FACE)
    assert cli.main(small(tiny_model, "--quiet")) == 0
    assert capsys.readouterr() == ("", "")
    assert len(trimesh.load(place / "jug_textured" / "jug.glb", force="mesh").faces) == 1


def test_overwrite_replaces_a_result_and_only_that(place, tiny_model, still, capsys):
    assert cli.main(small(tiny_model, "--out", "done", "--overwrite", "--quiet")) == 0
    assert json.loads((place / "done" / "run.json").read_text())["prompt"] == "red object"
    assert {path.name for path in place.iterdir()} == {"jug.obj", "done", "thesis"}


# ---- a real process ---------------------------------------------------------------------------------------------

MARK = "=== "
EACH = f"""
import sys
from texsync.cli import main
for name in sys.argv[1:]:
    code = main([name, "rust"])
    print("{MARK}", name, code, file=sys.stderr, flush=True)
"""


def process(*arguments: str, **more) -> subprocess.Popen:
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def test_other_libraries_say_nothing_on_bad_meshes(place):
    """All of them in one process of its own: no log line, warning or progress bar slips through."""
    names = []
    for number, (name, content, *_) in enumerate(MESHES.values()):
        names.append(f"{number}-{name}" if content is not None else name)
        put(place, names[-1], content)
    before = tree(place)
    out, told = process("-c", EACH, *names).communicate(timeout=120)
    assert out == "" and tree(place) == before
    lines = told.splitlines()
    assert lines[1::2] == [f"{MARK} {name} 2" for name in names]
    assert len(lines) == 2 * len(names) and all(line.startswith("texsync: ") for line in lines[::2])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["jug.obj", ""], "the prompt '' is empty"),
        (["jug.obj", "rust", "--texture-size", "100000"], "texture size 100000"),
        (["jug.obj", "rust", "--model", "done"], "done/model_index.json is missing"),
    ],
    ids=["prompt", "size", "model"],
)
def test_a_real_shell_sees_the_same(flags, said, place):
    before = tree(place)
    door = process("-m", "texsync", *flags)
    out, told = door.communicate(timeout=120)
    assert (door.returncode, out) == (2, "") and tree(place) == before
    check_line(told, said)


@pytest.mark.parametrize("number", ENDS)
def test_a_real_signal_leaves_nothing(number, place, tiny_model):
    """While it paints: the exit code of that signal, one last line, no traceback and no file."""
    before = tree(place)
    door = process("-m", "texsync", *small(tiny_model, "--steps", "900"))
    assert door.stderr is not None
    seen = []
    for line in door.stderr:
        seen.append(line)
        if line == "painting\n":
            time.sleep(0.2)
            door.send_signal(number)
            break
    out, rest = door.communicate(timeout=120)
    assert (door.returncode, out) == (ENDS[number][0], ""), seen
    assert rest.splitlines()[-1] == ENDS[number][1] and "Traceback" not in rest
    assert tree(place) == before
