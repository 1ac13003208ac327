"""What is missing a part, mixed, damaged or not supported: one line that names it, before any weights are read."""

from __future__ import annotations

import json
import shutil
import warnings

import pytest
import single
import torch
from safetensors.torch import load_file, save_file
from tiny import note_origin

from texsync import cli
from texsync.backbones import single_file

UNET = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A place with whole models in folders and files, to be spoilt in copies."""
    place = tmp_path_factory.mktemp("shop")
    layouts = single.write_layouts(place / "layouts")
    for kind in ("sd1", "sd2", "sdxl"):
        made = single.networks(layouts[kind])
        single.write_folder(place / kind, layouts[kind], made)
        single.write_single(place / f"{kind}.safetensors", single.original(kind, made))
        control = {f"control_model.{n}": t for n, t in single.original_unet(made["controlnet"]).items()}
        single.write_single(place / f"{kind}-control.safetensors", control)
        single.write_single(place / f"{kind}-vae.safetensors", single.original_vae(made["vae"]))
        save_file(lora(made["unet"]), place / f"{kind}-lora.safetensors")
    return place


def lora(unet):
    found = {}
    for name, module in unet.named_modules():
        if name.endswith(("attn2.to_k", "attn1.to_q")):
            key = f"lora_unet_{name.replace('.', '_')}"
            found[f"{key}.lora_down.weight"] = torch.zeros(2, module.in_features)
            found[f"{key}.lora_up.weight"] = torch.zeros(module.out_features, 2)
    return found


@pytest.fixture
def here(shop, tmp_path, monkeypatch):
    """The current folder, with links to whole files and copies of folders."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(single_file, "LAYOUTS", {k: shop / "layouts" / k for k in ("sd1", "sd2", "sdxl")})
    for file in shop.glob("*.safetensors"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "ball.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"
    )
    return tmp_path


def folder(here, shop, kind="sd1"):
    return shutil.copytree(shop / kind, here / kind)


def tensors(**shapes):
    return {name.replace("__", "."): torch.zeros(shape) for name, shape in shapes.items()}


def layers(layer="conv_in", **roles):
    """The tensors of one layer under kohya's names.  layer: its name, or roles to begin with."""
    first, name = (layer, "conv_in") if isinstance(layer, dict) else ({}, layer)
    return {f"lora_unet_{name}.{role}": torch.zeros(shape) for role, shape in {**first, **roles}.items()}


def loha(a, b):
    return {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": a, "hada_w2_b": b}


def saved(here, name, table, **notes):
    return single.write_single(here / name, table, **notes)


def text(here, name, content):
    (here / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def without(here, shop, start, name="half.safetensors", kind="sd1"):
    made = single.original(kind, single.networks(shop / "layouts" / kind))
    saved(here, name, {key: tensor for key, tensor in made.items() if not key.startswith(start)})


def changed(here, shop, **shapes):
    made = single.original("sd1", single.networks(shop / "layouts" / "sd1"))
    saved(here, "odd.safetensors", made | tensors(**shapes))


def cut(here, shop, name, most):
    (here / "cut.safetensors").write_bytes((shop / name).read_bytes()[:most])


def edited(here, shop, file, kind="sd1", **changes):
    path = folder(here, shop, kind) / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def lose(place, end):
    """Write a part's file again, without the weight whose name ends so."""
    (file,) = place.glob("*.safetensors")
    table = load_file(file)
    name = end if end in table else next(name for name in table if name.endswith(f".{end}"))
    save_file({key: one for key, one in table.items() if key != name}, file, {"format": "pt"})


class Evil:
    def __reduce__(self):
        return print, ("run",)


MODEL, FILE = ["--model", "sd1"], ["--model", "sd1.safetensors"]
NO_CONTROL = [*FILE, "--controlnet", "none"]
CONTROL = [*FILE, "--control-kind", "depth", "--controlnet"]
LORA = [*FILE, "--lora", "x.safetensors"]
XL, SCHEDULER, INDEX = ["--model", "sdxl"], "scheduler/scheduler_config.json", "model_index.json"
# name: what is written, what is asked for, what is said
CASES = {
    # ---- missing a part
    "no file": (None, ["--model", "sd9.safetensors"], "there is no file sd9.safetensors; check its path"),
    "no controlnet": (None, FILE, "has no controlnet folder; name a depth ControlNet with --controlnet"),
    "no text encoder": (
        lambda h, s: without(h, s, "cond_stage_model."),
        ["--model", "half.safetensors"],
        "half.safetensors has a UNet but no text encoder; choose a full checkpoint",
    ),
    "no autoencoder": (
        lambda h, s: without(h, s, "first_stage_model."),
        ["--model", "half.safetensors"],
        "half.safetensors has no vae; it is a part of a model",
    ),
    "no second encoder": (
        lambda h, s: without(h, s, "conditioner.embedders.1.", kind="sdxl"),
        ["--model", "half.safetensors"],
        "half.safetensors has a UNet but no text encoder",
    ),
    "a layer is missing": (
        lambda h, s: without(h, s, "model.diffusion_model.middle_block.1.norm"),
        ["--model", "half.safetensors", *CONTROL[2:], "sd1-control.safetensors"],
        "lacks 2 weights, mid_block.attentions.0.norm.bias first",
    ),
    **{
        f"a weight of a folder's {part} is missing": (
            lambda h, s, part=part, lost=lost: lose(folder(h, s) / part, lost),
            MODEL,
            f"sd1/{part} lacks 1 weights, {lost} first; fetch the model again",
        )
        for part, lost in {
            "unet": "conv_in.bias",
            "vae": "decoder.conv_in.bias",
            "controlnet": "conv_in.bias",
        }.items()
    },
    "a weight of a folder's words is missing": (
        lambda h, s: lose(folder(h, s) / "text_encoder", "final_layer_norm.bias"),
        MODEL,
        "sd1/text_encoder lacks 1 weights, ",
    ),
    "no LoRA": (
        None,
        [*NO_CONTROL, "--lora", "rust.safetensors:0.5"],
        "there is no LoRA rust.safetensors",
    ),
    "no VAE": (None, [*NO_CONTROL, "--vae", "vae.safetensors"], "there is no file vae.safetensors"),
    "no inversion": (None, [*FILE, "--embedding", "x.pt"], "there is no textual inversion x.pt"),
    # ---- mixed
    "SDXL's LoRA": (
        None,
        [*FILE, "--lora", "sdxl-lora.safetensors"],
        "reads words 40 wide, this model's are 16",
    ),
    "SD 2's LoRA": (
        None,
        [*FILE, "--lora", "sd2-lora.safetensors"],
        "another kind of model: it reads words 24 wide",
    ),
    "SDXL's control": (
        None,
        [*CONTROL, "sdxl-control.safetensors"],
        "has cross_attention_dim 40, the UNet has 16",
    ),
    "SD 2's control": (
        None,
        [*CONTROL, "sd2-control.safetensors"],
        "has cross_attention_dim 24, the UNet has 16",
    ),
    "control of a folder": (
        lambda h, s: folder(h, s, "sd2"),
        [*CONTROL, "sd2/controlnet"],
        "has cross_attention_dim 24, the UNet has 16",
    ),
    "SDXL's VAE": (
        lambda h, s: folder(h, s, "sdxl"),
        [*FILE, "--vae", "sdxl/vae"],
        "has scaling_factor 0.13025, the model's has 0.18215; choose a --vae made for this --model",
    ),
    "VAE of more channels": (
        lambda h, s: edited(h, s, "vae/config.json", latent_channels=16),
        [*FILE, "--vae", "sd1/vae"],
        "has latent_channels 16, the model's has 4",
    ),
    "SD 2's inversion": (
        lambda h, s: saved(h, "x.safetensors", tensors(emb_params=(2, 24))),
        [*FILE, "--embedding", "x.safetensors"],
        "x.safetensors was made for words 24 wide, this model's are 16",
    ),
    "SDXL's inversion": (
        lambda h, s: saved(h, "x.safetensors", tensors(clip_l=(2, 16), clip_g=(2, 24))),
        [*FILE, "--embedding", "x.safetensors"],
        "x.safetensors is no textual inversion for this model",
    ),
    "layers of another UNet": (
        lambda h, s: saved(
            h,
            "x.safetensors",
            tensors(
                lora_unet_mid_block_attentions_7_proj_in__lora_down__weight=(2, 16),
                lora_unet_mid_block_attentions_7_proj_in__lora_up__weight=(16, 2),
            ),
        ),
        [*NO_CONTROL, "--lora", "x.safetensors"],
        "another kind of model: the unet has no layer mid_block_attentions_7_proj_in",
    ),
    "layers of another width": (
        lambda h, s: saved(
            h,
            "x.safetensors",
            tensors(
                lora_unet_mid_block_attentions_0_proj_in__lora_down__weight=(2, 99),
                lora_unet_mid_block_attentions_0_proj_in__lora_up__weight=(16, 2),
            ),
        ),
        [*NO_CONTROL, "--lora", "x.safetensors"],
        "its layer mid_block_attentions_0_proj_in is 16 x 99, the model's 16 x 16",
    ),
    "a model as control": (
        None,
        [*CONTROL, "sd1.safetensors"],
        "sd1.safetensors is a whole model; give it to --model",
    ),
    "a control as model": (
        None,
        ["--model", "sd1-control.safetensors"],
        "is a ControlNet, not a model; give it to",
    ),
    "a LoRA as model": (
        None,
        ["--model", "sd1-lora.safetensors"],
        "is a LoRA, not a model; add it to a model with",
    ),
    "a VAE as model": (
        None,
        ["--model", "sd1-vae.safetensors"],
        "is an autoencoder, not a model; give it to --vae",
    ),
    "a model as LoRA": (None, [*FILE, "--lora", "sd1-vae.safetensors"], "is no LoRA (it has"),
    "a LoRA as VAE": (None, [*FILE, "--vae", "sd1-lora.safetensors"], "is no autoencoder (it has"),
    "a LoRA as control": (
        None,
        [*CONTROL, "sd1-lora.safetensors"],
        "is a LoRA; give --controlnet a ControlNet",
    ),
    "part of a folder": (
        lambda h, s: folder(h, s),
        ["--model", f"sd1/unet/{UNET}"],
        "is one network of a model's folder, not a model; give the folder",
    ),
    # ---- schedulers and families
    "a consistency model's scheduler": (
        lambda h, s: edited(h, s, SCHEDULER, _class_name="CMStochasticIterativeScheduler"),
        MODEL,
        "'CMStochasticIterativeScheduler'; consistency models of this kind have no text",
    ),
    "EDM": (
        lambda h, s: edited(h, s, SCHEDULER, _class_name="EDMEulerScheduler"),
        MODEL,
        "'EDMEulerScheduler'; its network sees pictures at another size",
    ),
    "flow matching on a UNet": (
        lambda h, s: edited(h, s, SCHEDULER, _class_name="FlowMatchEulerDiscreteScheduler"),
        MODEL,
        "it belongs to a transformer, not to a UNet; choose another model",
    ),
    "flow sigmas": (
        lambda h, s: edited(h, s, SCHEDULER, _class_name="UniPCMultistepScheduler", use_flow_sigmas=True),
        MODEL,
        "for flow matching",
    ),
    "a scheduler of one's own": (
        lambda h, s: edited(h, s, SCHEDULER, _class_name="MyScheduler"),
        MODEL,
        "the scheduler is a 'MyScheduler'; known: DDIMScheduler",
    ),
    "thresholding of latents": (
        lambda h, s: edited(h, s, SCHEDULER, thresholding=True),
        MODEL,
        "has thresholding, which is for models of pixels",
    ),
    "a scheduler without a name": (
        lambda h, s: edited(h, s, SCHEDULER, _class_name=7),
        MODEL,
        "the scheduler is a 7",
    ),
    "the refiner's folder": (
        lambda h, s: edited(h, s, INDEX, "sdxl", text_encoder=[None, None], tokenizer=[None, None]),
        XL,
        "is SDXL's refiner; choose its base model",
    ),
    "the refiner's scores": (
        lambda h, s: edited(h, s, INDEX, "sdxl", requires_aesthetics_score=True),
        XL,
        "is SDXL's refiner; choose its base model",
    ),
    "no second tokenizer": (
        lambda h, s: shutil.rmtree(folder(h, s, "sdxl") / "tokenizer_2"),
        XL,
        "tokenizer_2 holds no vocabulary",
    ),
    "a second encoder that projects nothing": (
        lambda h, s: edited(h, s, INDEX, "sdxl", text_encoder_2=["transformers", "CLIPTextModel"]),
        XL,
        "texsync reads a CLIPTextModelWithProjection there",
    ),
    "pooled words of another width": (
        lambda h, s: edited(h, s, "text_encoder_2/config.json", "sdxl", projection_dim=77),
        XL,
        "numbers of sizes and pooled words",
    ),
    "SDXL's UNet in SD 1.5": (
        lambda h, s: edited(h, s, "unet/config.json", addition_embed_type="text_time"),
        MODEL,
        "has addition_embed_type 'text_time'",
    ),
    "a FLUX folder": (
        lambda h, s: edited(h, s, INDEX, transformer=["diffusers", "FluxTransformer2DModel"]),
        MODEL,
        "has a transformer; choose a model laid out like Stable Diffusion 1.x, 2.x or XL",
    ),
    "half of SD 3": (
        lambda h, s: edited(h, s, INDEX, _class_name="StableDiffusion3Pipeline"),
        MODEL,
        "as its transformer; Stable Diffusion 3 has a SD3Transformer2DModel there",
    ),
    "SD 3's control": (
        lambda h, s: edited(h, s, "controlnet/config.json", _class_name="SD3ControlNetModel"),
        MODEL,
        "holds a SD3ControlNetModel",
    ),
    "a layer that is not there": (
        None,
        [*NO_CONTROL, "--clip-skip", "3"],
        "clip skip 3, the text encoder has 2 layers; use --clip-skip 2 or less",
    ),
    "a layer that only one encoder has": (
        lambda h, s: edited(h, s, "text_encoder_2/config.json", "sdxl", num_hidden_layers=1),
        [*XL, "--clip-skip", "2"],
        "clip skip 2, the text encoder has 1 layers",
    ),
    "a layer that the folder names and has not": (
        lambda h, s: text(folder(h, s), "texsync.json", '{"clip_skip": 3}'),
        MODEL,
        "texsync.json has clip_skip 3, the text encoder has 2 layers; lower it",
    ),
    "a sampler that is none": (None, [*FILE, "--sampler", "dpm"], "sampler"),
    "an attention that is none": (None, [*FILE, "--attention", "all"], "attention"),
    # ---- damaged
    "cut short": (
        lambda h, s: cut(h, s, "sd1.safetensors", -100),
        ["--model", "cut.safetensors"],
        "is cut short",
    ),
    "cut in the header": (
        lambda h, s: cut(h, s, "sd1.safetensors", 5000),
        ["--model", "cut.safetensors"],
        "cut.safetensors is not a readable safetensors file",
    ),
    "empty": (
        lambda h, s: text(h, "x.safetensors", ""),
        ["--model", "x.safetensors"],
        "x.safetensors is empty",
    ),
    "a web page": (
        lambda h, s: text(h, "x.safetensors", "<!DOCTYPE html><html>Please log in"),
        ["--model", "x.safetensors"],
        "x.safetensors is a web page, not weights; log in where it comes from",
    ),
    "a pointer": (
        lambda h, s: text(
            h, "x.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
        ),
        ["--model", "x.safetensors"],
        "is a pointer of git-lfs, not the weights; run `git lfs pull`",
    ),
    "a pointer in a folder": (
        lambda h, s: text(folder(h, s), f"unet/{UNET}", "version https://git-lfs.github.com/spec/v1\n"),
        MODEL,
        "is a pointer of git-lfs, not the weights",
    ),
    "an error in JSON": (
        lambda h, s: text(h, "x.ckpt", '{"error": "Unauthorized"}'),
        ["--model", "x.ckpt"],
        "x.ckpt is a text, not weights",
    ),
    "a broken archive": (
        lambda h, s: text(h, "x.ckpt", b"PK\x03\x04" + bytes(100)),
        ["--model", "x.ckpt"],
        "x.ckpt is not a readable checkpoint",
    ),
    "half a LoRA layer": (
        lambda h, s: saved(h, "x.safetensors", tensors(lora_unet_conv_in__lora_down__weight=(2, 4))),
        [*FILE, "--lora", "x.safetensors"],
        "x.safetensors has half of the layer conv_in; fetch the LoRA again",
    ),
    # ---- not supported, or not safe
    "a pickle as safetensors": (
        lambda h, s: torch.save({"a": torch.zeros(1)}, h / "x.safetensors"),
        ["--model", "x.safetensors"],
        "x.safetensors is a pickle under the name of a safetensors file",
    ),
    "a pickle that runs code": (
        lambda h, s: torch.save({"state_dict": {"a": Evil()}}, h / "x.ckpt"),
        ["--model", "x.ckpt"],
        "x.ckpt holds more than weights (print); use its safetensors",
    ),
    "a pickle of a list": (
        lambda h, s: torch.save([1], h / "x.pt"),
        ["--model", "x.pt"],
        "holds no table of weights",
    ),
    "GGUF": (
        lambda h, s: text(h, "x.safetensors", b"GGUF\x03" + bytes(50)),
        ["--model", "x.safetensors"],
        "is a quantised GGUF file; use the model's safetensors",
    ),
    "FLUX": (
        lambda h, s: saved(h, "x.safetensors", tensors(double_blocks__0__img_attn__norm__key_norm__scale=8)),
        ["--model", "x.safetensors"],
        "x.safetensors is a FLUX transformer, not a model",
    ),
    "SD 3": (
        lambda h, s: saved(h, "x.safetensors", tensors(model__diffusion_model__joint_blocks__0__x_block=8)),
        ["--model", "x.safetensors"],
        "is a Stable Diffusion 3 transformer",
    ),
    "a refiner": (
        lambda h, s: saved(
            h,
            "x.safetensors",
            tensors(
                conditioner__embedders__0__model__ln_final__bias=8, model__diffusion_model__out__0__bias=8
            ),
        ),
        ["--model", "x.safetensors"],
        "is an SDXL refiner, which only finishes pictures, not a model; choose its base model",
    ),
    "inpainting": (
        lambda h, s: changed(h, s, model__diffusion_model__input_blocks__0__0__weight=(8, 9, 3, 3)),
        ["--model", "odd.safetensors"],
        "odd.safetensors is an inpainting model: its UNet reads 9 channels",
    ),
    "a T2I-adapter": (
        lambda h, s: saved(h, "x.pth", tensors(adapter__body__0__resnets__0__block1__weight=8)),
        [*CONTROL, "x.pth"],
        "x.pth is a T2I-Adapter; give --controlnet a ControlNet",
    ),
    "a ControlNet-union": (
        lambda h, s: saved(h, "x.safetensors", tensors(control_add_embedding__linear_1__weight=(8, 8))),
        [*CONTROL, "x.safetensors"],
        "is a ControlNet-union, which wants to be told",
    ),
    "a union in a folder": (
        lambda h, s: edited(h, s, "controlnet/config.json", _class_name="ControlNetUnionModel"),
        MODEL,
        "holds a ControlNetUnionModel, which wants to be told which condition it sees",
    ),
    "a Control-LoRA": (
        lambda h, s: saved(h, "x.safetensors", tensors(lora_controlnet=1, input_blocks__0__0__up=(8, 8))),
        [*CONTROL, "x.safetensors"],
        "x.safetensors is a Control-LoRA",
    ),
    "half a LoHa layer": (
        lambda h, s: saved(h, "x.safetensors", tensors(lora_unet_conv_in__hada_w1_a=(8, 2))),
        LORA,
        "x.safetensors has half of the layer conv_in; fetch the LoRA again",
    ),
    "one core of two": (
        lambda h, s: saved(h, "x.safetensors", layers(loha((8, 2), (2, 4)), hada_t1=(2, 2, 3, 3))),
        LORA,
        "x.safetensors has half of the layer conv_in",
    ),
    "half a LoKr layer": (
        lambda h, s: saved(h, "x.safetensors", layers(lokr_w1=(2, 2), lokr_w2_a=(4, 1))),
        LORA,
        "x.safetensors has half of the layer conv_in",
    ),
    "a LoKr's factor twice": (
        lambda h, s: saved(
            h, "x.safetensors", layers(lokr_w1=(2, 2), lokr_w1_a=(2, 1), lokr_w1_b=(1, 2), lokr_w2=(4, 2))
        ),
        LORA,
        "x.safetensors has half of the layer conv_in",
    ),
    "LoHa of ranks that differ": (
        lambda h, s: saved(h, "x.safetensors", layers(loha((8, 2), (3, 36)))),
        LORA,
        "in x.safetensors the parts of the layer conv_in do not fit each other; fetch the LoRA again",
    ),
    "LoHa of nothing": (
        lambda h, s: saved(h, "x.safetensors", layers(loha((8, 0), (0, 36)))),
        LORA,
        "in x.safetensors the parts of the layer conv_in do not fit each other",
    ),
    "several alphas": (
        lambda h, s: saved(h, "x.safetensors", layers(loha((8, 2), (2, 36)), alpha=(3,))),
        LORA,
        "in x.safetensors the parts of the layer conv_in do not fit each other",
    ),
    "a core of the wrong rank": (
        lambda h, s: saved(
            h, "x.safetensors", layers(loha((2, 8), (2, 4)), hada_t1=(3, 3, 3, 3), hada_t2=(2, 2, 3, 3))
        ),
        LORA,
        "in x.safetensors the parts of the layer conv_in do not fit each other",
    ),
    "LoHa of another width": (
        lambda h, s: saved(h, "x.safetensors", layers(loha((8, 2), (2, 99)))),
        [*NO_CONTROL, "--lora", "x.safetensors"],
        "another kind of model: its layer conv_in is 8 x 99, the model's 8 x 36",
    ),
    "LoKr of another width": (
        lambda h, s: saved(h, "x.safetensors", layers(lokr_w1=(2, 2), lokr_w2=(4, 4, 3, 3))),
        [*NO_CONTROL, "--lora", "x.safetensors"],
        "another kind of model: its layer conv_in is 8 x 72, the model's 8 x 36",
    ),
    "SDXL's LoKr": (
        lambda h, s: saved(
            h,
            "x.safetensors",
            layers(
                "down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", lokr_w1=(2, 2), lokr_w2=(4, 20)
            ),
        ),
        LORA,
        "another kind of model: it reads words 40 wide, this model's are 16",
    ),
    "a difference of another kernel": (
        lambda h, s: saved(h, "x.safetensors", layers(diff=(8, 36, 1, 1))),
        [*NO_CONTROL, "--lora", "x.safetensors"],
        "another kind of model: its layer conv_in is 8 x 36, the model's 8 x 36, of other kernels",
    ),
    "a bias where there is none": (
        lambda h, s: saved(
            h,
            "x.safetensors",
            layers("down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", diff=(8, 8), diff_b=(8,)),
        ),
        [*NO_CONTROL, "--lora", "x.safetensors"],
        "has a bias that the model's has not",
    ),
    "a bias alone": (
        lambda h, s: saved(h, "x.safetensors", layers(diff_b=(8,))),
        LORA,
        "x.safetensors is no LoRA (it has lora_unet_conv_in.diff_b)",
    ),
    "OFT": (
        lambda h, s: saved(h, "x.safetensors", layers(oft_blocks=(2, 4, 4))),
        LORA,
        "x.safetensors has OFT layers of LyCORIS, which texsync does not read; choose a plain LoRA",
    ),
    "GLoRA": (
        lambda h, s: saved(h, "x.safetensors", tensors(lora_unet_conv_in__a1__weight=(2, 4))),
        LORA,
        "x.safetensors has GLoRA layers of LyCORIS",
    ),
    "IA3": (
        lambda h, s: saved(h, "x.safetensors", layers(weight=(8,), on_input=(1,))),
        LORA,
        "x.safetensors has IA3 layers of LyCORIS",
    ),
    "norms": (
        lambda h, s: saved(h, "x.safetensors", layers(loha((8, 2), (2, 36)), w_norm=(8,))),
        LORA,
        "x.safetensors has norms of LyCORIS",
    ),
    "DoRA of a LoHa": (
        lambda h, s: saved(h, "x.safetensors", layers(loha((8, 2), (2, 36)), dora_scale=(1, 4, 1, 1))),
        LORA,
        "x.safetensors has DoRA's magnitudes",
    ),
    "a LoHa as model": (
        lambda h, s: saved(h, "x.safetensors", layers(loha((8, 2), (2, 36)))),
        ["--model", "x.safetensors"],
        "is a LyCORIS file, not a model; add it to a model with --lora",
    ),
    # ---- several ControlNets, and one that follows what is there
    "a second control of another family": (
        None,
        [*CONTROL, "sd1-control.safetensors", "--controlnet", "normal=sdxl-control.safetensors"],
        "sdxl-control.safetensors has cross_attention_dim 40, the UNet has 16",
    ),
    "a second control that is not there": (
        None,
        [*CONTROL, "sd1-control.safetensors", "--controlnet", "normal=gone.safetensors"],
        "no ControlNet folder gone.safetensors",
    ),
    "tile of nothing": (
        None,
        [*FILE, "--controlnet", "tile=sd1-control.safetensors"],
        "--controlnet sd1-control.safetensors follows a picture that is there already, and there is none; "
        "start from one with --start own, or paint details with --refine 2",
    ),
    "tile by --control-kind": (
        None,
        [*FILE, "--controlnet", "sd1-control.safetensors", "--control-kind", "tile"],
        "follows a picture that is there already, and there is none",
    ),
    "the model's own is a tile": (
        lambda h, s: note_origin(folder(h, s) / "controlnet", "lllyasviel/control_v11f1e_sd15_tile"),
        MODEL,
        "follows a picture that is there already, and there is none",
    ),
    "tile of a mesh that shows nothing": (
        None,
        [*FILE, "--controlnet", "tile=sd1-control.safetensors", "--start", "own"],
        "ball has no texture of its own to start from",
    ),
    "a T2I-adapter in a folder": (
        lambda h, s: edited(h, s, "controlnet/config.json", _class_name="T2IAdapter"),
        MODEL,
        "holds a T2IAdapter, which texsync does not read",
    ),
    "DoRA": (
        lambda h, s: saved(
            h,
            "x.safetensors",
            lora(single.networks(s / "layouts" / "sd1")["unet"])
            | tensors(lora_unet_conv_in__dora_scale=(8, 1)),
        ),
        [*FILE, "--lora", "x.safetensors"],
        "x.safetensors has DoRA's magnitudes",
    ),
    "FLUX's LoRA": (
        lambda h, s: saved(h, "x.safetensors", tensors(transformer__x__lora_A__weight=(2, 8))),
        [*FILE, "--lora", "x.safetensors"],
        "has layers of a transformer such as FLUX",
    ),
    "a weight that is none": (
        None,
        [*FILE, "--lora", "sd1-lora.safetensors:99"],
        "has weight 99; use -10 to 10",
    ),
    "another site": (
        None,
        ["--model", "https://civitai.com/models/1"],
        "is not on the Hugging Face hub; download the file with your browser",
    ),
    "a VAE of another class": (
        lambda h, s: edited(h, s, "vae/config.json", _class_name="AsymmetricAutoencoderKL"),
        [*FILE, "--vae", "sd1/vae"],
        "is a AsymmetricAutoencoderKL; give --vae an AutoencoderKL",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_line_says_what_is_wrong(case, here, shop, no_weights, capsys):
    write, asked, said = CASES[case]
    if write:
        write(here, shop)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = cli.main(["ball.obj", "rust", *asked, "--quiet"])
    told = capsys.readouterr().err
    assert code == 2 and said in told and told.count("\n") == 1, told
    assert not (here / "ball_textured").exists()
