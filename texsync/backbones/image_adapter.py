"""An IP-Adapter at work: it adds cross-attention to a UNet and reads a picture by CLIP (arXiv:2308.06721)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .image_prompt import AdapterFiles, in_parts
from .loading import load_network
from .meta import attempt
from .weights import find_weights

ENCODER = ("transformers", "CLIPVisionModelWithProjection")


class ImageAdapter:
    """A UNet with an adapter's cross-attention, and what reads pictures for it."""

    def __init__(self, unet: Any, files: AdapterFiles):
        from safetensors.torch import load_file
        from transformers import CLIPImageProcessor

        self.unet, self.patches = unet, files.patches
        weights = find_weights(files.encoder)
        self.encoder: Any = load_network(files.encoder, ENCODER, weights, unet.device, unet.dtype)
        config: Any = self.encoder.config
        side = config.image_size
        self.processor = CLIPImageProcessor(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        )
        attempt(files.path, lambda: unet._load_ip_adapter_weights([in_parts(load_file(files.path))]))

    @torch.no_grad()
    def read(self, picture: Any) -> Tensor:
        """What is told of no picture and of this one (PIL), (2, 1, ...)."""
        pixels = self.processor(picture, return_tensors="pt").pixel_values.to(
            self.unet.device, self.unet.dtype
        )
        if self.patches:
            both = torch.cat([torch.zeros_like(pixels), pixels])
            return self.encoder(both, output_hidden_states=True).hidden_states[-2][:, None]
        told = self.encoder(pixels).image_embeds
        return torch.stack([torch.zeros_like(told), told])

    def weigh(self, scale: float) -> None:
        """How much pictures count from now on, 0 not at all."""
        for processor in self.unet.attn_processors.values():
            if type(processor).__name__.startswith("IPAdapter"):
                processor.scale = [scale]
