"""Which parts the folders of the pipelines that texsync reads have, by their model_index.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Refused, about, got, option

UNREAD = ("prior", "image_encoder_2", "decoder", "image_processor", "connectors")
READ = "Stable Diffusion 1.x, 2.x or XL"
# what is read of the folders of other families
IF_PARTS = ("unet", "text_encoder", "tokenizer", "scheduler")
IF_SECOND_PARTS = ("unet", "scheduler", "image_noising_scheduler")
SD3_PARTS = ("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3", "tokenizer", "tokenizer_2",
             "tokenizer_3", "scheduler", "controlnet")  # fmt: skip
UPSCALER_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler", "low_res_scheduler")


@dataclass(frozen=True)
class Layout:
    """The parts of one kind of folder.

    name: in messages.  denoiser: the network that is told the noise level.  encoders: of texts.  tokenizers: one each.
    """

    name: str
    denoiser: str = "unet"
    encoders: tuple[str, ...] = ("text_encoder",)

    @property
    def tokenizers(self) -> tuple[str, ...]:
        return tuple(part.replace("text_encoder", "tokenizer") for part in self.encoders)

    @property
    def networks(self) -> tuple[str, ...]:
        """Parts with weights."""
        return (self.denoiser, "vae", *self.encoders)

    @property
    def parts(self) -> tuple[str, ...]:
        """All that a folder must have."""
        return (*self.networks, *self.tokenizers, "scheduler")


STABLE = Layout("Stable Diffusion")
XL = Layout("Stable Diffusion XL", encoders=("text_encoder", "text_encoder_2"))


def layout_of(path: Path, index: Mapping[str, Any]) -> Layout:
    """What kind of folder this is; raises InputError for one that texsync does not read, which names why."""

    def there(part: str) -> bool:
        return isinstance(index.get(part), list) and index[part] != [None, None]

    for part in (*UNREAD, "transformer", "text_encoder_3"):
        if there(part):
            raise Refused.model_config(f"{about(path)} has a {part}", f"choose a model laid out like {READ}")
    if index.get("requires_aesthetics_score") or (there("text_encoder_2") and not there("text_encoder")):
        raise Refused.model_config(f"{about(path)} is SDXL's refiner", "choose its base model")
    return XL if there("text_encoder_2") else STABLE


def check_layer(layer: int, layers: int | None) -> None:
    """Raises InputError for a layer, counted from the end, that a text encoder of so many does not have."""
    if layers is not None and layer > layers:
        raise Refused.model_lacks(
            f"{about('clip skip')} {got(layer)}, the text encoder has {layers} layers",
            f"use {option('clip_skip', layers)} or less",
        )


def layers_of(configs: Iterable[Mapping[str, Any]]) -> int | None:
    """Layers of the shallowest of some text encoders, by their configs; None if none of them says it."""
    said = (config.get("num_hidden_layers", config.get("num_layers")) for config in configs)
    return min((layers for layers in said if isinstance(layers, int)), default=None)
