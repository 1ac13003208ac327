"""The reference's way to what each view is told: bake all views before it again, at every step."""

from __future__ import annotations

import torch
from torch import Tensor

from texsync.views import Views
from texsync.views.base import Lookup, to_columns, to_pictures


class Rebaked:
    """What view i is told, by baking the pictures of all views before it again; no geometry is recomputed."""

    def __init__(self, views: Views):
        pixels = views.shape[1] * views.shape[2]
        parts = [slice(i * pixels, (i + 1) * pixels) for i in range(views.shape[0])]
        self.shape = views.shape
        self.bakes = [Lookup(views.merge[:, part]) for part in parts]
        self.looks = [Lookup(views.look[part]) for part in parts]
        self.weights = [
            torch.as_tensor(abs(views.merge[:, part]).sum(axis=1), dtype=torch.float32)[:, None]
            for part in parts
        ]

    def told(self, x: Tensor) -> Tensor:
        pictures = [to_columns(picture[None]) for picture in x]
        told = [torch.zeros_like(pictures[0])]
        for i in range(1, len(x)):
            total = sum(bake(y) for bake, y in zip(self.bakes[:i], pictures, strict=False))
            weight = sum(w.to(x.device) for w in self.weights[:i])
            told.append(self.looks[i](torch.where(weight > 0, total / weight.clamp(min=1e-12), 0.0)))
        return to_pictures(torch.cat(told), self.shape)
