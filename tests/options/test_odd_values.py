"""Every option of every task, in every door, with values of odd types: it runs or is refused by name, never breaks."""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from handed import cube, write
from PIL import Image

import texsync
from texsync import InputError, cli
from texsync.couplings import make, takes
from texsync.couplings import names as coupling_names
from texsync.tasks.ambiguous import AmbiguousOptions
from texsync.tasks.edit import EditOptions
from texsync.tasks.mask import MaskOptions
from texsync.tasks.mesh import MeshOptions
from texsync.tasks.wide import WideOptions
from texsync.worker.tasks import UNWRAP, tasks

ODD = [
    *(None, True, False, 0, 1, -1, 0.5, 1e400, float("nan"), -(10**30), 10**400, 10**5000, 1j),
    *(
        "",
        "0.5",
        "1",
        "\0",
        "a\0b",
        "\ud800",
        "~nobody_here/x",
        "x" * 300,
        "word " * 30_000,
        "nan",
        "../..",
        "true",
    ),
    *([], {}, [[]], [1, "a"], [None], ["a", "b"], [["a"], {"b": 1}], {"a": {"b": []}}, [0.5, "0.5"]),
    *(
        b"",
        b"bytes",
        object(),
        print,
        (1, 2, 3),
        {1, 2},
        np.zeros(3),
        np.zeros((2, 2), complex),
        np.array("a"),
    ),
]
JSON = [value for value in ODD if isinstance(value, (str, int, float, list, dict, type(None)))]
TASKS = {"mesh": MeshOptions, "wide": WideOptions, "ambiguous": AmbiguousOptions}
TASKS |= {"mask": MaskOptions, "edit": EditOptions}
FUNCTIONS = {"mesh": "texture_mesh", "mask": "masked_image"}


class Reached(Exception):
    """The run came to where weights load: all its options were taken."""


@pytest.fixture(autouse=True)
def no_model(monkeypatch, tmp_path):
    """Names of models are looked up, but no weights are read, nothing is fetched and no mesh is unwrapped."""

    def reached(*_, **__):
        raise Reached

    for place in (
        "backbones.families.diffusion.load_parts",
        "backbones.families.deepfloyd.load",
        "backbones.download.fetch",
    ):
        monkeypatch.setattr(f"texsync.{place}", reached)
    monkeypatch.setattr("texsync.surface.uv._new", reached)
    monkeypatch.chdir(tmp_path)
    Image.new("L", (32, 32), 255).save("white.png")


@pytest.fixture
def right(tmp_path):
    """Arguments that run, by task."""
    (tmp_path / "jug.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n")
    write(tmp_path / "jug.texmesh", cube())
    return {
        "mesh": {"mesh": "jug.obj", "prompt": "rust"},
        "unwrap": {"mesh": "jug.texmesh"},
        "wide": {"prompt": "a coast"},
        "ambiguous": {"prompts": ["a duck", "a rabbit"]},
        "mask": {"background": "a wall", "foregrounds": ["a cat"], "masks": ["white.png"]},
        "edit": {"image": "white.png", "source": "a red cat", "target": "a blue cat"},
    }


def ends_well(run, *said) -> bool:
    """Whether it ran; raises what is neither a run nor one line that is not too long."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", ".*vram is for a GPU")
            run()
    except Reached:
        return True
    except InputError as error:
        line = str(error)
        assert error.remedy and "\n" not in line and len(line) < 400, (said, line)
        line.encode()
        return False
    except BaseException as error:
        error.add_note(repr(said)[:200])
        raise
    return True


def names(task: str) -> list[str]:
    return [name for name in inspect.signature(TASKS[task]).parameters]


@pytest.mark.parametrize("task", TASKS)
def test_python_takes_a_value_or_names_it(task, right):
    function = getattr(texsync, FUNCTIONS.get(task, f"{task}_image"))
    arguments = right[task]
    assert ends_well(lambda: function(**arguments))
    for name in sorted({*names(task), *arguments, "on_progress"}):
        for value in ODD:
            ends_well(lambda: function(**{**arguments, name: value}), name, value)  # noqa: B023


@pytest.mark.parametrize("task", [*TASKS, "unwrap"])
def test_the_worker_takes_a_value_or_names_it(task, right, tmp_path):
    run, arguments = tasks()[task], {**right[task], "out": "made"}
    known = list(UNWRAP) if task == "unwrap" else names(task)
    for name in sorted({*known, *arguments, "out", "overwrite", "on_progress", "nonsense"}):
        for value in JSON:
            ends_well(lambda: run({**arguments, name: value}, lambda *_: None), name, value)  # noqa: B023


@pytest.mark.filterwarnings("ignore:pick is called blend now")
@pytest.mark.parametrize("task", TASKS)
def test_the_shell_takes_a_value_or_names_it(task, right, capsys):
    words = {
        "mesh": ["mesh", "jug.obj", "rust"],
        "wide": ["wide", "a coast"],
        "ambiguous": ["ambiguous", "a duck", "a rabbit"],
        "mask": ["mask", "a wall", "--foreground", "a cat", "--mask", "white.png"],
        "edit": ["edit", "white.png", "a blue cat", "--source", "a red cat"],
    }[task]
    typed = [value for value in ODD if isinstance(value, str) and "\0" not in value and value != "\ud800"]
    texts = [*typed, "\udcff", "-1", "9" * 5000, "1e400"]  # a byte of a shell's that is no UTF-8
    flags = [option.opts[-1] for option in cli.texsync.commands[task].params if option.opts[0][:1] == "-"]
    for flag in flags:
        for text in texts:
            code = cli.main([*words, "--quiet", f"{flag}={text}"])
            told = capsys.readouterr().err
            assert code == 2 or "Reached" in told, (flag, text, told)
            assert told.startswith("texsync: ") and told.count("\n") == 1 and len(told) < 700, (
                flag,
                text,
                told,
            )


def test_numbers_of_other_libraries_become_pythons():
    made = MeshOptions(
        "a.obj", "rust", seed=np.int64(3), strength=np.float32(2), control_scale=[np.float64(0.5), 1]
    )
    assert json.dumps(made.arguments()) and type(made.seed) is int and type(made.strength) is float
    assert made.control_scale == (0.5, 1.0)
    assert MeshOptions("a.obj", "rust", model=Path("folder")).model == "folder"
    assert WideOptions("a coast", loop=np.bool_(True)).loop is True
    assert MaskOptions("a wall", "a cat", "white.png").foregrounds == ("a cat",)


@pytest.mark.parametrize("name", coupling_names())
def test_couplings_own_options_are_typed(name):
    for option in takes(name):
        for value in ODD:
            if option not in ("decode", "colours"):  # arrays and functions, which no door passes on
                ends_well(lambda: make(name, **{option: value}), option, value)  # noqa: B023
