"""Image prompts through an IP-Adapter: equal to diffusers' pipelines, and a line for what does not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny_xl
import torch
from adapters import adapter_shapes
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from painted import CRATE
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from texsync import cli
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.couplings import make
from texsync.loop import sample
from texsync.views.plane import identity

PROMPTS, NEGATIVES = ["weathered copper", "a red object", "a view"], ["red", "a copper", "red"]
SEEN, HIDDEN, TOKENS, SIDE, SCALE = 12, 16, 4, 8, 0.6
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8))


def write_adapter(place, unet, patches=False):
    """Random weights in the authors' layout, with the image encoder beside."""
    torch.manual_seed(0)
    more = {"width": 64} if patches else {}
    shapes = adapter_shapes(unet, HIDDEN if patches else SEEN, tokens=TOKENS, **more)
    table = {
        n: torch.randn(s) / (s[-1] ** 0.5 if n.startswith("image_proj") else 2) for n, s in shapes.items()
    }
    save_file(table, place / "ip-adapter.safetensors")
    config = CLIPVisionConfig(
        hidden_size=HIDDEN, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE,
        patch_size=4, projection_dim=SEEN,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).eval().save_pretrained(place / "image_encoder")
    return place / "ip-adapter.safetensors"


def theirs(folder, adapter, noise, kind, scheduler):
    encoder = CLIPVisionModelWithProjection.from_pretrained(adapter.parent / "image_encoder")
    crop = {"height": SIDE, "width": SIDE}
    seen = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=crop)
    more = {} if kind is StableDiffusionXLPipeline else {"safety_checker": None}
    pipeline = kind.from_pretrained(folder, image_encoder=encoder, feature_extractor=seen, **more)
    pipeline.load_ip_adapter(
        str(adapter.parent), subfolder="", weight_name=adapter.name, image_encoder_folder=None
    )
    pipeline.set_ip_adapter_scale(SCALE)
    pipeline.scheduler = scheduler(pipeline.scheduler)
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(
        PROMPTS, negative_prompt=NEGATIVES, latents=noise, num_inference_steps=3, guidance_scale=4.0, height=32,
        width=32, output_type="latent", ip_adapter_image=PICTURE,
    )  # fmt: skip
    return torch.as_tensor(made.images)


def ours(backbone, noise, picture=PICTURE, scale=SCALE):
    told = Conditions(PROMPTS, NEGATIVES, guidance=4.0, image_prompt=picture, image_scale=scale)
    views = identity(8, 8, count=3)
    predict = backbone.predictor(told, chunk=2)
    *_, (_, x, _) = sample(predict, views, make("none"), backbone.schedule.spans(3, "ddim"), noise)
    return x


@pytest.mark.parametrize("patches", [False, True], ids=["plain", "plus"])
@pytest.mark.parametrize("kind", ["sd1", "xl"])
def test_three_steps_equal_the_pipeline(kind, patches, tiny_model, tmp_path, noise):
    """With the summary of the picture and with its patches, guided; without a picture it is the model without."""
    xl = kind == "xl"
    folder = tiny_xl.write_model(tmp_path / "xl") if xl else tiny_model
    plain = load_model(folder, "none")
    adapter = write_adapter(tmp_path, plain.parts.unet, patches)
    backbone = load_model(folder, "none", ip_adapter=adapter)
    ends = {"set_alpha_to_one": plain.schedule.final_alpha == 1.0, "clip_sample": False}
    expected = theirs(
        folder, adapter, noise, StableDiffusionXLPipeline if xl else StableDiffusionPipeline,
        lambda one: DDIMScheduler.from_config(one.config, **ends),
    )  # fmt: skip
    without = ours(plain, noise, None)
    torch.testing.assert_close(ours(backbone, noise), expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(without, expected, atol=1e-3)
    torch.testing.assert_close(ours(backbone, noise, None), without, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours(backbone, noise, PICTURE, 0.0), without, atol=1e-4, rtol=1e-4)


@pytest.fixture
def adapted(tiny_model, tmp_path, monkeypatch):
    """The current folder: an adapter for the tiny model, and a picture."""
    monkeypatch.chdir(tmp_path)
    write_adapter(tmp_path, load_model(tiny_model, "none").parts.unet)
    PICTURE.save(tmp_path / "rust.png")
    return tmp_path


@pytest.mark.filterwarnings("ignore:words the model does not know", "ignore:the prompt is longer")
def test_a_mesh_is_painted_with_it(adapted, paint):
    plain = paint(CRATE)
    made = paint(CRATE, ip_adapter="ip-adapter.safetensors", image_prompt="rust.png:0.6")
    assert made.report["image_prompt"] == "rust.png:0.6" and not np.array_equal(made.texture, plain.texture)


def changed(folder, change):
    table = load_file(folder / "ip-adapter.safetensors")
    change(table)
    save_file(table, folder / "ip-adapter.safetensors")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


ADAPTER = ["--ip-adapter", "ip-adapter.safetensors"]
BAD = {
    "no adapter": (None, ["--image-prompt", "rust.png"], "an image prompt needs an IP-Adapter; name its file with"),
    "no such adapter": (None, ["--ip-adapter", "none.safetensors"], "there is no IP-Adapter none.safetensors"),
    "no such picture": (None, [*ADAPTER, "--image-prompt", "rost.png:0.6"], "rost.png"),
    "too much": (None, [*ADAPTER, "--image-prompt", "rust.png:7"], "has scale 7; use 0 to 2"),
    "a pickle": (
        lambda f: (f / "ip-adapter.safetensors").rename(f / "ip.bin"),
        ["--ip-adapter", "ip.bin"],
        "is no safetensors file",
    ),
    "another file": (
        lambda f: save_file({"a": torch.zeros(1)}, f / "ip-adapter.safetensors"),
        ADAPTER,
        "is no IP-Adapter that reads pictures by CLIP",
    ),
    "no encoder": (
        lambda f: (f / "image_encoder").rename(f / "away"),
        ADAPTER,
        "has no image_encoder beside it",
    ),
    "another encoder": (
        lambda f: edit(f / "image_encoder" / "config.json", projection_dim=99),
        ADAPTER,
        "gives 99 channels, the IP-Adapter reads 12",
    ),
    "a layer is missing": (
        lambda f: changed(f, lambda table: table.pop("ip_adapter.3.to_v_ip.weight")),
        ADAPTER,
        "ip-adapter.safetensors does not fit ('3.to_v_ip.weight')",
    ),
    "a layer too many": (
        lambda f: changed(f, lambda table: table.update({"ip_adapter.99.to_k_ip.weight": torch.zeros(8, 16)})),
        ADAPTER,
        "has 9 matrices of cross-attention, this model takes 8",
    ),
    "a layer of another width": (
        lambda f: changed(f, lambda table: table.update({"ip_adapter.1.to_k_ip.weight": torch.zeros(9, 16)})),
        ADAPTER,
        "ip-adapter.safetensors does not fit (Error(s) in loading state_dict",
    ),
    "for another model": (
        lambda f: write_adapter(f, load_model(tiny_xl.write_model(f / "xl"), "none").parts.unet),
        ADAPTER,
        "is for words 40 wide, this model's are 16",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_line_says_what_is_wrong(case, adapted, tiny_model, monkeypatch, capsys):
    spoil, asked, said = BAD[case]
    if spoil:
        spoil(adapted)
        capsys.readouterr()
    from texsync.backbones import loading

    monkeypatch.setattr(
        loading, "load_network", lambda path, *_: pytest.fail(f"weights were read from {path}")
    )
    code = cli.main([str(CRATE), "rust", "--model", str(tiny_model), *asked, "--quiet"])
    told = capsys.readouterr().err
    assert code == 2 and said in told and told.count("\n") == 1, told
