"""The add-on without Blender: what it is made of, its zip, and the logic that needs no bpy."""

from __future__ import annotations

import ast
import re
import stat
import subprocess
import sys
import time
import zipfile
from array import array
from pathlib import Path

import handed
import numpy as np
import pytest
import torch

import texsync
from blender_addon import build, client, handoff, locate, results, session, words
from texsync.errors import InputError
from texsync.files.handoff import new_uvs, read_handed
from texsync.files.load import load
from texsync.surface.partial import Repaint
from texsync.surface.polygons import cut, uncut
from texsync.surface.uv import covered_share, prepare, unwrap

ROOT = Path(__file__).parents[1]
ADDON = ROOT / "blender_addon"


BLENDERS = {"bpy", "mathutils", "gpu", "blf"}


@pytest.mark.parametrize("path", sorted(ADDON.glob("*.py")), ids=lambda path: path.name)
def test_the_addon_is_bpy_and_the_standard_library(path):
    """No torch, no numpy; its own files by relative imports only, as an extension has no name of its own."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        tops = {name.partition(".")[0] for name in names}
        assert tops <= BLENDERS | set(sys.stdlib_module_names), tops


@pytest.mark.parametrize("name", ["client", "handoff", "locate", "results", "session", "words", "build"])
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
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "panel.py"} <= {
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
    from texsync.files.handoff import VERSION
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
    monkeypatch.setattr(locate, "USUAL", ())
    assert locate.find() == ""
    places = [".local/share/uv/tools/texsync", ".local/share/pipx/venvs/texsync", ".venv", "texsync/.venv"]
    for place in places:  # likelier and likelier
        found = program(tmp_path / place / locate.BIN / f"texsync{locate.EXE}")
        assert locate.find() == str(found)
    on_path = program(tmp_path / "bin" / f"texsync{locate.EXE}")
    assert locate.find() == str(on_path)
    named = program(tmp_path / "named")
    monkeypatch.setenv("TEXSYNC", str(named))
    assert locate.find() == str(named)


def test_what_the_user_points_at_is_started_the_right_way(tmp_path):
    python = program(tmp_path / "venv" / locate.BIN / f"python{locate.EXE}")
    assert locate.command(str(python)) == [str(python), "-m", "texsync"]
    assert locate.command(str(tmp_path)) == [str(python), "-m", "texsync"]
    texsync_itself = program(python.with_name(f"texsync{locate.EXE}"))
    for place in (texsync_itself, tmp_path / "venv", tmp_path, f' "{texsync_itself}" '):
        assert locate.command(str(place)) == [str(texsync_itself)]


@pytest.mark.parametrize(
    ("place", "says"),
    [("nowhere", "There is no program at"), (".", "neither texsync nor Python"), ("plain", "may be started")],
)
def test_what_cannot_be_started_is_told(tmp_path, place, says):
    (tmp_path / "plain").write_text("text")
    with pytest.raises(ValueError, match=says):
        locate.command(str(tmp_path / place))


@pytest.mark.parametrize(("variable", "kind"), [("FLATPAK_ID", "Flatpak"), ("SNAP", "Snap")])
def test_walls_are_named(monkeypatch, variable, kind):
    for name in ("FLATPAK_ID", "SNAP"):
        monkeypatch.delenv(name, raising=False)
    assert locate.walled_in() == ""
    monkeypatch.setenv(variable, "/snap/blender/1" if kind == "Snap" else "org.blender.Blender")
    assert kind in locate.walled_in()


def test_blenders_python_does_not_leak_into_the_worker(monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/opt/blender/python")
    monkeypatch.setenv("PYTHONPATH", "/opt/blender/scripts")
    assert not {"PYTHONHOME", "PYTHONPATH"} & set(client.environment())


# the session, with a worker that is played


class Played:
    """A client whose worker says what the test says."""

    command, alive, killed, asked_to_quit = ["texsync"], True, False, False

    def __init__(self, *said: dict):
        self.said, self.sent = list(said), []

    def events(self):
        said, self.said = self.said, []
        return said

    def send(self, **message):
        self.sent.append(message)

    def kill(self):
        self.killed = True

    def quit(self):
        self.asked_to_quit = True


HELLO = {"event": "hello", "protocol": session.PROTOCOL, "texsync": "0"}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def play(monkeypatch):
    """(session, played client, job, clock): a job was asked for, and the worker is starting."""
    clock, played = Clock(), Played()
    monkeypatch.setattr(session, "Client", lambda command, log: played)
    one = session.Session(clock)
    ends: list = []
    job = session.Job("7", "mesh", {"mesh": "a"}, ends.append, lambda: ends.append("dropped"))
    job.ends = ends
    one.run(["texsync"], Path("log"), job)
    return one, played, job, clock


def test_a_job_from_start_to_end(play):
    one, played, job, clock = play
    assert one.phase == "starting" and one.status() == "Starting texsync" and played.sent == []
    played.said = [HELLO]
    assert one.tick() and one.phase == "running"
    assert played.sent[0]["command"] == "run" and played.sent[0]["id"] == "7"
    for step in range(5):
        clock.now = 2.0 * step
        played.said = [{"event": "progress", "id": "7", "stage": "denoise", "step": step, "total": 10}]
        one.tick()
    assert one.status() == "Painting 4/10" and one.seconds_left() == pytest.approx(12)
    assert one.fraction() == pytest.approx(0.1 + 0.8 * 0.4)
    played.said = [
        {"event": "preview", "id": "7", "path": "p.png"},
        {"event": "note", "id": "7", "text": "use --unwrap"},
    ]
    one.tick()
    assert one.preview == "p.png" and one.notes == ["use UVs: New Map"]
    played.said = [{"event": "done", "id": "7", "files": {"texture.png": "t"}}]
    assert one.tick() and not one.busy and job.ends == [{"texture.png": "t"}] and one.problem is None
    assert not one.tick() and not played.killed


def test_time_left_knows_the_stages_of_the_last_run(play):
    one, played, job, clock = play
    one.seconds = {"decode": 3.0, "texture": 1.0, "save": 0.5}
    played.said = [HELLO, {"event": "progress", "id": "7", "stage": "denoise", "step": 0, "total": 4}]
    one.tick()
    assert one.seconds_left() is None
    clock.now = 2.0
    played.said = [{"event": "progress", "id": "7", "stage": "denoise", "step": 1, "total": 4}]
    one.tick()
    assert one.seconds_left() == pytest.approx(2.0 * 3 + 4.5)
    played.said = [{"event": "progress", "id": "7", "stage": "decode", "step": 0, "total": 1}]
    one.tick()
    assert one.seconds_left() == pytest.approx(4.5)


def test_cancel_is_asked_for_and_then_enforced(play):
    one, played, job, clock = play
    played.said = [HELLO]
    one.tick()
    one.cancel()
    assert played.sent[-1] == {"command": "cancel", "id": "7"} and one.status() == "Cancelling"
    clock.now = session.GRACE + 0.1
    assert one.tick() and played.killed and not one.busy and one.problem is None and job.ends == ["dropped"]


def test_a_result_that_comes_after_cancel_is_not_applied(play):
    one, played, job, _ = play
    played.said = [HELLO]
    one.tick()
    one.cancel()
    played.said = [{"event": "done", "id": "7", "files": {}}]
    one.tick()
    assert job.ends == ["dropped"] and not one.busy


def test_a_result_waits_while_the_users_hands_are_busy_but_not_for_ever(play):
    one, played, job, clock = play
    clock.now, busy = 1.0, [True]
    one.hold = lambda: busy[0]
    played.said = [HELLO, {"event": "done", "id": "7", "files": {"a": "b"}}]
    one.tick()
    assert one.busy and job.ends == [] and one.status() == "Waiting for your hands"
    clock.now = 1.0 + session.PATIENCE / 2
    one.tick()
    assert job.ends == []
    clock.now = 1.1 + session.PATIENCE
    one.tick()
    assert not one.busy and job.ends == [{"a": "b"}]


def test_answers_to_an_older_job_are_not_mixed_up(play):
    one, played, job, _ = play
    played.said = [
        HELLO,
        {"event": "done", "id": "6", "files": {}},
        {"event": "error", "id": "6", "message": "x"},
    ]
    one.tick()
    assert one.phase == "running" and job.ends == [] and one.problem is None


def test_silence_after_the_start_is_told(play):
    one, played, job, clock = play
    clock.now = session.HELLO + 1
    one.tick()
    assert "does not answer" in one.problem.text() and played.killed and job.ends == ["dropped"]


def test_what_finish_raises_is_told(play):
    one, played, job, _ = play
    job.finish = lambda files: (_ for _ in ()).throw(ValueError("The faces changed"))
    played.said = [HELLO, {"event": "done", "id": "7", "files": {}}]
    one.tick()
    assert one.problem.text() == "The faces changed." and not one.busy


def test_a_cold_worker_is_asked_to_leave(play):
    one, played, job, _ = play
    one.keep_warm = False
    played.said = [HELLO, {"event": "done", "id": "7", "files": {}}]
    one.tick()
    assert played.asked_to_quit and one.client is None


@pytest.mark.parametrize(
    ("kind", "message", "fix"),
    [
        ("input", "Suzanne cannot keep its UVs: there are none", "new_map"),
        ("memory", "there is not enough memory", "smaller"),
        ("input", "the old picture has 512 x 512 texels, the new one 256 x 256", "texture_size 512"),
        ("input", "the old picture has 512 x 256 texels, the new one 256 x 256", ""),
        ("installation", "ModuleNotFoundError: xatlas", "check"),
        ("input", "steps 0 is out of range", ""),
    ],
)
def test_problems_know_the_button_that_mends_them(kind, message, fix):
    assert words.fix_for(kind, message) == fix


def test_words_of_the_shell_become_words_of_the_panel():
    said = words.in_panel_words("use --unwrap, lower --texture-size or --view-size, pass --keep-uvs")
    assert said == "use UVs: New Map, lower Texture Size or View Size, pass UVs: Keep Mine"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "About 1 s left"), (89, "About 89 s left"), (200, "About 3 min left")]
)
def test_time_in_words(seconds, said):
    assert words.clock_words(seconds) == said


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


# the hand-off


def test_what_the_addon_writes_is_what_the_worker_reads(tmp_path):
    """Both writers agree byte for byte, and the reader gives the numbers back."""
    part, path = handed.cube(uv=handed.grid_uvs()), tmp_path / "box.texmesh"
    handoff.write(path, "box", [part])
    (tmp_path / "same").mkdir()
    assert path.read_bytes() == handed.write(tmp_path / "same" / "box.texmesh", part).read_bytes()
    (read,) = read_handed(path).parts
    assert read.shape.vertices.tolist() == [list(corner) for corner in handed.CORNERS]
    assert read.shape.uv.ravel().tolist() == list(part["uv"]) and read.corners == 24
    assert read.shape.faces.shape == (12, 3) and read.shape.polygon.max() == 5


def test_axes_are_blenders(tmp_path):
    """+z up, -y front, and the object's own matrix is applied."""
    matrix = [2.0, 0, 0, 5, 0, 1, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1]
    loaded = load(handed.write(tmp_path / "box.texmesh", handed.cube(transform=matrix)))
    radius = np.sqrt(4 + 1 + 9)
    assert np.allclose(loaded.vertices.max(axis=0), np.array([2, 3, 1]) / radius)
    assert np.allclose(loaded.to_world[:3, 3], [5, 0, 0])
    low_y = int(np.argmin(loaded.vertices @ [0, 0, -1]))  # the nearest to the front camera
    assert handed.CORNERS[low_y][1] == -1


def test_uvs_come_back_corner_by_corner(tmp_path):
    """Kept ones not at all; new ones for every corner, the same for both triangles of a quad."""
    path = handed.write(
        tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()), handed.cube("Other", handed.grid_uvs())
    )
    read, loaded = read_handed(path), load(path)
    assert new_uvs(read, loaded, prepare(loaded, "keep", 256)) is None
    surface = prepare(loaded, "unwrap", 256)
    first, second = handoff.read_uvs(_bytes(tmp_path, new_uvs(read, loaded, surface)), [24, 24])
    assert len(first) == len(second) == 48 and first != second
    table = np.frombuffer(first, np.float32).reshape(-1, 2)
    assert np.allclose(table[read.parts[0].triangles], surface.uv[surface.uv_faces[:12]], atol=1e-6)


def _bytes(folder: Path, content: bytes) -> Path:
    path = folder / "uvs.bin"
    path.write_bytes(content)
    return path


def test_uvs_of_another_mesh_are_refused(tmp_path):
    with pytest.raises(ValueError, match="has 2 numbers, not 8"):
        handoff.read_uvs(_bytes(tmp_path, bytes(8)), [4])


def damaged(kind: str, good: bytes) -> bytes:
    line, _, data = good.partition(b"\n")
    return {
        "empty line": b"\n" + data,
        "not JSON": b"v 1 2 3\n",
        "a list": b"[]\n",
        "newer": line.replace(b'"texsync_mesh": 1', b'"texsync_mesh": 2') + b"\n" + data,
        "cut short": good[:-100],
        "no parts": b'{"texsync_mesh": 1, "name": "x"}\n',
        "wild corner": good[: -12 * 4 - 1] + b"\x7f" + good[-12 * 4 :],
        "nested": b"[" * 100_000 + b"\n",
        "negative": line.replace(b'"at": 0', b'"at": -4') + b"\n" + data,
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "empty line",
        "not JSON",
        "a list",
        "newer",
        "cut short",
        "no parts",
        "wild corner",
        "nested",
        "negative",
    ],
)
def test_a_damaged_hand_off_is_told(tmp_path, kind):
    good = handed.write(tmp_path / "good.texmesh", handed.cube()).read_bytes()
    path = tmp_path / "bad.texmesh"
    path.write_bytes(damaged(kind, good))
    with pytest.raises(InputError, match="bad.texmesh"):
        load(path)


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
def test_the_shell_textures_a_hand_off(tmp_path, tiny_model):
    """What Blender handed over can be run again without Blender."""
    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()))
    result = texsync.texture_mesh(path, "stone", model=str(tiny_model), steps=2, texture_size=64)
    assert (result.save(tmp_path / "out") / "box.glb").is_file()


# new maps of polygons


def lumpy_quads(n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bumpy ball of quads, whose best charts run through some of them: vertices, triangles, polygon of each."""
    u, v = np.meshgrid(
        np.linspace(0, 2 * np.pi, 2 * n, endpoint=False), np.linspace(0.2, np.pi - 0.2, n), indexing="ij"
    )
    r = 1 + 0.25 * np.sin(3 * u) * np.sin(4 * v)
    points = np.stack([r * np.sin(v) * np.cos(u), r * np.cos(v), r * np.sin(v) * np.sin(u)], -1).reshape(
        -1, 3
    )
    index = np.arange(2 * n * n).reshape(2 * n, n)
    following = np.roll(index, -1, axis=0)
    quads = np.stack([index[:, :-1], following[:, :-1], following[:, 1:], index[:, 1:]], -1).reshape(-1, 4)
    return points, quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3), np.repeat(np.arange(len(quads)), 2)


def test_new_maps_cut_no_polygon():
    """xatlas tears some quads of this mesh; afterwards none is torn, nothing overlaps, and texels are as large."""
    vertices, faces, polygon = lumpy_quads()
    uv, uv_faces = unwrap(vertices, faces, 1024)
    torn = cut(faces, polygon, uv, uv_faces)
    assert torn.any()
    uv, uv_faces = uncut(vertices, faces, polygon, uv, uv_faces, 1024)
    assert not cut(faces, polygon, uv, uv_faces).any()
    assert uv.min() >= 0 and uv.max() <= 1
    corners = uv[uv_faces]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    flat = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    assert covered_share(uv, uv_faces, 1024) > 0.98 * flat.sum()
    real = (
        np.linalg.norm(np.cross(*(vertices[faces[:, k]] - vertices[faces[:, 0]] for k in (1, 2))), axis=1) / 2
    )
    density = flat / real
    assert 0.8 < density[torn].mean() / density[~torn].mean() < 1.25


def test_a_map_that_cuts_nothing_is_left_alone():
    vertices, faces, _ = lumpy_quads(8)
    uv, uv_faces = unwrap(vertices, faces, 256)
    same, same_faces = uncut(vertices, faces, np.arange(len(faces)), uv, uv_faces, 256)
    assert same is uv and same_faces is uv_faces


# selected faces only


def boxed(tmp_path, side: int, old=None) -> tuple[Repaint, object]:
    """A cube of which one side is to be painted."""
    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()))
    surface = prepare(load(path), "keep", 64)
    return Repaint(surface.uv[surface.uv_faces[2 * side : 2 * side + 2]], old), surface


def test_only_the_chosen_texels_change(tmp_path):
    """Inside the chosen side all, inside the others none, to the last bit; padding goes with the nearest side."""
    old = np.random.default_rng(0).integers(0, 256, (64, 64, 4), np.uint8)
    old[..., 3] = 255
    repaint, surface = boxed(tmp_path, 0, old)
    new = np.full((64, 64, 3), 7, np.uint8)
    mixed = repaint.apply(new, surface)
    changed = (mixed == 7).all(axis=-1)
    assert mixed.shape == (64, 64, 3) and (mixed[~changed] == old[~changed][:, :3]).all()
    chosen = np.zeros((64, 64), bool)
    chosen[64 - 32 :, : 64 // 3] = True  # the lower left cell, to its borders
    assert (
        changed[34:62, 2:19].all()
        and not (changed & ~np.pad(chosen, 1, mode="edge")[1:-1, 1:-1])[:, 23:].any()
    )
    assert not changed[:30].any()


def test_without_an_old_picture_the_rest_is_grey_and_see_through_stays(tmp_path):
    repaint, surface = boxed(tmp_path, 5)
    new = np.zeros((64, 64, 3), np.uint8)
    assert (repaint.apply(new, surface)[60, 5] == [204, 204, 204]).all()
    glass = np.zeros((64, 64, 4), np.uint8)
    repaint, surface = boxed(tmp_path, 5, glass)
    mixed = repaint.apply(new, surface)
    assert mixed.shape == (64, 64, 4) and mixed[60, 5, 3] == 0 and mixed[5, 60, 3] == 255


@pytest.mark.parametrize(
    ("uv", "old", "says"),
    [
        (np.zeros((0, 3, 2)), None, "no face is selected"),
        (
            np.zeros((1, 3, 2)),
            np.zeros((32, 32, 4), np.uint8),
            "32 x 32 texels, the new one 64 x 64; set the texture size to 32",
        ),
        (np.zeros((1, 3, 2)), np.zeros((32, 64, 4), np.uint8), "paint all faces"),
    ],
)
def test_what_cannot_be_repainted_is_told(uv, old, says):
    with pytest.raises(InputError, match=says):
        Repaint(uv, old).check(64)


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
def test_the_worker_repaints(tmp_path, tiny_model):
    """Through the task that Blender calls; on UVs of its own it refuses before any work."""
    from PIL import Image

    from texsync.worker.tasks import tasks

    size = 64
    pixels = array("f", [0.2, 0.4, 0.6, 1.0] * (size * size))
    uv = handed.grid_uvs()
    quad = [uv[2 * k : 2 * k + 2] for k in range(4)]
    chosen = array("f", [number for k in (0, 1, 2, 0, 2, 3) for number in quad[k]])
    repaint = {"uv": chosen, "width": size, "height": size, "pixels": pixels}
    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=uv), repaint=repaint)
    job = {"mesh": str(path), "prompt": "stone", "model": str(tiny_model), "steps": 1, "texture_size": size}
    run = tasks()["mesh"]
    with pytest.raises(InputError, match="not on the mesh's own UVs"):
        run({**job, "out": str(tmp_path / "no")}, lambda *_: None)
    files = run({**job, "uvs": "keep", "out": str(tmp_path / "out")}, lambda *_: None)
    assert set(files) == {"texture.png", "run.json"}
    picture = np.asarray(Image.open(files["texture.png"]))
    assert (picture[5, 60] == [51, 102, 153]).all() and (picture[50, 10] != [51, 102, 153]).any()


def test_the_worker_makes_only_a_map(tmp_path):
    """For modifiers that need UVs first: a new one where it is asked for, none where the mesh's own will do."""
    from texsync.worker.tasks import tasks

    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()))
    job = {"mesh": str(path), "texture_size": 64, "front": "auto"}
    run = tasks()["unwrap"]
    assert set(run({**job, "uvs": "auto", "out": str(tmp_path / "own")}, print)) == {"run.json"}
    files = run({**job, "uvs": "unwrap", "out": str(tmp_path / "new")}, print)
    (table,) = handoff.read_uvs(Path(files["uvs.bin"]), [24])
    assert len({tuple(table[2 * k : 2 * k + 2]) for k in range(24)}) > 12
    with pytest.raises(InputError, match="does not exist"):
        run({**job, "mesh": "gone.texmesh", "out": str(tmp_path / "no")}, print)


def test_warm_models_are_one_at_a_time():
    from texsync.backbones import warm

    made = []

    def make(name):
        return warm.remembered(name, lambda: made.append(name) or torch.zeros(1))

    make("a"), make("a")
    assert made == ["a", "a"]  # off: nothing is remembered
    warm.keep(True)
    try:
        first = make("a")
        assert make("a") is first and make("b") is not first and make("a") is not first
        assert made == ["a", "a", "a", "b", "a"]
        warm.release()
        make("a")
        assert made[-2:] == ["a", "a"]
    finally:
        warm.keep(False)
