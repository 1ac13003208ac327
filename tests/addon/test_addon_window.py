"""The add-on in Blender's own window, under a virtual screen: what only an event loop can show."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blender_addon import build

ROOT = Path(__file__).parents[2]
CHECKS = Path(__file__).parent / "blender"
SIZE = ("1000", "760")


@pytest.fixture
def window(tmp_path):
    """Plays a script of tests/addon/blender at the window of a Blender that has the add-on; gives what it told.

    TEXSYNC_SHOTS names a folder to keep the screenshots in.
    """
    if not (shutil.which("blender") and shutil.which("xvfb-run")):
        pytest.skip(
            "NOT TESTED IN BLENDER'S WINDOW: blender and xvfb-run are not here; .ci/blender installs them"
        )
    program = written(
        tmp_path / "texsync", f'PYTHONPATH="{ROOT}" OMP_NUM_THREADS=1 exec "{sys.executable}" -m texsync'
    )
    for name in ("config", "scripts", "temporary", "shots"):
        (tmp_path / name).mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {
        "BLENDER_USER_CONFIG": str(tmp_path / "config"),
        "BLENDER_USER_SCRIPTS": str(tmp_path / "scripts"),
        "TMPDIR": str(tmp_path / "temporary"),
        "TEXSYNC_PROGRAM": str(program),
    }

    def run(*command: str, seconds: int) -> None:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    archive, results = build.build(tmp_path), tmp_path / "results"
    install = ["--python", str(CHECKS / "window_install.py"), "--", str(archive), str(program), str(results)]
    run("blender", "-b", *install, seconds=120)

    def play(script: str, *arguments: str) -> dict:
        screen = ["xvfb-run", "-a", "-s", f"-screen 0 {SIZE[0]}x{SIZE[1]}x24"]
        drive = ["--enable-event-simulate", "--python", str(CHECKS / script), "--", *arguments]
        run(*screen, "blender", "-p", "0", "0", *SIZE, *drive, str(tmp_path / "shots"), seconds=900)
        if keep := os.environ.get("TEXSYNC_SHOTS"):
            shutil.copytree(tmp_path / "shots", keep, dirs_exist_ok=True)
        told = json.loads((tmp_path / "shots" / "result.json").read_text())
        assert told.get("finished"), json.dumps(told, indent=1)
        assert all(fine for _, fine, _ in told["steps"])
        return told

    return play


def written(path: Path, command: str) -> Path:
    """A program that starts another."""
    path.write_text(f'#!/bin/sh\n{command} "$@"\n')
    path.chmod(0o755)
    return path


def test_a_person_at_the_window(window):
    """Press, orbit while it paints, backup, cancel, texture, undo, redo, wrong program; see window_drive.story."""
    assert len(window("window_drive.py")["steps"]) >= 15


def test_hands_that_are_busy(window, tmp_path):
    """A result that arrives in the middle of a drag or a stroke is not applied, which would crash Blender."""
    played = written(tmp_path / "played", f'exec "{sys.executable}" -S "{CHECKS / "played.py"}"')
    assert len(window("window_hands.py", str(played))["steps"]) >= 20
