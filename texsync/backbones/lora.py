"""LoRA and LyCORIS files, merged into a model's weights: whoever wrote them, a layer is found by its name's letters.

Formats: kohya's (`lora_unet_down_blocks_0_...lora_down.weight`), diffusers' old (`unet...to_q_lora.down.weight`) and
new ones (`unet...to_q.lora_A.weight`); what can stand behind a layer's name, see `layer_change`.
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
from .layer_change import BESIDE, ROLES, Shape, change, change_shape, fits, rate, whole
from .tensors import Header, read_header, read_tensors

PARTS = {  # how a name begins, and whose layer it is
    "lora_unet_": "unet",
    "lycoris_": "unet",
    "unet.": "unet",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_te_": "text_encoder",
    "text_encoder_2.": "text_encoder_2",
    "text_encoder.": "text_encoder",
}
STRANGE = (  # what names of other kinds hold, and what that is
    ("dora_scale", "DoRA's magnitudes"),
    ("lora_magnitude_vector", "DoRA's magnitudes"),
    ("oft_", "OFT layers of LyCORIS"),
    (".a1.weight", "GLoRA layers of LyCORIS"),
    (".on_input", "IA3 layers of LyCORIS"),
    (".w_norm", "norms of LyCORIS"),
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
    """What changes one layer.  names: of its tensors in the file, by their role (`layer_change.ROLES`)."""

    part: str
    key: str
    names: Mapping[str, str]

    def of(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """What a table has of its tensors, by their role."""
        return {role: table[name] for role, name in self.names.items()}


@dataclass(frozen=True)
class LoraFile:
    """A file whose header is that of a LoRA for this kind of model.  scale: how much of it is added.

    rates: by part, the alpha that new files keep beside their tensors.
    """

    path: Path
    scale: float
    layers: tuple[Layer, ...]
    shapes: Mapping[str, Shape]
    rates: Mapping[str, float]

    def shape(self, layer: Layer) -> Shape:
        """What is added to a layer; raises InputError for tensors that do not fit each other."""
        try:
            return change_shape(layer.of(self.shapes))
        except ValueError:
            raise Refused.model_damaged(
                f"in {about(self.path)} the parts of the layer {layer.key} do not fit each other",
                "fetch the LoRA again",
            ) from None


def read_lora(path: Path, scale: float, folder: ModelFolder) -> LoraFile:
    """A LoRA by its header; raises InputError for another kind of file, or one for another kind of model."""
    header = read_header(path)
    _refuse_other_kinds(path, header.shapes)
    lora = LoraFile(path, scale, tuple(_layers(path, header.shapes)), header.shapes, _rates(header))
    width = folder.configs["unet"].get("cross_attention_dim")
    for layer in lora.layers:
        reads = (*lora.shape(layer), width)[1]
        if layer.part not in folder.layout.networks or (layer.key.endswith("attn2_to_k") and reads != width):
            raise _unfit(path, f"it reads words {reads} wide, this model's are {width}")
    return lora


def _refuse_other_kinds(path: Path, names: Iterable[str]) -> None:
    names = list(names)
    for mark, what in STRANGE:
        if any(mark in name for name in names):
            raise Refused.model_kind(
                f"{about(path)} has {got(what)}, which texsync does not read", "choose a plain LoRA"
            )
    if not any(_role(name)[0] not in (None, *BESIDE) for name in names):
        first = next(iter(names), "nothing")
        raise Refused.model_kind(
            f"{about(path)} is no LoRA (it has {got(first):.60})", f"give {option('lora')} a LoRA file"
        )


def _layers(path: Path, shapes: Mapping[str, Shape]) -> Iterable[Layer]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for name in shapes:
        role, stem = _role(name)
        if role is None:
            raise Refused.model_kind(
                f"{about(path)} has {got(name):.80}, which no plain LoRA has", "choose a plain LoRA"
            )
        found.setdefault(layer_key(stem), {})[role] = name
    for (part, key), names in found.items():
        if not whole(names):
            raise Refused.model_damaged(f"{about(path)} has half of the layer {key}", "fetch the LoRA again")
        yield Layer(part, key, names)


def _role(name: str) -> tuple[str | None, str]:
    """(one of ROLES, the rest of the name)."""
    name = name.replace(".default.", ".")
    for role, endings in ROLES.items():
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
            made, weight = lora.shape(layer), tuple(there.weight.shape)
            if not fits(made, weight):
                sizes = [" x ".join(map(str, (one[0], math.prod(one[1:])))) for one in (made, weight)]
                kernels = ", of other kernels" * (sizes[0] == sizes[1])
                raise _unfit(
                    lora.path, f"its layer {layer.key} is {sizes[0]}, the model's {sizes[1]}{kernels}"
                )
            if (bias := layer.of(lora.shapes).get("diff_b")) and bias != _bias_shape(there):
                raise _unfit(lora.path, f"its layer {layer.key} has a bias that the model's has not")


def _bias_shape(layer: Any) -> Shape | None:
    bias = getattr(layer, "bias", None)
    return None if bias is None else tuple(bias.shape)


def _unfit(path: Path, why: str) -> Exception:
    return Refused.model_config(
        f"the LoRA {about(path)} was made for another kind of model: {why}",
        f"choose a {option('lora')} made for this {option('model')}",
    )


@torch.no_grad()
def merge_lora(lora: LoraFile, networks: Mapping[str, nn.Module]) -> None:
    """Add a LoRA to the weights, W + scale * alpha / rank * its change, computed in float32."""
    tensors = read_tensors(lora.path)
    known = {part: layers_by_key(networks[part]) for part in {layer.part for layer in lora.layers}}
    for layer in lora.layers:
        module = known[layer.part][layer.key]
        of = {role: tensor.float() for role, tensor in layer.of(tensors).items()}
        _add(module.weight, lora.scale * rate(of, lora.rates.get(layer.part)) * change(of))
        if "diff_b" in of:
            _add(module.bias, lora.scale * of["diff_b"])


def _add(weight: Tensor, more: Tensor) -> None:
    more = more.reshape(weight.shape).to(weight.device)
    weight.copy_((weight.float() + more).to(weight.dtype))


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
