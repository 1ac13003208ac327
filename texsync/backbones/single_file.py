"""Models in one file, as their authors and most sites for models hand them out: checked by the file's header alone.

What a folder has in configs and vocabularies comes from `layouts/`, one folder for each architecture, without weights.
Source: the names of the weights are those of github.com/CompVis/stable-diffusion and Stability-AI/generative-models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..errors import Refused, about, got, option
from .checked import read_json
from .folder import ControlFolder, ModelFolder, check_control, read_layout
from .tensors import Header, is_pickled, read_header, read_tensors
from .weights import Weights

LAYOUTS = {name: Path(__file__).parent / "layouts" / name for name in ("sd1", "sd2", "sdxl")}
UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP, OPEN_CLIP = "cond_stage_model.transformer.", "cond_stage_model.model."
XL_CLIP, XL_OPEN_CLIP = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
PARTS: dict[str, dict[str, str]] = {  # of each architecture: which names are whose
    "sd1": {"unet": UNET, "vae": VAE, "text_encoder": CLIP},
    "sd2": {"unet": UNET, "vae": VAE, "text_encoder": OPEN_CLIP},
    "sdxl": {"unet": UNET, "vae": VAE, "text_encoder": XL_CLIP, "text_encoder_2": XL_OPEN_CLIP},
}
SAME = "same"  # a layout: the names are diffusers' own
FULL = "choose a full checkpoint of Stable Diffusion 1.x, 2.x or XL"
STRANGE = (  # what else comes in one file: by part of a name, what it is, what to do
    (
        "conditioner.embedders.0.model.",
        "an SDXL refiner, which only finishes pictures",
        "choose its base model",
    ),
    ("lora_down", "a LoRA", f"add it to a model with {option('lora')}"),
    ("lora_A.", "a LoRA", f"add it to a model with {option('lora')}"),
    ("lora.down.", "a LoRA", f"add it to a model with {option('lora')}"),
    ("hada_w1_a", "a LyCORIS file", f"add it to a model with {option('lora')}"),
    ("lokr_w1", "a LyCORIS file", f"add it to a model with {option('lora')}"),
    ("control_model.", "a ControlNet", f"give it to {option('controlnet')}"),
    ("controlnet_cond_embedding.", "a ControlNet", f"give it to {option('controlnet')}"),
    ("input_hint_block.", "a ControlNet", f"give it to {option('controlnet')}"),
    ("adapter.body.", "a T2I-Adapter", f"texsync reads ControlNets; give one to {option('controlnet')}"),
    ("image_proj.", "an IP-Adapter", FULL),
    ("image_proj_model.", "an IP-Adapter", FULL),
    ("motion_modules.", "a motion module of AnimateDiff", FULL),
    ("double_blocks.", "a FLUX transformer", FULL),
    ("joint_blocks.", "a Stable Diffusion 3 transformer", FULL),
    (
        "down_blocks.0.resnets.",
        "one network of a model's folder",
        "give the folder that has model_index.json",
    ),
    ("emb_params", "a textual inversion", f"add it to a model with {option('embedding')}"),
    ("string_to_param", "a textual inversion", f"add it to a model with {option('embedding')}"),
)


def read_single(path: Path) -> ModelFolder:
    """A model in one file, described like a folder; raises InputError for what is no whole model of a known kind."""
    header = read_header(path)
    kind = architecture(path, header)
    layout = read_layout(LAYOUTS[kind])
    weights = {part: _part(path, header, part, prefix) for part, prefix in PARTS[kind].items()}
    missing = [part for part, found in weights.items() if not found.shapes]
    if missing:
        raise Refused.model_missing(f"{about(path)} has no {missing[0]}", f"it is a part of a model; {FULL}")
    _check_channels(path, header)
    configs = layout.configs | _prediction(path, header, layout.configs)
    return replace(layout, path=path, small_at=layout.path, weights=weights, configs=configs)


def architecture(path: Path, header: Header) -> str:
    """Which of LAYOUTS a checkpoint is, by its names; raises InputError naming what it is instead."""
    names = header.shapes
    for kind, prefix in (("sdxl", XL_OPEN_CLIP), ("sd2", OPEN_CLIP), ("sd1", CLIP)):
        if any(name.startswith(prefix) for name in names) and any(name.startswith(UNET) for name in names):
            return kind
    for mark, what, remedy in STRANGE:
        if any(mark in name for name in (*names, *header.notes)):
            raise Refused.model_kind(f"{about(path)} is {got(what)}, not a model", remedy)
    if any(name.startswith(UNET) for name in names):
        raise Refused.model_missing(f"{about(path)} has a UNet but no text encoder", FULL)
    if any(name.startswith(("encoder.", "decoder.", VAE)) for name in names):
        raise Refused.model_kind(
            f"{about(path)} is an autoencoder, not a model", f"give it to {option('vae')}"
        )
    first = next(iter(names), "nothing")
    raise Refused.model_kind(f"{about(path)} is no model that texsync knows (it has {got(first):.60})", FULL)


def _part(path: Path, header: Header, part: str, prefix: str) -> Weights:
    shapes = {name: shape for name, shape in header.shapes.items() if name.startswith(prefix)}
    return _weights(path, shapes, part)


def _weights(path: Path, shapes: dict[str, tuple[int, ...]], part: str) -> Weights:
    numbers = sum(map(math.prod, shapes.values()))
    return Weights((path,), None, numbers, shapes, layout=part, pickled=is_pickled(path))


def _check_channels(path: Path, header: Header) -> None:
    """Raises InputError for a UNet that reads more than latents: inpainting, instruct-pix2pix, depth."""
    shape = header.shapes.get(f"{UNET}input_blocks.0.0.weight", (0, 4))
    if len(shape) > 1 and shape[1] != 4:
        what = {5: "a depth model", 8: "an instruct-pix2pix model", 9: "an inpainting model"}.get(
            shape[1], "odd"
        )
        raise Refused.model_config(
            f"{about(path)} is {got(what)}: its UNet reads {shape[1]} channels, latents have 4",
            "choose a text-to-image model",
        )


# ---- eps or v


def _prediction(
    path: Path, header: Header, configs: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The configs that differ by what the UNet was trained to predict."""
    kind = said_prediction(path, header)
    if kind is None or kind == configs["scheduler"].get("prediction_type"):
        return {}
    changed = {"scheduler": configs["scheduler"] | {"prediction_type": kind}}
    if kind == "epsilon":  # Stable Diffusion 2 "base", trained at 512 pixels
        changed["unet"] = configs["unet"] | {"sample_size": 64}
    return changed


def said_prediction(path: Path, header: Header) -> str | None:
    """What a checkpoint says its UNet predicts: the .yaml beside it, else its own notes; None if it says nothing."""
    beside = path.with_suffix(".yaml")
    if beside.is_file():
        words = beside.read_text(encoding="utf-8", errors="replace").split()
        if "parameterization:" in words:
            return (
                "v_prediction"
                if words[words.index("parameterization:") + 1].strip("\"'") == "v"
                else "epsilon"
            )
        return "epsilon"
    if "v_pred" in header.shapes or "v_pred" in header.notes:
        return "v_prediction"
    said = str(header.notes.get("modelspec.prediction_type", "")).lower()
    if said:
        return "v_prediction" if said.startswith("v") else "epsilon"
    return (
        "epsilon" if header.notes.get("global_step") == 875_000 else None
    )  # SD 2 base, as its authors saved it


# ---- the authors' names, and diffusers'


def renamed(weights: Weights, tensors: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors of one part under diffusers' or transformers' names.  tensors: see `read`, or of the meta device."""
    from diffusers.loaders import single_file_utils as theirs

    part, given = weights.layout, dict(tensors)
    if part == SAME:
        return given
    if part == "unet":
        return theirs.convert_ldm_unet_checkpoint(given, config)
    if part == "vae":
        return theirs.convert_ldm_vae_checkpoint(given, config)
    if part == "controlnet":
        made = theirs.convert_controlnet_checkpoint(given, config)
        return {name: tensor for name, tensor in made.items() if tensor is not None}
    return _words(given, config, theirs)


def _words(tensors: dict[str, Any], config: Mapping[str, Any], theirs: Any) -> dict[str, Any]:
    prefix = next(p for p in (CLIP, XL_CLIP, OPEN_CLIP, XL_OPEN_CLIP) if next(iter(tensors)).startswith(p))
    if prefix in (CLIP, XL_CLIP):
        made = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        return {name: tensor for name, tensor in made.items() if not name.endswith("position_ids")}
    like = SimpleNamespace(config=SimpleNamespace(hidden_size=config["hidden_size"]))
    # the last layers are left out where the config ends before them: Stable Diffusion 2 reads the last but one
    late = tuple(
        f"{prefix}transformer.resblocks.{layer}." for layer in range(config["num_hidden_layers"], 99)
    )
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(late)}
    made = theirs.convert_open_clip_checkpoint(like, kept, prefix)
    return (
        made if prefix == XL_OPEN_CLIP else {n: t for n, t in made.items() if n != "text_projection.weight"}
    )


def as_diffusers(weights: Weights, config: Mapping[str, Any]) -> Weights:
    """The weights with the names and shapes that they have once they are renamed; reads no numbers."""
    import torch

    blank = {name: torch.empty(shape, device="meta") for name, shape in weights.shapes.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in renamed(weights, blank, config).items()}
    return replace(weights, shapes=shapes)


def read(weights: Weights, config: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors of one part, on the CPU, under diffusers' or transformers' names."""
    tensors = read_tensors(weights.files[0], weights.shapes.__contains__)
    return renamed(weights, tensors, config)


# ---- autoencoders


def autoencoder_of(path: Path) -> Weights:
    """The autoencoder in a file, its own or a whole model's; raises InputError if there is none."""
    shapes = read_header(path).shapes
    whole = any(name.startswith(VAE) for name in shapes)
    start = VAE if whole else ""
    ours = {
        name: shape
        for name, shape in shapes.items()
        if name.startswith(
            tuple(f"{start}{part}" for part in ("encoder.", "decoder.", "quant_conv.", "post_quant_"))
        )
    }
    if not {f"{start}encoder.conv_in.weight", f"{start}decoder.conv_in.weight"} <= ours.keys():
        first = next(iter(shapes), "nothing")
        raise Refused.model_kind(
            f"{about(path)} is no autoencoder (it has {got(first):.60})",
            f"give {option('vae')} an autoencoder",
        )
    return _weights(path, ours, SAME if "encoder.mid_block.resnets.0.conv1.weight" in ours else "vae")


# ---- ControlNets


def read_single_control(path: Path, model: ModelFolder) -> ControlFolder:
    """A ControlNet in one file, for this model; raises InputError for another thing, or one for another family."""
    header = read_header(path)
    names = header.shapes
    _refuse_other_controls(path, names)
    ours = {n: s for n, s in names.items() if n.startswith("control_model.")} or dict(names)
    config = read_json(LAYOUTS[control_architecture(path, ours)] / "controlnet" / "config.json")
    check_control(path, config, model)
    return ControlFolder(path, config, _weights(path, ours, "controlnet"))


def control_architecture(path: Path, names: Mapping[str, tuple[int, ...]]) -> str:
    """Which of LAYOUTS a ControlNet is for, by the width of the words that it reads."""
    widths = {
        read_json(layout / "unet" / "config.json")["cross_attention_dim"]: kind
        for kind, layout in LAYOUTS.items()
    }
    for name, shape in names.items():
        if name.endswith("attn2.to_k.weight"):
            if shape[-1] in widths:
                return widths[shape[-1]]
            raise Refused.controlnet(
                f"{about(path)} reads words {shape[-1]} wide, Stable Diffusion's are {', '.join(map(str, widths))}",
                f"choose a {option('controlnet')} made for this {option('model')}",
            )
    raise Refused.controlnet(
        f"{about(path)} is no ControlNet (it has {next(iter(names), 'nothing'):.60})",
        f"give {option('controlnet')} one",
    )


def _refuse_other_controls(path: Path, names: Mapping[str, Any]) -> None:
    kinds = (
        ("lora_controlnet", "a Control-LoRA"),
        ("adapter.body.", "a T2I-Adapter"),
        ("body.0.resnets.", "a T2I-Adapter"),
        ("body.0.block1.", "a T2I-Adapter"),
        ("control_add_embedding.", "a ControlNet-union, which wants to be told which condition it sees"),
        ("task_embedding", "a ControlNet-union, which wants to be told which condition it sees"),
        ("image_proj", "an IP-Adapter"),
        ("lora_down", "a LoRA"),
    )
    for mark, what in kinds:
        if any(mark in name for name in names):
            raise Refused.controlnet(
                f"{about(path)} is {got(what)}", f"give {option('controlnet')} a ControlNet of one condition"
            )
    if any(name.startswith(UNET) for name in names) and not any(
        n.startswith("control_model.") for n in names
    ):
        raise Refused.controlnet(f"{about(path)} is a whole model", f"give it to {option('model')}")
