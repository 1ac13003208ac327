"""Decoding a canvas of any size, tile by tile, so that memory does not grow with it and no seam shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor


class Decoder(Protocol):
    """What pictures are decoded with: a backbone, or its autoencoder."""

    @property
    def scale(self) -> int: ...

    def decode(self, latents: Tensor) -> Tensor: ...


def decode_tiled(
    backbone: Decoder, latents: Tensor, tile: int, loop: tuple[bool, bool] = (False, False)
) -> Tensor:
    """Latents (C, H, W) to a picture (3, H * scale, W * scale) in [0, 1], float32 on the CPU.

    tile: cells a side of what is decoded at once.  Tiles step by half of their side and fade into each other, so
    each border has been decoded with its surroundings.  loop: (down, across), axes along which the canvas closes
    on itself: there the tiles run on over the edge.
    Source: tiled decoding as users of latent panoramas ask for it; faded as MultiDiffusion fuses windows.
    """
    (_, height, width), s = latents.shape, backbone.scale
    rows, columns = tile_starts(height, tile, loop[0]), tile_starts(width, tile, loop[1])
    if len(rows) == len(columns) == 1:
        return backbone.decode(latents[None])[0].float().cpu()
    tall, long = min(tile, height), min(tile, width)
    weight = _hat(tall * s)[:, None] * _hat(long * s)
    total = torch.zeros(3, height * s, width * s)
    weights = torch.zeros(height * s, width * s)
    for top in rows:
        for left in columns:
            y, x = _cells(top, tall, height), _cells(left, long, width)
            part = backbone.decode(latents[:, y][:, :, x][None])[0].float().cpu()
            py, px = _cells(top * s, tall * s, height * s), _cells(left * s, long * s, width * s)
            total[:, py[:, None], px] += weight * part
            weights[py[:, None], px] += weight
    return total / weights


def in_tiles(job: Callable[[slice, slice], Tensor], size: tuple[int, int], tile: int) -> Tensor:
    """job(rows, columns) -> (..., rows, columns), of a canvas of (height, width) cells, `tile` a side at a time.

    Tiles overlap by half and fade into each other, as in `decode_tiled`; one that holds all is the job's own answer.
    """
    height, width = size
    if tile >= max(size):
        return job(slice(0, height), slice(0, width))
    tall, long = min(tile, height), min(tile, width)
    places = [
        (slice(top, top + tall), slice(left, left + long))
        for top in tile_starts(height, tall, False)
        for left in tile_starts(width, long, False)
    ]
    parts = [job(*place) for place in places]
    weight = (_hat(tall)[:, None] * _hat(long)).to(parts[0])
    total, weights = parts[0].new_zeros(*parts[0].shape[:-2], *size), parts[0].new_zeros(size)
    for (rows, columns), part in zip(places, parts, strict=True):
        total[..., rows, columns] += weight * part
        weights[rows, columns] += weight
    return total / weights


def tile_starts(length: int, tile: int, loop: bool) -> list[int]:
    """Where tiles begin along an axis of `length` cells: at most half a tile apart, the last one flush."""
    if length <= tile and not loop:
        return [0]
    last = length if loop else length - tile
    count = -(-2 * last // tile)  # rounded up
    ends = range(count) if loop else range(count + 1)
    return [round(i * last / count) for i in ends]


def _hat(length: int) -> Tensor:
    """Weights that rise from either end to the middle, never 0."""
    place = torch.arange(length) + 0.5
    return torch.minimum(place, length - place) / length


def _cells(start: int, count: int, length: int) -> Tensor:
    return (torch.arange(count) + start) % length
