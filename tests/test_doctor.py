"""The self-check tells what is wrong and never breaks itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import torch

from texsync import cli, doctor
from texsync.backbones.locate import EMBEDDED
from texsync.doctor import Check, examine, report


@pytest.fixture
def sound(tiny_model, monkeypatch):
    """A machine where the embedded model is there and memory is plenty."""
    monkeypatch.setitem(EMBEDDED, "mini", tiny_model)
    monkeypatch.setattr(doctor, "MEMORY", 1)
    monkeypatch.setattr(doctor, "DISK", 1)


def test_a_sound_machine_passes(sound, capsys):
    """Every needed part is ok here, or no other test could run; exit code 0."""
    assert cli.main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "PROBLEM" not in told and told.endswith("texsync can run here\n")
    for name in ("python", "torch", "pytorch3d", "embree", "gpu", "memory", "disk", "mini", "hub models"):
        assert f"  {name} " in told


def test_json_says_the_same(sound, capsys):
    assert cli.main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and [check["name"] for check in told["checks"]] == [check.name for check in examine()]


def test_a_damaged_embedded_model_is_named(sound, tiny_model, tmp_path, monkeypatch, capsys):
    """The file that is missing, a remedy, and exit code 1."""
    folder = shutil.copytree(tiny_model, tmp_path / "mini")
    (folder / "unet" / "config.json").unlink()
    monkeypatch.setitem(EMBEDDED, "mini", folder)
    assert cli.main(["doctor"]) == 1
    told = capsys.readouterr().out
    (line,) = [line for line in told.splitlines() if line.startswith("PROBLEM")]
    assert "config.json is missing" in line and "reinstall" in line
    assert told.endswith("until the problems are solved\n")


def test_a_torch_that_pytorch3d_was_not_built_for(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    check = doctor.check_torch()
    assert not check.ok and check.found == "2.13.0+cpu" and "torch==2.12" in check.remedy


def test_pytorch3d_that_does_not_load_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch3d._C", None)
    check = doctor.check_pytorch3d()
    assert not check.ok and "pytorch3d._C" in check.found and "easypytorch3d" in check.remedy


def test_little_memory_and_disk(monkeypatch):
    monkeypatch.setattr(doctor, "MEMORY", 2**60)
    monkeypatch.setattr(doctor, "DISK", 2**60)
    for check in (doctor.check_memory(), doctor.check_disk()):
        assert not check.ok and check.remedy


def test_no_gpu_is_a_note(monkeypatch):
    """Mini needs none, so this does not fail the examination."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check = doctor.check_gpu()
    assert not check.ok and not check.needed
    assert report([check]).splitlines()[1].startswith("note") and "can run here" in report([check])


def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "LIBRARIES", ("json", "no_such_library"))
    check = doctor.check_libraries()
    assert not check.ok and check.found.startswith("no_such_library (ModuleNotFoundError")


def test_a_check_that_breaks_is_a_finding():
    """Whatever a broken installation throws ends up as a line."""

    def check_of_doom() -> Check:
        raise RuntimeError("undefined\nsymbol")

    (check,) = examine([check_of_doom])
    assert (check.name, check.ok, check.found) == ("of doom", False, "RuntimeError: undefined symbol")


def test_the_doctor_comes_without_torch():
    """Where torch itself is broken the doctor still answers."""
    code = "import sys; sys.modules['torch'] = None; from texsync.cli import main; sys.exit(main(['doctor']))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert told.returncode == 1 and "Traceback" not in told.stderr
    assert any(line.startswith("PROBLEM  torch") for line in told.stdout.splitlines())
