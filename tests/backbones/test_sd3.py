"""Stable Diffusion 3: a transformer, rectified flow, three text encoders, its ControlNet."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny
import tiny_sd3
import torch
from diffusers import (
    AutoencoderKL,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    StableDiffusion3ControlNetPipeline,
    StableDiffusion3Pipeline,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.controlnets.controlnet_sd3 import SD3MultiControlNetModel
from full_size import write_folder
from painted import CRATE
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

from texsync.backbones.by_name import check_model, load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.families import sd3
from texsync.backbones.traced import LiveBytes
from texsync.backbones.weights import find_weights
from texsync.couplings import make
from texsync.errors import InputError
from texsync.loop import sample
from texsync.views.plane import identity

PROMPTS = ["weathered copper, front view.", "a red object", "a red copper, front view."]
NEGATIVES = ["red", "a view", ""]
STEPS, GUIDANCE, SCALE = 4, 4.0, 0.7


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With another ControlNet beside its own."""
    place = tiny_sd3.write_model(tmp_path_factory.mktemp("sd3") / "model")
    tokenizer = tiny.write_tokenizer(place.parent / "words")
    tiny_sd3.networks(tokenizer, seed=1)["controlnet"].save_pretrained(place / "other")
    return place


def copy(folder, place):
    return shutil.copytree(folder, place / "copy", dirs_exist_ok=True)


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def ours(backbone, noise, control):
    predict = backbone.predictor(
        Conditions(PROMPTS, NEGATIVES, control, GUIDANCE, SCALE, control_until=1.0), chunk=2
    )
    views = identity(*noise.shape[-2:], count=len(noise))
    *_, (_, x, _) = sample(predict, views, make("none"), backbone.schedule.spans(STEPS), noise)
    return x


def theirs(folder, noise, pictures, scales=(SCALE,)):
    parts, more, kind = {}, {}, StableDiffusion3Pipeline
    if pictures is not None:
        kind = StableDiffusion3ControlNetPipeline
        places = [folder / "controlnet", folder / "other"][: len(pictures)]
        nets = [SD3ControlNetModel.from_pretrained(place) for place in places]
        images = [picture * 2 - 1 for picture in pictures]
        parts = {"controlnet": nets[0] if len(nets) == 1 else SD3MultiControlNetModel(nets)}
        more = {"control_image": images, "controlnet_conditioning_scale": list(scales)}
        if len(nets) == 1:
            more = {"control_image": images[0], "controlnet_conditioning_scale": scales[0]}
    if not (folder / "text_encoder_3").exists():
        parts |= {"text_encoder_3": None, "tokenizer_3": None}
    pipeline = kind.from_pretrained(folder, **parts)
    pipeline.set_progress_bar_config(disable=True)
    size = 4 * noise.shape[-1]
    return pipeline(
        PROMPTS, negative_prompt=NEGATIVES, latents=noise, num_inference_steps=STEPS, guidance_scale=GUIDANCE,
        height=size, width=size, output_type="latent", **more,
    ).images  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 2])
def test_steps_equal_the_pipeline(count, folder, noise, control, monkeypatch):
    """Words, pooled words, the straight line with its shift, and ControlNets that see latents, each its own."""
    monkeypatch.setattr(
        DiagonalGaussianDistribution, "sample", lambda self, *_: self.mode()
    )  # ours repeats itself
    pictures = [control, control.flip(1)][:count] or None
    names = [f"depth={folder / 'controlnet'}", f"canny={folder / 'other'}:0.4"]
    backbone = load_model(folder, " + ".join(names) if count == 2 else None)
    expected = theirs(folder, noise, pictures, (SCALE, 0.4)[:count])
    torch.testing.assert_close(ours(backbone, noise, pictures), expected, atol=1e-4, rtol=1e-4)
    if count == 2:
        assert backbone.control_kinds == ("depth", "canny")
        alone = ours(backbone, noise, [control, None])
        assert torch.equal(alone, ours(load_model(folder), noise, control)) and not torch.equal(
            alone, expected
        )


def test_controlnets_of_different_depths_are_added_block_by_block(
    folder, noise, control, tmp_path, monkeypatch
):
    """One of one block serves both blocks of the transformer, one of two each its own; diffusers would drop one."""
    net = SD3ControlNetModel.from_pretrained(folder / "controlnet")
    deep = SD3ControlNetModel.from_config({**net.config, "num_layers": 2})
    deep.load_state_dict(net.state_dict(), strict=False)
    deep.save_pretrained(tmp_path / "deep")
    heard = []
    forward = SD3Transformer2DModel.forward

    def listen(self, *args, block_controlnet_hidden_states=None, **more):
        heard.append([block.clone() for block in block_controlnet_hidden_states])
        return forward(self, *args, block_controlnet_hidden_states=block_controlnet_hidden_states, **more)

    monkeypatch.setattr(SD3Transformer2DModel, "forward", listen)
    one, two = str(folder / "controlnet"), str(tmp_path / "deep")
    span = load_model(folder).schedule.spans(STEPS)[0]
    for said in ([one], [two], [one, two]):
        backbone = load_model(folder, " + ".join(said))
        backbone.predictor(Conditions(PROMPTS, NEGATIVES, [control] * len(said)))(noise, span)
    first, second, both = heard
    assert torch.equal(*first) and not torch.equal(*second)
    for a, b, total in zip(first, second, both, strict=True):
        torch.testing.assert_close(total, a + b)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_view_counts_no_less_than_it_takes(count, folder, tmp_path, monkeypatch):
    """ControlNets of many blocks too, which hold more than the transformer itself."""
    net = SD3ControlNetModel.from_pretrained(folder / "controlnet")
    SD3ControlNetModel.from_config({**net.config, "num_layers": 12}).save_pretrained(tmp_path / "deep")
    backbone = load_model(folder, " + ".join([str(tmp_path / "deep")] * count) or "none")
    size, counted = 16 * backbone.multiple, LiveBytes()
    given = [torch.rand(1, 3, size, size)] * count or None
    predict = backbone.predictor(Conditions(["a"], [""], given, guidance=GUIDANCE))
    noise, span = torch.zeros(1, *backbone.latent_shape(size)), backbone.schedule.spans(STEPS)[0]
    with torch.no_grad(), counted:
        predict(noise, span)
    monkeypatch.setattr("texsync.backbones.families.sd3.fitting", lambda each, *_: each)
    assert counted.peak <= backbone.chunk_that_fits(1, size) < 2 * counted.peak


def test_a_model_without_t5_hears_zeros_for_it(tmp_path, noise):
    folder = tiny_sd3.write_model(tmp_path / "model", with_t5=False)
    torch.testing.assert_close(
        ours(load_model(folder, "none"), noise, None), theirs(folder, noise, None), atol=1e-4, rtol=1e-4
    )


@pytest.mark.filterwarnings("ignore:words the model does not know")
def test_a_mesh_is_painted_with_it(folder):
    from texsync import texture_mesh

    few = {"model": str(folder), "device": "cpu", "steps": 2, "view_size": 64, "texture_size": 128}
    made = texture_mesh(CRATE, "a red object", **few)
    assert np.isfinite(np.asarray(made.texture)).all() and made.report["sampler"] == "euler"


WRONG = {
    "a scheduler of the other kind": (
        lambda f: edit(f / "scheduler" / "scheduler_config.json", _class_name="DDIMScheduler"),
        "DDIMScheduler.*FlowMatchEuler",
    ),
    "shifts by size": (
        lambda f: edit(f / "scheduler" / "scheduler_config.json", use_dynamic_shifting=True),
        "use_dynamic_shifting True",
    ),
    "no shift": (lambda f: edit(f / "scheduler" / "scheduler_config.json", shift=0), "shift 0"),
    "another transformer": (
        lambda f: edit(f / "model_index.json", transformer=["diffusers", "FluxTransformer2DModel"]),
        "SD3Transformer2DModel there",
    ),
    "latent channels": (
        lambda f: edit(f / "vae" / "config.json", latent_channels=16),
        "takes 4 latent channels",
    ),
    "pooled": (
        lambda f: edit(f / "text_encoder" / "config.json", projection_dim=14),
        "takes 24 pooled channels, there are 26",
    ),
    "t5": (
        lambda f: edit(f / "text_encoder_3" / "config.json", d_model=64),
        "takes 48 channels of T5, there are 64",
    ),
    "no weights": (
        lambda f: (f / "transformer" / "diffusion_pytorch_model.safetensors").unlink(),
        "transformer.*is missing",
    ),
    "control of another": (
        lambda f: edit(f / "controlnet" / "config.json", joint_attention_dim=32),
        "joint_attention_dim 32, the transformer 48",
    ),
    "control of another family": (
        lambda f: edit(f / "controlnet" / "config.json", _class_name="ControlNetModel"),
        "ControlNetModel.*made for Stable Diffusion 3",
    ),
    "no control": (lambda f: shutil.rmtree(f / "controlnet"), "has no controlnet folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_folder_is_named(case, folder, tmp_path):
    spoil, message = WRONG[case]
    place = copy(folder, tmp_path)
    spoil(place)
    with pytest.raises(InputError, match=message):
        load_model(place)


def test_the_second_controlnet_is_looked_at_too(folder, tmp_path):
    other = shutil.copytree(folder / "other", tmp_path / "canny")
    edit(other / "config.json", joint_attention_dim=32)
    for look in (load_model, check_model):
        with pytest.raises(InputError, match="canny has joint_attention_dim 32, the transformer 48"):
            look(folder, f"{folder / 'controlnet'} + {other}")


NUMBERS = {  # of weights, as published
    "transformer": 2_028_328_000,
    "text_encoder": 123_650_304,
    "text_encoder_2": 694_659_840,
    "text_encoder_3": 4_762_310_656,
}


def test_the_published_sizes_are_read(tmp_path):
    """SD3 medium at its full size, T5-XXL and a ControlNet of six blocks, on the meta device."""
    shape = dict(
        sample_size=128, patch_size=2, in_channels=16, attention_head_dim=64, num_attention_heads=24,
        joint_attention_dim=4096, caption_projection_dim=1536, pooled_projection_dim=2048, out_channels=16,
        pos_embed_max_size=192,
    )  # fmt: skip
    text = dict(vocab_size=49408, max_position_embeddings=77)
    with torch.device("meta"):
        parts = {
            "transformer": SD3Transformer2DModel(num_layers=24, **shape),
            "controlnet": SD3ControlNetModel(num_layers=6, **shape),
            "vae": AutoencoderKL(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=16,
                                 down_block_types=("DownEncoderBlock2D",) * 4, scaling_factor=1.5305,
                                 up_block_types=("UpDecoderBlock2D",) * 4, shift_factor=0.0609,
                                 use_quant_conv=False, use_post_quant_conv=False),
            "text_encoder": CLIPTextModelWithProjection(CLIPTextConfig(
                hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                projection_dim=768, **text)),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(
                hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
                projection_dim=1280, hidden_act="gelu", **text)),
            "text_encoder_3": T5EncoderModel(T5Config(
                vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64,
                feed_forward_proj="gated-gelu", is_encoder_decoder=False)),
        }  # fmt: skip
    place = write_folder(tmp_path / "sd3", parts, ("tokenizer", "tokenizer_2", "tokenizer_3"))
    scheduler = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    (place / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    configs = sd3.read_configs(place)
    assert {part: sum(p.numel() for p in parts[part].parameters()) for part in NUMBERS} == NUMBERS
    for part in configs.keys() & parts.keys():
        assert set(find_weights(place / part).shapes) == set(parts[part].state_dict())
    control = place / "controlnet"
    sd3.compare(place, configs, [(control, sd3.read_control_config(control, configs["transformer"]))])
