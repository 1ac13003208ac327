"""Paint only some faces: their texels come from the new texture, all others stay as they were, to the last bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from ..errors import Refused, about, got, option
from .texels import uv_texels
from .types import Surface

UNPAINTED = (204, 204, 204, 255)  # Blender's default base colour, for faces that had no picture before


@dataclass(frozen=True)
class Repaint:
    """What to paint anew.

    uv: (K, 3, 2) float64, the triangles of the chosen faces on the map, v up.
    old: (H, W, 4) uint8, the picture as it was, row 0 on top; None if there was none.
    """

    uv: np.ndarray
    old: np.ndarray | None = None

    def check(self, size: int) -> None:
        """Raises InputError unless something is chosen and the old picture has size x size texels."""
        if not len(self.uv):
            raise Refused.repaint_none(
                f"no {about('face')} is selected", "select faces, or paint all of them"
            )
        if self.old is not None and self.old.shape[:2] != (size, size):
            height, width = self.old.shape[:2]
            raise Refused.repaint_size(
                f"the {about('old picture')} has {got(width)} x {height} texels, the new one {size} x {size}",
                f"use {option('texture_size', width)}" if width == height else "paint all faces",
            )

    def apply(self, image: np.ndarray, surface: Surface) -> np.ndarray:
        """The old picture with the chosen faces' texels from `image`: (S, S, 3), or (S, S, 4) if it is see-through.

        image: (S, S, 3) uint8, row 0 on top, made on `surface`'s UVs.  Padding goes with the nearest face.
        A texel that chosen and other faces share is painted.  Raises InputError as `check` does.
        """
        size = len(image)
        self.check(size)
        chosen = self._chosen(surface, size)
        old = np.full((size, size, 4), UNPAINTED, np.uint8) if self.old is None else self.old
        new = np.concatenate([image, np.full_like(image[..., :1], 255)], axis=-1)
        mixed = np.where(chosen[..., None], new, old)
        return mixed if (mixed[..., 3] < 255).any() else np.ascontiguousarray(mixed[..., :3])

    def _chosen(self, surface: Surface, size: int) -> np.ndarray:
        """(S, S) bool: texels of the chosen faces, and the padding that is nearest to them."""
        shift = np.floor(np.median(self.uv.reshape(-1, 2), axis=0)) if _outside(self.uv) else 0.0
        corners = (self.uv - shift).reshape(-1, 2)
        inside = uv_texels(corners, np.arange(len(corners)).reshape(-1, 3), size)[0] >= 0
        covered = (uv_texels(surface.uv, surface.uv_faces, size)[0] >= 0) | inside
        row, column = distance_transform_edt(~covered, return_distances=False, return_indices=True)
        return inside[row, column]


def _outside(uv: np.ndarray) -> bool:
    """Whether the triangles lie in another tile than the unit square; the painted surface was moved into it."""
    return bool(uv.max() > 1 + 1e-4 or uv.min() < -1e-4)
