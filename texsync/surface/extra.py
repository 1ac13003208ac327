"""Views from the top and from below, for what no view around a mesh sees well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .cameras import Camera, view_name
from .pixels import look, outward_normals, visible
from .types import Surface

CANDIDATES = (Camera(0, 90), Camera(0, -90))
WELL_DEG = 60.0  # between normal and line of sight; beyond it a pattern is stretched to twice its length
WORTH = 0.03  # share of the surface from which a view is worth a tenth more time
SAMPLES = 20_000  # places to ask; shares are right to about half a per cent
PIXELS = 128  # of the pictures that tell what is hidden


@dataclass(frozen=True)
class Extra:
    """cameras: the views to add, none to two.  before, after: share of the surface, by area, that some view sees
    better than 60 degrees, without them and with them."""

    cameras: tuple[Camera, ...]
    before: float
    after: float

    def __str__(self) -> str:
        names = " and a ".join(f"{view_name(camera)} view" for camera in self.cameras)
        return (
            f"added a {names}: {100 * (1 - self.before):.0f} % of the surface was seen by no view better than "
            f"{WELL_DEG:.0f} degrees, now {100 * (1 - self.after):.0f} % is"
        )

    def report(self) -> dict[str, Any]:
        """What `run.json` keeps of it."""
        return {
            "names": [view_name(camera) for camera in self.cameras],
            "well_seen_before": round(self.before, 4),
            "well_seen": round(self.after, 4),
        }


def extra_views(surface: Surface, cameras: Sequence[Camera], device: str = "cpu") -> Extra:
    """Which of a top and a bottom view to add to `cameras`.

    A view is worth it if it sees `WORTH` of the surface that no other sees better than 60 degrees, and better than
    they do.
    """
    facing = _facing(surface, (*cameras, *CANDIDATES), device)
    around, others = facing[: len(cameras)].max(axis=0), facing[len(cameras) :]
    well = math.cos(math.radians(WELL_DEG))
    gain = ((around < well) & (others > around)).mean(axis=1)
    chosen = [i for i in range(len(CANDIDATES)) if gain[i] >= WORTH]
    every = np.max([around, *others[chosen]], axis=0)
    return Extra(
        tuple(CANDIDATES[i] for i in chosen), float((around >= well).mean()), float((every >= well).mean())
    )


def _facing(surface: Surface, cameras: Sequence[Camera], device: str) -> np.ndarray:
    """(N, P) cosine between each line of sight and the triangle that it meets, 0 where a place is not seen."""
    place, normal, face = samples(surface)
    pixels = look(surface, cameras, PIXELS, device)
    points, normals = (
        torch.as_tensor(a, dtype=torch.float32, device=pixels.depth.device) for a in (place, normal)
    )
    seen, facing, _ = visible(pixels, points, normals, torch.as_tensor(face, device=points.device))
    return torch.where(seen, facing, 0.0).cpu().numpy()


def samples(surface: Surface) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (P, 3) spread over the surface by area, the unit normals (P, 3) of their triangles, and these (P,)."""
    normal = outward_normals(surface)
    length = np.linalg.norm(normal, axis=1)
    ends = np.cumsum(length)
    face = np.searchsorted(ends, (np.arange(SAMPLES) + 0.5) / SAMPLES * ends[-1]).clip(max=len(ends) - 1)
    one, two = np.random.default_rng(0).random((2, SAMPLES))
    root = np.sqrt(one)
    weight = np.stack([1 - root, root * (1 - two), root * two], axis=1)
    place = np.einsum("pk,pkd->pd", weight, surface.vertices[surface.faces[face]])
    return place, normal[face] / length[face, None].clip(1e-300), face
