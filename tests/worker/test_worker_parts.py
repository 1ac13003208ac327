"""The worker's pieces in this process: errors, previews, notes, lines."""

from __future__ import annotations

import os
import threading
from array import array
from pathlib import Path

import handed
import numpy as np
import pytest
import torch
from PIL import Image

import texsync
from texsync.errors import Cancelled, InputError, TexsyncError
from texsync.show.sheet import grid
from texsync.tasks import FUNCTIONS, options_of
from texsync.worker import previews as pictures
from texsync.worker.channel import LONGEST, Channel, parse
from texsync.worker.previews import SIDE, Previews
from texsync.worker.service import Order, Reporter, explained, heard
from texsync.worker.tasks import tasks


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
    job = Order("x", "mesh", {})
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
    job = Order("x", "mesh", {})
    reporter = Reporter(channel, job, tmp_path)

    def fails(error):
        tried.append(error)
        raise error

    for step in (10, 11):
        reporter("denoise", step, 20, lambda most=None: fails(RuntimeError("CUDA out of memory")))
    assert said == ["progress", "progress"] and len(tried) == 1
    assert "CUDA out of memory" in capsys.readouterr().err
    job.previews = True
    with pytest.raises(Cancelled):
        reporter("denoise", 12, 20, lambda most=None: fails(Cancelled("cancelled")))


def test_warnings_for_the_user_become_notes(capsys):
    import warnings

    notes = []
    with warnings.catch_warnings(), heard(Order("x", "mesh", {}), notes.append):
        warnings.simplefilter("default", DeprecationWarning)
        warnings.warn("two\nlines", texsync.TexsyncWarning, stacklevel=1)
        warnings.warn("old habit", DeprecationWarning, stacklevel=1)
    assert notes == ["two lines"]
    assert capsys.readouterr().err == "DeprecationWarning: old habit\n"


def test_a_task_is_run_by_its_name(monkeypatch, tmp_path):
    """What its options declare for the worker is accepted, and nothing else."""

    class Result:
        def save(self, folder, overwrite=False):
            folder.mkdir()
            (folder / "picture.png").write_text(str(overwrite))

    def wide_image(prompt, *, on_progress=None, **options):
        on_progress("denoise", 0, 1, None)
        return Result()

    wide_image.takes = options_of("wide")
    monkeypatch.setattr("texsync.tasks.wide.wide_image", wide_image)
    assert set(tasks()) == {*FUNCTIONS, "unwrap"}
    said, run = [], tasks()["wide"]
    files = run({"prompt": "a coast", "out": str(tmp_path / "o")}, lambda *step: said.append(step[0]))
    assert files == {"picture.png": str(tmp_path / "o" / "picture.png")} and said == ["denoise", "save"]
    for wrong, message in (
        ({}, "the job has no prompt"),
        ({"prompt": "a", "widht": 3}, "no 'widht'; did you mean 'width'"),
        ({"prompt": "a", "progress": True}, "no 'progress'"),
        ({"prompt": "a", "on_progress": 3}, "no 'on_progress'"),
    ):
        with pytest.raises(InputError, match=message) as told:
            run({**wrong, "out": str(tmp_path / "p")}, print)
        assert told.value.code == "arguments"


def test_previews_are_few_and_cheap(tmp_path, monkeypatch):
    """Not before there is something to see, not after the last step, and three times as long between as one takes."""
    clock = Clock()
    monkeypatch.setattr(pictures.time, "monotonic", lambda: clock.now)
    previews = Previews(tmp_path)
    assert not previews.due(1, 30) and previews.due(5, 30) and not previews.due(30, 30)
    first = Path(previews.write(lambda most: clock.pass_(2) or torch.rand(10, 3, 8, 8))["path"])
    clock.pass_(5.9)
    assert first.exists() and not previews.due(6, 30)
    clock.pass_(0.2)
    assert previews.due(7, 30)
    second = Path(previews.write(lambda most: torch.rand(most, 3, 8, 8))["path"])
    assert second.exists() and not first.exists()


@pytest.mark.parametrize("uvs", ["keep", "unwrap"])
@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
def test_previews_of_the_texture_become_the_texture(tmp_path, tiny_model, monkeypatch, uvs):
    """On the sender's own map, or on the new one, which goes along; gone with the job."""
    said: list[dict] = []
    channel = type("Fake", (), {"send": lambda self, event, **fields: said.append(fields | {"event": event})})
    monkeypatch.setattr(pictures, "SHARE", 1.0)
    job = Order("x", "mesh", {}, textures=True)
    reporter = Reporter(channel(), job, tmp_path)
    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()))
    asked = {"mesh": str(path), "prompt": "stone", "model": str(tiny_model), "steps": 6, "uvs": uvs}
    files = tasks()["mesh"]({**asked, "texture_size": 256, "out": str(tmp_path / "out")}, reporter)
    last = [event["texture"] for event in said if event["event"] == "preview"][-1]
    assert (last["width"], last["height"]) == (256, 256)
    assert (last["uvs"] is None) == (uvs == "keep") == ("uvs.bin" not in files)
    if last["uvs"]:
        assert Path(last["uvs"]).read_bytes() == Path(files["uvs.bin"]).read_bytes()
    flat = array("f", Path(last["path"]).read_bytes())
    now = np.array(flat).reshape(256, 256, 4)[::-1, :, :3] * 255
    end = np.asarray(Image.open(files["texture.png"])).astype(float)
    assert np.abs(now - end).mean() < 0.5 * np.abs(end - end.mean(axis=(0, 1))).mean() < 100
    assert len(list(tmp_path.glob("texture_*.bin"))) == 1


class Clock:
    """Time that passes when told to."""

    now = 0.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("count", "size"), [(1, (1, 1)), (2, (2, 1)), (3, (2, 2)), (10, (2, 2))])
def test_a_preview_shows_up_to_four_views(count, size):
    assert grid(torch.rand(count, 3, 8, 8), SIDE).size == (size[0] * SIDE, size[1] * SIDE)


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
