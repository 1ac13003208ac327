"""What a model will take of a GPU or a CPU, said beforehand: by its configs and headers, without reading weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from ..errors import option
from .folder import ControlFolder, ModelFolder, pixels_per_latent
from .layout import XL
from .memory import RELAID, decode_bytes, denoise_bytes, dtype_name, tile_that_fits, views_that_fit
from .weights import Weights

GB = 2**30
USUAL_SIZE = 768


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes.  weights: of the three groups that can take turns.  view, picture: what one takes at its peak.

    layers: what a convolution may lay out anew, of the UNet and of the autoencoder.  free: on the device.
    size: of views, in pixels.  cells: of their latents, a side.  views: in all.
    """

    device: torch.device
    dtype: torch.dtype
    weights: Mapping[str, int]
    view: int
    picture: int
    layers: tuple[int, int]
    free: int
    size: int
    cells: int
    views: int

    @cached_property
    def turns(self) -> bool:
        """Whether the groups take turns on the GPU, since all of them do not fit beside a view and a whole picture."""
        if self.device.type == "cpu":
            return False
        left = self.free - sum(self.weights.values())
        whole = tile_that_fits(self.picture, self.cells, left - self.layers[1]) == self.cells
        return not (whole and views_that_fit(self.view, left, 1, self.layers[0]))

    def held(self, group: str) -> int:
        """Weights on the device while a group computes."""
        return self.weights[group] if self.turns else sum(self.weights.values())

    @cached_property
    def chunk(self) -> int:
        """Views at once; 0 if not even one fits."""
        return views_that_fit(self.view, self.free - self.held("denoiser"), self.views, self.layers[0])

    @cached_property
    def tile(self) -> int:
        """Latent cells a side of what is decoded at once; 0 if not even a tile fits."""
        return tile_that_fits(self.picture, self.cells, self.free - self.held("autoencoder") - self.layers[1])

    @cached_property
    def peak(self) -> int:
        """The most that is on the device at one time."""
        share = (self.tile / self.cells) ** 2
        painting = self.held("denoiser") + self.layers[0] + max(1, self.chunk) * self.view
        return max(
            painting, self.held("autoencoder") + self.layers[1] + int(share * self.picture), self.held("text")
        )

    @property
    def fits(self) -> bool:
        return self.chunk > 0 and self.tile > 0

    def lines(self, model: str) -> list[str]:
        """What `texsync doctor --plan` says."""
        where = "the CPU" if self.device.type == "cpu" else "the GPU"
        parts = ", ".join(f"{name} {size / GB:.2f}" for name, size in self.weights.items())
        said = [
            f"{model} in {dtype_name(self.dtype)}, {self.views} views of {self.size} pixels, "
            f"{self.free / GB:.1f} GB free on {where}",
            f"weights   {sum(self.weights.values()) / GB:.2f} GB: {parts}",
            f"painting  {self.view / GB:.2f} GB a view, {self.chunk} of {self.views} at once",
            f"decoding  {self.picture / GB:.2f} GB a picture, {self._tiles()}",
        ]
        if not self.fits:
            return [*said, f"does not fit; lower {option('view_size')} or use {option('device', 'cpu')}"]
        stay = (
            "text encoder, UNet with ControlNet and autoencoder take turns"
            if self.turns
            else "all networks stay"
        )
        return [*said, f"peak      {self.peak / GB:.2f} GB; {stay} on {where}"]

    def _tiles(self) -> str:
        if not self.tile:
            return "not even in tiles"
        if self.tile >= self.cells:
            return "whole"
        return f"in tiles of {self.tile * self.size // self.cells} pixels"


def plan_of(
    folder: ModelFolder,
    controls: Sequence[ControlFolder],
    device: torch.device,
    dtype: torch.dtype,
    free: int,
    *,
    size: int | None = None,
    least: int = 0,
    views: int = 12,
    guided: bool = True,
) -> MemoryPlan:
    """The plan for a model whose files are there.  free: bytes on the device, nothing loaded yet.

    size: of views, in pixels; None: what the model's folder advises, else its own, and `least` at least.
    """
    vae, unet = folder.configs["vae"], folder.configs["unet"]
    scale = pixels_per_latent(vae)
    own = unet.get("sample_size")
    size = size or folder.advice.view_size
    size = size or max(own * scale if isinstance(own, int) else USUAL_SIZE, least)
    cells, coder = max(1, size // scale), number_format(folder, "vae", dtype)
    latent = (unet.get("in_channels", 4), cells, cells)
    denoiser = [folder.weights["unet"], *(one.weights for one in controls)]
    control = next((one.config for one in controls), None)  # they run one after another
    words = [folder.weights[part] for part in folder.layout.encoders]
    groups = {"text": words, "denoiser": denoiser, "autoencoder": [folder.weights["vae"]]}
    return MemoryPlan(
        device,
        dtype,
        {
            name: sum(one.numbers for one in group) * (coder if name == "autoencoder" else dtype).itemsize
            for name, group in groups.items()
        },
        denoise_bytes(unet, latent, dtype, guided, device, control),
        decode_bytes(vae, size, size, coder, device),
        (_layer(folder.weights["unet"], device, dtype), _layer(folder.weights["vae"], device, coder)),
        free,
        size,
        cells,
        views,
    )


def number_format(folder: ModelFolder, part: str, dtype: torch.dtype) -> torch.dtype:
    """SDXL's first autoencoder overflows in fp16, as its config says; those of SD 1.x and 2.x say so for no reason."""
    overflows = folder.layout is XL and part == "vae" and folder.configs["vae"].get("force_upcast", True)
    return torch.float32 if overflows and dtype == torch.float16 else dtype


def _layer(weights: Weights, device: torch.device, dtype: torch.dtype) -> int:
    """See `memory.workspace_bytes`."""
    largest = max(map(math.prod, weights.shapes.values()), default=0)
    return int(RELAID.get(device.type, 1.0) * largest * dtype.itemsize)
