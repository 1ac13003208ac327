"""NaN and infinity never become a picture: they are mended, or told with the stage that made them."""

from __future__ import annotations

import pytest
import torch
from doors import refused, small

from texsync.backbones.by_name import load_model
from texsync.errors import InputError, TexsyncWarning

LARGE = 1e5  # what an fp16 autoencoder of some published models reaches inside; fp16 ends at 65,504


def grown(backbone, part):
    """The same autoencoder, but in between its numbers are too large for fp16."""
    with torch.no_grad():
        getattr(backbone.parts.vae, part).mid_block.resnets[0].conv2.weight *= LARGE
    return backbone


@pytest.mark.parametrize("way", ["decode", "encode"])
def test_an_autoencoder_that_overflows_goes_on_in_fp32(way, tiny_model, noise, control):
    narrow, wide = (grown(load_model(tiny_model, dtype=dtype), f"{way}r") for dtype in ("bf16", "fp32"))
    narrow.parts.vae.to(torch.float16)
    given = noise if way == "decode" else control
    with pytest.warns(TexsyncWarning, match="overflows in this number format and goes on in fp32"):
        made = getattr(narrow, way)(given)
    assert made.isfinite().all() and (made - getattr(wide, way)(given)).abs().mean() < 0.1
    assert torch.equal(made, getattr(narrow, way)(given))  # and says so once


def poison(*names):
    def spoil(backbone):
        part = backbone.parts
        for name in names:
            part = getattr(part, name)
        with torch.no_grad():
            part.weight[0] = torch.nan

    return spoil


STAGES = {
    "unet": (poison("unet", "conv_out"), "painting step 1; use --dtype fp32"),
    "decoder": (poison("vae", "decoder", "conv_out"), "decoding the views, in fp32 too; fetch the model"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_stage_that_made_nan_is_named(stage, tiny_model, place, capsys, monkeypatch):
    from texsync.backbones import by_name

    spoil, said = STAGES[stage]
    load = by_name.load_model

    def loaded(*source, **options):
        backbone = load(*source, **options)
        spoil(backbone)
        return backbone

    monkeypatch.setattr(by_name, "load_model", loaded)
    assert "NaN or infinity after" in refused([*small(tiny_model), "--quiet"], capsys, said)


@pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")
def test_a_coupling_that_runs_away_is_told(paint, place):
    with pytest.raises(InputError, match=r"NaN or infinity after painting step \d; .*strength"):
        paint("jug.obj", strength=1e38, integrator="paper")


# ---- little memory ----------------------------------------------------------------------------------------------


def test_too_little_memory_to_develop_is_told_before_painting(paint, place, monkeypatch):
    """Neither the mesh is looked at nor a step painted."""
    monkeypatch.setattr("texsync.backbones.autoencoder.free_bytes", lambda device: 1000)
    monkeypatch.setattr("texsync.tasks.mesh.Job.geometry", lambda *_: pytest.fail("the mesh was looked at"))
    with pytest.raises(InputError, match="decoding the views needs about .* are free on cpu"):
        paint("jug.obj")


def test_pictures_are_developed_in_tiles_where_they_do_not_fit(backbone, monkeypatch):
    """A quarter of a picture fits: the picture is nearly the same, and a line says so; none fits: told."""
    from texsync.backbones import autoencoder, memory

    z = torch.randn(2, 4, 64, 64, generator=torch.Generator().manual_seed(3))
    whole, coder = backbone.decode(z), autoencoder.Autoencoder(backbone.parts.vae, backbone.scale)
    room = memory.decode_bytes(coder.vae.config, 256, 256, torch.float32, torch.device("cpu"))
    room = room // 3 / memory.SHARE + memory.workspace_bytes(coder.vae)
    monkeypatch.setattr(autoencoder, "free_bytes", lambda device: int(room))
    assert coder.tile(64) == 32 and coder.tile(64, free=2**40) == 64
    with pytest.warns(TexsyncWarning, match="in tiles of 128 pixels"):
        made = coder.decode(z)
    assert made.shape == whole.shape and (made - whole).abs().mean() < 0.05 * whole.std()


def test_a_decoder_out_of_memory_takes_smaller_tiles(backbone, monkeypatch):
    """What the plan did not foresee: the device itself says that it is full."""
    from texsync.backbones import autoencoder

    z = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(3))
    coder, decode = autoencoder.Autoencoder(backbone.parts.vae, backbone.scale), backbone.parts.vae.decode

    def small_only(latents):
        if latents.shape[-1] > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(latents)

    monkeypatch.setattr(backbone.parts.vae, "decode", small_only)
    with pytest.warns(TexsyncWarning, match="in tiles of 128 pixels"):
        assert coder.decode(z).shape == (1, 3, 256, 256)
