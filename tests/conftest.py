"""What every test shares: no network, few threads, and tiny models written once."""

from __future__ import annotations

import os
import signal

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before any hub client is imported
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

pytest.register_assert_rewrite("doors")
collect_ignore = ["addon/blender"]  # it runs inside Blender, started by test_addon_blender.py

# a shell starts background jobs with Ctrl-C ignored, and children inherit that; the tests of Ctrl-C need it heard
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def few_threads():
    """Tiny tensors run faster on one thread, and results do not depend on the machine's core count."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A Stable Diffusion 1.5-like folder with a ControlNet: eps prediction, PNDM config, 4 pixels per cell."""
    import tiny

    return tiny.write_model(tmp_path_factory.mktemp("tiny") / "model", advice={"view_size": 32})


@pytest.fixture(scope="session")
def tiny_v_model(tmp_path_factory):
    """The same with v prediction and a DDIM config."""
    import tiny

    return tiny.write_model(
        tmp_path_factory.mktemp("tiny") / "v-model", "v_prediction", advice={"view_size": 32}
    )


@pytest.fixture(scope="session")
def backbone(tiny_model):
    from texsync.backbones.by_name import load_model

    return load_model(tiny_model)


@pytest.fixture(scope="session")
def control():
    import torch

    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def noise():
    import torch

    return torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def few(tiny_model):
    return {"model": str(tiny_model), "device": "cpu", "steps": 2}


@pytest.fixture
def shell(tiny_model, tmp_path, monkeypatch):
    """Runs a command of the 2D tasks in an empty folder with the random model; black and white halves as picture."""
    from PIL import Image

    from texsync import cli

    picture = Image.new("L", (32, 32), "white")
    picture.paste(0, (0, 0, 16, 32))
    picture.save(tmp_path / "mask.png")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file = str(tmp_path / "mask.png")
    words = {
        "wide": ["red copper"],
        "ambiguous": ["red copper", "a view"],
        "mask": ["red copper", "--foreground", "a view", "--mask", file],
        "edit": [file, "a copper object", "--source", "a red object"],
    }
    few = ["--model", str(tiny_model), "--steps", "2", "--device", "cpu"]

    def run(task, *arguments) -> int:
        return cli.main([task, *words[task], *few, *arguments])

    return run


@pytest.fixture(scope="session")
def paint(tiny_model):
    """texture_mesh with the random model: two steps of ten 64-pixel views, 128 texels a side."""
    from texsync import texture_mesh

    def run(mesh, prompt="a red object", **options):
        few = {"model": str(tiny_model), "device": "cpu", "steps": 2, "view_size": 64, "texture_size": 128}
        return texture_mesh(mesh, prompt, **(few | options))

    return run


@pytest.fixture(scope="session")
def crate(paint):
    from painted import CRATE

    return paint(CRATE)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder: a mesh, a result of an earlier run, and somebody's work."""
    from doors import BALL, exported

    monkeypatch.chdir(tmp_path)
    (tmp_path / "jug.obj").write_text(exported(BALL, "obj").decode())
    for folder, file in (("done", "run.json"), ("thesis", "chapter.tex")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text("{}")
    return tmp_path


@pytest.fixture
def no_weights(monkeypatch):
    """Whatever is wrong must be found before weights are read."""
    from texsync.backbones import loading
    from texsync.backbones.families import deepfloyd, sd3  # noqa: F401  they must not take this for the real one

    def load(path, *_):
        pytest.fail(f"weights were read from {path}")  # not an Exception: the shell door lets it through

    monkeypatch.setattr(loading, "load_network", load)


@pytest.fixture
def still(monkeypatch):
    """A turntable of one frame; the real one has a test of its own."""
    from texsync.show import render as preview

    turntable = preview.turntable
    monkeypatch.setattr(preview, "turntable", lambda *a: turntable(*a, frames=1, size=32))
