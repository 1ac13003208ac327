"""Cancel, crashes, wrong set-ups: each ends in words on the panel, and a scene as it was."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from check_generate import Recorder
from conftest import cube, snapshot


def program(folder: Path, code: str) -> str:
    """A program that is started instead of texsync; `code` is Python."""
    script = folder / "fake.py"
    script.write_text("import json, sys, time\n" + code)
    path = folder / "texsync"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{script}" "$@"\n')
    path.chmod(0o755)
    return str(path)


PROTOCOL = 2  # the add-on's own
HELLO = (
    f"print(json.dumps(dict(event='hello', protocol={PROTOCOL}, texsync='0', tasks=['mesh'])), flush=True)\n"
)


def fresh(ui) -> None:
    ui.put_aside()
    cube()


def test_cancel_in_mid_job(ui):
    """Quick, nothing changes, nothing is left, and the same worker does the next job."""
    cube()
    before = snapshot()
    ui.start(steps=900)
    ui.wait(until=lambda: ui.session.job and ui.session.job.step > 1)
    pid = ui.session.client.process.pid
    start = time.monotonic()
    assert bpy.ops.texsync.cancel() == {"FINISHED"}
    assert ui.session.status() == "Cancelling"
    ui.wait()
    assert time.monotonic() - start < 3 and ui.problem() == ""
    assert (
        snapshot() == before
        and list(ui.folder.iterdir()) == [ui.folder / f"worker_{os.getpid()}.log"]
        or not any(path.is_dir() for path in ui.folder.iterdir())
    )
    ui.generate(steps=2)
    assert ui.session.client.process.pid == pid


def test_cancel_while_it_starts(ui):
    fresh(ui)
    ui.start()
    assert ui.session.phase == "starting"
    process = ui.session.client.process
    bpy.ops.texsync.cancel()
    assert not ui.session.busy and process.wait(10) is not None


def test_a_worker_that_does_not_listen_is_ended(ui, tmp_path):
    fresh(ui)
    ui.preferences.program = program(tmp_path, HELLO + "time.sleep(600)\n")
    ui.start()
    ui.wait(until=lambda: ui.session.phase == "running")
    process = ui.session.client.process
    bpy.ops.texsync.cancel()
    start = time.monotonic()
    ui.wait()
    assert 2 < time.monotonic() - start < 6 and process.poll() is not None
    assert ui.problem() == ""


def test_a_killed_worker_is_told_and_replaced(played):
    cube()
    played.start(prompt="held")
    played.wait(until=lambda: played.session.job and played.session.job.stage == "denoise")
    os.kill(played.session.client.process.pid, 9)
    played.wait()
    assert "in the middle of the job" in played.problem() and "code -9" in played.problem()
    played.generate(prompt="stone")


def test_a_missing_program(ui):
    fresh(ui)
    ui.preferences.program = "/nowhere/texsync"
    with pytest.raises(RuntimeError, match="There is no program at /nowhere/texsync"):
        bpy.ops.texsync.generate()
    assert ui.session.problem.fix == "preferences" and not ui.session.busy
    assert not ui.folder.exists() or not any(path.is_dir() for path in ui.folder.iterdir())


def test_a_program_that_is_something_else(ui, tmp_path):
    """The last line of what it said is part of the message."""
    fresh(ui)
    ui.preferences.program = program(tmp_path, "sys.exit('no module named texsync')\n")
    ui.start()
    ui.wait()
    assert "before it said hello: no module named texsync" in ui.problem()
    assert ui.session.problem.fix == "check"


def test_a_file_that_cannot_run(ui, tmp_path):
    fresh(ui)
    path = tmp_path / "texsync"
    path.write_text("#!/nowhere/interpreter\n")
    path.chmod(0o755)
    ui.preferences.program = str(path)
    with pytest.raises(RuntimeError, match="texsync cannot be started"):
        bpy.ops.texsync.generate()
    assert ui.session.problem.fix == "preferences"


@pytest.mark.parametrize(("protocol", "update"), [(PROTOCOL + 1, "Update the add-on"), (0, "Update texsync")])
def test_a_wrong_version(ui, tmp_path, protocol, update):
    fresh(ui)
    hello = HELLO.replace(f"protocol={PROTOCOL}", f"protocol={protocol}")
    ui.preferences.program = program(tmp_path, hello + "time.sleep(600)\n")
    ui.start()
    process = ui.session.client.process
    ui.wait()
    assert "do not understand each other" in ui.problem() and update in ui.problem()
    assert process.wait(10) is not None


def test_texsyncs_own_errors_arrive_in_the_panels_words(ui):
    """A map with no room on it: the message, the remedy, and a button that mends it."""
    item = cube()
    for corner in item.data.uv_layers[0].data:
        corner.uv = (0.5, 0.5)
    before = snapshot()
    ui.start(uvs="keep")
    ui.wait()
    assert "cannot keep its UVs" in ui.problem() and "UVs: New Map" in ui.problem()
    assert "--" not in ui.problem() and snapshot() == before
    assert bpy.ops.texsync.fix() == {"FINISHED"}
    assert ui.settings.uvs == "unwrap" and ui.problem() == ""
    ui.generate()


def test_an_unknown_model(ui):
    cube()
    ui.start(model="nosuchmodel")
    ui.wait()
    assert "unknown model 'nosuchmodel'" in ui.problem()


def test_memory_problems_offer_a_smaller_texture(ui, tmp_path):
    fresh(ui)
    answer = "dict(event='error', kind='input', code='memory', message=['there is not enough memory'],"
    answer += "remedy=['lower ', dict(option='texture_size')],"
    code = (
        HELLO
        + f"job = json.loads(sys.stdin.readline())\nprint(json.dumps({answer} id=job['id'])), flush=True)\n"
    )
    ui.preferences.program = program(tmp_path, code + "sys.stdin.read()\n")
    ui.start(texture_size=1024)
    ui.wait()
    assert "Lower Texture Size." in ui.problem()
    bpy.ops.texsync.fix()
    assert ui.settings.texture_size == 512


def test_a_place_that_cannot_be_written_to(ui, tmp_path):
    cube()
    (tmp_path / "file").write_text("")
    ui.preferences.output = str(tmp_path / "file" / "results")
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.texsync.generate()


def test_a_result_that_is_gone(ui, tmp_path):
    cube()
    with pytest.raises(RuntimeError, match="There is no result in"):
        bpy.ops.texsync.apply(result=str(tmp_path))


def test_check_runs_doctor(ui):
    """Every line of it, without waiting."""
    start = time.monotonic()
    assert bpy.ops.texsync.check() == {"FINISHED"}
    assert time.monotonic() - start < 1
    while ui.state.report() is None:
        assert time.monotonic() - start < 200
        time.sleep(0.1)
    names = {check["name"]: check["ok"] for check in ui.state.report()["checks"]}
    assert names["torch"] and names["mini"] and ui.state.report()["texsync"]


def test_the_preferences_say_what_is_run_and_found(ui):
    """The command, or why there is none, and every line of the last check."""
    ui.state.doctor = SimpleNamespace(
        report=lambda: {
            "checks": [{"name": "gpu", "ok": False, "found": "no GPU", "remedy": "buy one", "needed": False}]
        }
    )
    draw = type(ui.preferences).draw
    recorder = Recorder()
    draw(SimpleNamespace(layout=recorder, program=ui.preferences.program), bpy.context)
    assert "texsync cannot be used yet: see the log" in recorder.words
    assert {f"Runs {ui.preferences.program}", "gpu: no GPU", "buy one"} <= set(recorder.words)
    ui.preferences.program, ui.state.doctor = "/nowhere", None
    recorder = Recorder()
    draw(SimpleNamespace(layout=recorder, program="/nowhere"), bpy.context)
    assert "There is no program at /nowhere" in recorder.words


def test_check_of_something_else_says_so(ui, tmp_path):
    ui.preferences.program = program(tmp_path, "sys.exit('what do you want?')\n")
    bpy.ops.texsync.check()
    start = time.monotonic()
    while ui.state.report() is None and time.monotonic() - start < 20:
        time.sleep(0.05)
    assert ui.state.report()["checks"][0]["found"] == "what do you want?"


def test_the_panels_defaults_are_texsyncs(ui):
    """Names and values; what is None there is off or empty here and left out."""
    import json

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    ui.set(prompt="x")
    theirs = json.loads(os.environ["TEXSYNC_DEFAULTS"])
    ours = ui.settings.arguments()
    ours.pop("prompt")
    assert {name: theirs[name] for name in ours} == ours
    left_to_scripts = {
        "up",
        "like_paper",
        "coupling_options",
        "lora",
        "embedding",
        "atlas",
        "cameras",
        "count",
    }
    assert {name for name in theirs if name not in ours and theirs[name] is not None} == left_to_scripts


def test_other_values_get_through(ui):
    """Every setting of the panel, as a number that texsync takes."""
    ui.set(
        guidance=7.1,
        own_guidance=True,
        own_control_scale=True,
        steps=7,
        view_size=64,
        chunk=2,
        negative="red",
        controlnet="none",
    )
    ours = ui.settings.arguments()
    assert ui.settings.own_steps and ui.settings.own_chunk  # a number that is set counts
    assert ours["guidance"] == 7.1 and ours["control_scale"] == [0.7, 0.9] and ours["steps"] == 7
    assert (ours["view_size"], ours["chunk"], ours["negative"], ours["controlnet"]) == (64, 2, "red", "none")


def test_models_in_the_model_folder(ui, tmp_path):
    import importlib

    (tmp_path / "clay").mkdir()
    (tmp_path / "clay" / "model_index.json").write_text("{}")
    ui.preferences.models = str(tmp_path)
    properties = importlib.import_module(f"{ui.module}.properties")
    assert properties.models() == ["mini", "clay"]
    assert properties.model_path("clay") == str(tmp_path / "clay") and properties.model_path("mini") == "mini"


def test_it_can_be_taken_off_and_put_back(played):
    """Without a word, and with the worker ended, in the middle of a job or not."""
    cube()
    for prompt in ("held", "stone"):
        played.start(prompt=prompt)
        if prompt == "stone":
            played.wait()
        process = played.session.client.process
        bpy.ops.preferences.addon_disable(module=played.module)
        assert process.wait(10) is not None and not hasattr(bpy.types.Scene, "texsync")
        bpy.ops.preferences.addon_enable(module=played.module)
        played.__init__(played.module, played.folder.parent)
        played.put_aside()
        played.play(played.folder.parent)
