"""One small random model in every shape that users have models in: the same weights, the same pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import single
import torch
from diffusers import DDIMScheduler, StableDiffusionControlNetPipeline, StableDiffusionXLControlNetPipeline

from texsync.backbones import single_file
from texsync.backbones.by_name import load_model
from texsync.backbones.clip_words import clip_tokenizer
from texsync.backbones.conditions import Conditions
from texsync.backbones.prediction import schedule_from
from texsync.couplings import make
from texsync.errors import TexsyncWarning
from texsync.loop import sample
from texsync.views.plane import identity

FAMILIES = ("sd1", "sd2", "sdxl")
PROMPTS, NEGATIVES = ["weathered copper, front view.", "Mossy stone; 12 bricks!"], ["blurry", "glowing"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    return single.write_layouts(tmp_path_factory.mktemp("layouts"))


@pytest.fixture(scope="module")
def made(layouts):
    return {kind: single.networks(layouts[kind]) for kind in FAMILIES}


@pytest.fixture(autouse=True)
def small(layouts, monkeypatch):
    """The single files here are of the small layouts."""
    monkeypatch.setattr(single_file, "LAYOUTS", layouts)


# ---- the shapes: each writes a model, and says what to give to --model and --controlnet


def folder(place, kind, layout, made):
    return single.write_folder(place / "model", layout, made), None


def variant(place, kind, layout, made):
    model = single.write_folder(place / "model", layout, made, variant="fp16")
    assert not list(model.glob("unet/diffusion_pytorch_model.safetensors"))
    return model, None


def shards(place, kind, layout, made):
    model = single.write_folder(place / "model", layout, made, max_shard_size="30KB")
    assert len(list((model / "unet").glob("*.safetensors"))) > 2
    return model, None


def pickled(place, kind, layout, made):
    model = single.write_folder(place / "model", layout, made)
    for part, name in {"unet": "diffusion_pytorch_model", "text_encoder": "pytorch_model"}.items():
        for file in (model / part).glob("*.safetensors"):
            file.unlink()
        torch.save(made[part].state_dict(), model / part / f"{name}.bin")
    return model, None


def cache(place, kind, layout, made):
    repo = place / "models--owner--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "snapshots" / "older").mkdir(parents=True)
    single.write_folder(repo / "snapshots" / COMMIT, layout, made)
    return repo, None


def one_file(ending, control_ending=".safetensors", control="original", **notes):
    def write(place, kind, layout, made):
        file = single.write_single(place / f"model{ending}", single.original(kind, made), **notes)
        theirs = {f"control_model.{n}": t for n, t in single.original_unet(made["controlnet"]).items()}
        names = {
            "original": theirs,
            "bare": {n.removeprefix("control_model."): t for n, t in theirs.items()},
            "diffusers": made["controlnet"].state_dict(),
        }
        # SDXL's ControlNets have diffusers' names wherever they come from
        chosen = names["diffusers" if kind == "sdxl" else control]
        return file, single.write_single(place / f"control_depth{control_ending}", chosen)

    return write


def half_file(place, kind, layout, made):
    tensors = {name: tensor.half() for name, tensor in single.original(kind, made).items()}
    _, control = one_file(".safetensors")(place, kind, layout, made)
    return single.write_single(place / "half.safetensors", tensors), control


SHAPES = {
    "folder": folder,
    "fp16 variant": variant,
    "shards": shards,
    "bin in a folder": pickled,
    "hub cache folder": cache,
    "one file": one_file(".safetensors"),
    "one file in fp16": half_file,
    "control in diffusers' names": one_file(".safetensors", control="diffusers"),
    "control without a prefix": one_file(".safetensors", control="bare"),
    "ckpt and pth": one_file(".ckpt", ".pth", global_step=1000),
}
PICKLES = ("bin in a folder", "ckpt and pth")


def loaded(shape, kind, place, layouts, made):
    model, control = SHAPES[shape](place, kind, layouts[kind], made[kind])
    if shape not in PICKLES:
        return load_model(model, control)
    with pytest.warns(TexsyncWarning, match="is a pickle; only its weights are read") as told:
        backbone = load_model(model, control)
    assert len(told) == 2
    return backbone


@pytest.mark.parametrize(
    ("shape", "kind"),
    [*((shape, "sd1") for shape in SHAPES), ("folder", "sd2"), ("one file", "sd2"), ("one file", "sdxl")],
)
def test_every_shape_holds_the_same_weights(shape, kind, tmp_path, layouts, made):
    """Bit for bit, with nothing missing; in half precision to its rounding."""
    parts = loaded(shape, kind, tmp_path, layouts, made).parts
    tolerance = 1e-2 if shape == "one file in fp16" else 0
    for part, network in made[kind].items():
        if part == "controlnet":
            network = single.networks(layouts[kind])["controlnet"]
            network.controlnet_cond_embedding = torch.nn.Identity()
        there = (parts.controls[0].network if part == "controlnet" else getattr(parts, part)).state_dict()
        assert there.keys() == network.state_dict().keys()
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(there[name], tensor, atol=tolerance, rtol=tolerance)
    tokens = parts.tokenizer("a photo of a cat", padding="max_length", max_length=77).input_ids
    assert tokens[:7] == [49406, 320, 1125, 539, 320, 2368, 49407]  # as OpenAI's CLIP has it
    assert tokens[-1] == {"sd1": 49407, "sd2": 0, "sdxl": 49407}[kind]


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("shape", ["folder", "one file"])
def test_two_steps_equal_the_pipeline(shape, kind, tmp_path, layouts, made):
    """Uncoupled views end where diffusers' own pipeline ends that is put together from the networks themselves."""
    scheduler = DDIMScheduler.from_config(
        DDIMScheduler.load_config(layouts[kind] / "scheduler"), clip_sample=False
    )
    one, other = clip_tokenizer({}), clip_tokenizer({"pad_token": "!"})
    if kind == "sdxl":
        words = {"tokenizer": one, "tokenizer_2": other, "add_watermarker": False}
        pipeline = StableDiffusionXLControlNetPipeline(**made[kind], **words, scheduler=scheduler)
    else:
        rest = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        words = {"tokenizer": one if kind == "sd1" else other}
        pipeline = StableDiffusionControlNetPipeline(**made[kind], **words, scheduler=scheduler, **rest)
    pipeline.set_progress_bar_config(disable=True)
    draw = torch.Generator().manual_seed(2)
    noise, control = torch.randn(2, 4, 8, 8, generator=draw), torch.rand(2, 3, 64, 64, generator=draw)
    options = {"num_inference_steps": 2, "guidance_scale": 5.0, "controlnet_conditioning_scale": 0.7}
    expected = pipeline(
        PROMPTS, image=control, negative_prompt=NEGATIVES, latents=noise, output_type="latent", **options
    ).images
    config = DDIMScheduler.load_config(layouts[kind] / "scheduler") | {"_class_name": "DDIMScheduler"}
    spans = schedule_from(config).spans(2)  # SDXL's own is Euler's
    backbone = loaded(shape, kind, tmp_path, layouts, made)
    predict = backbone.predictor(Conditions(PROMPTS, NEGATIVES, control, guidance=5.0, control_scale=0.7))
    *_, (_, x, _) = sample(predict, identity(8, 8, count=2), make("none"), spans, noise)
    torch.testing.assert_close(x, torch.as_tensor(expected), atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_mesh_and_a_picture_are_the_same_from_a_folder_and_a_file(kind, tmp_path, layouts, made):
    from doors import BALL, exported

    from texsync import texture_mesh, wide_image

    (tmp_path / "ball.obj").write_text(exported(BALL, "obj").decode())
    pictures = []
    for shape in ("folder", "one file"):
        place = tmp_path / shape.replace(" ", "-")
        place.mkdir()
        model, control = SHAPES[shape](place, kind, layouts[kind], made[kind])
        size = {"view_size": 64, "steps": 2, "model": str(model)}
        mesh = texture_mesh(
            tmp_path / "ball.obj",
            "copper",
            texture_size=64,
            controlnet=control,
            control_kind="depth",
            extra_views="none",
            **size,
        )
        wide = wide_image("copper", width=128, height=64, **size)
        pictures.append([np.asarray(mesh.texture), np.asarray(wide.image)])
    for first, second in zip(*pictures, strict=True):
        assert np.abs(first.astype(int) - second).max() <= 1  # of 255


# ---- the real architectures


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
def test_the_real_key_sets_are_read_whole(kind):
    """The full-size networks of the libraries, without numbers, under their authors' names and back: all is found."""
    shipped = Path(single_file.__file__).parent / "layouts" / kind
    networks = single.networks(shipped, device="meta")
    tensors = single.original(kind, networks)
    # as many as the checkpoints of Stable Diffusion 1.5 and XL 1.0 hold
    assert len(tensors) == {"sd1": 1131, "sd2": 1228, "sdxl": 2515}[kind]
    for part, prefix in single_file.PARTS[kind].items():
        check_part(part, prefix, tensors, networks[part], single._config(shipped, part))
    if kind != "sdxl":  # whose ControlNets have diffusers' names only
        control = {f"control_model.{n}": t for n, t in single.original_unet(networks["controlnet"]).items()}
        check_part(
            "controlnet",
            "control_model.",
            control,
            networks["controlnet"],
            single._config(shipped, "controlnet"),
        )


def check_part(part, prefix, tensors, network, config):
    from texsync.backbones.loading import bare

    ours = {name: tuple(tensor.shape) for name, tensor in tensors.items() if name.startswith(prefix)}
    weights = single_file.Weights((Path("x"),), None, 0, ours, layout=part)
    found = {bare(name): shape for name, shape in single_file.as_diffusers(weights, config).shapes.items()}
    assert found == {bare(name): tuple(one.shape) for name, one in network.state_dict().items()}
