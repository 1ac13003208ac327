"""Devices that this machine does not have: what runs there, and what must stay at home."""

from __future__ import annotations

import pytest
import torch

from texsync.backbones.families.diffusion import DiffusionBackbone
from texsync.backbones.memory import home_of

MPS = torch.device("mps")


class OnApple:
    """A backbone that says it computes on Apple's GPU; whatever else moves there fails on this machine."""

    def __init__(self, inner):
        self.inner = inner

    device, home = MPS, property(lambda self: home_of(self.device))

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.mark.parametrize(("name", "home"), [("cpu", "cpu"), ("mps", "cpu"), ("cuda:1", "cuda:1")])
def test_where_views_live(name, home):
    assert home_of(torch.device(name)) == torch.device(home)


@pytest.mark.parametrize("task", ["mesh", "edit", "wide"])
@pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")
def test_only_networks_go_to_apples_gpu(task, paint, place, few, monkeypatch):
    """Rasterising, float64 and couplings stay on the CPU."""
    from PIL import Image

    from texsync import edit_image, wide_image
    from texsync.backbones import by_name

    load = by_name.load_model
    monkeypatch.setattr(by_name, "load_model", lambda *a, **k: OnApple(load(*a, **k)))
    assert isinstance(by_name.load_model(few["model"]), OnApple)
    assert not issubclass(OnApple, DiffusionBackbone)
    if task == "mesh":
        made = paint("jug.obj")
    elif task == "wide":
        made = wide_image("red copper", width=48, **few)
    else:
        mask = Image.new("L", (32, 32))
        mask.paste(255, (0, 0, 16, 32))
        made = edit_image(mask, "a red object", "a copper object", mask=mask, **few)
    assert made.report["device"] == "mps"
