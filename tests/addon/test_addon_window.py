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


def test_a_person_at_the_window(tmp_path):
    """Press, orbit while it paints, backup, cancel, texture, undo, redo, wrong program; see window_drive.story.

    TEXSYNC_SHOTS names a folder to keep the screenshots in.
    """
    if not (shutil.which("blender") and shutil.which("xvfb-run")):
        pytest.skip(
            "NOT TESTED IN BLENDER'S WINDOW: blender and xvfb-run are not here; .ci/blender installs them"
        )
    program = tmp_path / "texsync"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" OMP_NUM_THREADS=1 exec "{sys.executable}" -m texsync "$@"\n'
    )
    program.chmod(0o755)
    for name in ("config", "scripts", "temporary", "shots"):
        (tmp_path / name).mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {
        "BLENDER_USER_CONFIG": str(tmp_path / "config"),
        "BLENDER_USER_SCRIPTS": str(tmp_path / "scripts"),
        "TMPDIR": str(tmp_path / "temporary"),
    }

    def run(*command: str, seconds: int) -> None:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    install = ["--python", str(CHECKS / "window_install.py"), "--"]
    run(
        "blender",
        "-b",
        *install,
        str(build.build(tmp_path)),
        str(program),
        str(tmp_path / "results"),
        seconds=120,
    )
    screen = ["xvfb-run", "-a", "-s", f"-screen 0 {SIZE[0]}x{SIZE[1]}x24"]
    drive = ["--enable-event-simulate", "--python", str(CHECKS / "window_drive.py"), "--"]
    run(*screen, "blender", "-p", "0", "0", *SIZE, *drive, str(tmp_path / "shots"), seconds=900)
    told = json.loads((tmp_path / "shots" / "result.json").read_text())
    if keep := os.environ.get("TEXSYNC_SHOTS"):
        shutil.copytree(tmp_path / "shots", keep, dirs_exist_ok=True)
    assert told.get("finished"), json.dumps(told, indent=1)
    assert all(fine for _, fine, _ in told["steps"]) and len(told["steps"]) >= 15
