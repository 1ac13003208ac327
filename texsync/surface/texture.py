"""From decoded views to the final texture: blend, fill what nobody saw, pad between islands.

All of it is geometry, so it is compiled once (`bake_tables`) and applied to as many sets of pictures as wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from ..errors import Refused, about, check_finite, got, option
from .cameras import Camera
from .faces import areas
from .fill import Fill, Places, fill
from .islands import heights
from .pixels import Pixels, look, visible
from .texels import uv_texels
from .types import Surface

CHUNK = 400_000  # texels at once; (views, texels, 3) floats stay near 50 MB


@dataclass(frozen=True)
class Texture:
    """image: (S, S, 3) uint8, row 0 on top (v = 1).  covered: (S, S) bool, texels whose centre a face covers.
    seen: (S, S) bool, those of them that some view painted; the others were filled.
    area: (S, S) float, surface area per texel in render-frame units squared, 0 where none."""

    image: np.ndarray
    covered: np.ndarray
    seen: np.ndarray
    area: np.ndarray


@dataclass(frozen=True)
class BakeTables:
    """Static lookups of one surface, one set of views and one texture size (S).

    texel: (M,) flat indices of covered texels.  sights: per view (which of the M, grid coordinates (m, 2) for
    `grid_sample`, weight (m,)), float32.  seen: (M,) bool, which of the M some view sees; `fill` colours the others.
    nearest: (S, S) flat index of the covered texel to copy.
    """

    size: int
    texel: np.ndarray
    sights: list[tuple[Tensor, Tensor, Tensor]]
    seen: np.ndarray
    fill: Fill
    nearest: np.ndarray
    area: np.ndarray

    def apply(self, images: Tensor) -> Texture:
        """Bake pictures.  images: (N, 3, s, s) in [0, 1], one per view, of any resolution."""
        colour = torch.zeros(len(self.texel), 3)
        total = torch.zeros(len(self.texel), 1)
        for image, (which, grid, weight) in zip(images.float().cpu(), self.sights, strict=True):
            sample = functional.grid_sample(image[None], grid[None, None], align_corners=False)[0, :, 0].T
            colour.index_add_(0, which, weight[:, None] * sample)
            total.index_add_(0, which, weight[:, None])
        painted = self.fill((colour / total.clamp(min=1e-12)).numpy())
        check_finite(painted, "baking the texture", "report it with the mesh")
        canvas = np.zeros((self.size * self.size, 3), np.float32)
        canvas[self.texel] = painted
        image = (canvas[self.nearest] * 255).round().clip(0, 255).astype(np.uint8)
        covered = np.zeros(self.size * self.size, bool)
        covered[self.texel] = True
        seen = covered.copy()
        seen[self.texel] = self.seen
        shape = (self.size, self.size)
        return Texture(image, covered.reshape(shape), seen.reshape(shape), self.area)


def bake(surface: Surface, pixels: Pixels, images: Tensor, size: int = 1024) -> Texture:
    """One-off `bake_tables(...).apply(images)`."""
    return bake_tables(surface, pixels, size).apply(images)


def bake_tables(
    surface: Surface,
    pixels: Pixels,
    size: int = 1024,
    *,
    exponent: float = 6.0,
    cutoff_deg: float = 80.0,
    rim: float = 6.0,
    on_chunk: Callable[[int], None] = lambda done: None,
) -> BakeTables:
    """Compile the lookups from views to a texture of size x size texels.

    exponent: views are weighed by cos(normal, line of sight)^exponent; 6 as in SyncTweedies' final bake.
    cutoff_deg: steeper sights do not count.  rim: pixels (of 256) beside the silhouette over which a view's weight
    falls to nothing, since decoded pictures mix in the backdrop there; the last 1.5 pixels never count.
    on_chunk: told how many of at most `chunks(size)` parts have been looked up; what it raises ends the work.
    Raises InputError if the map covers no texel or no view sees any of the surface.
    """
    face, bary = uv_texels(surface.uv, surface.uv_faces, size, owners(surface, pixels))
    texel = np.flatnonzero(face.ravel() >= 0)
    if not len(texel):
        raise Refused.uvs_room(
            f"the {about('UV map')} covers none of {got(size)} x {size} texels",
            f"raise {option('texture_size')} or use {option('uvs', 'unwrap')}",
        )
    face, bary = face.ravel()[texel], bary.reshape(-1, 3)[texel]
    point, normal = (
        np.einsum("mk,mkd->md", bary, values[surface.faces[face]])
        for values in (surface.vertices, surface.normals)
    )
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-12)
    sights = _sights(pixels, face, point, normal, exponent, math.cos(math.radians(cutoff_deg)), rim, on_chunk)
    seen = np.zeros(len(texel), bool)
    for which, _, _ in sights:
        seen[which.numpy()] = True
    nearest, area = _nearest(texel, size), _area(surface, face, texel, size)
    places = Places(size, texel, face, point, normal, area.ravel()[texel], nearest)
    return BakeTables(size, texel, sights, seen, fill(surface, places, seen), nearest, area)


def unseen(surface: Surface, cameras: Sequence[Camera], size: int, view_size: int = 512) -> np.ndarray:
    """(size, size) bool: the texels of a surface that no camera sees, at view_size pixels a side."""
    tables = bake_tables(surface, look(surface, cameras, view_size), size)
    hidden = np.zeros(size * size, bool)
    hidden[tables.texel] = ~tables.seen
    return hidden.reshape(size, size)


def owners(surface: Surface, pixels: Pixels) -> np.ndarray:
    """`height` for `uv_texels`: a texel that several islands share belongs to the one that the views see best."""
    shown = pixels.mask.cpu()
    face, facing = pixels.face.cpu()[shown].numpy(), pixels.facing.cpu()[shown].double().numpy()
    worth = np.bincount(face, facing, minlength=len(surface.faces))
    return heights(surface.island, worth, surface.vertices[surface.faces])


def chunks(size: int) -> int:
    """Parts in which `bake_tables` looks up a texture of size x size texels, if the map covers all of it."""
    return math.ceil(size * size / CHUNK)


def _sights(
    pixels: Pixels,
    face: np.ndarray,
    point: np.ndarray,
    normal: np.ndarray,
    exponent: float,
    limit: float,
    rim: float,
    on_chunk: Callable[[int], None],
):
    """Per view: which points it sees, where, and its blend weight."""
    edge = torch.stack([_rim_distance(depth) for depth in pixels.depth.cpu()])[:, None]
    safe, soft = 1.5, max(rim * pixels.size / 256, 2.0)
    device = pixels.depth.device
    found: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in pixels.cameras]
    for start in range(0, len(point), CHUNK):
        part = slice(start, start + CHUNK)
        points, normals = (
            torch.as_tensor(a[part], dtype=torch.float32, device=device) for a in (point, normal)
        )
        faces = torch.as_tensor(face[part], device=device)
        seen, facing, where = (tensor.cpu() for tensor in visible(pixels, points, normals, faces))
        grid = where[..., :2] / pixels.size * 2 - 1
        for view in range(len(found)):
            distance = functional.grid_sample(edge[view][None], grid[view][None, None], align_corners=False)[
                0, 0, 0
            ]
            good = seen[view] & (facing[view] >= limit) & (distance >= safe)
            (which,) = torch.nonzero(good, as_tuple=True)
            weight = facing[view, which] ** exponent * (distance[which] / soft).clamp(max=1) ** 4
            found[view].append((which + start, grid[view, which], weight))
        on_chunk(start // CHUNK + 1)
    return [tuple(torch.cat(column) for column in zip(*parts, strict=True)) for parts in found]


def _rim_distance(depth: Tensor, jump: float = 0.08) -> Tensor:
    """Pixels (S, S) to the nearest background or to the nearest step in depth."""
    filled = torch.where(torch.isfinite(depth), depth, 1e3)[None, None]
    step = functional.max_pool2d(filled, 3, 1, 1) - filled > jump
    behind = functional.max_pool2d(-filled, 3, 1, 1) + filled > jump
    background = torch.from_numpy(distance_transform_edt(torch.isfinite(depth).numpy()))
    border = torch.from_numpy(distance_transform_edt(~(step | behind)[0, 0].numpy()))
    return torch.minimum(background, border + 0.5).float()


def _nearest(texel: np.ndarray, size: int) -> np.ndarray:
    """(S, S) for every texel the nearest covered one: padding that mip-maps and bilinear lookups can reach into."""
    empty = np.ones(size * size, bool)
    empty[texel] = False
    row, column = distance_transform_edt(
        empty.reshape(size, size), return_distances=False, return_indices=True
    )
    return row * size + column


def _area(surface: Surface, face: np.ndarray, texel: np.ndarray, size: int) -> np.ndarray:
    corners, flat = surface.vertices[surface.faces], surface.uv[surface.uv_faces]
    room = areas(flat) * size * size
    result = np.zeros(size * size)
    result[texel] = (areas(corners) / room.clip(1e-12))[face]
    return result.reshape(size, size)
