"""From decoded views to the final texture: blend, fill what nobody saw, pad between islands.

All of it is geometry, so it is compiled once (`bake_tables`) and applied to as many sets of pictures as wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from .pixels import Pixels, Sights, look, project, visible
from .texels import both, uv_texels
from .tiles import some
from .types import Surface

CHUNK = 400_000  # texels at once; (views, texels, 3) floats stay near 50 MB


@dataclass(frozen=True)
class Texture:
    """image: (H, W, 3) uint8, row 0 on top (v = 1).  covered: (H, W) bool, texels whose centre a face covers.
    seen: (H, W) bool, those of them that some view painted; the others were filled.
    area: (H, W) float, surface area per texel in render-frame units squared, 0 where none.
    Where the surface has `Squares`, all of these are rows of pictures."""

    image: np.ndarray
    covered: np.ndarray
    seen: np.ndarray
    area: np.ndarray


Sight = tuple[Tensor, Tensor, Tensor]
"""What one view sees of M texels: which (m,), grid coordinates (m, 2) for `grid_sample`, weight (m,), float32."""


class Sum:
    """The weighted sum of what views say about M texels."""

    def __init__(self, count: int):
        self.colour, self.total = torch.zeros(count, 3), torch.zeros(count, 1)

    def add(self, image: Tensor, which: Tensor, grid: Tensor, weight: Tensor) -> None:
        """One view.  image: (3, s, s).  The rest: see `Sight`."""
        sample = functional.grid_sample(image[None], grid[None, None], align_corners=False)[0, :, 0].T
        self.colour.index_add_(0, which, weight[:, None] * sample)
        self.total.index_add_(0, which, weight[:, None])

    def mean(self) -> Tensor:
        """(M, 3), 0 where no view has said anything."""
        return self.colour / self.total.clamp(min=1e-12)

    @property
    def seen(self) -> Tensor:
        """(M,) bool."""
        return self.total[:, 0] > 0


@dataclass(frozen=True)
class Texels:
    """The M covered texels of a map, by row from the top.

    shape: (height, width) of the picture.  unit: of one unit square.  texel: (M,) flat index.
    face: (M,).  point, normal: (M, 3) float64 on the surface.
    """

    shape: tuple[int, int]
    unit: tuple[int, int]
    texel: np.ndarray
    face: np.ndarray
    point: np.ndarray
    normal: np.ndarray


@dataclass(frozen=True)
class BakeTables:
    """Static lookups of one surface, one set of views and one texture size.

    texel: (M,) flat indices of covered texels.  sights: per view (which of the M, grid coordinates (m, 2) for
    `grid_sample`, weight (m,)), float32.  seen: (M,) bool, which of the M some view sees; `fill` colours the others.
    shape: (H, W).  nearest: (H, W) flat index of the covered texel to copy.
    """

    shape: tuple[int, int]
    texel: np.ndarray
    sights: list[tuple[Tensor, Tensor, Tensor]]
    seen: np.ndarray
    fill: Fill
    nearest: np.ndarray
    area: np.ndarray

    def apply(self, images: Iterable[Tensor]) -> Texture:
        """Bake pictures.  images: N of (3, s, s) in [0, 1], one per view, each of any resolution."""
        sum = Sum(len(self.texel))
        for image, sight in zip(images, self.sights, strict=True):
            sum.add(image.float().cpu(), *sight)
        painted = self.fill(sum.mean().numpy())
        check_finite(painted, "baking the texture", "report it with the mesh")
        count = self.shape[0] * self.shape[1]
        canvas = np.zeros((count, 3), np.float32)
        canvas[self.texel] = painted
        image = (canvas[self.nearest] * 255).round().clip(0, 255).astype(np.uint8)
        covered = np.zeros(count, bool)
        covered[self.texel] = True
        seen = covered.copy()
        seen[self.texel] = self.seen
        return Texture(image, covered.reshape(self.shape), seen.reshape(self.shape), self.area)


def bake(surface: Surface, pixels: Pixels, images: Tensor, size: int | tuple[int, int] = 1024) -> Texture:
    """One-off `bake_tables(...).apply(images)`."""
    return bake_tables(surface, pixels, size).apply(images)


def bake_tables(
    surface: Surface,
    pixels: Pixels,
    size: int | tuple[int, int] = 1024,
    *,
    exponent: float = 6.0,
    cutoff_deg: float = 80.0,
    rim: float = 6.0,
    on_chunk: Callable[[int], None] = lambda done: None,
    known: Tensor | None = None,
) -> BakeTables:
    """Compile the lookups from views to a texture of `size` texels, (height, width) or both, for each unit square.

    exponent: views are weighed by cos(normal, line of sight)^exponent; 6 as in SyncTweedies' final bake.
    cutoff_deg: steeper sights do not count.  rim: pixels (of 256) beside the silhouette over which a view's weight
    falls to nothing, since decoded pictures mix in the backdrop there; the last 1.5 pixels never count.
    known: (N, S, S) bool, the pixels of the views that show anything; None: all.
    on_chunk: told how many of at most `chunks(size, across)` parts have been looked up; what it raises ends the work.
    Raises InputError if the map covers no texel or no view sees any of the surface.
    """
    texels = texels_of(surface, size, owners(surface, pixels))
    found = sights(
        pixels, texels, exponent=exponent, cutoff_deg=cutoff_deg, rim=rim, on_chunk=on_chunk, known=known
    )
    seen = np.zeros(len(texels.texel), bool)
    for which, _, _ in found:
        seen[which.numpy()] = True
    nearest = nearest_texel(texels.texel, texels.shape, surface.across)
    area = _area(surface, texels.face, texels.texel, texels.unit)
    where = texels.shape, texels.unit, texels.texel, texels.face, texels.point, texels.normal
    places = Places(*where, area.ravel()[texels.texel], nearest)
    return BakeTables(texels.shape, texels.texel, found, seen, fill(surface, places, seen), nearest, area)


def texels_of(surface: Surface, size: int | tuple[int, int], height: np.ndarray | None = None) -> Texels:
    """Where every texel of a map lies on the surface.  size: see `bake_tables`.  height: see `uv_texels`.

    Raises InputError if the map covers no texel.
    """
    unit, corners = both(size), surface.flat
    numbers = np.arange(3 * len(corners)).reshape(-1, 3)
    face, bary = uv_texels(corners.reshape(-1, 2), numbers, unit, height, surface.across)
    shape = face.shape[0], face.shape[1]
    texel = np.flatnonzero(face.ravel() >= 0)
    if not len(texel):
        raise Refused.uvs_room(
            f"the {about('UV map')} covers none of {got(unit[1])} x {unit[0]} texels",
            f"raise {option('texture_size')} or use {option('uvs', 'unwrap')}",
        )
    face, bary = face.ravel()[texel], bary.reshape(-1, 3)[texel]
    point, normal = (
        np.einsum("mk,mkd->md", bary, values[surface.faces[face]])
        for values in (surface.vertices, surface.normals)
    )
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-12)
    return Texels(shape, unit, texel, face, point, normal)


def unseen(
    surface: Surface, cameras: Sequence[Camera], size: int | tuple[int, int], view_size: int = 512
) -> np.ndarray:
    """(H, W) bool: the texels of a surface that no camera sees, at view_size pixels a side."""
    tables = bake_tables(surface, look(surface, cameras, view_size), size)
    hidden = np.zeros(tables.nearest.size, bool)
    hidden[tables.texel] = ~tables.seen
    return hidden.reshape(tables.shape)


def owners(surface: Surface, pixels: Pixels) -> np.ndarray:
    """`height` for `uv_texels`: a texel that several islands share belongs to the one that the views see best."""
    shown = pixels.mask.cpu()
    face, facing = pixels.face.cpu()[shown].numpy(), pixels.facing.cpu()[shown].double().numpy()
    worth = np.bincount(face, facing, minlength=len(surface.faces))
    return heights(surface.island, worth, surface.vertices[surface.faces])


def chunks(size: int | tuple[int, int], across: int = 1) -> int:
    """Parts in which `bake_tables` looks up so many texels, if the map covers all of them."""
    return math.ceil(math.prod(both(size)) * across / CHUNK)


def sights(
    pixels: Pixels,
    texels: Texels,
    *,
    exponent: float = 6.0,
    cutoff_deg: float = 80.0,
    rim: float = 6.0,
    on_chunk: Callable[[int], None] = lambda done: None,
    known: Tensor | None = None,
) -> list[Sight]:
    """Per view: which texels it sees, where, and its blend weight; options as in `bake_tables`."""
    face, point, normal = texels.face, texels.point, texels.normal
    limit = math.cos(math.radians(cutoff_deg))
    depths = pixels.depth.cpu()
    depths = depths if known is None else torch.where(known, depths, torch.inf)
    edge = torch.stack([_rim_distance(depth) for depth in depths])[:, None]
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
    return [
        (torch.cat(a), torch.cat(b), torch.cat(c))
        for a, b, c in (zip(*parts, strict=True) for parts in found)
    ]


def pixel_weights(
    pixels: Sights, *, exponent: float = 6.0, cutoff_deg: float = 80.0, rim: float = 6.0
) -> Tensor:
    """(N, S, S): how much every pixel of every view counts, 0 on background; options as in `bake_tables`."""
    edge = torch.stack([_rim_distance(depth) for depth in pixels.depth.cpu()])
    facing, soft = pixels.facing.cpu(), max(rim * pixels.size / 256, 2.0)
    weight = facing**exponent * (edge / soft).clamp(max=1) ** 4
    return torch.where((facing >= math.cos(math.radians(cutoff_deg))) & (edge >= 1.5), weight, 0.0)


def sights_of_tiles(pixels: Pixels, texels: Texels) -> Iterator[Sight]:
    """As `sights`, one view after the other, of cameras that show a small part: only what falls on it is looked at."""
    for view in range(len(pixels.cameras)):
        own = some(pixels, [view])
        inside = _inside(own, texels)
        part = Texels(
            texels.shape,
            texels.unit,
            *(table[inside] for table in (texels.texel, texels.face, texels.point, texels.normal)),
        )
        if len(inside):
            which, grid, weight = sights(own, part)[0]
            yield torch.as_tensor(inside)[which], grid, weight
        else:
            yield torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2), torch.zeros(0)


def _inside(pixels: Pixels, texels: Texels) -> np.ndarray:
    """Which texels fall on a view's picture, hidden or not."""
    near = np.flatnonzero(_touching(pixels)[texels.face])
    found = [near[:0]]
    for start in range(0, len(near), CHUNK):
        part = near[start : start + CHUNK]
        where = project(
            pixels.cameras, torch.as_tensor(texels.point[part], dtype=torch.float32), pixels.size
        )[0]
        on = ((where[:, :2] >= 0) & (where[:, :2] < pixels.size)).all(dim=1) & (where[:, 2] > 0)
        found.append(part[on.numpy()])
    return np.concatenate(found)


def _touching(pixels: Pixels) -> np.ndarray:
    """(F,) bool: faces whose corners' box touches a view's picture, within a pixel, so that texels of others are left
    alone: of a large texture a tile shows few.  One that reaches behind the camera has no box, and counts."""
    surface = pixels.surface
    where = project(pixels.cameras, torch.as_tensor(surface.vertices, dtype=torch.float32), pixels.size)[0]
    corners = where.numpy()[surface.faces]
    low, high = corners.min(axis=1), corners.max(axis=1)
    box = ((high[:, :2] >= -1) & (low[:, :2] <= pixels.size + 1)).all(axis=1)
    touching: np.ndarray = (high[:, 2] > 0) & (box | (low[:, 2] <= 0))
    return touching


def _rim_distance(depth: Tensor, jump: float = 0.08) -> Tensor:
    """Pixels (S, S) to the nearest background, to the nearest step in depth or to the frame, beyond which a model has
    not seen how it goes on."""
    filled = torch.where(torch.isfinite(depth), depth, 1e3)[None, None]
    step = functional.max_pool2d(filled, 3, 1, 1) - filled > jump
    behind = functional.max_pool2d(-filled, 3, 1, 1) + filled > jump
    background = torch.from_numpy(distance_transform_edt(torch.isfinite(depth).numpy()))
    border = torch.from_numpy(distance_transform_edt(~(step | behind)[0, 0].numpy()))
    along = torch.arange(len(depth)) + 0.5
    frame = torch.minimum(along, len(depth) - along)
    return torch.minimum(
        torch.minimum(background, border + 0.5), torch.minimum(frame, frame[:, None])
    ).float()


def nearest_texel(texel: np.ndarray, shape: tuple[int, int], across: int = 1) -> np.ndarray:
    """(H, W) for every texel the nearest covered one of its picture, so that mip-maps and bilinear lookups find colour.

    A picture without any takes the nearest of all.
    """
    empty = np.ones(shape[0] * shape[1], bool)
    empty[texel] = False
    empty = empty.reshape(shape)
    wide = shape[1] // across
    found = np.zeros(shape, np.int64)
    for start in range(0, shape[1], wide):
        own = slice(start, start + wide)
        whole = bool(empty[:, own].all())
        row, column = distance_transform_edt(
            empty if whole else empty[:, own], return_distances=False, return_indices=True
        )
        number = row * shape[1] + column + (0 if whole else start)
        found[:, own] = number[:, own] if whole else number
    return found


def _area(surface: Surface, face: np.ndarray, texel: np.ndarray, unit: tuple[int, int]) -> np.ndarray:
    room = areas(surface.flat) * unit[0] * unit[1]
    result = np.zeros(unit[0] * unit[1] * surface.across)
    result[texel] = (areas(surface.vertices[surface.faces]) / room.clip(1e-12))[face]
    return result.reshape(unit[0], -1)
