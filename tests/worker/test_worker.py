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

import texsync
from texsync.worker.channel import LONGEST
from texsync.worker.previews import SIDE

ROOT = Path(__file__).parents[2]
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
    assert hello["protocol"] == 2 and hello["texsync"] == texsync.__version__
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
        worker.run(name, out=str(tmp_path / name), model="mini", view_size=64)
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


def read(text: list) -> str:
    """A message as one text, with options by their names."""
    return "".join(part if isinstance(part, str) else part["option"] for part in text)


def test_cancel_leaves_nothing_and_the_worker_works_on(worker, tmp_path):
    worker.run("long", out=str(tmp_path / "long"), steps=900)
    worker.until("progress")
    worker.send(command="cancel", id="other")
    assert worker.until("error", "cancelled") == {
        "event": "error",
        "id": "other",
        **{"kind": "idle", "code": "idle", "thing": "", "value": None},
        "message": ["there is no such job to cancel"],
        "remedy": ["it may have ended by itself"],
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
        ({"prompt": "?"}, "the prompt '?' is empty"),
        ({"steps": 0}, "steps 0 is out of range"),
        ({"mesh": "nowhere.obj"}, "nowhere.obj does not exist"),
        ({"mesh": 7}, "mesh must be a path, got 7"),
        ({"colour": "red"}, "no 'colour'"),
        ({"out": None}, "the job has no out folder"),
        ({"out": "texsync"}, "is not a texsync result"),
        ({"overwrite": "yes"}, "overwrite must be true or false"),
        ({"mesh": "tests/conftest.texmesh"}, "does not exist"),
    ],
)
def test_wrong_input_is_told_with_a_remedy(worker, tmp_path, arguments, says):
    worker.run("wrong", **{"out": str(tmp_path / "out"), **arguments})
    answer = worker.until("done", "error")
    assert answer["kind"] == "input" and says in read(answer["message"]) and answer["remedy"]


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
    assert answer["kind"] == "protocol" and says in read(answer["message"])
    assert "send one JSON" in read(answer["remedy"])


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
