"""The add-on in Blender as a module (bpy), legacy in one version and as an extension in the next, on the real worker.

`.ci/blender` makes the environments.  TEXSYNC_BPY may name other interpreters that have bpy, separated as in PATH.
What runs in Blender's process is in tests/blender; here it is started and its verdict passed on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from blender_python import interpreters

from blender_addon import build
from texsync.tasks.mesh import MeshOptions

ROOT = Path(__file__).parents[2]
CHECKS = Path(__file__).parent / "blender"
MESH = ROOT / "meshes" / "monkey.obj"


def version(python: str) -> tuple[int, ...]:
    code = "import bpy; print(*bpy.app.version)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()[-3:]))


def exact(source: Path, copy: Path) -> Path:
    """An OBJ whose numbers have 32 bits, as Blender keeps them; with more, a few texels fall to other pixels."""
    lines = []
    for line in source.read_text().splitlines():
        word, *numbers = line.split() or [""]
        if word in ("v", "vt"):
            line = " ".join([word, *(repr(float(np.float32(number))) for number in numbers)])
        lines.append(line)
    copy.write_text("\n".join(lines) + "\n")
    return copy


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory, tiny_model) -> Iterator[dict[str, str]]:
    """The zip, a program that runs this texsync, a tiny model, and what the shell will have made of a mesh."""
    folder = tmp_path_factory.mktemp("blender")
    program = folder / "texsync"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" OMP_NUM_THREADS=1 exec "{sys.executable}" -m texsync "$@"\n'
    )
    program.chmod(0o755)
    mesh = exact(MESH, folder / MESH.name)
    asked = ["mossy stone", "--seed", "3", "--steps", "4", "--texture-size", "256", "--view-size", "256"]
    asked += ["--keep-uvs", "--formats", "obj"]
    out = folder / "shell"
    # not waited for: the check that compares with it does, and the others need not
    shell = subprocess.Popen([str(program), str(mesh), *asked, "--quiet", "--out", str(out)])
    yield {
        "TEXSYNC_ZIP": str(build.build(folder)),
        "TEXSYNC_PROGRAM": str(program),
        "TEXSYNC_TINY": str(tiny_model),
        "TEXSYNC_DEFAULTS": json.dumps(MeshOptions.defaults()),
        "TEXSYNC_MESH": str(mesh),
        "TEXSYNC_TEXTURE": str(out / "monkey_texture.png"),
    }
    shell.kill()
    shell.wait()


@pytest.fixture(scope="module")
def checks(surroundings, tmp_path_factory):
    """Interpreter to (process, file of what it tells): all at once, since each waits for one core most of the time."""
    started = {}
    for python in interpreters():
        place = tmp_path_factory.mktemp("bpy")
        way = "extension" if version(python) >= (5, 0, 0) else "legacy"
        command = [python, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(CHECKS)]
        command += ["--confcutdir", str(CHECKS), "-p", "no:cacheprovider", "-o", "python_files=check_*.py"]
        command += ["--basetemp", str(place / "made"), str(CHECKS)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environment |= {**surroundings, "TEXSYNC_INSTALL": way, "BLENDER_USER_RESOURCES": str(place)}
        told = place / "told.txt"
        with told.open("w") as file:
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=file, cwd=place)
        started[python] = process, told
    yield started
    for process, _ in started.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "python", interpreters() or [""], ids=lambda path: Path(path).parts[-3] if path else "no bpy"
)
def test_in_blender(python, checks):
    """All checks; as an extension where this Blender is newer than the last with legacy add-ons only."""
    if not python:
        pytest.skip("NOT TESTED IN BLENDER: there is no bpy here; .ci/blender installs it")
    process, told = checks[python]
    assert process.wait() == 0, told.read_text()[-8000:]


@pytest.mark.parametrize("python", interpreters()[:1] or [""], ids=lambda path: "bpy" if path else "no bpy")
def test_blenders_own_tool_accepts_the_zip(python, surroundings):
    """And refuses a permission that there is none of, or this proves nothing."""
    if not python:
        pytest.skip("NOT VALIDATED BY BLENDER: there is no bpy here; .ci/blender installs it")
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    (tool,) = Path(done.stdout.strip(), "bpy").glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    good = subprocess.run(
        [python, tool, "validate", surroundings["TEXSYNC_ZIP"]], capture_output=True, text=True
    )
    assert good.returncode == 0, good.stdout + good.stderr
    bad = Path(surroundings["TEXSYNC_ZIP"]).parent / "bad"
    bad.mkdir()
    for file in build.shipped():
        (bad / file.name).write_bytes(file.read_bytes())
    manifest = bad / "blender_manifest.toml"
    manifest.write_text(manifest.read_text().replace("files =", "everything ="))
    refused = subprocess.run([python, tool, "validate", str(bad)], capture_output=True, text=True)
    assert refused.returncode != 0


STORY = """
import os, sys, time
import bpy
import addon_utils
bpy.ops.preferences.addon_install(filepath=os.environ["TEXSYNC_ZIP"])
bpy.ops.preferences.addon_enable(module="texsync_addon")
from texsync_addon import pump, state
chosen = bpy.context.preferences.addons["texsync_addon"].preferences
chosen.program, chosen.output = os.environ["TEXSYNC_PROGRAM"], sys.argv[1]
scene = bpy.context.scene.texsync
scene.prompt, scene.steps, scene.model = "stone", 990, os.environ["TEXSYNC_TINY"]
bpy.ops.mesh.primitive_cube_add()
bpy.ops.texsync.generate()
while not (state.session.job and state.session.job.step):
    pump.pump()
    time.sleep(0.02)
print("worker", state.session.hello["pid"], flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("python", interpreters()[:1] or [""], ids=lambda path: "bpy" if path else "no bpy")
def test_killing_blender_leaves_no_process(python, surroundings, tmp_path):
    """Without a chance to clean up, in the middle of a job."""
    if not python:
        pytest.skip("NOT TESTED IN BLENDER: there is no bpy here; .ci/blender installs it")
    script = tmp_path / "story.py"
    script.write_text(STORY)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {**surroundings, "BLENDER_USER_RESOURCES": str(tmp_path)}
    command = [python, str(script), str(tmp_path / "results")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as blender:
        pid = next(int(line.split()[1]) for line in blender.stdout if line.startswith("worker "))
        worker = psutil.Process(pid)
        blender.kill()
    worker.wait(timeout=30)
    assert not psutil.pid_exists(pid)
