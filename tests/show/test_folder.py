"""Results appear all at once or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from refusals import refused

from texsync.errors import InputError
from texsync.record.atomic import atomic_folder


def entries(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def result(path, text="new"):
    path.mkdir()
    (path / "run.json").write_text(text)
    return path


def test_a_folder_appears_when_it_is_complete(tmp_path):
    goal = tmp_path / "a" / "b"
    with atomic_folder(goal) as place:
        assert place.parent == goal.parent and not goal.exists()
        (place / "file").write_text("x")
    assert entries(goal) == ["file"] and entries(tmp_path / "a") == ["b"]
    assert oct(goal.stat().st_mode) == oct((tmp_path / "a").stat().st_mode)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_of_an_interrupted_run(tmp_path, error):
    with pytest.raises(error), atomic_folder(tmp_path / "a" / "b") as place:
        (place / "half").write_text("x")
        raise error
    assert entries(tmp_path) == []
    kept = result(tmp_path / "kept", "old")
    with pytest.raises(error), atomic_folder(kept, overwrite=True) as place:
        raise error
    assert entries(tmp_path) == ["kept"] and (kept / "run.json").read_text() == "old"


def test_an_old_result_is_replaced_only_when_asked(tmp_path):
    old = result(tmp_path / "out", "old")
    (old / "leftover").write_text("x")
    with refused("output-taken"), atomic_folder(old):
        pass
    with atomic_folder(old, overwrite=True) as place:
        assert (old / "run.json").read_text() == "old"
        (place / "run.json").write_text("new")
    assert (
        entries(tmp_path) == ["out"]
        and entries(old) == ["run.json"]
        and (old / "run.json").read_text() == "new"
    )


def test_only_results_of_ours_are_overwritten(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with (
        refused("output-foreign"),
        atomic_folder(tmp_path / "thesis", overwrite=True),
    ):
        pass
    (tmp_path / "file").write_text("x")
    with refused("output-taken"), atomic_folder(tmp_path / "file", overwrite=True):
        pass
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as place:
        (place / "run.json").write_text("x")
    assert entries(tmp_path) == ["empty", "file", "thesis"] and entries(tmp_path / "empty") == ["run.json"]


def test_a_move_that_fails_brings_the_old_result_back(tmp_path, monkeypatch):
    old = result(tmp_path / "out", "old")
    rename = type(old).rename

    def fails(self, target):
        if self.name.startswith(".out-") and target == old:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(type(old), "rename", fails)
    with refused("output-place"), atomic_folder(old, overwrite=True):
        pass
    assert entries(tmp_path) == ["out"] and (old / "run.json").read_text() == "old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk_is_said_in_one_line(tmp_path, monkeypatch, number):
    with pytest.raises(InputError) as caught, atomic_folder(tmp_path / "out"):
        raise OSError(number, os.strerror(number))
    assert os.strerror(number) in str(caught.value) and "\n" not in str(caught.value)

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with refused("output-place"), atomic_folder(tmp_path / "a" / "out"):
        pass
    assert entries(tmp_path) == []


def test_other_errors_are_not_blamed_on_the_disk(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "out"):
        (tmp_path / "nowhere").read_text()
    assert entries(tmp_path) == []


KILLED = """
import os, signal, sys
from texsync.record.atomic import atomic_folder
with atomic_folder(sys.argv[1], overwrite=True) as place:
    (place / "half").write_text("x")
    print(place, flush=True)
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


def other_run(goal, way) -> tuple[subprocess.Popen, Path]:
    """A run in a process of its own that is killed in the middle, or waits there; and its temporary folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(goal), way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert run.stdout is not None
    return run, Path(run.stdout.readline().strip())


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on folders")
def test_what_a_killed_run_left_goes_with_the_next_and_nothing_else(tmp_path):
    """Not the folder of a run that lives, of another place, or one that only looks like it."""
    others = [".out-texsync-notes", ".out-abcdefgh", ".other-texsync-abcdefgh", ".outer-texsync-abcdefgh"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / ".out-texsync-linklink").symlink_to(tmp_path / others[0])
    killed, left = other_run(tmp_path / "out", "kill")
    killed.communicate()
    living, held = other_run(tmp_path / "out", "wait")
    assert not left.exists() and (held / "half").exists()  # the second run has tidied up after the first
    with atomic_folder(tmp_path / "out") as place:
        (place / "run.json").write_text("x")
    assert (held / "half").exists()
    assert entries(tmp_path) == sorted([*others, ".out-texsync-linklink", held.name, "out"])
    living.communicate("")
    assert living.returncode == 0 and entries(tmp_path / "out") == ["half"]


def test_an_old_result_set_aside_goes_only_once_there_is_a_new_one(tmp_path):
    """A run was killed between the two moves: what is aside is all there is."""
    aside = tmp_path / ".out-texsync-old-abcdefgh"
    aside.mkdir()
    result(aside / "out", "old")
    with pytest.raises(ValueError), atomic_folder(tmp_path / "out", overwrite=True):
        raise ValueError
    assert (aside / "out" / "run.json").read_text() == "old"
    with atomic_folder(tmp_path / "out", overwrite=True) as place:
        (place / "run.json").write_text("new")
    assert entries(tmp_path) == ["out"]
