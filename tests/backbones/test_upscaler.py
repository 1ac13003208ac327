"""Views enlarged by a model of the user's: whatever spandrel knows, in tiles that do not show, or one line about it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from painted import CRATE
from refusals import refused
from safetensors.torch import save_file

from texsync.backbones import upscaler
from texsync.backbones.upscaler import load_upscaler

spandrel = pytest.importorskip("spandrel")
pytestmark = pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")


def write(path, scale=2, channels=3, save=save_file):
    """An ESRGAN of one block and random weights."""
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    network = ESRGAN(in_nc=channels, out_nc=channels, num_filters=8, num_blocks=1, scale=scale)
    save(network.state_dict(), path)
    return path


@pytest.fixture
def enlarger(tmp_path):
    return write(tmp_path / "x2.safetensors")


def test_tiles_do_not_show(enlarger, monkeypatch):
    """The same to rounding as the whole picture at once, and what spandrel's own call gives inside."""
    made = load_upscaler(enlarger)
    assert made.scale == 2
    picture = torch.rand(3, 70, 50, generator=torch.Generator().manual_seed(1))
    (whole,) = made.each([picture])
    monkeypatch.setattr(upscaler, "TILE", 32)
    (tiled,) = made.each([picture])
    assert whole.shape == (3, 140, 100) and torch.allclose(whole, tiled, atol=1e-5) and whole.std() > 0
    own = made.network(picture[None])[0]
    assert torch.allclose(own[:, 50:-50, 48:-48], whole[:, 50:-50, 48:-48], atol=1e-5)


def test_a_pickle_of_weights_is_read_without_running_code(tmp_path):
    assert load_upscaler(write(tmp_path / "x2.pth", save=torch.save)).scale == 2
    torch.save({"params_ema": torch.load(tmp_path / "x2.pth", weights_only=True)}, tmp_path / "ema.pth")
    assert load_upscaler(tmp_path / "ema.pth").scale == 2


def test_the_texture_is_baked_from_enlarged_views(paint, crate, enlarger):
    made = paint(CRATE, upscale_model=str(enlarger))
    assert np.array_equal(made.views, crate.views) and made.texture.shape == crate.texture.shape
    assert not np.array_equal(made.texture, crate.texture)
    assert made.report["options"]["upscale_model"] == str(enlarger)


class Evil:
    def __reduce__(self):
        return (print, ("evil",))


def wrong(kind, folder):
    path = folder / "x.safetensors"
    if kind == "weights of something else":
        save_file({"a": torch.zeros(2)}, path)
    elif kind == "text":
        path.write_text("not a model")
    elif kind == "code":
        path = path.with_suffix(".pth")
        torch.save({"a": Evil()}, path)
    elif kind == "scale 1":
        write(path, scale=1)
    elif kind == "grey":
        write(path, channels=1)
    return path


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("missing", "model-missing"),
        ("weights of something else", "model-kind"),
        ("text", "model-damaged"),
        ("code", "model-unsafe"),
        ("scale 1", "model-kind"),
        ("grey", "model-kind"),
    ],
)
def test_what_enlarges_no_pictures_is_told_before_the_mesh_is_read(
    kind, code, paint, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("texsync.files.load.load", lambda *_, **__: pytest.fail("the mesh was read first"))
    with refused(code):
        paint(CRATE, upscale_model=str(wrong(kind, tmp_path)))
    assert "evil" not in capsys.readouterr().out


def test_without_spandrel_it_is_said_how_to_get_it(enlarger, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "spandrel", None)
    with refused("model-lacks", thing="spandrel"):
        load_upscaler(enlarger)
