"""The motion diffusion model's network (Tevet et al. 2022, arXiv:2209.14916), with its parameters' names.

A transformer encoder over [condition, frame 1 .. F] that predicts the clean features.  Names and shapes are those of
the public checkpoints, so that these load with nothing missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LONGEST = 5000  # positions in the sinusoidal table


@dataclass(frozen=True)
class Sizes:
    """features: numbers a frame.  width, layers, heads, inner: of the transformer.  text: width of text vectors."""

    features: int = 263
    width: int = 512
    layers: int = 8
    heads: int = 4
    inner: int = 1024
    text: int = 512
    dropout: float = 0.1


class Input(nn.Module):
    def __init__(self, shape: Sizes):
        super().__init__()
        self.poseEmbedding = nn.Linear(shape.features, shape.width)


class Output(nn.Module):
    def __init__(self, shape: Sizes):
        super().__init__()
        self.poseFinal = nn.Linear(shape.width, shape.features)


class Time(nn.Module):
    def __init__(self, shape: Sizes):
        super().__init__()
        self.time_embed = nn.Sequential(
            nn.Linear(shape.width, shape.width), nn.SiLU(), nn.Linear(shape.width, shape.width)
        )


class Network(nn.Module):
    """x (N, features, 1, F), t (N,), text (N, text width) -> the clean x, same shape."""

    def __init__(self, shape: Sizes):
        super().__init__()
        self.shape = shape
        self.input_process, self.output_process = Input(shape), Output(shape)
        self.embed_timestep = Time(shape)
        self.embed_text = nn.Linear(shape.text, shape.width)
        layer = nn.TransformerEncoderLayer(
            shape.width, shape.heads, shape.inner, dropout=shape.dropout, activation="gelu"
        )
        self.seqTransEncoder = nn.TransformerEncoder(layer, shape.layers, enable_nested_tensor=False)
        self.positions: Tensor
        self.register_buffer("positions", sinusoids(LONGEST, shape.width), persistent=False)

    def forward(self, x: Tensor, t: Tensor, text: Tensor, lengths: Tensor | None = None) -> Tensor:
        """lengths: (N,) frames that count, where they differ; None for all."""
        frames = self.input_process.poseEmbedding(x[:, :, 0].permute(2, 0, 1))
        condition = self.embed_timestep.time_embed(self.positions[t]) + self.embed_text(text)
        tokens = torch.cat([condition[None], frames])
        tokens = tokens + self.positions[: len(tokens), None]
        ignored = None
        if lengths is not None:
            ignored = torch.arange(len(tokens), device=x.device)[None] > lengths[:, None]
        found = self.seqTransEncoder(tokens, src_key_padding_mask=ignored)[1:]
        return self.output_process.poseFinal(found).permute(1, 2, 0)[:, :, None]


def sinusoids(length: int, width: int) -> Tensor:
    """(length, width) sines and cosines of falling frequency (Vaswani et al. 2017, section 3.5)."""
    place = torch.arange(length)[:, None]
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    table = torch.zeros(length, width)
    table[:, 0::2], table[:, 1::2] = torch.sin(place * rate), torch.cos(place * rate)
    return table
