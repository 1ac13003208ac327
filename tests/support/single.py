"""The same small random Stable Diffusion in every shape that users have it in: folders, single files, pickles, shards.

The authors' names are written from diffusers' by rules of our own, the other way round than diffusers converts.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.torch import save_file
from tiny import note_origin
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from texsync.backbones.clip_words import clip_tokenizer
from texsync.backbones.single_file import LAYOUTS, PARTS

SMALL = {  # what is smaller than in the layouts that are shipped
    "unet": {
        "block_out_channels": [8, 8, 16, 16],
        "norm_num_groups": 4,
        "sample_size": 8,
        "layers_per_block": 1,
    },
    "controlnet": {
        "block_out_channels": [8, 8, 16, 16],
        "norm_num_groups": 4,
        "layers_per_block": 1,
        "conditioning_embedding_out_channels": [4, 4, 8, 8],
    },
    "vae": {
        "block_out_channels": [8, 8, 8, 8],
        "norm_num_groups": 4,
        "sample_size": 64,
        "layers_per_block": 1,
    },
}
HEADS = {"sd1": 2, "sd2": [1, 1, 2, 2], "sdxl": [1, 1, 2]}
WORDS = {
    "sd1": {"text_encoder": 16},
    "sd2": {"text_encoder": 24},
    "sdxl": {"text_encoder": 16, "text_encoder_2": 24},
}


def write_layouts(place: Path) -> dict[str, Path]:
    """The shipped layouts with small numbers in them; to be put in place of `single_file.LAYOUTS`."""
    for kind, shipped in LAYOUTS.items():
        folder = shutil.copytree(shipped, place / kind)
        for part, words in {**{part: {} for part in SMALL}, **WORDS[kind]}.items():
            file = folder / part / "config.json"
            change = _smaller(kind, part) if part in SMALL else _words(words)
            file.write_text(json.dumps(json.loads(file.read_text()) | change))
    return {kind: place / kind for kind in LAYOUTS}


def _smaller(kind: str, part: str) -> dict[str, Any]:
    change = dict(SMALL[part])
    if part != "vae":
        change |= {"cross_attention_dim": sum(WORDS[kind].values()), "attention_head_dim": HEADS[kind]}
        if kind == "sdxl":
            change |= {"block_out_channels": [8, 8, 16], "transformer_layers_per_block": [1, 1, 2]}
            change |= {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 24 + 6 * 8}
    return change


def _words(width: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": width,
    }


MAKERS: dict[str, Any] = {
    "unet": UNet2DConditionModel.from_config,
    "vae": AutoencoderKL.from_config,
    "controlnet": ControlNetModel.from_config,
    "text_encoder": lambda config: CLIPTextModel(CLIPTextConfig(**config)),
    "text_encoder_2": lambda config: CLIPTextModelWithProjection(CLIPTextConfig(**config)),
}


def networks(
    layout: Path, *, device: str = "cpu", seed: int = 0, only: Sequence[str] = tuple(MAKERS)
) -> dict[str, Any]:
    """Random networks of a layout, by part; on the meta device without numbers."""
    torch.manual_seed(seed)
    with torch.device(device):
        made = {
            part: make(_config(layout, part))
            for part, make in MAKERS.items()
            if part in only and (layout / part).is_dir()
        }
    if device == "cpu":
        for layer in (*made["controlnet"].controlnet_down_blocks, made["controlnet"].controlnet_mid_block):
            torch.nn.init.normal_(layer.weight, std=0.5)
        torch.nn.init.normal_(made["controlnet"].controlnet_cond_embedding.conv_out.weight, std=0.5)
    return {part: network.eval().requires_grad_(False) for part, network in made.items()}


def _config(layout: Path, part: str) -> dict[str, Any]:
    return json.loads((layout / part / "config.json").read_text())


def write_folder(place: Path, layout: Path, made: Mapping[str, Any], **options: Any) -> Path:
    """A diffusers folder.  options: of `save_pretrained`, such as variant="fp16", max_shard_size."""
    shutil.copytree(layout, place)
    for part, network in made.items():
        network.save_pretrained(place / part, **options)
    if (place / "controlnet" / "config.json").is_file():
        note_origin(place / "controlnet", "tiny/depth")
    for words in [one for one in ("tokenizer", "tokenizer_2") if (layout / one).is_dir()]:
        clip_tokenizer(_config_of_words(layout, words)).save_pretrained(place / words)
    return place


def _config_of_words(layout: Path, words: str) -> dict[str, Any]:
    return json.loads((layout / words / "tokenizer_config.json").read_text())


def original(kind: str, made: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """All weights of a model but its ControlNet, under its authors' names."""
    found: dict[str, torch.Tensor] = {}
    for part, prefix in PARTS[kind].items():
        rename = {"unet": original_unet, "vae": original_vae}.get(part)
        if rename is None:
            rename = original_open_clip if prefix.endswith(".model.") else original_clip
        found |= {prefix + name: tensor for name, tensor in rename(made[part]).items()}
    return found


def write_single(place: Path, tensors: Mapping[str, torch.Tensor], **notes: str) -> Path:
    """A single file: safetensors with notes, or for other endings what torch.save writes, in a "state_dict"."""
    if place.suffix == ".safetensors":
        save_file(
            {name: tensor.clone().contiguous() for name, tensor in tensors.items()}, place, notes or None
        )
    else:
        torch.save({"state_dict": dict(tensors), **notes}, place)
    return place


RESNET = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("time_emb_proj", "emb_layers.1"),
    ("conv_shortcut", "skip_connection"),
)
TOP = (
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    ("add_embedding.linear_1", "label_emb.0.0"),
    ("add_embedding.linear_2", "label_emb.0.2"),
    ("conv_in", "input_blocks.0.0"),
    ("conv_norm_out", "out.0"),
    ("conv_out", "out.2"),
    ("controlnet_mid_block", "middle_block_out.0"),
)


def original_unet(unet: Any) -> dict[str, torch.Tensor]:
    """A UNet's, or a ControlNet's, weights under CompVis' names."""
    layers = unet.config.layers_per_block
    return {_unet_name(name, layers, unet): tensor for name, tensor in unet.state_dict().items()}


def _unet_name(name: str, layers: int, unet: Any) -> str:
    for theirs, ours in TOP:
        if name.startswith(f"{theirs}."):
            return name.replace(theirs, ours, 1)
    block = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name)
    if block:
        way, level, kind, index, rest = block.groups()
        place = (layers + 1) * int(level) + int(index) + (way == "down")
        side = "input" if way == "down" else "output"
        return f"{side}_blocks.{place}.{int(kind == 'attentions')}.{_resnet(rest) if kind == 'resnets' else rest}"
    resize = re.match(r"(down|up)_blocks\.(\d+)\.(?:down|up)samplers\.0\.conv\.(.*)", name)
    if resize:
        way, level, rest = resize[1], int(resize[2]), resize[3]
        if way == "down":
            return f"input_blocks.{(layers + 1) * (level + 1)}.0.op.{rest}"
        attends = "CrossAttn" in unet.config.up_block_types[level]
        return f"output_blocks.{(layers + 1) * level + layers}.{1 + attends}.conv.{rest}"
    middle = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", name)
    if middle:
        kind, index, rest = middle.groups()
        return (
            f"middle_block.{2 * int(index)}.{_resnet(rest)}"
            if kind == "resnets"
            else f"middle_block.1.{rest}"
        )
    zero = re.match(r"controlnet_down_blocks\.(\d+)\.(.*)", name)
    if zero:
        return f"zero_convs.{zero[1]}.0.{zero[2]}"
    hint = re.match(r"controlnet_cond_embedding\.(?:conv_(in|out)|blocks\.(\d+))\.(.*)", name)
    assert hint, name
    place = {"in": 0, "out": 14}.get(hint[1]) if hint[1] else 2 * (int(hint[2]) + 1)
    return f"input_hint_block.{place}.{hint[3]}"


def _resnet(rest: str) -> str:
    return next(rest.replace(theirs, ours, 1) for theirs, ours in RESNET if rest.startswith(f"{theirs}."))


def original_vae(vae: Any) -> dict[str, torch.Tensor]:
    """An autoencoder's weights under CompVis' names; its attention was of 1 x 1 convolutions."""
    levels, found = len(vae.config.block_out_channels), {}
    for name, tensor in vae.state_dict().items():
        new = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        new = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", new)
        new = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", new)
        up = re.match(r"(.*)up_blocks\.(\d+)\.(resnets\.(\d+)|upsamplers\.0)(.*)", new)
        if up:
            place = f"block.{up[4]}" if up[4] else "upsample"
            new = f"{up[1]}up.{levels - 1 - int(up[2])}.{place}{up[5]}"
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", new)
        for theirs, ours in (
            ("group_norm", "norm"),
            ("to_q", "q"),
            ("to_k", "k"),
            ("to_v", "v"),
            ("to_out.0", "proj_out"),
        ):
            new = new.replace(f"mid_block.attentions.0.{theirs}.", f"mid.attn_1.{ours}.")
        conv = ".attn_1." in new and new.endswith("weight") and ".norm." not in new
        found[new] = tensor[:, :, None, None] if conv else tensor
    return found


def original_clip(text: Any) -> dict[str, torch.Tensor]:
    """CLIP as Stable Diffusion 1 keeps it: transformers' names of then, with a table of positions."""
    found = {
        f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in text.state_dict().items()
    }
    length = text.config.max_position_embeddings
    return found | {"text_model.embeddings.position_ids": torch.arange(length)[None]}


def original_open_clip(text: Any) -> dict[str, torch.Tensor]:
    """OpenCLIP's names; Stable Diffusion 2's file also holds a last layer and a projection that it does not read."""
    table, width = (
        {n.removeprefix("text_model."): t for n, t in text.state_dict().items()},
        text.config.hidden_size,
    )
    found = {
        "positional_embedding": table["embeddings.position_embedding.weight"],
        "token_embedding.weight": table["embeddings.token_embedding.weight"],
        "ln_final.weight": table["final_layer_norm.weight"],
        "ln_final.bias": table["final_layer_norm.bias"],
        "text_projection": table.get("text_projection.weight", torch.zeros(width, width)).T,
        "logit_scale": torch.ones(()),
    }
    names = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    names |= {"self_attn.out_proj": "attn.out_proj"}
    count = text.config.num_hidden_layers
    for layer in range(count):
        own = f"encoder.layers.{layer}."
        place = f"transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            parts = [table[f"{own}self_attn.{one}_proj.{kind}"] for one in "qkv"]
            found[f"{place}attn.in_proj_{kind}"] = torch.cat(parts)
            found |= {
                f"{place}{ours}.{kind}": table[f"{own}{theirs}.{kind}"] for theirs, ours in names.items()
            }
    if "text_projection.weight" not in table:
        last, unread = f"transformer.resblocks.{count - 1}.", f"transformer.resblocks.{count}."
        found |= {n.replace(last, unread): t * 0 for n, t in found.items() if n.startswith(last)}
    return found


def old_vae(table: Mapping[str, Any]) -> dict[str, Any]:
    """An autoencoder's table with the names that diffusers gave its attention until 2023."""
    names = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    return {_replaced(name, names): one for name, one in table.items()}


def old_text(table: Mapping[str, Any]) -> dict[str, Any]:
    """A text encoder's table as transformers saved it until 2023: in "text_model", with a table of positions."""
    found = {f"text_model.{name.removeprefix('text_model.')}": one for name, one in table.items()}
    if "text_model.text_projection.weight" in found:
        found["text_projection.weight"] = found.pop("text_model.text_projection.weight")
    return found | {"text_model.embeddings.position_ids": torch.arange(77)[None]}


def _replaced(name: str, names: Mapping[str, str]) -> str:
    for ours, old in names.items():
        name = name.replace(ours, old)
    return name
