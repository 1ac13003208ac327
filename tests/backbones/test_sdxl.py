"""Stable Diffusion XL: two text encoders, pooled words, sizes, an autoencoder that fp16 is too narrow for."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny_xl
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from full_size import write_folder
from painted import CRATE
from PIL import Image
from refusals import refused
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.folder import read_control, read_model
from texsync.backbones.loading import compare_with_configs, number_format
from texsync.couplings import make
from texsync.errors import InputError
from texsync.loop import sample
from texsync.views.plane import identity

PROMPTS = ["weathered copper, front view.", "a red object", "a red copper, front view."]
NEGATIVES = ["red", "a view", "copper"]
STEPS, GUIDANCE, SCALE = 3, 5.0, 0.7


@pytest.fixture(scope="module")
def xl(tmp_path_factory):
    return tiny_xl.write_model(tmp_path_factory.mktemp("xl") / "model")


@pytest.fixture(scope="module")
def xl_backbone(xl):
    return load_model(xl)


def copy(folder, place):
    return shutil.copytree(folder, place / "copy", dirs_exist_ok=True)


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def ours(backbone, noise, control, negatives, sampler=""):
    predict = backbone.predictor(
        Conditions(PROMPTS, negatives, control, GUIDANCE, SCALE, control_until=1.0), chunk=2
    )
    views = identity(*noise.shape[-2:], count=len(noise))
    *_, (_, x, _) = sample(predict, views, make("none"), backbone.schedule.spans(STEPS, sampler), noise)
    return x


def theirs(folder, backbone, noise, control, negatives, own=False):
    """Where diffusers' own pipeline ends after the same steps, of DDIM or its own scheduler, as latents."""
    kind = StableDiffusionXLPipeline if control is None else StableDiffusionXLControlNetPipeline
    net, several = ControlNetModel.from_pretrained(folder / "controlnet"), isinstance(control, list)
    parts = {} if control is None else {"controlnet": MultiControlNetModel([net, net]) if several else net}
    pipeline = kind.from_pretrained(folder, **parts)
    ends = {"set_alpha_to_one": backbone.schedule.final_alpha == 1.0, "clip_sample": False}
    if not own:
        pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, **ends)
    pipeline.set_progress_bar_config(disable=True)
    scale = [SCALE, 0.4] if several else SCALE
    more = {} if control is None else {"image": control, "controlnet_conditioning_scale": scale}
    size = 4 * noise.shape[-1]
    made = pipeline(
        PROMPTS, negative_prompt=negatives, latents=noise, num_inference_steps=STEPS, guidance_scale=GUIDANCE,
        height=size, width=size, eta=0.0, output_type="latent", **more,
    )  # fmt: skip
    return torch.as_tensor(made.images)


@pytest.mark.parametrize(("count", "side"), [(0, 8), (0, 16), (1, 8), (1, 16), (2, 8)])
def test_three_steps_equal_the_pipeline(count, side, xl, xl_backbone):
    """Words, pooled words, sizes of this very picture and the ControlNets, which hear all of them, too."""
    draw = torch.Generator().manual_seed(side)
    noise = torch.randn(3, 4, side, side, generator=draw)
    pictures = [torch.rand(3, 3, 4 * side, 4 * side, generator=draw) for _ in range(count)]
    control = pictures if count > 1 else (*pictures, None)[0]
    both = f"{xl / 'controlnet'} + {xl / 'controlnet'}:0.4"
    backbone = load_model(xl, both) if count > 1 else xl_backbone
    expected = theirs(xl, backbone, noise, control, NEGATIVES)
    torch.testing.assert_close(ours(backbone, noise, control, NEGATIVES), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # the library's own, on new numpy
def test_its_own_scheduler_is_the_pipelines(xl, xl_backbone, noise, control):
    """Euler at leading levels, as SDXL's own file has it, from noise of unit variance."""
    assert xl_backbone.schedule.sampler == "euler"
    expected = theirs(xl, xl_backbone, noise, control, NEGATIVES, own=True)
    torch.testing.assert_close(
        ours(xl_backbone, noise, control, NEGATIVES, "euler"), expected, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("zeros", [False, True])
def test_no_negative_is_what_the_index_says(zeros, tmp_path, noise):
    """SDXL's base was trained to hear zeros for nothing, models made from it may want the empty text's own words."""
    folder = tiny_xl.write_model(tmp_path / "model", zeros=zeros)
    backbone = load_model(folder, "none")
    expected = theirs(folder, backbone, noise, None, None)
    torch.testing.assert_close(ours(backbone, noise, None, [""] * 3), expected, atol=1e-4, rtol=1e-4)
    said = ours(backbone, noise, None, ["", "red", ""])  # view by view, whatever the others say
    assert torch.allclose(said[[0, 2]], expected[[0, 2]], atol=1e-4)
    assert not torch.allclose(said[1], expected[1], atol=1e-3)


def test_the_autoencoder_stays_wide_where_it_says_that_fp16_overflows(xl, tmp_path):
    """As diffusers' pipeline upcasts it; one that was mended for fp16 says force_upcast false."""
    folder = read_model(copy(xl, tmp_path))
    formats = {dtype: number_format(folder, "vae", dtype) for dtype in (torch.float16, torch.bfloat16)}
    assert formats == {torch.float16: torch.float32, torch.bfloat16: torch.bfloat16}
    assert number_format(folder, "unet", torch.float16) == torch.float16
    edit(folder.path / "vae" / "config.json", force_upcast=False)
    assert number_format(read_model(folder.path), "vae", torch.float16) == torch.float16


WRONG = {
    "no second tokenizer": (lambda f: shutil.rmtree(f / "tokenizer_2"), "tokenizer_2 holds no vocabulary"),
    "no second encoder": (
        lambda f: (f / "text_encoder_2" / "model.safetensors").unlink(),
        "text_encoder_2.*is missing",
    ),
    "the refiner": (
        lambda f: edit(f / "model_index.json", text_encoder=[None, None], tokenizer=[None, None]),
        "refiner; choose its base",
    ),
    "the refiner by its scores": (
        lambda f: edit(f / "model_index.json", requires_aesthetics_score=True),
        "refiner; choose its base",
    ),
    "no projection": (
        lambda f: edit(f / "model_index.json", text_encoder_2=["transformers", "CLIPTextModel"]),
        "CLIPTextModel as its text_encoder_2",
    ),
    "a third encoder": (
        lambda f: edit(f / "model_index.json", text_encoder_3=["transformers", "T5EncoderModel"]),
        "has a text_encoder_3",
    ),
    "widths": (
        lambda f: edit(f / "text_encoder_2" / "config.json", hidden_size=32),
        r"gives 16 \+ 32 channels, the UNet takes 40",
    ),
    "pooled": (
        lambda f: edit(f / "text_encoder_2" / "config.json", projection_dim=14),
        "takes 60 numbers of sizes and pooled words, not 62",
    ),
    "no sizes": (
        lambda f: edit(f / "unet" / "config.json", addition_time_embed_dim=None),
        "addition_time_embed_dim None",
    ),
    "not told": (
        lambda f: edit(f / "unet" / "config.json", addition_embed_type="text"),
        "addition_embed_type 'text'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_folder_is_named_before_weights_load(case, xl, tmp_path, no_weights):
    spoil, message = WRONG[case]
    folder = copy(xl, tmp_path)
    spoil(folder)
    with pytest.raises(InputError, match=message):
        load_model(folder)


def test_a_controlnet_of_the_other_family_is_refused(xl, tiny_model, no_weights):
    """SD 1.5's on XL, and XL's on SD 1.5."""
    for model, other in ((xl, tiny_model), (tiny_model, xl)):
        with refused("controlnet"):
            load_model(model, other / "controlnet")


UNET = dict(
    sample_size=128, block_out_channels=(320, 640, 1280), layers_per_block=2,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20), use_linear_projection=True,
    cross_attention_dim=2048, addition_embed_type="text_time", addition_time_embed_dim=256,
    projection_class_embeddings_input_dim=2816,
)  # fmt: skip
TEXT = dict(vocab_size=49408, max_position_embeddings=77)


def real_networks():
    """SDXL's own sizes on the meta device, by the published configs."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**UNET)
        return {
            "unet": unet,
            "controlnet": ControlNetModel.from_unet(unet, load_weights_from_unet=False),
            "vae": AutoencoderKL(block_out_channels=(128, 256, 512, 512), layers_per_block=2, scaling_factor=0.13025,
                                 down_block_types=("DownEncoderBlock2D",) * 4,
                                 up_block_types=("UpDecoderBlock2D",) * 4),
            "text_encoder": CLIPTextModel(CLIPTextConfig(
                hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                projection_dim=768, **TEXT)),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(
                hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
                projection_dim=1280, hidden_act="gelu", **TEXT)),
        }  # fmt: skip


NUMBERS = {  # of weights and of tensors, as published
    "unet": (2_567_463_684, 1680),
    "vae": (83_653_863, 248),
    "text_encoder": (123_060_480, 196),
    "text_encoder_2": (694_659_840, 517),
}


def test_the_published_sizes_are_read(tmp_path):
    """SDXL and its depth ControlNet at their full size: every check before the weights passes, nothing is missing."""
    networks = real_networks()
    folder = read_model(write_folder(tmp_path / "xl", networks, ("tokenizer", "tokenizer_2")))
    assert {part: (one.numbers, len(one.shapes)) for part, one in folder.weights.items()} == NUMBERS
    control = read_control(folder.path / "controlnet", folder)
    compare_with_configs(folder, [control])
    for part, weights in folder.weights.items():
        assert set(weights.shapes) == set(networks[part].state_dict())


@pytest.mark.filterwarnings("ignore:words the model does not know")
@pytest.mark.parametrize("task", ["mesh", "mask"])
def test_tasks_run_with_it(task, xl, tmp_path):
    """Two steps on a mesh, with depth, and on a picture."""
    few = {"model": str(xl), "device": "cpu", "steps": 2}
    if task == "mesh":
        from texsync import texture_mesh

        made = texture_mesh(CRATE, "a red object", view_size=64, texture_size=128, **few)
        assert made.report["view_size"] == 64 and np.isfinite(np.asarray(made.texture)).all()
    else:
        from texsync import masked_image

        mask = Image.new("L", (32, 32))
        mask.paste(255, (0, 0, 16, 32))
        made = masked_image("red copper", foregrounds=["a view"], masks=[mask], view_size=32, **few)
        assert made.image.size == (32, 32)
