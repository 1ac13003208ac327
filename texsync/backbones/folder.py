"""A Stable Diffusion-like model folder in the diffusers layout, checked before anything heavy loads.

model_index.json   names the classes             unet/ vae/ text_encoder/   config.json + safetensors
tokenizer/         vocabulary, near.json           scheduler/                 scheduler_config.json
controlnet/        optional, config + weights    texsync.json               optional, `Advice`
Larger models have a second text encoder and tokenizer, see `layout.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, Refused, about, got, option
from .advice import Advice, read_advice
from .checked import number, read_json, several, whole
from .hub import TOKENIZER_FILES
from .layout import READ, XL, Layout, layers_of, layout_of
from .near_words import Near, check_near, near_file
from .schedulers import clipping_of, sampler_of
from .weights import Weights, find_weights

CLASSES = {
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
    "text_encoder_2": "CLIPTextModelWithProjection",
}
OTHER_INPUTS = {  # of UNets that want to be shown something beside the latents
    5: "a depth2img model, which wants depth as a fifth",
    7: "an upscaler, which wants a small picture",
    8: "an instruct-pix2pix or variation model, which wants a picture",
    9: "an inpainting model, which wants a picture and a mask",
}
MOST_BLOCKS, WIDEST = 12, 65536  # of a network; channels
OTHER_CONTROLS = {
    "ControlNetUnionModel": "ControlNetUnionModel, which wants to be told which condition it sees",
    "T2IAdapter": "T2IAdapter, which texsync does not read",
}


@dataclass(frozen=True)
class ModelFolder:
    """A folder whose files are all there: what each part is and where its weights lie."""

    path: Path
    layout: Layout
    index: dict[str, Any]  # model_index.json
    classes: dict[str, tuple[str, str]]  # part -> (library, class name)
    configs: dict[str, dict[str, Any]]
    weights: dict[str, Weights]
    advice: Advice = field(default_factory=Advice)
    near: Near = field(default_factory=dict)  # see near_words.py
    small_at: Path | None = None  # where configs and vocabularies lie, if not in `path`

    @property
    def small(self) -> Path:
        """The folder of the configs and vocabularies."""
        return self.small_at or self.path

    def place(self, part: str) -> Path:
        """Where a network lies, to be loaded from and named in messages."""
        weights = self.weights[part]
        return self.path / part if weights.layout else weights.files[0].parent


@dataclass(frozen=True)
class ControlFolder:
    """A ControlNet's folder whose files are all there."""

    path: Path
    config: dict[str, Any]
    weights: Weights


def read_model(path: Path) -> ModelFolder:
    """Check a model folder file by file; raises InputError naming the first that is missing or wrong."""
    folder = read_layout(path)
    weights = {part: find_weights(path / part) for part in folder.layout.networks}
    for part in folder.layout.tokenizers:
        _check_tokenizer(path / part)
    return replace(folder, weights=weights)


def read_layout(path: Path) -> ModelFolder:
    """All of a model folder but its weights and vocabularies; raises InputError naming what is missing or wrong."""
    if not path.is_dir():
        raise Refused.model_unknown(
            f"no model folder {about(path)}", "give a folder in the diffusers layout, a hub id or 'mini'"
        )
    index = read_json(path / "model_index.json", "is this a model in the diffusers layout?")
    layout = layout_of(path, index)
    classes = {part: _class_of(path, index, part, layout) for part in layout.parts}
    configs = {part: read_json(path / part / "config.json") for part in layout.networks}
    configs["scheduler"] = read_json(path / "scheduler" / "scheduler_config.json")
    sampler_of(configs["scheduler"])
    clipping_of(configs["scheduler"], pipeline_clips=layout is XL)
    _check_numbers(path, configs)
    _check_widths(path, configs, layout)
    advice = read_advice(path)
    _check_advice(path, advice, configs, layout)
    return ModelFolder(path, layout, index, classes, configs, {}, advice, read_near(path))


def no_control_folder(path: Path) -> InputError:
    """For a ControlNet that is not there."""
    return Refused.controlnet(
        f"no ControlNet folder {about(path)}", f"give {option('controlnet')} a folder or a hub id"
    )


def read_control(path: Path, model: ModelFolder) -> ControlFolder:
    """Check a ControlNet folder and that it fits the model; raises InputError."""
    if not path.is_dir():
        raise no_control_folder(path)
    config = read_json(path / "config.json")
    kind = config.get("_class_name", "ControlNetModel")
    if kind != "ControlNetModel":
        raise Refused.model_config(
            f"{about(path)} holds a {OTHER_CONTROLS.get(kind, kind)}",
            f"give {option('controlnet')} a ControlNetModel's folder",
        )
    check_control(path, config, model)
    return ControlFolder(path, config, find_weights(path))


def pixels_per_latent(vae: Mapping[str, Any]) -> int:
    """Pixels along one side of a latent cell, from the autoencoder's config."""
    return 2 ** (len(vae["block_out_channels"]) - 1)


def read_near(path: Path) -> Near:
    """The words that a model reads as others; raises InputError for a table that is none."""
    file = near_file(path)
    return check_near(read_json(file), file) if file.exists() else {}


def _class_of(path: Path, index: dict[str, Any], part: str, layout: Layout) -> tuple[str, str]:
    entry = index.get(part)
    if not (isinstance(entry, list) and len(entry) == 2 and all(isinstance(word, str) for word in entry)):
        raise Refused.model_config(
            f"{about(path / 'model_index.json')} names no {part}", f"a model needs {', '.join(layout.parts)}"
        )
    library, name = entry
    if library not in ("diffusers", "transformers"):
        raise Refused.model_config(
            f"{about(path / 'model_index.json')} takes its {part} from {got(library)!r}",
            "only classes of diffusers and transformers are run",
        )
    wanted = CLASSES.get(part, name)
    if name != wanted:
        raise Refused.model_config(
            f"{about(path)} has a {name} as its {part}", f"texsync reads a {wanted} there"
        )
    return library, name


def has_vocabulary(path: Path) -> bool:
    """Whether a tokenizer's folder holds a vocabulary."""
    return any(all((path / name).is_file() for name in names) for names in TOKENIZER_FILES)


def _check_tokenizer(path: Path) -> None:
    if not has_vocabulary(path):
        raise Refused.model_config(
            f"{about(path)} holds no vocabulary", "it needs tokenizer.json, or vocab.json and merges.txt"
        )


def _check_numbers(path: Path, configs: dict[str, dict[str, Any]]) -> None:
    """Raises InputError for a number that is read here and makes no sense; networks check their own when built."""
    for part in ("unet", "vae"):
        where, config = str(path / part / "config.json"), configs[part]
        for width in several(where, "block_out_channels", config.get("block_out_channels"), MOST_BLOCKS):
            whole(where, "block_out_channels", width, 1, WIDEST)
    where, vae = str(path / "vae" / "config.json"), configs["vae"]
    whole(where, "latent_channels", vae.get("latent_channels", 4), 1, WIDEST)
    number(where, "scaling_factor", vae.get("scaling_factor", 0.18215), 1e-6, 1e6)
    number(where, "shift_factor", vae.get("shift_factor") or 0.0, -1e6, 1e6)


def _check_advice(path: Path, advice: Advice, configs: dict[str, dict[str, Any]], layout: Layout) -> None:
    layers = layers_of(configs[part] for part in layout.encoders)
    if layers is not None and (advice.clip_skip or 0) > layers:
        raise Refused.model_config(
            f"{about(path / 'texsync.json')} has clip_skip {got(advice.clip_skip)}, "
            f"the text encoder has {layers} layers",
            "lower it",
        )


def _check_widths(path: Path, configs: dict[str, dict[str, Any]], layout: Layout) -> None:
    unet, vae = configs["unet"], configs["vae"]
    latent = vae.get("latent_channels", 4)
    if (channels := unet.get("in_channels", 4)) in OTHER_INPUTS and latent == 4:
        raise Refused.model_config(
            f"the UNet in {about(path)} has {got(channels)} in_channels, it is {OTHER_INPUTS[channels]}",
            f"choose a text-to-image model, with a {option('controlnet')} where something is to be followed",
        )
    for key in ("in_channels", "out_channels"):
        if unet.get(key, 4) != latent:
            raise Refused.model_config(
                f"the UNet in {about(path)} has {got(unet.get(key, 4))} {key}, the VAE {latent} latent channels",
                "choose a text-to-image model whose parts belong together",
            )
    width = unet.get("encoder_hid_dim") or unet.get("cross_attention_dim", 1280)
    texts = [configs[part] for part in layout.encoders]
    spoken: list[Any] = [text.get("hidden_size", text.get("d_model")) for text in texts]
    if any(not isinstance(one, int) for one in spoken) or sum(spoken) != width:
        raise Refused.model_config(
            f"the text encoder in {about(path)} gives {' + '.join(map(str, spoken))} channels, the UNet takes {width}",
            "choose a model whose parts belong together",
        )
    if layout is XL:
        _check_added(path, unet, texts[-1])
    # "text" reads the same words once more; what the other kinds read is not in the folder
    known = ("text_time",) if layout is XL else (None, "text")
    for key, kinds in (
        ("addition_embed_type", known),
        ("class_embed_type", (None,)),
        ("num_class_embeds", (None,)),
        ("encoder_hid_dim_type", (None, "text_proj")),
    ):
        if unet.get(key) not in kinds:
            raise Refused.model_config(
                f"the UNet in {about(path)} has {key} {got(unet.get(key))!r}", f"choose a {READ}"
            )


def _check_added(path: Path, unet: dict[str, Any], text: dict[str, Any]) -> None:
    """SDXL's UNet reads six numbers, sizes and crop, and the pooled words."""
    where = str(path / "unet" / "config.json")
    each = whole(where, "addition_time_embed_dim", unet.get("addition_time_embed_dim"), 1, WIDEST)
    place = str(path / "text_encoder_2" / "config.json")
    pooled = whole(place, "projection_dim", text.get("projection_dim", 512), 1, WIDEST)
    taken = unet.get("projection_class_embeddings_input_dim")
    if taken != 6 * each + pooled:
        raise Refused.model_config(
            f"the UNet in {about(path)} takes {got(taken)} numbers of sizes and pooled words, not {6 * each + pooled}",
            "choose SDXL's base model, or one made from it",
        )


def check_control(path: Path, config: dict[str, Any], model: ModelFolder) -> None:
    """Raises InputError for a ControlNet that is not made for this model."""
    unet, scale = model.configs["unet"], pixels_per_latent(model.configs["vae"])
    keys = ("in_channels", "cross_attention_dim", "block_out_channels", "layers_per_block")
    for key in (key for key in keys if config.get(key) != unet.get(key)):
        raise Refused.controlnet(
            f"the ControlNet in {about(path)} has {key} {got(config.get(key))}, the UNet has {unet.get(key)}",
            f"choose a {option('controlnet')} made for this {option('model')}",
        )
    name = "conditioning_embedding_out_channels"
    widths = several(str(path / "config.json"), name, config.get(name, (16, 32, 96, 256)), MOST_BLOCKS)
    shrink = 2 ** (len(widths) - 1)
    if config.get("conditioning_channels", 3) != 3 or shrink != scale:
        raise Refused.controlnet(
            f"the ControlNet in {about(path)} does not read RGB pictures {scale} times the latents' size",
            f"choose a depth {option('controlnet')} made for this {option('model')}",
        )
