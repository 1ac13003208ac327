"""The worker's promises, kept by the real process on the embedded model: every line has an answer, no job ends it."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import handed
import psutil
import pytest
import torch

import texsync
from texsync.errors import Cancelled, InputError, TexsyncError
from texsync.worker import pictures
from texsync.worker.channel import LONGEST, Channel, parse
from texsync.worker.pictures import SIDE, Previews, grid
from texsync.worker.service import Job, Reporter, explained, heard
from texsync.worker.tasks import tasks

ROOT = Path(__file__).parents[1]
CRATE = str(ROOT / "meshes" / "crate.glb")
WAIT = 120  # seconds; far more than anything takes


class Parent:
    """What a program that starts the worker does."""

    def __init__(self, command: list[str] | None = None, **environment: str):
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "texsync", "worker"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.heard: queue.Queue[dict] = queue.Queue()
        self.log = bytearray()
        self.threads = [threading.Thread(target=read) for read in (self._listen, self._log)]
        for thread in self.threads:
            thread.start()

    def _listen(self):
        for line in self.process.stdout:
            self.heard.put(json.loads(line))

    def _log(self):
        for line in self.process.stderr:
            self.log += line

    def send(self, **message):
        self.raw(json.dumps(message).encode() + b"\n")

    def raw(self, content: bytes):
        self.process.stdin.write(content)
        self.process.stdin.flush()

    def until(self, *events: str) -> dict:
        """The next message that is one of these."""
        while True:
            message = self.heard.get(timeout=WAIT)
            if message["event"] in events:
                return message

    def run(self, ident: str, **arguments) -> None:
        self.send(command="run", id=ident, task="mesh", arguments={**self.base, **arguments})

    def close(self) -> int:
        """Let go of its stdin, and return its exit code."""
        self.process.stdin.close()
        code = self.process.wait(WAIT)
        for thread in self.threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code


@pytest.fixture(scope="module")
def worker(tiny_model, tmp_path_factory):
    """The real process, on a model that is quick and cannot paint."""
    mesh = handed.write(tmp_path_factory.mktemp("mesh") / "box.texmesh", handed.cube())
    parent = Parent()
    parent.base = {"mesh": str(mesh), "prompt": "mossy stone", "steps": 2, "texture_size": 64}
    parent.base |= {"overwrite": True, "model": str(tiny_model)}
    parent.hello = parent.until("hello")
    yield parent
    parent.send(command="quit", id="end")
    assert parent.until("bye")["id"] == "end"
    assert parent.close() == 0


def test_hello_says_what_is_spoken_and_what_there_is(worker):
    hello = worker.hello
    assert hello["protocol"] == 1 and hello["texsync"] == texsync.__version__
    assert hello["devices"][0]["name"] == "cpu" and "mesh" in hello["tasks"]
    assert hello["python"].startswith("3.") and hello["pid"] == worker.process.pid


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
def test_a_job_reports_its_stages_and_gives_what_the_function_gives(worker, tmp_path):
    """Same seed, same texture: the worker adds nothing of its own.  Stages in order, each to its end."""
    from PIL import Image

    options = {"mesh": CRATE, "prompt": "mossy stone", "steps": 2, "texture_size": 128}
    options["model"] = worker.base["model"]
    worker.run("one", **options, out=str(tmp_path / "out"))
    stages = []
    while (message := worker.heard.get(timeout=WAIT))["event"] != "done":
        assert message["id"] == "one" and message["event"] in ("progress", "preview", "note")
        if message["event"] == "progress":
            stages.append((message["stage"], message["step"], message["total"]))
    assert [stage for stage, step, _ in stages if step == 0] == (
        ["mesh", "model", "geometry", "denoise", "decode", "texture", "save"]
    )
    assert [step for stage, step, _ in stages if stage == "denoise"] == [0, 1, 2, 2]
    assert {"crate.glb", "crate.obj", "crate_texture.png", "run.json"} <= set(message["files"])
    direct = texsync.texture_mesh(**options)
    with Image.open(message["files"]["crate_texture.png"]) as picture:
        assert picture.tobytes() == direct.texture.tobytes()


def test_the_model_stays_warm_until_released(worker, tmp_path):
    """A second job with the same model does not load it; after `release` it does, and the memory has come back."""

    def model_seconds(name):
        worker.run(name, out=str(tmp_path / name), model="mini")
        done = worker.until("done")
        return json.loads(Path(done["files"]["run.json"]).read_text())["seconds"]["model"]

    model_seconds("first")  # it may be there from another test
    warm = model_seconds("second")
    before = psutil.Process(worker.process.pid).memory_info().rss
    worker.send(command="release", id="r")
    assert worker.until("released", "error") == {"event": "released", "id": "r"}
    after = psutil.Process(worker.process.pid).memory_info().rss
    cold = model_seconds("third")
    assert warm < 0.1 * cold
    assert after < before - 10 * 2**20  # mini has 27 MB of weights on disk


def test_previews_come_while_it_paints(worker, tmp_path):
    from PIL import Image

    worker.run("shown", out=str(tmp_path / "out"), steps=40)
    message = worker.until("preview", "done")
    assert message["event"] == "preview" and 0 < message["step"] < message["total"] == 40
    with Image.open(message["path"]) as picture:
        assert picture.size == (2 * SIDE, 2 * SIDE) and picture.getextrema() != ((0, 0),) * 3
    worker.send(command="cancel", id="shown")
    assert worker.until("cancelled", "done")["event"] == "cancelled"
    assert not Path(message["path"]).exists()


def test_cancel_leaves_nothing_and_the_worker_works_on(worker, tmp_path):
    worker.run("long", out=str(tmp_path / "long"), steps=900)
    worker.until("progress")
    worker.send(command="cancel", id="other")
    assert worker.until("error", "cancelled") == {
        "event": "error",
        "id": "other",
        "kind": "idle",
        "message": "there is no such job to cancel",
        "remedy": "it may have ended by itself",
    }
    worker.run("second", out=str(tmp_path / "second"))
    assert worker.until("error", "done")["kind"] == "busy"
    start = time.monotonic()
    worker.send(command="cancel", id="long")
    assert worker.until("cancelled", "done")["id"] == "long"
    assert time.monotonic() - start < 10
    assert list(tmp_path.iterdir()) == []
    worker.run("next", out=str(tmp_path / "next"))
    assert worker.until("done", "error")["event"] == "done"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"prompt": "?"}, "the prompt '?' says nothing"),
        ({"steps": 0}, "steps 0 is out of range"),
        ({"mesh": "nowhere.obj"}, "nowhere.obj does not exist"),
        ({"mesh": 7}, "a int is not a mesh"),
        ({"colour": "red"}, "unexpected keyword argument 'colour'"),
        ({"out": None}, "the job has no out folder"),
        ({"out": "texsync"}, "is not a texsync result"),
        ({"overwrite": "yes"}, "overwrite must be true or false"),
        ({"mesh": "tests/conftest.texmesh"}, "does not exist"),
    ],
)
def test_wrong_input_is_told_with_a_remedy(worker, tmp_path, arguments, says):
    worker.run("wrong", **{"out": str(tmp_path / "out"), **arguments})
    answer = worker.until("done", "error")
    assert answer["kind"] == "input" and says in answer["message"] and answer["remedy"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[1, 2]", "holds a list"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "not JSON"),
        (b"{" * 3, "not JSON"),
        (b'{"id": 4}', "unknown command 'None'"),
        (b'{"command": ["run"]}', "unknown command"),
        (b'{"command": "run", "task": "bake a cake"}', "unknown task 'bake a cake'"),
        (b'{"command": "run", "task": {}}', "unknown task"),
        (b'{"command": "run", "task": "mesh", "arguments": 3}', "not an object"),
        (b"x" * (LONGEST + 1), f"more than {LONGEST} bytes"),
        (b'{"command": "run", "pad": "' + b"x" * (3 * LONGEST) + b'"}', f"more than {LONGEST} bytes"),
    ],
)
def test_a_wrong_line_has_an_answer(worker, line, says):
    worker.raw(line + b"\n")
    answer = worker.until("error", "done")
    assert answer["kind"] == "protocol" and says in answer["message"] and "send one JSON" in answer["remedy"]


def test_ten_thousand_wrong_lines_have_ten_thousand_answers(worker, tmp_path):
    """One answer each; memory grows by less than 20 MB; the next job still runs."""
    chance = random.Random(1)
    worker.raw(b"\n")
    worker.until("error")
    before = psutil.Process(worker.process.pid).memory_info().rss
    writer = threading.Thread(target=lambda: [worker.raw(junk(chance)) for _ in range(10_000)])
    writer.start()
    for _ in range(10_000):
        answer = worker.heard.get(timeout=WAIT)
        assert answer["event"] == "error" and answer["kind"] in ("protocol", "idle")
    writer.join()
    assert psutil.Process(worker.process.pid).memory_info().rss < before + 20 * 2**20
    worker.run("after", out=str(tmp_path / "after"))
    assert worker.until("done", "error")["id"] == "after"  # and so no answer was left over


def junk(chance: random.Random) -> bytes:
    """A line that is no command: bytes, JSON of the wrong kind, a command cut short or with odd values."""
    real = json.dumps({"command": "run", "id": 1, "task": "mesh", "arguments": {"mesh": "a.obj"}}).encode()
    odd = chance.choice([None, 1.5, True, [], {}, "x" * 200, "\u2028\x00", -(2**70), float("nan")])
    kinds = [
        lambda: chance.randbytes(chance.randrange(300)).replace(b"\n", b""),
        lambda: real[: chance.randrange(len(real))],
        lambda: json.dumps(odd).encode(),
        lambda: json.dumps({"command": odd, "id": odd}).encode(),
        lambda: json.dumps({"command": "run", "task": odd, "id": odd}).encode(),
        lambda: json.dumps({"command": "run", "task": "mesh", "arguments": odd or 1}).encode(),
        lambda: json.dumps({"command": "cancel", "id": "none"}).encode(),
        lambda: b"[" * chance.randrange(3000),
        lambda: b"\r" * chance.randrange(4),
    ]
    line = chance.choice(kinds)()
    if b'"arguments": {' in line and line.endswith(b"}}"):
        line = line[:-1]
    return line + b"\n"


def test_stray_output_goes_to_the_log_and_stdin_is_ours(tmp_path):
    """Prints from Python and from C, before and during a job; reading stdin finds its end."""
    script = tmp_path / "noisy.py"
    script.write_text(
        "import ctypes, os, sys\n"
        "from texsync.worker.channel import Channel\n"
        "from texsync.worker.service import Worker\n"
        "def task(arguments, on_progress):\n"
        "    print('from Python')\n"
        "    ctypes.CDLL(None).puts(b'from C'); ctypes.CDLL(None).fflush(None)\n"
        "    os.system('echo from a child')\n"
        "    return {'read': sys.stdin.read()}\n"
        "sys.exit(Worker(Channel.claim(), {'noise': task}).serve())\n"
    )
    parent = Parent([sys.executable, str(script)], PYTHONPATH=str(ROOT))
    parent.send(command="run", id=1, task="noise")
    assert parent.until("done", "error") == {"event": "done", "id": 1, "files": {"read": ""}}
    parent.close()
    assert all(word in parent.log.decode() for word in ("from Python", "from C", "from a child"))


@pytest.mark.parametrize("deaf", [False, True])
def test_the_end_of_stdin_ends_the_process_in_mid_job(tmp_path, deaf):
    """A job that listens stops by itself; one that does not is ended with the process."""
    script = tmp_path / "slow.py"
    tell = "" if deaf else "on_progress('denoise', step, 600)"
    script.write_text(
        "import sys, time\n"
        "from texsync.worker import service\n"
        "service.GRACE = 0.5\n"
        "def task(arguments, on_progress):\n"
        "    for step in range(600):\n"
        f"        time.sleep(0.1); {tell}\n"
        "sys.exit(service.Worker(service.Channel.claim(), {'slow': task}).serve())\n"
    )
    parent = Parent([sys.executable, str(script)], PYTHONPATH=str(ROOT))
    parent.until("hello")
    parent.send(command="run", id=1, task="slow")
    time.sleep(0.3)
    assert parent.close() == (1 if deaf else 0)


def test_a_killed_parent_leaves_no_process(tmp_path):
    """The parent dies without a word, in mid-job: its worker is gone within seconds."""
    script = tmp_path / "parent.py"
    job = {"mesh": CRATE, "prompt": "stone", "steps": 900, "texture_size": 128, "out": str(tmp_path / "out")}
    script.write_text(
        "import json, subprocess, sys, time\n"
        "w = subprocess.Popen([sys.executable, '-m', 'texsync', 'worker'],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "print(w.pid, flush=True); w.stdout.readline()\n"
        f"w.stdin.write(json.dumps({dict(command='run', id=1, task='mesh', arguments=job)!r}).encode() + b'\\n')\n"
        "w.stdin.flush(); w.stdout.readline(); print('busy', flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], cwd=ROOT, stdout=subprocess.PIPE)
    child = psutil.Process(int(parent.stdout.readline()))
    assert parent.stdout.readline() == b"busy\n"
    parent.send_signal(signal.SIGKILL)
    parent.wait(WAIT)
    parent.stdout.close()
    child.wait(timeout=30)
    assert not (tmp_path / "out").exists()


def test_errors_have_kinds(capsys):
    kinds = {
        InputError("too big", "make it smaller"): "input",
        TexsyncError("broken"): "internal",
        MemoryError(): "memory",
        RuntimeError("CUDA out of memory. Tried to allocate"): "memory",
        ModuleNotFoundError("No module named 'xatlas'"): "installation",
        OSError(28, "No space left on device"): "disk",
        ZeroDivisionError("division by zero"): "internal",
    }
    for error, kind in kinds.items():
        told = explained(error)
        assert told["kind"] == kind and told["message"], error
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_layer_asks_whether_to_stop():
    """Not only a step: on a CPU one step of a large model takes a minute."""
    job = Job("x", "mesh", {})
    layer = torch.nn.Linear(2, 2)
    with heard(job, print):
        layer(torch.zeros(1, 2))
        job.stop.set()
        with pytest.raises(Cancelled):
            layer(torch.zeros(1, 2))
    layer(torch.zeros(1, 2))


def test_a_preview_that_fails_costs_no_job(tmp_path, capsys):
    """It is told in the log, and not tried again; a cancel in the middle of one is still a cancel."""
    said, tried = [], []
    channel = type("Fake", (), {"send": lambda self, event, **fields: said.append(event)})()
    job = Job("x", "mesh", {})
    reporter = Reporter(channel, job, tmp_path)

    def fails(error):
        tried.append(error)
        raise error

    for step in (10, 11):
        reporter("denoise", step, 20, lambda: fails(RuntimeError("CUDA out of memory")))
    assert said == ["progress", "progress"] and len(tried) == 1
    assert "CUDA out of memory" in capsys.readouterr().err
    job.previews = True
    with pytest.raises(Cancelled):
        reporter("denoise", 12, 20, lambda: fails(Cancelled("cancelled")))


def test_warnings_for_the_user_become_notes(capsys):
    import warnings

    notes = []
    with warnings.catch_warnings(), heard(Job("x", "mesh", {}), notes.append):
        warnings.simplefilter("default", DeprecationWarning)
        warnings.warn("two\nlines", texsync.TexsyncWarning, stacklevel=1)
        warnings.warn("old habit", DeprecationWarning, stacklevel=1)
    assert notes == ["two lines"]
    assert capsys.readouterr().err == "DeprecationWarning: old habit\n"


def test_any_function_that_saves_a_folder_is_a_task(monkeypatch, tmp_path):
    """A new task needs its name in texsync and a line in FUNCTIONS."""

    class Result:
        def save(self, folder, overwrite=False):
            folder.mkdir()
            (folder / "picture.png").write_text(str(overwrite))

    def wide_image(prompt, *, on_progress=None, **options):
        on_progress("denoise", 0, 1, None)
        return Result()

    monkeypatch.setattr(texsync, "__all__", [*texsync.__all__, "wide_image"])
    monkeypatch.setattr(texsync, "wide_image", wide_image, raising=False)
    said = []
    run = tasks()["wide"]
    files = run({"prompt": "a coast", "out": str(tmp_path / "o")}, lambda *step: said.append(step[0]))
    assert files == {"picture.png": str(tmp_path / "o" / "picture.png")} and said == ["denoise", "save"]
    with pytest.raises(InputError, match="prompt"):
        run({"out": str(tmp_path / "p")}, print)


def test_previews_are_few_and_cheap(tmp_path, monkeypatch):
    """Not before there is something to see, not after the last step, and three times as long between as one takes."""
    clock = Clock()
    monkeypatch.setattr(pictures.time, "monotonic", lambda: clock.now)
    previews = Previews(tmp_path)
    assert not previews.due(1, 30) and previews.due(5, 30) and not previews.due(30, 30)
    first = previews.write(lambda: clock.pass_(2) or torch.rand(10, 3, 8, 8))
    clock.pass_(5.9)
    assert first.exists() and not previews.due(6, 30)
    clock.pass_(0.2)
    assert previews.due(7, 30)
    second = previews.write(lambda most: torch.rand(most, 3, 8, 8))
    assert second.exists() and not first.exists()


class Clock:
    """Time that passes when told to."""

    now = 0.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("count", "size"), [(1, (1, 1)), (2, (2, 1)), (3, (2, 2)), (10, (2, 2))])
def test_a_preview_shows_up_to_four_views(count, size):
    assert grid(torch.rand(count, 3, 8, 8)).size == (size[0] * SIDE, size[1] * SIDE)


def test_lines_are_cut_where_they_end_and_nowhere_else():
    """Whatever the chunks they arrive in."""
    source, sink = os.pipe()
    content = [b'{"a": 1}', b"", b"x" * (LONGEST + 5), b"y" * LONGEST, b"last"]

    def write():
        with os.fdopen(sink, "wb") as file:
            file.write(b"\n".join(content) + b"\nunfinished")

    threading.Thread(target=write).start()
    lines = list(Channel(source, -1).lines())
    os.close(source)
    assert lines == [b'{"a": 1}', b"", None, b"y" * LONGEST, b"last"]


def test_nobody_listening_is_no_error():
    source, sink = os.pipe()
    os.close(source)
    Channel(-1, sink).send("hello")
    os.close(sink)


def test_objects_only():
    assert parse(b' {"a": 1} ') == {"a": 1}
    with pytest.raises(ValueError, match="NoneType"):
        parse(b"null")


def test_a_broken_installation_is_told(monkeypatch):
    """The parent hears why, and not just that the process ended."""
    from texsync.worker import service

    said = []
    channel = type("Fake", (), {"send": lambda self, event, **fields: said.append((event, fields))})()
    monkeypatch.setattr(service.Channel, "claim", lambda: channel)
    monkeypatch.setattr(service, "about", lambda: (_ for _ in ()).throw(ImportError("no libcudart")))
    assert service.main() == 1
    assert said[0][0] == "error" and said[0][1]["kind"] == "installation"
