"""Any latent Stable Diffusion-like model, 1.x, 2.x or XL, with or without a ControlNet, through diffusers.

The embedded model "mini", a folder and a hub id all end up as one folder and one code path.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...errors import Refused, about, option
from ...options.control_kinds import said_controls
from ...samplers import CutGuesses
from ..additions import Additions, find_additions
from ..attention import AttentionRecorder, is_fine
from ..autoencoder import Autoencoder
from ..base import Attention, Predictor
from ..conditions import Conditions
from ..controls import FoundControl, check_followed, find_controls
from ..distilled import distilled
from ..embeddings import States, usual_layer
from ..folder import ModelFolder, pixels_per_latent, read_layout
from ..hub import OnBytes, cached, commit_of
from ..image_adapter import ImageAdapter
from ..layout import XL, check_layer, layers_of
from ..loading import Parts, load_parts
from ..locate import find_model, on_hub, read_found
from ..meta import attempt
from ..prediction import prediction_type, schedule_from
from ..prompts import TextEncoder
from ..schedulers import clipping_of
from ..two_encoders import TwoEncoders, two_encoders
from ..unet import DiffusionPredictor, UNetBackbone

NONE = Additions()
USUAL_SIZE = 768  # pixels a side, of a UNet that does not say at which it was trained


def claims(model: str) -> bool:
    """Whatever no other family does: "mini", folders and hub repositories in the diffusers layout."""
    return True


def load(
    model: str,
    controlnet: str | None,
    *,
    device: torch.device,
    dtype: torch.dtype,
    additions: Additions = NONE,
) -> DiffusionBackbone:
    """See `by_name.load_model`."""
    half = dtype != torch.float32
    folder, added = find_additions(additions, read_found(find_model(model, half=half)), half=half)
    controls = find_controls(folder, model, controlnet, half=half)
    parts = load_parts(folder, controls, device, dtype, added)
    adapter = None if added.adapter is None else ImageAdapter(parts.unet, added.adapter)
    return DiffusionBackbone(
        folder, parts, _commits(folder, controls), adapter, [one.path for one in added.loras]
    )


def fetch(
    model: str,
    controlnet: str | None,
    *,
    half: bool,
    on_bytes: OnBytes | None,
    additions: Additions = NONE,
    clip_skip: int | None = None,
) -> None:
    named = [said.name for said in said_controls(controlnet)]
    if any(map(on_hub, filter(None, (model, *named, additions.vae, *additions.lora, *additions.embedding)))):

        def fits(configs: Path) -> None:
            folder = read_layout(configs)
            _check_layer(folder, clip_skip)
            _check_here(folder, model, controlnet, additions)

        folder = read_found(find_model(model, half=half, on_bytes=on_bytes, check=fits))
        find_additions(additions, folder, half=half, on_bytes=on_bytes)
        find_controls(folder, model, controlnet, half=half, on_bytes=on_bytes)


def check(model: str, controlnet: str | None, additions: Additions = NONE) -> list[tuple[str, str | None]]:
    if on_hub(model):
        return []
    folder = read_found(find_model(model))
    _check_here(folder, model, controlnet, additions)
    return [
        (one.name, one.kind) for one in find_controls(folder, model, controlnet, only=lambda name: not name)
    ]


def _check_here(folder: ModelFolder, model: str, controlnet: str | None, additions: Additions) -> None:
    """Raises InputError for parts on this machine that do not fit the model, by their headers."""
    find_additions(additions.here(), folder)
    find_controls(folder, model, controlnet, only=lambda name: bool(name) and not on_hub(name))


def check_words(model: str, clip_skip: int | None) -> None:
    if not on_hub(model) or cached(model):
        _check_layer(read_found(find_model(model)), clip_skip)


def _check_layer(folder: ModelFolder, clip_skip: int | None) -> None:
    """Raises InputError if a text encoder has fewer layers."""
    if clip_skip is not None:
        check_layer(clip_skip, layers_of(folder.configs[part] for part in folder.layout.encoders))


def check_rendered(controlnet: str | None) -> list[tuple[str, str | None]]:
    return check_followed(controlnet)


def _commits(folder: ModelFolder, controls: Sequence[FoundControl]) -> dict[str, str]:
    several = len(controls) > 1
    places = {
        f"controlnet {k}" if several else "controlnet": one.folder.path for k, one in enumerate(controls, 1)
    }
    places["model"] = folder.path
    return {part: commit for part, path in places.items() if (commit := commit_of(path))}


def text_of(folder: ModelFolder, parts: Parts) -> TextEncoder | TwoEncoders:
    """What reads this model's prompts."""
    layer = 1 if parts.text_encoder_2 is not None else usual_layer(folder.configs["text_encoder"])
    first = TextEncoder(parts.tokenizer, parts.text_encoder, folder.near, States(layer))
    if parts.text_encoder_2 is None:
        return first
    zero_empty = bool(folder.index.get("force_zeros_for_empty_prompt", True))
    return two_encoders(first, TextEncoder(parts.tokenizer_2, parts.text_encoder_2), zero_empty=zero_empty)


class DiffusionBackbone(UNetBackbone):
    """A loaded Stable Diffusion, or a model laid out like one.

    Pictures and latents go in and come out as float32 on the CPU or wherever they were given; x comes back on
    the device that it came from.
    """

    shares_attention = True

    def __init__(
        self,
        folder: ModelFolder,
        parts: Parts,
        commits: dict[str, str] | None = None,
        adapter: ImageAdapter | None = None,
        loras: Sequence[Path] = (),
    ):
        self.commits, self.adapter = commits or {}, adapter
        scheduler = folder.configs["scheduler"]
        self.advice = distilled(folder, loras)
        self.schedule = schedule_from(scheduler)
        self.prediction = prediction_type(scheduler)
        self.clipping = clipping_of(scheduler, pipeline_clips=folder.layout is XL)
        self.latent_channels = parts.unet.config.in_channels
        self.scale = pixels_per_latent(folder.configs["vae"])
        trained = parts.unet.config.sample_size
        self.native_size = (
            trained * self.scale if isinstance(trained, int) else folder.advice.view_size or USUAL_SIZE
        )
        self.parts = parts
        self.control_kinds = tuple(control.kind for control in parts.controls)
        self.reads_control = bool(parts.controls)
        self.attention: Attention = "fine" if is_fine(parts.unet) else "coarse"
        self.text = text_of(folder, parts)
        attempt(folder.small / "tokenizer", self.text.check)
        self.autoencoder = Autoencoder(parts.vae, self.scale)

    def check_room(self, view_size: int) -> None:
        """Raises InputError if there is no memory for one view, or to decode a tile of a picture."""
        self.chunk_that_fits(1, view_size)
        self.autoencoder.tile(self.latent_shape(view_size)[1])

    @torch.no_grad()
    def predictor(self, conditions: Conditions, chunk: int | None = None) -> Predictor:
        """See `Backbone.predictor`.

        Warns about words that the model will not read.  Raises InputError for control without a ControlNet.
        """
        if conditions.control is not None and not self.reads_control:
            raise Refused.controlnet(
                f"there is a control picture but no {about('ControlNet')}",
                f"name one with {option('controlnet')}",
            )
        if conditions.image_prompt is not None and self.adapter is None:
            raise Refused.model_lacks(
                f"there is an {about('image prompt')} but no IP-Adapter",
                f"name one with {option('ip_adapter')}",
            )
        self.text.warn(conditions.prompts, conditions.negatives)
        predict = DiffusionPredictor(self, conditions, self.text.embed, chunk)
        return predict if self.clipping is None else CutGuesses(predict, self.clipping)

    def check_words(self, prompt: str, words: str) -> None:
        self.text.places(prompt, words)

    def word_attention(self, prompt: str, words: str, latent: tuple[int, int]) -> AttentionRecorder:
        return AttentionRecorder(self.parts.unet, self.text.places(prompt, words), latent)

    def encode(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [0, 1] to latents, see `Autoencoder.encode`."""
        return self.autoencoder.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (N, C, h, w) to pictures (N, 3, h * scale, w * scale) in [0, 1], see `Autoencoder.decode`."""
        return self.autoencoder.decode(latents)
