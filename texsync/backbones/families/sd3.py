"""Stable Diffusion 3: a transformer on a straight line from noise to picture, with or without a ControlNet.

model_index.json   StableDiffusion3Pipeline, or with ControlNet         transformer/ vae/ text_encoder/ text_encoder_2/
text_encoder_3/    T5, may be missing       tokenizer/ tokenizer_2/ tokenizer_3/       scheduler/   flow matching
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import Refused, about, got, option
from ...options.control_kinds import SaidControl, kind_by_name, said_controls
from ...schedule import Flow, Span
from ..advice import Advice, read_advice
from ..autoencoder import Autoencoder
from ..checked import number, read_json, whole
from ..conditions import Conditions
from ..controls import NOT_SAID, Control, check_followed
from ..download import fetch as fetched
from ..embeddings import PENULTIMATE, Embeddings
from ..folder import no_control_folder, pixels_per_latent
from ..hub import OnBytes, cached, newest_snapshot
from ..layout import SD3_PARTS, check_layer, layers_of
from ..loading import Parts, load_network, load_tokenizer, quiet
from ..locate import EMBEDDED, NO_CONTROL, on_hub
from ..memory import fitting, workspace_bytes
from ..meta import attempt, skeleton
from ..prompts import TextEncoder
from ..three_encoders import ThreeEncoders
from ..unet import DiffusionPredictor, UNetBackbone
from ..weights import find_weights, warn_of_pickles

CLASSES = {
    "transformer": ("diffusers", "SD3Transformer2DModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModelWithProjection"),
    "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
    "text_encoder_3": ("transformers", "T5EncoderModel"),
}
CLIP = ("text_encoder", "text_encoder_2")  # whose layers can be chosen; T5's last one is read
CONTROL = ("diffusers", "SD3ControlNetModel")
SCHEDULER = "FlowMatchEulerDiscreteScheduler"
UNREAD = ("use_dynamic_shifting", "invert_sigmas", "use_karras_sigmas", "use_exponential_sigmas",
          "use_beta_sigmas", "shift_terminal", "stochastic_sampling")  # fmt: skip
HUB = "stabilityai/stable-diffusion-3"
MAPS = 24  # tokens' vectors that a view takes at once in a block: queries, keys, values, four times the width between
STEPS, GUIDANCE = 28, 7.0  # of diffusers' pipeline


def claims(model: str) -> bool:
    """Is this the folder, or by its name the hub repository, of a Stable Diffusion 3?"""
    path = newest_snapshot(Path(model).expanduser())
    if (path / "model_index.json").is_file():
        name = str(read_json(path / "model_index.json").get("_class_name", ""))
        return name.startswith("StableDiffusion3")
    return model not in EMBEDDED and not path.exists() and model.startswith(HUB)


def load(model: str, controlnet: str | None, *, device: torch.device, dtype: torch.dtype) -> SD3:
    """The model; raises InputError for a missing or wrong file, also of a ControlNet."""
    half = dtype != torch.float32
    path = _place(model, half=half)
    said = _controls(path, controlnet, half=half)
    configs = read_configs(path)
    heard = [(place, read_control_config(place, configs["transformer"])) for _, place in said]
    weights = {part: find_weights(path / part) for part in configs if part in CLASSES}
    warn_of_pickles(weights.values())
    with quiet():
        compare(path, configs, heard)
        networks = {
            part: load_network(path / part, CLASSES[part], found, device, dtype)
            for part, found in weights.items()
        }
        tokenizers = {
            part: load_tokenizer(path / part)
            for part in (name.replace("text_encoder", "tokenizer") for name in networks if "text" in name)
        }
        controls = [
            Control(load_network(place, CONTROL, find_weights(place), device, dtype), None, kind, one.scale)
            for one, place in said
            for kind in [one.kind or kind_by_name(one.name, str(place)) or NOT_SAID]
        ]
    return SD3(path, configs, networks, tokenizers, tuple(controls))


def check(model: str, controlnet: str | None) -> None:
    if not on_hub(model):
        path = newest_snapshot(Path(model).expanduser())
        configs = read_configs(path)
        for part in (part for part in configs if part in CLASSES):
            find_weights(path / part)
        here = [one for one in said_controls(controlnet) or [SaidControl("")] if not on_hub(one.name)]
        for place in filter(None, (_control_place(path, one.name, half=False) for one in here)):
            read_control_config(place, configs["transformer"])


def check_words(model: str, clip_skip: int | None) -> None:
    path = cached(model, SD3_PARTS) if on_hub(model) else newest_snapshot(Path(model).expanduser())
    if path is not None and clip_skip is not None:
        configs = read_configs(path)
        check_layer(clip_skip, layers_of(configs[part] for part in CLIP))


def check_rendered(controlnet: str | None) -> list[tuple[str, str | None]]:
    return check_followed(controlnet)


def fetch(model: str, controlnet: str | None, *, half: bool, on_bytes: OnBytes | None) -> None:
    path = _place(model, half=half, on_bytes=on_bytes)
    _controls(path, controlnet, half=half, on_bytes=on_bytes)


def _place(model: str, **how: Any) -> Path:
    path = newest_snapshot(Path(model).expanduser())
    return path if path.is_dir() else fetched(model, parts=SD3_PARTS, **how)


def _controls(path: Path, controlnet: str | None, **how: Any) -> list[tuple[SaidControl, Path]]:
    """Every ControlNet asked for, with its folder; without one, the model's own."""
    said = said_controls(controlnet) or [SaidControl("")]
    places = [(one, _control_place(path, one.name, **how)) for one in said]
    return [(one, place) for one, place in places if place is not None]


def _control_place(path: Path, name: str, **how: Any) -> Path | None:
    """name: "" is the model's own."""
    if name == NO_CONTROL:
        return None
    if not name:
        if (path / "controlnet").is_dir():
            return path / "controlnet"
        remedy = f"name one made for it with {option('controlnet')}, or {option('controlnet', NO_CONTROL)}"
        raise Refused.controlnet(f"{about(path)} has no controlnet folder", remedy)
    return fetched(name, parts=("",), **how) if on_hub(name) else newest_snapshot(Path(name).expanduser())


def compare(
    path: Path, configs: Mapping[str, dict[str, Any]], controls: Sequence[tuple[Path, dict[str, Any]]]
) -> None:
    """Raises InputError for a config that does not fit its weights, before anything is allocated.

    controls: folder and config of each ControlNet.
    """
    parts = [(path / part, CLASSES[part], config) for part, config in configs.items() if part in CLASSES]
    parts += [(place, CONTROL, config) for place, config in controls]
    for place, (library, name), config in parts:
        skeleton(getattr(import_module(library), name), place, config, find_weights(place))


def read_configs(path: Path) -> dict[str, dict[str, Any]]:
    """The config of every part that is there, checked against each other; raises InputError."""
    index = read_json(path / "model_index.json")
    there = [
        part for part in CLASSES if part != "text_encoder_3" or index.get(part) not in (None, [None, None])
    ]
    for part in there:
        if index.get(part) != list(CLASSES[part]):
            raise Refused.model_config(
                f"{about(path / 'model_index.json')} has {got(index.get(part)):r.60} as its {part}",
                f"Stable Diffusion 3 has a {CLASSES[part][1]} there",
            )
    configs = {part: read_json(path / part / "config.json") for part in there}
    configs["scheduler"] = read_json(path / "scheduler" / "scheduler_config.json")
    _check_scheduler(configs["scheduler"])
    _check_widths(path, configs)
    return configs


def read_control_config(path: Path, transformer: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a ControlNet that fits the transformer; raises InputError."""
    if not path.is_dir():
        raise no_control_folder(path)
    config = read_json(path / "config.json")
    if config.get("_class_name") != CONTROL[1]:
        raise Refused.controlnet(
            f"{about(path)} is a {got(config.get('_class_name'))}",
            f"choose a {option('controlnet')} made for Stable Diffusion 3",
        )
    for key in ("in_channels", "pooled_projection_dim", "joint_attention_dim", "num_attention_heads"):
        if config.get(key) is not None and config[key] != transformer.get(key):
            raise Refused.controlnet(
                f"the ControlNet in {about(path)} has {key} {got(config[key])}, the transformer {transformer.get(key)}",
                f"choose a {option('controlnet')} made for this {option('model')}",
            )
    return config


def _check_scheduler(config: Mapping[str, Any]) -> None:
    if config.get("_class_name") != SCHEDULER:
        raise Refused.model_config(
            f"the {about('scheduler')} is a {got(config.get('_class_name')):r.60}",
            f"Stable Diffusion 3 has a {SCHEDULER}",
        )
    for name in (name for name in UNREAD if config.get(name)):
        raise Refused.model_config(
            f"the {about('scheduler')} has {name} {got(config[name]):r.60}", "choose another model"
        )


def _check_widths(path: Path, configs: Mapping[str, dict[str, Any]]) -> None:
    net, where = configs["transformer"], str(path / "transformer" / "config.json")
    latent = whole("the autoencoder", "latent_channels", configs["vae"].get("latent_channels", 4), 1, 4096)
    texts = [configs[part] for part in CLIP]
    pooled = sum(
        whole("a text encoder", "projection_dim", text.get("projection_dim"), 1, 65536) for text in texts
    )
    wide = sum(whole("a text encoder", "hidden_size", text.get("hidden_size"), 1, 65536) for text in texts)
    joint = whole(where, "joint_attention_dim", net.get("joint_attention_dim"), 1, 65536)
    t5 = configs.get("text_encoder_3", {}).get("d_model", joint)
    for name, has, gets in (
        ("latent channels", net.get("in_channels"), latent),
        ("pooled channels", net.get("pooled_projection_dim"), pooled),
        ("channels of T5", joint, t5),
        ("channels of CLIP at most", joint, max(joint, wide)),
    ):
        if has != gets:
            raise Refused.model_config(
                f"the transformer in {about(path)} takes {has} {name}, there are {got(gets)}",
                "choose a model whose parts belong together",
            )


class SD3(UNetBackbone):
    """A loaded Stable Diffusion 3.  x is on the straight line, `schedule.Flow`; its parts' `unet` is a transformer."""

    def __init__(
        self,
        path: Path,
        configs: Mapping[str, dict[str, Any]],
        networks: Mapping[str, Any],
        tokenizers: Mapping[str, Any],
        controls: tuple[Control, ...] = (),
    ):
        net = networks["transformer"]
        self.parts = Parts(
            net, networks["vae"], networks["text_encoder"], tokenizers["tokenizer"], controls=controls
        )
        shift = number("the scheduler", "shift", configs["scheduler"].get("shift", 1.0), 1e-3, 1e3)
        self.schedule = Flow.straight(shift, configs["scheduler"].get("num_train_timesteps", 1000))
        self.latent_channels, self.scale = net.config.in_channels, pixels_per_latent(configs["vae"])
        self.native_size = net.config.sample_size * self.scale
        self.control_kinds = tuple(control.kind for control in controls)
        self.reads_control = bool(controls)
        self.advice = Advice(guidance=GUIDANCE, steps=STEPS).under(read_advice(path))
        first, second = (
            replace(
                TextEncoder(tokenizers[f"tokenizer{end}"], networks[f"text_encoder{end}"]), states=PENULTIMATE
            )
            for end in ("", "_2")
        )
        third = tokenizers.get("tokenizer_3"), networks.get("text_encoder_3")
        self.text = ThreeEncoders(first, second, *third, net.config.joint_attention_dim)
        attempt(path / "tokenizer", self.text.check)
        self.autoencoder = Autoencoder(networks["vae"], self.scale)

    @property
    def multiple(self) -> int:
        return self.scale * self.parts.unet.config.patch_size

    def chunk_that_fits(self, views: int, view_size: int, *, guided: bool = True) -> int:
        net, (_, height, width) = self.parts.unet, self.latent_shape(view_size)
        tokens = height * width // net.config.patch_size**2
        maps = MAPS + self._control_maps()
        each = maps * tokens * net.inner_dim * self.dtype.itemsize * (2 if guided else 1)
        return fitting(each, self.device, views, f"a view of {view_size} pixels", workspace_bytes(net))

    def _control_maps(self) -> int:
        """Tokens' vectors that a view's ControlNets hold at once: each block's state and what is made of
        it; of several also their sums."""
        blocks = [len(one.network.transformer_blocks) for one in self.parts.controls]
        return 2 * max(blocks, default=0) + (self.parts.unet.config.num_layers if len(blocks) > 1 else 0)

    @torch.no_grad()
    def predictor(self, conditions: Conditions, chunk: int | None = None) -> FlowPredictor:
        """See `Backbone.predictor`.  Raises InputError for control without a ControlNet."""
        if conditions.control is not None and not self.reads_control:
            raise Refused.controlnet(
                f"there is a control picture but no {about('ControlNet')}",
                f"name one with {option('controlnet')}",
            )
        self.text.warn(conditions.prompts, conditions.negatives)
        return FlowPredictor(self, conditions, self.text.embed, chunk)

    def encode(self, images: Tensor) -> Tensor:
        return self.autoencoder.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(latents)


class FlowPredictor(DiffusionPredictor):
    """A transformer predicts the velocity eps - x0."""

    def noise_in(self, x: Tensor, predicted: Tensor, span: Span) -> Tensor:
        """x = s x0 + n eps and s + n = 1, so eps = x + s (eps - x0)."""
        return x + span.signal * predicted

    def _network(self, x: Tensor, span: Span, said: Embeddings, which: slice, copies: int) -> Tensor:
        t = torch.full((len(x),), float(span.t), device=x.device)
        more: dict[str, Any] = {"timestep": t, "return_dict": False}
        blocks: list[Tensor] = []
        for one, hints in self._controls:
            scale = self.conditions.control_at(span, one.scale)
            if scale > 0:
                hint = torch.cat([hints[which]] * copies)
                made = self._blocks(one, x, said, hint, conditioning_scale=scale, **more)
                blocks = [a + b for a, b in zip(blocks, made, strict=True)] if blocks else made
        return self.backbone.parts.unet(
            hidden_states=x,
            encoder_hidden_states=said.words,
            pooled_projections=said.pooled,
            block_controlnet_hidden_states=blocks or None,
            **more,
        )[0]

    def _blocks(
        self, control: Control, x: Tensor, said: Embeddings, hint: Tensor, **more: Any
    ) -> list[Tensor]:
        """What a ControlNet adds to each block of the transformer; one of its own blocks serves several."""
        config = control.network.config
        assert said.pooled is not None
        made = control.network(
            hidden_states=x,
            encoder_hidden_states=None if config.joint_attention_dim is None else said.words,
            pooled_projections=torch.zeros_like(said.pooled)
            if config.force_zeros_for_pooled_projection
            else said.pooled,
            controlnet_cond=hint,
            **more,
        )[0]
        count = self.backbone.parts.unet.config.num_layers
        return [made[block * len(made) // count] for block in range(count)]

    def _read(self, control: Control, seen: Tensor) -> Tensor:
        """The pictures as latents; without the shift for a ControlNet that was trained so."""
        backbone = self.backbone
        config = backbone.parts.vae.config
        latents = backbone.encode(seen)
        if control.network.config.force_zeros_for_pooled_projection:
            latents = latents + (config.shift_factor or 0.0) * config.scaling_factor
        return latents.to(backbone.device, backbone.dtype)
