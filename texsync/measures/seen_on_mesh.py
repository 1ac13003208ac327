"""Whether the views of a mesh tell of one surface, and how sharp they are."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from ..surface.pixels import Pixels, visible

RIM = 4  # pixels at silhouettes that are left out
STEEP = 0.5  # cosine to the line of sight below which a surface is not seen well


def disagreement(pixels: Pixels, pictures: Tensor) -> float:
    """Mean squared difference (channels averaged) over all pairs of views and all points that both see well.

    pictures: (N, 3, S, S) of the views of `pixels`.
    """
    total, count = 0.0, 0
    inner = inside(pixels.mask, RIM)
    for i, j in combinations(range(len(pictures)), 2):
        here = inner[i] & (pixels.facing[i] > STEEP)
        outward = torch.where(pixels.behind[i][here][:, None], -1, 1) * pixels.normal[i][here]
        seen, facing, where = visible(pixels, pixels.position[i][here], outward)
        grid = (where[j, :, :2] / pixels.size * 2 - 1)[None, None]
        sampled = functional.grid_sample(pictures[j][None], grid, align_corners=False)[0, :, 0].T
        safe = functional.grid_sample(inner[j].float()[None, None], grid, align_corners=False)[0, 0, 0]
        both = seen[j] & (facing[j] > STEEP) & (safe > 0.999)
        difference = (sampled - pictures[i][:, here].T)[both].square()
        total, count = total + difference.sum().item(), count + difference.numel()
    return total / max(count, 1)


def sharpness(pixels: Pixels, pictures: Tensor) -> float:
    """Mean squared difference between neighbouring pixels of pictures (N, 3, S, S), away from silhouettes."""
    inner = inside(pixels.mask, RIM)[:, None]
    right = (pictures.diff(dim=3).square() * (inner[..., 1:] & inner[..., :-1])).sum()
    down = (pictures.diff(dim=2).square() * (inner[:, :, 1:] & inner[:, :, :-1])).sum()
    return ((right + down) / (3 * inner.sum())).item()


def inside(mask: Tensor, pixels: int) -> Tensor:
    """The mask (N, S, S) shrunk by so many pixels."""
    outside = functional.max_pool2d((~mask).float()[:, None], 2 * pixels + 1, 1, pixels)[:, 0]
    return outside == 0
