"""The add-on without Blender: what it is made of, its zip, and the logic that needs no bpy."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
import sys
import time
import zipfile
from array import array
from pathlib import Path

import pytest

import texsync
from blender_addon import build, client, handoff, installed, results, session, vocabulary, waiting

ROOT = Path(__file__).parents[2]
ADDON = ROOT / "blender_addon"
build.describe()


BLENDERS = {"bpy", "mathutils", "gpu", "gpu_extras", "blf", "bl_operators"}


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
    "name",
    [
        "build",
        "client",
        "handoff",
        "installed",
        "offered",
        "results",
        "session",
        "vocabulary",
        "waiting",
        "wording",
    ],
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
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "panel.py", "options.json", "words.json"} <= {
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


def test_the_manifest_asks_for_files_and_the_network_of_models_only():
    permissions = re.findall(
        r"\[permissions\]\n(.*)", (ADDON / "blender_manifest.toml").read_text(), re.DOTALL
    )[0]
    assert [line.partition(" ")[0] for line in permissions.splitlines() if "=" in line] == [
        "network",
        "files",
    ]
    assert "model" in permissions.splitlines()[0]


def test_protocol_and_file_versions_are_the_workers():
    from texsync.files.formats.texmesh import VERSION
    from texsync.worker.service import PROTOCOL

    assert session.PROTOCOL == PROTOCOL and handoff.VERSION == VERSION


def test_the_panel_knows_every_stage_of_a_mesh():
    from texsync.progress import STAGES

    others = {"picture", "invert", "attend", "splats", "colours"}  # of tasks that the panel does not do
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


def test_a_blender_without_network_has_a_worker_without_network(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert client.environment(offline=True)["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in client.environment()


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
    for number in range(8):
        folder = tmp_path / f"2026-01-0{number + 1}"
        (folder / "texture").mkdir(parents=True)
        results.write(folder, {"targets": [], "name": str(number)})
        if number != 5:
            (folder / "texture" / "texture.png").write_bytes(b"")
    (tmp_path / "worker.log").write_text("")
    assert [record["name"] for _, record in results.latest(tmp_path)] == ["7", "6", "4", "3", "2", "1"]
    assert results.latest(tmp_path / "nowhere") == []


def result(base: Path, name: str, **record) -> Path:
    folder = base / name
    (folder / "texture").mkdir(parents=True)
    results.write(folder, {"targets": [], "name": "Box stone", "file_name": "Box stone", "seed": 1, **record})
    (folder / "texture" / results.MADE).write_bytes(b"picture")
    (folder / "texture" / results.LOOK).write_bytes(b"look")
    return folder


def test_pictures_have_names_of_their_own(tmp_path):
    """From object and prompt; a copy under another where a .blend has that name already, whatever the case."""
    folder = result(tmp_path, "a")
    results.name_picture(folder, results.read(folder))
    assert results.picture(folder).name == "Box_stone.png"
    assert results.free_picture(folder, []).name == "Box_stone.png"
    other = results.free_picture(folder, ["box_STONE.png"])
    assert other.name == "Box_stone_2.png" and other.read_bytes() == b"picture"
    assert results.picture(folder).name == "Box_stone.png"


def test_results_are_counted_and_old_ones_deleted(tmp_path):
    """Not those that a .blend reads its picture from, nor what is no result."""
    old, kept, new = result(tmp_path, "a"), result(tmp_path, "b", storage="file"), result(tmp_path, "c")
    (tmp_path / "mine").mkdir()
    (tmp_path / "worker_1.log").write_text("")
    assert results.size(tmp_path)[0] == 3 and results.size(tmp_path)[1] > 3 * len("picturelook")
    for path in (old / results.RECORD, kept / results.RECORD, tmp_path / "worker_1.log"):
        os.utime(path, (0, time.time() - 10 * results.DAY))
    assert results.remove_old(tmp_path, 9) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c", "mine"] and new.is_dir()


def test_a_file_that_is_locked_does_not_stop_the_rest(tmp_path, monkeypatch):
    """Windows lets nobody delete what another program reads."""
    folder, unlink = result(tmp_path, "a"), Path.unlink

    def locked(path, missing_ok=False):
        if path.suffix == ".png":
            raise PermissionError("it is in use")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", locked)
    results.discard(folder)
    assert not (folder / results.RECORD).exists()


# words of the prompt


def test_words_that_the_model_does_not_know_are_named():
    """What it reads them as where that is known; a model that no list is known of is left in peace."""
    assert vocabulary.unknown("mini", "weathered copper, with cracks") == []
    assert vocabulary.unknown("mini", "aluminium qqqq") == [
        '"aluminium" is read as metal, steel',
        '"qqqq" is not known to mini',
    ]
    assert vocabulary.unknown("owner/name", "qqqq") == [] and vocabulary.kinds("owner/name") == {}
    assert {"Materials", "Colours", "Patterns"} <= set(vocabulary.kinds("mini"))


def test_a_models_folder_may_say_what_it_knows(tmp_path):
    (tmp_path / "words.json").write_text('{"kinds": {"Clay": ["red clay"]}, "near": {"mud": "clay"}}')
    assert vocabulary.kinds(str(tmp_path)) == {"Clay": ["red clay"]}
    assert vocabulary.unknown(str(tmp_path), "red mud") == ['"mud" is read as clay']


# jobs that wait


def test_jobs_that_wait_can_be_put_in_order_and_taken_off():
    dropped: list[str] = []
    jobs = [
        session.Request(name, "mesh", {}, print, lambda name=name: dropped.append(name)) for name in "abcd"
    ]
    queue = waiting.Waiting()
    for job in jobs[:3]:
        queue.add(job)
    queue.add(jobs[3], first=True)

    def order() -> str:
        return "".join(job.ident for job in queue.jobs)

    assert order() == "dabc"
    queue.move("c", -1)
    queue.move("d", 1)
    queue.move("d", -5)
    queue.move("nobody", 1)
    assert order() == "dacb"
    queue.remove("a")
    queue.remove("nobody")
    assert order() == "dcb" and dropped == ["a"]
    queue.held = True
    assert queue.next() is None and not queue.goes_on
    queue.held = False
    assert queue.next() is jobs[3]
    queue.clear()
    assert dropped == ["a", "c", "b"] and not queue.goes_on


def test_what_is_handed_over_can_be_read_again(tmp_path):
    """For the look while it paints."""
    numbers = {
        "vertices": array("f", [0.5, 1.5, 2.5]),
        "triangles": array("i", [0, 1, 2]),
        "uv": array("f", [0.25]),
    }
    parts = [{"name": "A", "transform": [1.0] * 16, **numbers}, {"name": "B", "vertices": array("f", [7.0])}]
    handoff.write(tmp_path / "a.texmesh", "A", parts)
    assert handoff.read_parts(tmp_path / "a.texmesh") == parts


def test_folders_of_one_second_do_not_meet(tmp_path):
    made = {results.new_folder(tmp_path, 'a "b" / c') for _ in range(5)}
    assert len(made) == 5 and all(path.parent == tmp_path and path.is_dir() for path in made)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "{"])
def test_a_damaged_record_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / results.RECORD).write_text(content)
    with pytest.raises(ValueError, match=r"result|record"):
        results.read(tmp_path)
