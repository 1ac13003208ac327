"""Paint only a part: its texels come from the new texture, all others stay as they were, to the last bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from ..errors import Refused, about, got, option
from .faces import areas
from .texels import both, uv_texels
from .types import Surface

UNPAINTED = (204, 204, 204, 255)  # Blender's default base colour, for faces that had no picture before
FEATHER = 1 / 64  # of the texture's side
TURNED = 0.3  # render-frame units that opposite sides of a sheet count as apart


@dataclass(frozen=True)
class Repaint:
    """What the sender of a mesh asks to be painted anew.

    uv: (K, 3, 2) float64, the triangles of the chosen faces on the map, v up.
    old: (H, W, 4) uint8, the picture as it was, row 0 on top; None if there was none.
    weight: (K, 3) in [0, 1], how much each corner is to be painted; None: fully.
    """

    uv: np.ndarray
    old: np.ndarray | None = None
    weight: np.ndarray | None = None

    def check(self, size: int | tuple[int, int]) -> None:
        """Raises InputError unless something is chosen and the old picture has `size` texels."""
        if not len(self.uv):
            raise Refused.repaint_none(
                f"no {about('face')} is selected", "select faces, or paint all of them"
            )
        if self.old is not None:
            check_size(self.old, size)

    def apply(self, image: np.ndarray, surface: Surface) -> np.ndarray:
        """The old picture with the chosen faces' texels from `image`: (H, W, 3), or (H, W, 4) if it is see-through.

        image: (H, W, 3) uint8, row 0 on top, made on `surface`'s UVs.  Padding goes with the nearest face.
        A texel that chosen and other faces share is painted.  Raises InputError as `check` does.
        """
        size: tuple[int, int] = image.shape[:2]
        self.check(size)
        chosen = self.mask(surface, size) > 0
        old = np.full((*size, 4), UNPAINTED, np.uint8) if self.old is None else self.old
        new = np.concatenate([image, np.full_like(image[..., :1], 255)], axis=-1)
        mixed = np.where(chosen[..., None], new, old)
        return mixed if (mixed[..., 3] < 255).any() else np.ascontiguousarray(mixed[..., :3])

    def mask(self, surface: Surface, size: int | tuple[int, int]) -> np.ndarray:
        """(H, W) float32 in [0, 1]: texels of the chosen faces, and the padding that is nearest to them."""
        shift = np.floor(np.median(self.uv.reshape(-1, 2), axis=0)) if _outside(self.uv) else 0.0
        corners = (self.uv - shift).reshape(-1, 2)
        return spread_mask(corners, np.arange(len(corners)).reshape(-1, 3), self.weight, surface, size)


def check_size(old: np.ndarray, size: int | tuple[int, int]) -> None:
    """Raises InputError unless an old picture has `size` texels, (height, width) or both: only then can they stay."""
    height, width = old.shape[:2]
    high, wide = both(size)
    if (height, width) != (high, wide):
        raise Refused.repaint_size(
            f"the {about('old picture')} has {got(width)} x {height} texels, the new one {wide} x {high}",
            f"use {option('texture_size', width if width == height else f'{width}x{height}')}",
        )


def spread_mask(
    uv: np.ndarray,
    uv_faces: np.ndarray,
    weight: np.ndarray | None,
    surface: Surface,
    size: int | tuple[int, int],
) -> np.ndarray:
    """(H, W) float32: how much is painted under each texel of these triangles, 0 under all others.

    weight: (K, 3) of each corner; None: 1.  Padding goes with the nearest face of the surface, or of these.
    """
    face, bary = uv_texels(uv, uv_faces, size)
    inside = face >= 0
    painted = inside.astype(np.float32)
    if weight is not None:
        painted[inside] = (bary[inside] * weight[face[inside]]).sum(axis=1)
    covered = (uv_texels(surface.uv, surface.uv_faces, size)[0] >= 0) | inside
    row, column = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    spread: np.ndarray = painted[row, column]
    return spread


@dataclass(frozen=True)
class Patch:
    """A part of a texture that is painted anew.

    old: (H, W, 3) uint8, row 0 on top.  share: (H, W) float32 in [0, 1], how much of each texel is new; exactly 0
    outside of the part, and rising from its border inwards.
    """

    old: np.ndarray
    share: np.ndarray

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The old texture with the part from `image`; (H, W, 3) uint8."""
        share = self.share[..., None]
        mixed = (self.old * (1 - share) + image * share).round().astype(np.uint8)
        return np.where(share > 0, mixed, self.old)


def patch(old: np.ndarray, mask: np.ndarray, surface: Surface, feather: int | None) -> Patch:
    """The part that a mask (H, W) in [0, 1] chooses, with an edge of `feather` texels inside its border.

    The edge is measured on the surface, so it goes on over the seams of the map and not into what only lies beside.
    Raises InputError if no covered texel is chosen, or all are.
    """
    size: tuple[int, int] = mask.shape
    face, bary = uv_texels(surface.uv, surface.uv_faces, size)
    covered = face >= 0
    chosen = mask[covered] > 0
    if not chosen.any():
        raise Refused.mask_empty(
            f"the {about('part to repaint')} is empty: no texel of the mesh is in it",
            "choose more of it; in a picture, white is painted",
        )
    if (mask[covered] >= 1).all():
        raise Refused.mask_full(
            f"the {about('part to repaint')} is all of the mesh",
            f"leave {option('repaint')} out, or choose less",
        )
    wide = round(max(size) * FEATHER) if feather is None else feather
    share = np.zeros(size, np.float32)
    share[covered] = mask[covered]
    if wide and not chosen.all():
        share[covered] *= _rise(surface, face[covered], bary[covered], chosen, size, wide)
    row, column = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return Patch(old, share[row, column])


def _rise(
    surface: Surface,
    face: np.ndarray,
    bary: np.ndarray,
    chosen: np.ndarray,
    size: tuple[int, int],
    feather: int,
) -> np.ndarray:
    """(M,) from 0 at the nearest place that is not chosen to 1 at `feather` texels from it, smoothly."""
    point, normal = (
        np.einsum("mk,mkd->md", bary, values[surface.faces[face]])
        for values in (surface.vertices, surface.normals)
    )
    place = np.concatenate([point, TURNED * normal], axis=1).astype(np.float32)
    corners, flat = surface.vertices[surface.faces], surface.uv[surface.uv_faces]
    texel = np.sqrt(areas(corners).sum() / max(areas(flat).sum() * size[0] * size[1], 1e-12))
    reach = feather * texel
    gap, _ = cKDTree(place[~chosen]).query(place[chosen], distance_upper_bound=2 * reach, workers=-1)
    along = np.clip((gap - texel / 2) / reach, 0, 1)
    rise = np.ones(len(face), np.float32)
    rise[chosen] = np.maximum(along * along * (3 - 2 * along), 1e-3)
    return rise


def _outside(uv: np.ndarray) -> bool:
    """Whether the triangles lie in another tile than the unit square; the painted surface was moved into it."""
    return bool(uv.max() > 1 + 1e-4 or uv.min() < -1e-4)
