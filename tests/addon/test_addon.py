"""The add-on without Blender: what it is made of, its zip, and the logic that needs no bpy."""

from __future__ import annotations

import ast
import re
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import texsync
from blender_addon import build, client, handoff, installed, results, session

ROOT = Path(__file__).parents[2]
ADDON = ROOT / "blender_addon"


BLENDERS = {"bpy", "mathutils", "gpu", "blf"}


@pytest.mark.parametrize(
    "path", [path for path in build.shipped() if path.suffix == ".py"], ids=lambda path: path.name
)
def test_the_addon_is_bpy_and_the_standard_library(path):
    """No torch, no numpy; its own files by relative imports only, as an extension has no name of its own."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        tops = {name.partition(".")[0] for name in names}
        assert tops <= BLENDERS | set(sys.stdlib_module_names), tops


@pytest.mark.parametrize(
    "name", ["client", "offered", "handoff", "installed", "results", "session", "wording", "build"]
)
def test_the_logic_needs_no_blender(name):
    assert "bpy" not in {word for line in import_lines(ADDON / f"{name}.py") for word in line.split()}


def import_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if re.match(r"\s*(import|from)\s", line)]


def test_the_zip_has_one_folder_with_everything(tmp_path):
    """Same files, same bytes; the build script stays here."""
    done = subprocess.run(
        [sys.executable, str(ADDON / "build.py"), str(tmp_path)], capture_output=True, text=True
    )
    path = Path(done.stdout.strip())
    assert path.name == f"texsync_blender-{texsync.__version__}.zip"
    names = zipfile.ZipFile(path).namelist()
    assert {name.partition("/")[0] for name in names} == {"texsync_addon"}
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "panel.py", "options.json"} <= {
        name.partition("/")[2] for name in names
    }
    assert not [name for name in names if "build.py" in name or "__pycache__" in name]
    assert build.build(tmp_path / "again").read_bytes() == path.read_bytes()
    assert path.stat().st_size < 100_000


def test_version_and_licence_agree_everywhere():
    manifest = (ADDON / "blender_manifest.toml").read_text()
    assert f'version = "{texsync.__version__}"' in manifest and build.version() == texsync.__version__
    assert "GPL-3.0-or-later" in manifest
    licence = (ADDON / "LICENSE").read_text()
    assert "GNU GENERAL PUBLIC LICENSE" in licence and "Version 3" in licence
    for path in ADDON.glob("*.py"):
        assert path.read_text().startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n"), path.name


def test_the_manifest_asks_for_files_only():
    permissions = re.findall(
        r"\[permissions\]\n(.*)", (ADDON / "blender_manifest.toml").read_text(), re.DOTALL
    )[0]
    assert [line.partition(" ")[0] for line in permissions.splitlines() if "=" in line] == ["files"]


def test_protocol_and_file_versions_are_the_workers():
    from texsync.files.formats.texmesh import VERSION
    from texsync.worker.service import PROTOCOL

    assert session.PROTOCOL == PROTOCOL and handoff.VERSION == VERSION


def test_the_panel_knows_every_stage_of_a_mesh():
    from texsync.progress import STAGES

    others = {"picture", "invert", "attend"}  # of the tasks on pictures
    assert list(session.STAGES) == [stage for stage in STAGES if stage not in others]


# finding and starting texsync


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_texsync_is_found_in_the_usual_places(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("TEXSYNC", raising=False)
    monkeypatch.setattr(installed, "USUAL", ())
    assert installed.find() == ""
    places = [".local/share/uv/tools/texsync", ".local/share/pipx/venvs/texsync", ".venv", "texsync/.venv"]
    for place in places:  # likelier and likelier
        found = program(tmp_path / place / installed.BIN / f"texsync{installed.EXE}")
        assert installed.find() == str(found)
    on_path = program(tmp_path / "bin" / f"texsync{installed.EXE}")
    assert installed.find() == str(on_path)
    named = program(tmp_path / "named")
    monkeypatch.setenv("TEXSYNC", str(named))
    assert installed.find() == str(named)


def test_what_the_user_points_at_is_started_the_right_way(tmp_path):
    python = program(tmp_path / "venv" / installed.BIN / f"python{installed.EXE}")
    assert installed.command(str(python)) == [str(python), "-m", "texsync"]
    assert installed.command(str(tmp_path)) == [str(python), "-m", "texsync"]
    texsync_itself = program(python.with_name(f"texsync{installed.EXE}"))
    for place in (texsync_itself, tmp_path / "venv", tmp_path, f' "{texsync_itself}" '):
        assert installed.command(str(place)) == [str(texsync_itself)]


@pytest.mark.parametrize(
    ("place", "says"),
    [("nowhere", "There is no program at"), (".", "neither texsync nor Python"), ("plain", "may be started")],
)
def test_what_cannot_be_started_is_told(tmp_path, place, says):
    (tmp_path / "plain").write_text("text")
    with pytest.raises(ValueError, match=says):
        installed.command(str(tmp_path / place))


@pytest.mark.parametrize(("variable", "kind"), [("FLATPAK_ID", "Flatpak"), ("SNAP", "Snap")])
def test_walls_are_named(monkeypatch, variable, kind):
    for name in ("FLATPAK_ID", "SNAP"):
        monkeypatch.delenv(name, raising=False)
    assert installed.walled_in() == ""
    monkeypatch.setenv(variable, "/snap/blender/1" if kind == "Snap" else "org.blender.Blender")
    assert kind in installed.walled_in()


def test_blenders_python_does_not_leak_into_the_worker(monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/opt/blender/python")
    monkeypatch.setenv("PYTHONPATH", "/opt/blender/scripts")
    assert not {"PYTHONHOME", "PYTHONPATH"} & set(client.environment())


# the worker as a process


def test_a_client_reads_what_is_said_and_nothing_else(tmp_path):
    """Noise on stdout is dropped, stderr is in the log, the end is told with its last words; no process stays."""
    code = "import sys\nprint('noise')\nprint('{\"event\": \"hello\"}', flush=True)\nsys.exit('no more')\n"
    path = program(tmp_path / "texsync", f"#!{sys.executable}\n{code}")
    one = client.Client([str(path)], tmp_path / "log.txt")
    events: list[dict] = []
    end = time.monotonic() + 30
    while not any(event["event"] == "gone" for event in events) and time.monotonic() < end:
        events += one.events()
    assert events == [{"event": "hello"}, {"event": "gone", "code": 1, "tail": "no more"}]
    assert not one.alive
    one.send(command="run")
    one.kill()


def test_a_client_that_cannot_start_says_which(tmp_path):
    with pytest.raises(client.CannotStart, match="nowhere"):
        client.Client(["/nowhere/texsync"], tmp_path / "log.txt")


def test_killing_ends_children_too(tmp_path):
    import psutil

    path = program(tmp_path / "texsync", f"#!/bin/sh\n{sys.executable} -c 'import time; time.sleep(600)'\n")
    one = client.Client([str(path)], tmp_path / "log.txt")
    end = time.monotonic() + 30
    while not (children := psutil.Process(one.process.pid).children()) and time.monotonic() < end:
        time.sleep(0.05)
    one.kill()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert gone and not alive


# results on disk


def test_results_are_listed_newest_first_and_only_when_finished(tmp_path):
    for number in range(7):
        folder = tmp_path / f"2026-01-0{number + 1}"
        (folder / "texture").mkdir(parents=True)
        results.write(folder, {"targets": [], "name": str(number)})
        if number != 5:
            (folder / "texture" / "texture.png").write_bytes(b"")
    (tmp_path / "worker.log").write_text("")
    assert [record["name"] for _, record in results.latest(tmp_path)] == ["6", "4", "3", "2", "1"]
    assert results.latest(tmp_path / "nowhere") == []


def test_folders_of_one_second_do_not_meet(tmp_path):
    made = {results.new_folder(tmp_path, 'a "b" / c') for _ in range(5)}
    assert len(made) == 5 and all(path.parent == tmp_path and path.is_dir() for path in made)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "{"])
def test_a_damaged_record_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / results.RECORD).write_text(content)
    with pytest.raises(ValueError, match=r"result|record"):
        results.read(tmp_path)
