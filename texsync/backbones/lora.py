"""LoRA files, merged into a model's weights: whoever wrote them, a layer is found by its name's letters.

Formats: kohya's (`lora_unet_down_blocks_0_...lora_down.weight`), diffusers' old (`unet...to_q_lora.down.weight`) and
new ones (`unet...to_q.lora_A.weight`).  Source: LoRA (arXiv:2106.09685); kohya-ss's alpha.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import Refused, about, got, option
from .folder import ModelFolder
from .tensors import Header, read_header, read_tensors

NAMES = (  # of the two matrices, after a layer's name
    (".lora_down.weight", ".lora_up.weight"),
    (".lora.down.weight", ".lora.up.weight"),
    ("_lora.down.weight", "_lora.up.weight"),
    (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"),
    (".lora_A.weight", ".lora_B.weight"),
)
DOWN, UP = (tuple(names) for names in zip(*NAMES, strict=True))
ALPHA = (".alpha",)
PARTS = {  # how a name begins, and whose layer it is
    "lora_unet_": "unet",
    "unet.": "unet",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_te_": "text_encoder",
    "text_encoder_2.": "text_encoder_2",
    "text_encoder.": "text_encoder",
}
STRANGE = (  # what names of other kinds hold, and what that is
    ("hada_", "LoHa layers of LyCORIS"),
    ("lokr_", "LoKr layers of LyCORIS"),
    ("oft_", "OFT layers of LyCORIS"),
    (".a1.weight", "GLoRA layers of LyCORIS"),
    (".on_input", "IA3 layers of LyCORIS"),
    ("lora_mid", "Tucker-decomposed layers of LyCORIS"),
    ("dora_scale", "DoRA's magnitudes"),
    ("lora_magnitude_vector", "DoRA's magnitudes"),
    (".diff", "whole layers of LyCORIS"),
    ("lora_transformer_", "layers of a transformer such as FLUX"),
    ("transformer.", "layers of a transformer such as FLUX"),
    ("lora_te3_", "layers of a T5"),
)
ATTENTION = {
    "to_q": "q_proj",
    "to_k": "k_proj",
    "to_v": "v_proj",
    "to_out": "out_proj",
}  # of text encoders, once


@dataclass(frozen=True)
class Layer:
    """What changes one layer.  down, up, alpha: names in the file; down (rank, in, ...), up (out, rank, ...)."""

    part: str
    key: str
    down: str
    up: str
    alpha: str | None


@dataclass(frozen=True)
class LoraFile:
    """A file whose header is that of a LoRA for this kind of model.  scale: how much of it is added.

    rates: by part, the alpha that new files keep beside their tensors.
    """

    path: Path
    scale: float
    layers: tuple[Layer, ...]
    shapes: Mapping[str, tuple[int, ...]]
    rates: Mapping[str, float]


def read_lora(path: Path, scale: float, folder: ModelFolder) -> LoraFile:
    """A LoRA by its header; raises InputError for another kind of file, or one for another kind of model."""
    header = read_header(path)
    _refuse_other_kinds(path, header.shapes)
    layers = tuple(_layers(path, header.shapes))
    width = folder.configs["unet"].get("cross_attention_dim")
    for layer in layers:
        reads = header.shapes[layer.down][1] if len(header.shapes[layer.down]) > 1 else width
        if layer.part not in folder.layout.networks or (layer.key.endswith("attn2_to_k") and reads != width):
            raise _unfit(path, f"it reads words {reads} wide, this model's are {width}")
    return LoraFile(path, scale, layers, header.shapes, _rates(header))


def _refuse_other_kinds(path: Path, names: Iterable[str]) -> None:
    names = list(names)
    for mark, what in STRANGE:
        if any(mark in name for name in names):
            raise Refused.model_kind(
                f"{about(path)} has {got(what)}, which texsync does not read", "choose a plain LoRA"
            )
    if not any(name.endswith(DOWN) for name in names):
        first = next(iter(names), "nothing")
        raise Refused.model_kind(
            f"{about(path)} is no LoRA (it has {got(first):.60})", f"give {option('lora')} a LoRA file"
        )


def _layers(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Iterable[Layer]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for name in shapes:
        role, stem = _role(name)
        if role is None:
            raise Refused.model_kind(
                f"{about(path)} has {got(name):.80}, which no plain LoRA has", "choose a plain LoRA"
            )
        found.setdefault(layer_key(stem), {})[role] = name
    for (part, key), names in found.items():
        if not {"down", "up"} <= names.keys():
            raise Refused.model_damaged(f"{about(path)} has half of the layer {key}", "fetch the LoRA again")
        yield Layer(part, key, names["down"], names["up"], names.get("alpha"))


def _role(name: str) -> tuple[str | None, str]:
    """("down", "up" or "alpha", the rest of the name)."""
    name = name.replace(".default.", ".")
    for role, endings in (("down", DOWN), ("up", UP), ("alpha", ALPHA)):
        for ending in endings:
            if name.endswith(ending):
                stem = name.removesuffix(ending)
                return role, re.sub(r"(_lora|\.lora|\.lora_linear_layer)?(\.(down|up)\.weight)?$", "", stem)
    return None, name


def layer_key(stem: str) -> tuple[str, str]:
    """(part, the layer's name in letters and underscores) of whatever a format calls it."""
    stem = stem.removeprefix("base_model.model.")
    part, stem = next(
        ((part, stem.removeprefix(start)) for start, part in PARTS.items() if stem.startswith(start)),
        ("unet", stem),
    )
    key = stem.replace(".processor", "").replace(".default", "").replace(".", "_").removeprefix("text_model_")
    if part != "unet":
        for old, new in ATTENTION.items():
            key = re.sub(rf"self_attn_{old}$", f"self_attn_{new}", key)
    return part, re.sub(r"(attn[12]_to_out)$", r"\1_0", key)


def _rates(header: Header) -> dict[str, float]:
    try:
        said = json.loads(header.notes.get("lora_adapter_metadata", "{}"))
        return {
            part: float(said[f"{part}.lora_alpha"])
            for part in set(PARTS.values())
            if f"{part}.lora_alpha" in said
        }
    except (ValueError, TypeError, AttributeError):
        return {}


# ---- into the networks


def check_lora(lora: LoraFile, networks: Mapping[str, nn.Module]) -> None:
    """Raises InputError for a layer that the model does not have, or has in another size."""
    for part in {layer.part for layer in lora.layers}:
        known = layers_by_key(networks[part])
        for layer in (one for one in lora.layers if one.part == part):
            there = known.get(layer.key)
            if there is None:
                raise _unfit(lora.path, f"the {part} has no layer {layer.key}")
            down, up, whole = lora.shapes[layer.down], lora.shapes[layer.up], tuple(there.weight.shape)
            if (up[0], down[1]) != whole[:2] or up[0] * math.prod(down[1:]) != math.prod(whole):
                sizes = f"{up[0]} x {down[1]}, the model's {whole[0]} x {whole[1]}"
                raise _unfit(lora.path, f"its layer {layer.key} is {sizes}")


def _unfit(path: Path, why: str) -> Exception:
    return Refused.model_config(
        f"the LoRA {about(path)} was made for another kind of model: {why}",
        f"choose a {option('lora')} made for this {option('model')}",
    )


@torch.no_grad()
def merge_lora(lora: LoraFile, networks: Mapping[str, nn.Module]) -> None:
    """Add a LoRA to the weights, W + scale * alpha / rank * up @ down, computed in float32."""
    tensors = read_tensors(lora.path)
    known = {part: layers_by_key(networks[part]) for part in {layer.part for layer in lora.layers}}
    for layer in lora.layers:
        weight = known[layer.part][layer.key].weight
        down, up = tensors[layer.down].float(), tensors[layer.up].float()
        rank = down.shape[0]
        alpha = float(tensors[layer.alpha]) if layer.alpha else lora.rates.get(layer.part, rank)
        change = lora.scale * alpha / rank * _product(up, down).reshape(weight.shape)
        weight.copy_((weight.float() + change.to(weight.device)).to(weight.dtype))


def _product(up: Tensor, down: Tensor) -> Tensor:
    """(out, rank, ...) and (rank, in, ...) to (out, in, ...), layers of convolutions too."""
    return up.flatten(1) @ down.flatten(1)


def layers_by_key(network: nn.Module) -> dict[str, Any]:
    """Every layer with a weight of two sides or more, by the key that `layer_key` gives; and by its authors' name."""
    found: dict[str, Any] = {}
    for name, module in network.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.dim() > 1:
            key = name.replace(".", "_").removeprefix("text_model_")
            found[key] = module
            if hasattr(network, "config") and hasattr(network.config, "layers_per_block"):
                found |= {old: module for old in _authors_key(key, network.config)}
    return found


def _authors_key(key: str, config: Any) -> Iterable[str]:
    """A UNet's layer as CompVis and Stability name it, in the LoRAs of SDXL."""
    layers = config.layers_per_block
    block = re.fullmatch(r"(down|up)_blocks_(\d+)_(resnets|attentions)_(\d+)_(.+)", key)
    if block:
        way, level, kind, index, rest = block.groups()
        place = (layers + 1) * int(level) + int(index) + (way == "down")
        side = "input" if way == "down" else "output"
        yield f"{side}_blocks_{place}_{int(kind == 'attentions')}_{RESNET.get(rest, rest)}"
    middle = re.fullmatch(r"mid_block_(resnets|attentions)_(\d+)_(.+)", key)
    if middle:
        kind, index, rest = middle.groups()
        place = 2 * int(index) if kind == "resnets" else 1
        yield f"middle_block_{place}_{RESNET.get(rest, rest)}"
    resize = re.fullmatch(r"(down|up)_blocks_(\d+)_(?:down|up)samplers_0_conv", key)
    if resize and resize[1] == "down":
        yield f"input_blocks_{(layers + 1) * (int(resize[2]) + 1)}_0_op"
    elif resize:
        attends = "CrossAttn" in config.up_block_types[int(resize[2])]
        yield f"output_blocks_{(layers + 1) * int(resize[2]) + layers}_{1 + attends}_conv"
    if key in TOP:
        yield TOP[key]


RESNET = {
    "conv1": "in_layers_2",
    "conv2": "out_layers_3",
    "time_emb_proj": "emb_layers_1",
    "conv_shortcut": "skip_connection",
}
TOP = {
    "time_embedding_linear_1": "time_embed_0",
    "time_embedding_linear_2": "time_embed_2",
    "add_embedding_linear_1": "label_emb_0_0",
    "add_embedding_linear_2": "label_emb_0_2",
    "conv_in": "input_blocks_0_0",
    "conv_out": "out_2",
}
