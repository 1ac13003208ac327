"""Any latent Stable Diffusion-like model, with or without a ControlNet, through diffusers.

The embedded model "mini", a folder and a hub id all end up as one folder and one code path.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..errors import InputError, option
from ..schedule import Span
from .autoencoder import Autoencoder
from .base import Backbone
from .folder import ControlFolder, ModelFolder, Recommended, pixels_per_latent, read_model
from .hub import OnBytes, commit_of
from .loading import Parts, load_parts
from .locate import find_control, find_model, on_hub
from .memory import Chunks, choose_device, choose_dtype, denoise_bytes, fitting, home_of, workspace_bytes
from .meta import attempt
from .prediction import prediction_type, schedule_from, to_eps
from .prompts import TextEncoder
from .warm import remembered


def load_diffusion(
    model: str | Path = "mini",
    controlnet: str | Path | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
) -> DiffusionBackbone:
    """Load a model and its depth ControlNet.

    model: "mini", a folder in the diffusers layout, or a hub id "owner/name" (only that touches the network).
    controlnet: a folder or hub id; None takes the model's own `controlnet/` folder, or for Stable Diffusion 1.5
    from the hub its usual depth ControlNet; "none" does without.
    device: auto, cpu, cuda, cuda:N, mps.  dtype: auto, fp32, fp16, bf16.
    Raises InputError for a missing or wrong file, parts that do not fit each other, or too little memory.
    """
    place = choose_device(device)
    number = choose_dtype(dtype, place)

    def load() -> DiffusionBackbone:
        half = number != torch.float32
        folder = read_model(find_model(model, half=half))
        control = find_control(folder, model, controlnet, half=half)
        return DiffusionBackbone(
            folder, load_parts(folder, control, place, number), _commits(folder, control)
        )

    return remembered((str(model), controlnet and str(controlnet), place, number), load)


def fetch_source(
    model: str | Path,
    controlnet: str | Path | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    on_bytes: OnBytes | None = None,
) -> None:
    """Download what `load_diffusion` will read, where it is a hub's and not in the cache; raises InputError.

    Loading does so too; this is for doors that tell a download from the reading of weights.
    """
    if on_hub(model) or (controlnet is not None and on_hub(controlnet)):
        half = choose_dtype(dtype, choose_device(device)) != torch.float32
        folder = read_model(find_model(model, half=half, on_bytes=on_bytes))
        find_control(folder, model, controlnet, half=half, on_bytes=on_bytes)


def check_source(
    model: str | Path, controlnet: str | Path | None = None, *, device: str = "auto", dtype: str = "auto"
) -> None:
    """What `load_diffusion` would refuse of names, folders on this machine and devices, at no cost.

    Reads no weights and fetches nothing, so it can come before long work on a mesh.  Raises InputError.
    """
    choose_dtype(dtype, choose_device(device))
    if not on_hub(model):
        folder = read_model(find_model(model))
        if controlnet is None or not on_hub(controlnet):
            find_control(folder, model, controlnet, half=False)


def _commits(folder: ModelFolder, control: ControlFolder | None) -> dict[str, str]:
    places = {"model": folder.path} | ({} if control is None else {"controlnet": control.path})
    return {part: commit for part, path in places.items() if (commit := commit_of(path))}


class DiffusionBackbone(Backbone):
    """A loaded model.  commits: of what comes from a hub, by "model" and "controlnet".

    recommended: how it likes to be sampled; said: what of that its folder says.
    device, dtype: where and how it computes.

    Pictures and latents go in and come out as float32 on the CPU or wherever they were given; x comes back on
    the device that it came from.
    """

    def __init__(self, folder: ModelFolder, parts: Parts, commits: dict[str, str] | None = None):
        self.commits = commits or {}
        scheduler = folder.configs["scheduler"]
        self.recommended: Recommended = folder.recommended
        self.said = folder.said
        self.schedule = schedule_from(scheduler)
        self.prediction = prediction_type(scheduler)
        self.latent_channels = parts.unet.config.in_channels
        self.scale = pixels_per_latent(folder.configs["vae"])
        trained = parts.unet.config.sample_size
        self.native_size = trained * self.scale if isinstance(trained, int) else folder.recommended.view_size
        self.parts = parts
        self.text = TextEncoder(parts.tokenizer, parts.text_encoder, folder.near)
        attempt(folder.path / "tokenizer", self.text.check)
        self.autoencoder = Autoencoder(parts.vae, self.scale)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.parts.unet.device

    @property
    def home(self) -> torch.device:
        """Where views and latents live, see `memory.home_of`."""
        return home_of(self.device)

    @property
    def dtype(self) -> torch.dtype:
        """The number format that the model computes in."""
        return self.parts.unet.dtype

    @property
    def multiple(self) -> int:
        """Pixels; the sides of what the model sees are whole multiples of it, since the UNet halves them."""
        return self.scale * 2 ** (len(self.parts.unet.config.block_out_channels) - 1)

    def latent_shape(self, view_size: int) -> tuple[int, int, int]:
        """(C, h, w) of a square view of `view_size` pixels; raises InputError if the model cannot halve it."""
        multiple = self.multiple
        if view_size < multiple or view_size % multiple:
            near = max(1, round(view_size / multiple)) * multiple
            raise InputError(f"view size {view_size} is not a multiple of {multiple}", f"use e.g. {near}")
        return self.latent_channels, view_size // self.scale, view_size // self.scale

    def chunk_that_fits(self, views: int, view_size: int, *, guided: bool = True) -> int:
        """How many of `views` views to denoise at once in the memory that is free; raises InputError if none."""
        unet, latent = self.parts.unet, self.latent_shape(view_size)
        each = denoise_bytes(unet.config, latent, self.dtype, guided, self.device)
        return fitting(each, self.device, views, f"a view of {view_size} pixels", workspace_bytes(unet))

    def check_room(self, view_size: int) -> None:
        """Raises InputError if there is no memory for one view, or for a tile of a picture to be developed."""
        self.chunk_that_fits(1, view_size)
        self.autoencoder.tile(self.latent_shape(view_size)[1])

    @torch.no_grad()
    def predictor(
        self,
        prompts: Sequence[str],
        negatives: Sequence[str],
        control: Tensor | None,
        *,
        guidance: float | None = None,
        control_scale: float | tuple[float, float] | None = None,
        control_until: float | None = None,
        chunk: int | None = None,
    ) -> DiffusionPredictor:
        """See `Backbone.predictor`; None takes what the model recommends, or for `chunk` what fits in memory.

        control_scale: one number, or (at the noisiest level, at the cleanest) with a straight line in t between.
        control_until: control is off where 1 - t/T is greater than this, 0..1; 1 keeps it on to the end.
        Warns about words that the model will not read.  Raises InputError for control without a ControlNet.
        """
        said = self.recommended
        if control is not None and self.parts.controlnet is None:
            raise InputError(
                "there is a control picture but no ControlNet", f"name one with {option('controlnet')}"
            )
        scale = said.control_scale if control_scale is None else control_scale
        self.text.warn(prompts)
        return DiffusionPredictor(
            self,
            positive=self.text(prompts),
            negative=self.text(negatives),
            control=control,
            guidance=said.guidance if guidance is None else guidance,
            control_scale=(scale[0], scale[1]) if isinstance(scale, (tuple, list)) else (scale, scale),
            control_until=said.control_until if control_until is None else control_until,
            chunk=chunk,
        )

    def encode(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [0, 1] to latents, see `Autoencoder.encode`."""
        return self.autoencoder.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (N, C, h, w) to pictures (N, 3, h * scale, w * scale) in [0, 1], see `Autoencoder.decode`."""
        return self.autoencoder.decode(latents)


class DiffusionPredictor:
    """Tells noise from picture in N views whose words and control pictures are fixed."""

    def __init__(
        self,
        backbone: DiffusionBackbone,
        *,
        positive: Tensor,
        negative: Tensor,
        control: Tensor | None,
        guidance: float,
        control_scale: tuple[float, float],
        control_until: float,
        chunk: int | None,
    ):
        self.backbone, self.guidance = backbone, guidance
        self.control_scale, self.control_until = control_scale, control_until
        self.words = torch.stack([negative, positive])  # (2, N, tokens, width)
        self._chunks = Chunks(chunk) if chunk else None
        self._hint = None if control is None else self._read_control(control)

    @property
    def chunk(self) -> int | None:
        """Views per call of the model; None until the first call has measured it."""
        return self._chunks.size if self._chunks else None

    def scale_at(self, span: Span) -> float:
        """ControlNet's share at this noise level."""
        start, end = self.control_scale
        return 0.0 if 1 - span.frac > self.control_until else span.frac * start + (1 - span.frac) * end

    def __call__(self, x: Tensor, span: Span) -> Tensor:
        """x (N, C, h, w) -> eps, same shape and device, at least float32; gradients pass if x asks for them."""
        if len(x) != self.words.shape[1]:
            raise ValueError(f"{len(x)} pictures, but words for {self.words.shape[1]}")
        if self._chunks is None:
            size = x.shape[-1] * self.backbone.scale
            self._chunks = Chunks(self.backbone.chunk_that_fits(len(x), size, guided=self.guidance != 1))
        wanted = x.requires_grad and torch.is_grad_enabled()

        def some(which: slice) -> Tensor:
            if not wanted:
                return self._eps(x[which], span, which)
            # computed again on the way back, so that one chunk's intermediate maps are kept at a time
            return checkpoint(self._eps, x[which], span, which, use_reentrant=False)

        with torch.set_grad_enabled(wanted):
            return self._chunks.run(some, len(x))

    def _eps(self, x: Tensor, span: Span, which: slice) -> Tensor:
        words = self.words[:, which] if self.guidance != 1 else self.words[1:, which]
        copies = len(words)
        inputs = torch.cat([x.to(self.backbone.device, self.backbone.dtype)] * copies)
        predicted = self._network(inputs, span, words.flatten(0, 1), which, copies)
        predicted = predicted.to(x.device, torch.promote_types(x.dtype, torch.float32))
        if copies == 2:
            without, given = predicted.chunk(2)
            predicted = without + self.guidance * (given - without)
        return to_eps(self.backbone.prediction, x, predicted, span.alpha)

    def _network(self, x: Tensor, span: Span, words: Tensor, which: slice, copies: int) -> Tensor:
        t = torch.full((len(x),), span.t, device=x.device)
        scale, residuals = self.scale_at(span), {}
        if self._hint is not None and scale > 0:
            hint = torch.cat([self._hint[which]] * copies)
            down, middle = self.backbone.parts.controlnet(
                x, t, words, controlnet_cond=hint, conditioning_scale=scale, return_dict=False
            )
            residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        return self.backbone.parts.unet(x, t, words, return_dict=False, **residuals)[0]

    def _read_control(self, control: Tensor) -> Tensor:
        """The control pictures' features: they do not change during a run, so they are computed once."""
        backbone = self.backbone
        chunks = Chunks(self.chunk or 1)
        pictures = control.to(backbone.device, backbone.dtype)
        return chunks.run(lambda which: backbone.parts.hint(pictures[which]), len(pictures))
