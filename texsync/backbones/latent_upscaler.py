"""Stable Diffusion's x4 upscaler, DeepFloyd IF's stage III: it paints what a small picture does not show.

model_index.json   StableDiffusionUpscalePipeline      text_encoder/ tokenizer/ vae/
unet/              latents and the picture in, 4 + 3 channels; how noisy the picture was made comes as a class
scheduler/         of the run                          low_res_scheduler/   of the picture's noise
Source: diffusers' StableDiffusionUpscalePipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import Refused, about, got
from ..samplers import CutGuesses, named
from ..schedule import Span
from . import download
from .autoencoder import Autoencoder
from .base import Backbone, Enlarger
from .checked import read_json, whole
from .embeddings import Embeddings, States, both, usual_layer
from .folder import pixels_per_latent
from .hub import OnBytes, newest_snapshot
from .layout import IF_SECOND_PARTS, UPSCALER_PARTS
from .loading import load_network, load_tokenizer, quiet
from .locate import on_hub
from .memory import (
    Chunks,
    denoise_bytes,
    free_bytes,
    require,
    tile_that_fits,
    views_that_fit,
    workspace_bytes,
)
from .meta import attempt, skeleton
from .prediction import prediction_type, schedule_from, to_eps
from .prompts import TextEncoder
from .schedulers import clipping_of
from .tiled import in_tiles
from .weights import find_weights, warn_of_pickles

PIPELINE = "StableDiffusionUpscalePipeline"
CLASSES = {
    "unet": ("diffusers", "UNet2DConditionModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
}
NOISED = 100  # of 1000: how noisy the picture is made, as IF's authors do in stage III
FACTOR = 0.08333  # of its latents; older files of it say another, which the pipeline overrules
OTHER_STAGES = "DeepFloyd/IF-"  # on the hub


def upscaler_of(backbone: Backbone, source: str) -> Enlarger:
    """What enlarges a model's pictures: this upscaler, which serves any model, or the model's own next stage.

    source: a folder or hub id.  Raises InputError for one that is wrong or another model's.
    """
    if claims(source):
        return LatentUpscaler(source, backbone.device, backbone.dtype)
    return backbone.upscaler(source)


def fetch_upscaler(source: str, *, half: bool, on_bytes: OnBytes | None) -> None:
    """Download what `upscaler_of` will read, where it is a hub's and not in the cache; raises InputError."""
    if on_hub(source):
        ours = claims(source)
        parts, check = (UPSCALER_PARTS, read_configs) if ours else (IF_SECOND_PARTS, None)
        download.fetch(source, half=half, parts=parts, on_bytes=on_bytes, check=check)


def claims(source: str) -> bool:
    """Whether a folder is an upscaler of this kind; a hub's repository is unless its name says otherwise."""
    path = newest_snapshot(Path(source).expanduser())
    if (path / "model_index.json").is_file():
        return read_json(path / "model_index.json").get("_class_name") == PIPELINE
    return on_hub(source) and not source.startswith(OTHER_STAGES)


class LatentUpscaler:
    """Pictures to `scale` times as many pixels a side, each with its own prompt."""

    def __init__(self, source: str, device: torch.device, dtype: torch.dtype):
        """Raises InputError for a missing or wrong file."""
        path = newest_snapshot(Path(source).expanduser())
        if on_hub(source):
            path = download.fetch(
                source, half=dtype != torch.float32, parts=UPSCALER_PARTS, check=read_configs
            )
        configs = read_configs(path)
        weights = {part: find_weights(path / part) for part in CLASSES}
        warn_of_pickles(weights.values())
        with quiet():
            for part, (library, name) in CLASSES.items():
                skeleton(getattr(import_module(library), name), path / part, configs[part], weights[part])
            made = {
                part: load_network(path / part, kind, weights[part], device, dtype)
                for part, kind in CLASSES.items()
            }
            words = load_tokenizer(path / "tokenizer")
        self.unet: Any = made["unet"]
        vae: Any = made["vae"]
        vae.register_to_config(scaling_factor=FACTOR)
        self.scale = pixels_per_latent(configs["vae"])
        self.autoencoder = Autoencoder(vae, self.scale)
        layer = usual_layer(configs["text_encoder"])
        self.text = TextEncoder(words, made["text_encoder"], states=States(layer))
        attempt(path / "tokenizer", self.text.check)
        self.schedule = schedule_from(configs["scheduler"])
        self.prediction = prediction_type(configs["scheduler"])
        self.clipping = clipping_of(configs["scheduler"], pipeline_clips=True)
        self.kept = schedule_from(configs["low_res_scheduler"]).alphas[NOISED]

    def size_from(self, side: int) -> int:
        return side * self.scale

    @torch.no_grad()
    def __call__(
        self, pictures: Tensor, prompts: Sequence[str], *, steps: int, guidance: float, seed: int
    ) -> Tensor:
        """Pictures (N, 3, h, w) in [-1, 1] to (N, 3, scale h, scale w) in [0, 1]."""
        draw, count = torch.Generator().manual_seed(seed), len(pictures)
        small = pictures.float().cpu()
        noise = torch.randn(small.shape, generator=draw)
        rough = (self.kept**0.5 * small + (1 - self.kept) ** 0.5 * noise).to(self.unet.device)
        channels = self.autoencoder.vae.config.latent_channels
        x = torch.randn(count, channels, *small.shape[2:], generator=draw).to(rough)
        self.text.warn(prompts)
        sampler = named(self.schedule.sampler)
        predict = sampler.through(
            self._predictor(rough, both(self.text.embed, prompts, [""] * count), guidance)
        )
        for span in sampler.spans(self.schedule, steps):
            eps = predict(x, span)
            x = span.ddim(span.tweedie(x, eps), eps)
            if span.fresh:
                x = x + span.fresh * torch.randn(x.shape, generator=draw).to(x)
        return self.autoencoder.decode(x)

    def _predictor(self, rough: Tensor, said: Embeddings, guidance: float) -> Any:
        """(x, span) -> eps, guided, of the pictures `rough` (N, 3, h, w), in tiles where memory is short."""
        words, (height, width) = said.flat().words, rough.shape[2:]
        tile, chunks = self._room(height, width, 2 * len(rough))

        def part(x: Tensor, seen: Tensor, span: Span) -> Tensor:
            given = torch.cat([torch.cat([x, seen], dim=1)] * 2).to(self.unet.dtype)

            def some(which: slice) -> Tensor:
                rows = given[which]
                t, level = (torch.full((len(rows),), v, device=rows.device) for v in (span.t, NOISED))
                return self.unet(rows, t, words[which], class_labels=level, return_dict=False)[0].float()

            without, wanted = chunks.run(some, len(given)).chunk(2)
            return to_eps(self.prediction, x, without + guidance * (wanted - without), span.alpha)

        def predict(x: Tensor, span: Span) -> Tensor:
            return in_tiles(lambda y, z: part(x[..., y, z], rough[..., y, z], span), (height, width), tile)

        return predict if self.clipping is None else CutGuesses(predict, self.clipping)

    def _room(self, height: int, width: int, rows: int) -> tuple[int, Chunks]:
        """Cells a side of what is seen at once, and of how many rows; raises InputError for too little memory."""
        device, dtype, side = self.unet.device, self.unet.dtype, max(height, width)
        channels, fixed = self.unet.config.in_channels, workspace_bytes(self.unet)

        def bytes_of(cells: int) -> int:
            shape = channels, min(cells, height), min(cells, width)
            return denoise_bytes(self.unet.config, shape, dtype, False, device)

        free = free_bytes(device)
        tile = tile_that_fits(bytes_of(side), side, free - fixed)
        if not tile:
            require(bytes_of(side) + fixed, device, "enlarging a picture", "close other programs")
        tile = max(tile, 1)
        return tile, Chunks(max(1, views_that_fit(bytes_of(tile), free, rows, fixed)))


def read_configs(path: Path) -> dict[str, dict[str, Any]]:
    """The config of every part, checked against each other; raises InputError."""
    kind = read_json(path / "model_index.json").get("_class_name")
    if kind != PIPELINE:
        raise Refused.model_kind(
            f"{about(path)} is a {got(kind):r.60}", f"an upscaler of Stable Diffusion is a {PIPELINE}"
        )
    configs = {part: read_json(path / part / "config.json") for part in CLASSES}
    schedulers = [part for part in UPSCALER_PARTS if part.endswith("scheduler")]
    configs |= {part: read_json(path / part / "scheduler_config.json") for part in schedulers}
    _check(path, configs)
    return configs


def _check(path: Path, configs: Mapping[str, dict[str, Any]]) -> None:
    unet, where = configs["unet"], str(path / "unet" / "config.json")
    latent = whole("the autoencoder", "latent_channels", configs["vae"].get("latent_channels", 4), 1, 4096)
    whole(where, "num_class_embeds", unet.get("num_class_embeds"), NOISED + 1, 100_000)
    for name, has, wants in (
        ("in_channels", unet.get("in_channels", 4), latent + 3),
        ("out_channels", unet.get("out_channels", 4), latent),
        ("cross_attention_dim", unet.get("cross_attention_dim"), configs["text_encoder"].get("hidden_size")),
    ):
        if has != wants:
            raise Refused.model_config(
                f"the UNet in {about(path)} has {name} {got(has)}, its other parts take {wants}",
                "choose an upscaler whose parts belong together",
            )
