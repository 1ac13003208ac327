"""What tests of painted meshes share: a mesh, a difference, and a listener to progress."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import trimesh
from trimesh import Trimesh

from texsync import Cancelled, TexturedMesh

MESHES = Path(__file__).parents[2] / "meshes"
CRATE = MESHES / "crate.glb"
PROMPT = "a red object"


def ball(subdivisions: int = 2) -> Trimesh:
    return trimesh.creation.icosphere(subdivisions=subdivisions)


def apart(one: TexturedMesh, other: TexturedMesh) -> np.ndarray:
    """How many 8-bit levels apart two textures are, (S, S, 3)."""
    return np.abs(one.texture.astype(int) - other.texture)


class Watch:
    """Remembers the calls of on_progress and raises an error at the one it is told to."""

    def __init__(self, stage: str = "", step: int = 0, error: type[BaseException] = Cancelled):
        self.at, self.error = (stage, step), error
        self.calls: list[tuple[str, int, int]] = []
        self.previews: list[torch.Tensor] = []

    def __call__(self, stage, step, total, preview=None):
        self.calls.append((stage, step, total))
        if preview is not None:
            self.previews.append(preview())
        if (stage, step) == self.at:
            raise self.error("stop")
