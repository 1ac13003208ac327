"""The way between pictures and latents: few at a time, in tiles where memory is short, in fp32 where fp16 overflows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..errors import Refused, TexsyncWarning, about, check_finite, option
from .memory import LEAST_TILE, Chunks, TooLittle, decode_bytes, fitting, free_bytes, tile_that_fits
from .memory import workspace_bytes as workspace
from .taking_turns import arrive
from .tiled import decode_tiled

AT_ONCE = 2  # pictures; one fills a device already
BROKEN = "fetch the model again, or use another one"


class Autoencoder:
    """A diffusers AutoencoderKL.  scale: pixels per latent cell along a side.

    Pictures and latents come back where they were given, as float32.
    """

    def __init__(self, vae: Any, scale: int):
        self.vae, self.scale = vae, scale
        self._tiled = False  # whether the user has been told

    def tile(self, cells: int, free: int | None = None) -> int:
        """Latent cells a side of what is decoded at once, for pictures of cells x cells.

        free: bytes; None asks the device.  Raises InputError if not even a tile fits.
        """
        device = self.vae.device
        arrive(self.vae)
        free = free_bytes(device) if free is None else free
        each = self._bytes(cells * self.scale, cells * self.scale)
        side = tile_that_fits(each, cells, free - workspace(self.vae))
        if not side:
            least = self._bytes(LEAST_TILE * self.scale, LEAST_TILE * self.scale) + workspace(self.vae)
            raise TooLittle(
                f"decoding the views needs about {least / 2**30:.1f} GB, {free / 2**30:.1f} GB are free on {device}",
                f"close other programs, or use {option('dtype', 'fp16')} or {option('device', 'cpu')}",
            )
        return side

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [0, 1] to latents; the mode of the encoder's distribution, so repeatable."""
        config, (height, width) = self.vae.config, images.shape[-2:]
        shift = config.shift_factor or 0.0

        def mode(pictures: Tensor) -> Tensor:
            return self.vae.encode(pictures).latent_dist.mode()

        def some(which: slice) -> Tensor:
            latents = self._sound(mode, images[which] * 2 - 1, "encoding a picture")
            return ((latents - shift) * config.scaling_factor).to(images.device)

        arrive(self.vae)
        each = self._bytes(height, width)
        what = f"a picture of {width} pixels"
        chunk = fitting(each, self.vae.device, min(len(images), AT_ONCE), what, workspace(self.vae))
        return Chunks(chunk).run(some, len(images))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (N, C, h, w) to pictures (N, 3, h * scale, w * scale) in [0, 1].

        Gradients pass if the latents ask for them, as if nothing were clipped.
        """
        side = max(latents.shape[-2:])
        with torch.set_grad_enabled(latents.requires_grad and torch.is_grad_enabled()):
            tile = self.tile(side)
            try:
                if tile >= side:
                    return self._decode_whole(latents)
            except TooLittle:
                tile = -(-side // 2)
                if tile < LEAST_TILE:
                    raise
            return self._decode_tiles(latents, tile)

    def _decode_whole(self, latents: Tensor) -> Tensor:
        config, (height, width) = self.vae.config, (side * self.scale for side in latents.shape[-2:])

        def plain(z: Tensor) -> Tensor:
            return self.vae.decode(z).sample

        def some(which: slice) -> Tensor:
            z = latents[which] / config.scaling_factor + (config.shift_factor or 0.0)
            pictures = self._sound(plain, z, "decoding the views") / 2 + 0.5
            clipped = pictures.clamp(0, 1)
            if pictures.requires_grad:
                clipped = pictures + (clipped - pictures).detach()
            return clipped.to(latents.device)

        each, what = self._bytes(height, width), f"a picture of {width} pixels"
        chunk = fitting(each, self.vae.device, min(len(latents), AT_ONCE), what, workspace(self.vae))
        return Chunks(chunk).run(some, len(latents))

    def _decode_tiles(self, latents: Tensor, tile: int) -> Tensor:
        if not self._tiled:
            self._tiled = True
            size = tile * self.scale
            message = (
                f"little memory: views are decoded in tiles of {size} pixels, whose tones may differ a little"
            )
            warnings.warn(message, TexsyncWarning, stacklevel=3)
        return torch.stack([decode_tiled(self, z, tile) for z in latents]).to(latents.device)

    def _sound(self, network: Callable[[Tensor], Tensor], given: Tensor, stage: str) -> Tensor:
        """What the network makes of `given`, float32, finite; in fp32 from then on if a narrower format overflows."""
        check_finite(given.float(), f"what goes into {stage}", BROKEN)
        made = network(given.to(self.vae.device, self.vae.dtype)).float().contiguous()
        if bool(made.isfinite().all()):
            return made
        if self.vae.dtype == torch.float32:
            raise Refused.not_finite(f"NaN or infinity after {about(stage)}, in fp32 too", BROKEN)
        warnings.warn(
            "the autoencoder overflows in this number format and goes on in fp32",
            TexsyncWarning,
            stacklevel=4,
        )
        self.vae.to(torch.float32)
        return self._sound(network, given, stage)

    def _bytes(self, height: int, width: int) -> int:
        return decode_bytes(self.vae.config, height, width, self.vae.dtype, self.vae.device)
