"""What is said of memory beforehand, for cards that are not here; and networks that take turns on one."""

from __future__ import annotations

import pytest
import torch

from texsync import cli
from texsync.backbones import loading
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.foreseen import by_architecture
from texsync.backbones.memory_plan import plan_of
from texsync.backbones.presets import PRESETS
from texsync.backbones.taking_turns import Turns
from texsync.backbones.traced import decode_peak, denoise_peak
from texsync.schedule import Span
from texsync.tasks.mesh import Job, MeshOptions

GB = 2**30
CARD = torch.device("cuda")


@pytest.fixture(scope="module")
def models():
    """The real architectures, with headers of their size and no weights."""
    found = {kind: by_architecture(kind) for kind in ("sd1", "sd2", "sdxl")}
    return {kind: (folder, [control]) for kind, (folder, control) in found.items()}


@pytest.mark.parametrize(
    ("kind", "size", "free_gb", "turns", "chunk", "tile"),
    [
        ("sd1", 768, 23.5, False, 12, 96),
        ("sd1", 768, 7.0, False, 7, 96),
        ("sd1", 768, 5.0, False, 4, 96),
        ("sd1", 768, 3.5, True, 2, 96),  # a card of 4 GB with a desktop on it
        ("sd1", 512, 3.5, False, 3, 64),
        ("sd1", 768, 2.4, True, 0, 96),
        ("sd2", 768, 5.0, False, 3, 96),
        ("sdxl", 1024, 23.5, False, 12, 128),
        ("sdxl", 1024, 9.5, True, 3, 128),
    ],
)
def test_the_plan_for_cards(kind, size, free_gb, turns, chunk, tile, models):
    """Everything stays where it fits; else text encoder, UNet with ControlNet, and autoencoder take turns."""
    plan = plan_of(*models[kind], CARD, torch.float16, int(free_gb * GB), size=size)
    assert (plan.turns, plan.chunk, plan.tile) == (turns, chunk, tile)
    assert not plan.fits or plan.peak <= plan.free


def test_the_plan_is_above_what_is_counted_and_by_less_than_a_quarter(models):
    """Weights as they are, and the peak of one view: 768 pixels, fp16, guided."""
    folder, (control,) = models["sd1"]
    plan = plan_of(folder, [control], CARD, torch.float16, 6 * GB, size=768, views=1)
    unet, vae = folder.configs["unet"], folder.configs["vae"]
    weights = sum(plan.weights.values())
    assert weights == 2 * (
        859_520_964 + 361_279_120 + 123_060_480 + 83_653_863
    )  # as they are counted everywhere
    view = denoise_peak(unet, control.config, (4, 96, 96), torch.float16, 2, False)
    counted = weights + max(view, decode_peak(vae, 768, 768, torch.float16, False))
    assert counted < plan.peak < 1.25 * counted


class Noted:
    """A network that notes where it is sent."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def to(self, device):
        self.log.append((self.name, str(device)))

    def __call__(self, x):
        return f"{self.name} {x}"

    decode = __call__


def test_groups_take_turns_and_a_loop_moves_nothing():
    log = []
    turns = Turns(torch.device("cuda"))
    first = turns.wrapped(unet=Noted("unet", log), controlnet=Noted("control", log), hint=None)
    vae = turns.wrapped(vae=Noted("vae", log))["vae"]
    assert first["hint"] is None and vae.device.type == "cuda" and vae.name == "vae" and not log
    assert [first["unet"](1), first["controlnet"](2), first["unet"](3)] == ["unet 1", "control 2", "unet 3"]
    assert log == [("unet", "cuda"), ("control", "cuda")]
    log.clear()
    assert vae.decode(4) == "vae 4"
    assert log == [("unet", "cpu"), ("control", "cpu"), ("vae", "cuda")]


def test_turns_change_no_number(tiny_model, noise, control, monkeypatch):
    """The same noise and the same pictures, encoded and decoded."""
    span = Span(t=501, alpha=0.3, alpha_next=0.5, frac=0.501)
    plain = load_model(tiny_model)
    monkeypatch.setattr(loading, "_turns", lambda *_: Turns(torch.device("cpu")))
    taking = load_model(tiny_model)
    conditions = Conditions(["weathered copper", "a red object", "a copper"], control=control)
    for made in (
        lambda one: one.predictor(conditions)(noise, span),
        lambda one: one.decode(noise),
        lambda one: one.encode(control),
    ):
        assert torch.equal(made(plain), made(taking))
    assert taking.device.type == "cpu" and taking.chunk_that_fits(3, 32) == 3


@pytest.mark.parametrize(
    ("name", "size", "found"),
    [("sd15", 768, "0.39 GB a view"), ("sd2", 512, "peak"), ("sdxl", 1024, "does not fit")],
)
def test_a_plan_of_what_is_not_fetched_yet(name, size, found, place, capsys, monkeypatch):
    """By its architecture; the same as when it is there (385 MB a view of 768 pixels)."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert cli.main(["doctor", "--plan", "jug.obj", "--model", name, "--vram", "6"]) == 0
    told = capsys.readouterr()
    assert f"note: {PRESETS[name].model} is not on this machine yet" in told.err and "models get" in told.err
    assert f"views of {size} pixels" in told.out and found in told.out


def test_the_doctor_says_the_plan(place, tiny_model, capsys):
    """For a card that is not here, too; a model that is not there is told."""
    assert cli.main(["doctor", "--plan", "jug.obj", "--model", str(tiny_model), "--vram", "6"]) == 0
    told = capsys.readouterr().out
    assert "in fp16, 12 views of 32 pixels, 6.0 GB free on the GPU" in told
    assert "12 of 12 at once" in told and "all networks stay on the GPU" in told
    assert Job(MeshOptions("jug.obj", "red", model=str(tiny_model))).view_size(load_model(tiny_model)) == 32
    assert cli.main(["doctor", "--plan", "jug.obj", "--model", "if-m", "--vram", "6"]) == 2
    assert "is not on this machine yet; fetch it first: texsync models get if-m" in capsys.readouterr().err
    assert cli.main(["doctor", "--plan", "cup.obj"]) == 2
