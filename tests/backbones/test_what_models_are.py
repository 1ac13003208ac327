"""Nothing about a model is passed over: what it predicts, what else it wants, which layer it reads, its few steps."""

from __future__ import annotations

import json
import shutil
import warnings
from types import SimpleNamespace

import pytest
import torch

from texsync import cli
from texsync.backbones import embeddings
from texsync.backbones.advice import Advice
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.distilled import distilled
from texsync.backbones.embeddings import usual_layer
from texsync.backbones.prediction import check_prediction
from texsync.errors import TexsyncWarning


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# ---- what it predicts


@pytest.mark.parametrize(
    ("kind", "share", "alpha", "told"),
    [
        ("epsilon", 1.0, 0.005, False),
        ("epsilon", 0.4, 0.005, True),  # as mini's v
        ("epsilon", -0.1, 0.005, True),
        ("epsilon", 0.4, 0.5, False),  # not noise alone: nothing to tell it by
        ("v_prediction", 0.4, 0.005, False),
        ("v_prediction", 0.99, 0.005, True),
        ("sample", 0.4, 0.005, False),
    ],
)
def test_a_wrong_prediction_type_is_told_by_the_answer_to_noise(kind, share, alpha, told):
    draw = torch.Generator().manual_seed(0)
    x, other = torch.randn(2, 2, 4, 32, 32, generator=draw)
    answer = share * x + (1 - share**2) ** 0.5 * other
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        check_prediction(kind, x, answer, alpha)
    assert bool(seen) == told
    if told:
        assert "prediction_type" in str(seen[0].message) and f"{share:.2f}"[:-1] in str(seen[0].message)


def test_it_is_said_once_and_costs_no_forward(tiny_model, noise, monkeypatch):
    """At the run's first step, of what the network answers there anyway."""
    backbone = load_model(tiny_model)
    predict = backbone.predictor(Conditions(["a", "red", "view"], guidance=3.0), 1)
    other = torch.randn(noise.shape, generator=torch.Generator().manual_seed(9))
    calls = []

    def network(x, *_, **__):
        calls.append(1)
        return 0.4 * x + 0.9 * torch.cat([other[len(calls) % 3][None]] * len(x))

    monkeypatch.setattr(predict, "_network", network)
    first, second = backbone.schedule.spans(30)[:2]
    with pytest.warns(
        TexsyncWarning, match="predicts epsilon, but its answer to noise is like v_prediction's"
    ) as told:
        predict(noise, first)
        predict(noise, second)
    assert len(told) == 1 and len(calls) == 6


# ---- what else it wants to see


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_channels": 5}, "5 in_channels, it is a depth2img model"),
        ({"in_channels": 7}, "an upscaler"),
        ({"in_channels": 8}, "an instruct-pix2pix or variation model"),
        ({"in_channels": 9}, "an inpainting model, which wants a picture and a mask"),
        ({"in_channels": 12}, "12 in_channels"),
        ({"out_channels": 8}, "8 out_channels"),
        ({"class_embed_type": "projection"}, "class_embed_type 'projection'"),
        ({"class_embed_type": "timestep"}, "class_embed_type 'timestep'"),
        ({"num_class_embeds": 1000}, "num_class_embeds 1000"),
        ({"addition_embed_type": "image"}, "addition_embed_type 'image'"),
        ({"addition_embed_type": "text_time"}, "addition_embed_type 'text_time'"),
        ({"encoder_hid_dim_type": "image_proj", "encoder_hid_dim": 16}, "encoder_hid_dim_type 'image_proj'"),
        (
            {"encoder_hid_dim_type": "ip_image_proj", "encoder_hid_dim": 16},
            "encoder_hid_dim_type 'ip_image_proj'",
        ),
        ({"cross_attention_dim": 32}, "gives 16 channels, the UNet takes 32"),
    ],
)
def test_a_network_that_wants_more_is_refused_by_name(
    tiny_model, tmp_path, no_weights, capsys, changes, message
):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    edit(folder / "unet" / "config.json", **changes)
    assert cli.main(["wide", "copper", "--model", str(folder), "--device", "cpu"]) == 2
    told = capsys.readouterr().err.strip()
    assert message in told and len(told.splitlines()) == 1 and ";" in told


# ---- which layer it reads


@pytest.mark.parametrize(
    ("width", "layers", "layer"), [(768, 12, 1), (1024, 23, 1), (1024, 24, 2), (1280, 32, 1), (96, 2, 1)]
)
def test_an_encoder_saved_with_its_last_layer_is_read_before_it(width, layers, layer):
    assert usual_layer({"hidden_size": width, "num_hidden_layers": layers}) == layer


def test_the_layer_before_the_last_is_what_such_a_model_reads(tiny_model, monkeypatch):
    plain = load_model(tiny_model).text
    monkeypatch.setattr(embeddings, "OPENCLIP", (16, 2))  # the tiny model's
    whole = load_model(tiny_model).text
    assert torch.equal(whole.embed(["red"]).words, plain.embed(["red"], clip_skip=2).words)
    assert not torch.equal(whole.embed(["red"]).words, plain.embed(["red"]).words)


# ---- few steps


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sd-turbo", (4, 1.0)),
        ("models--stabilityai--sdxl-turbo", (4, 1.0)),
        ("dreamshaperXL_v2TurboDpmppSDE", (4, 1.0)),
        ("DreamShaper_8_lcm", (8, 1.5)),
        ("sdxl_lightning_4step_unet", (4, 1.0)),
        ("juggernautXL-lightning", (8, 1.0)),
        ("Hyper-SD15-1step-lora-merged", (1, 1.0)),
        ("my-dmd2-merge", (4, 1.0)),
        ("hypernetwork-style", (None, None)),
        ("turbocharged-cars", (None, None)),
        ("stable-diffusion-v1-5", (None, None)),
        ("small-calcm", (None, None)),
    ],
)
def test_distilled_models_are_known_by_their_names(tmp_path, name, said):
    folder = SimpleNamespace(
        path=tmp_path / name, index={}, configs={"unet": {}, "scheduler": {}}, advice=Advice(), small=tmp_path
    )
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        advice = distilled(folder)
    assert (advice.steps, advice.guidance) == said
    assert bool(seen) == (said[0] is not None)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("models--latent-consistency--lcm-lora-sdv1-5/snapshots/a/pytorch_lora_weights", (8, 1.5, "lcm")),
        ("TCD-SD15-LoRA/pytorch_lora_weights", (8, 1.5, "tcd")),
        ("Hyper-SD15-4steps-lora", (4, 1.0, None)),
        ("sdxl_lightning_8step_lora", (8, 1.0, None)),
        ("hyper_realism_lora", (30, 7.0, "ddim")),
        ("lightning_storm", (30, 7.0, "ddim")),
        ("loras/lcm-style", (30, 7.0, "ddim")),
    ],
)
def test_a_lora_that_distils_is_known_by_its_name(tmp_path, place, said):
    """Its word counts before the folder's, which speaks of the model without it."""
    own = Advice(steps=30, guidance=7.0, sampler="ddim")
    folder = SimpleNamespace(
        path=tmp_path / "sd", index={}, configs={"unet": {}, "scheduler": {}}, advice=own, small=tmp_path
    )
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        advice = distilled(folder, [tmp_path / f"{place}.safetensors"])
    assert (advice.steps, advice.guidance, advice.sampler or "ddim") == (said[0], said[1], said[2] or "ddim")
    assert bool(seen) == (said[0] != 30)


def test_a_merge_is_known_by_what_it_was_made_from(tiny_model, tmp_path):
    """Its folder's own word wins, and the user's."""
    folder = shutil.copytree(tiny_model, tmp_path / "mixed")
    edit(folder / "model_index.json", _name_or_path="someone/epic-lightning-8step")
    with pytest.warns(
        TexsyncWarning, match=r"mixed is distilled \(its name says lightning\): 8 steps and guidance 1,"
    ):
        backbone = load_model(folder)
    assert (backbone.advice.steps, backbone.advice.guidance, backbone.advice.view_size) == (8, 1.0, 32)
    (folder / "texsync.json").write_text('{"steps": 6, "guidance": 2}')
    assert (load_model(folder).advice.steps, load_model(folder).advice.guidance) == (6, 2.0)
