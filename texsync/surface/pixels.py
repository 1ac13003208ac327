"""What every pixel of every view sees: the one table that projection, back-projection and conditions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .cameras import Camera, to_pytorch3d
from .faces import face_normals
from .raster import rasterize
from .types import Surface


@dataclass(frozen=True, kw_only=True)
class Sights:
    """N views of any geometry, S x S pixels each: points with normals.

    position, normal: (N, S, S, 3) render frame; the normal is unit and turned to the camera.
    depth: (N, S, S) view-space z in render-frame units, inf on background.
    facing: (N, S, S) in [0, 1], cosine between normal and line of sight, 0 on background.
    behind: (N, S, S) bool, True where the inner side shows; None: of this geometry nobody knows which side is inner.
    spread: (N, S, S), how far along the line of sight what a pixel shows reaches behind its depth; None: nowhere.
    """

    cameras: tuple[Camera, ...]
    position: Tensor
    normal: Tensor
    depth: Tensor
    facing: Tensor
    behind: Tensor | None = None
    spread: Tensor | None = None

    @property
    def mask(self) -> Tensor:
        """(N, S, S) bool, True on the object."""
        return torch.isfinite(self.depth)

    @property
    def size(self) -> int:
        """Pixels along one side."""
        return self.depth.shape[-1]

    @property
    def number(self) -> Tensor:
        """(N, S, S) int64, which face or point each pixel shows, -1 on background."""
        raise NotImplementedError

    @property
    def facet(self) -> Tensor:
        """(N, S, S, 3) the normal without smoothing, turned to the camera, 0 on background."""
        return torch.where(self.mask[..., None], self.normal, 0.0)

    def connected(self, numbers: Tensor, hit: Any) -> Tensor:
        """Whether what pixels show is of one piece with what `numbers` are.  hit: index of those pixels, (N, M)."""
        return self.number[hit] == numbers


@dataclass(frozen=True, kw_only=True)
class Pixels(Sights):
    """N views of a surface.

    face: (N, S, S) int64, -1 on background.  bary: (N, S, S, 3).  A normal is turned to the camera's side of its
    triangle, so winding does not matter.
    uv: (N, S, S, 2) on the row of pictures, see `Surface.flat`.
    behind: True where the surface shows its inner side: a sheet seen from behind.
    """

    surface: Surface
    face: Tensor
    bary: Tensor
    uv: Tensor
    behind: Tensor

    @property
    def mask(self) -> Tensor:
        return self.face >= 0

    @property
    def number(self) -> Tensor:
        return self.face

    @property
    def facet(self) -> Tensor:
        flat = torch.as_tensor(face_normals(self.surface.vertices, self.surface.faces), dtype=torch.float32)
        flat = functional.normalize(flat, dim=-1).to(self.normal.device)
        shown = flat[self.face.clamp(min=0)]
        shown = torch.where((shown * self.normal).sum(-1, keepdim=True) < 0, -shown, shown)
        return torch.where(self.mask[..., None], shown, 0.0)

    def connected(self, numbers: Tensor, hit: Any) -> Tensor:
        piece = torch.as_tensor(self.surface.piece, device=numbers.device)
        return piece[self.face[hit].clamp(min=0)] == piece[numbers]


def look(surface: Surface, cameras: Sequence[Camera], size: int, device: str = "cpu") -> Pixels:
    """Rasterise the surface from every camera.  size: pixels along one side."""
    batch = to_pytorch3d(cameras, device)
    outward = outward_normals(surface)
    fragments = rasterize(surface.vertices, surface.faces, batch, size, device, outward)
    face, bary = fragments.pix_to_face[..., 0], fragments.bary_coords[..., 0, :]
    hit = face >= 0
    bary = torch.where(hit[..., None], bary, 0.0)

    def interpolate(corners: np.ndarray) -> Tensor:
        table = torch.as_tensor(corners, dtype=torch.float32, device=face.device)
        return torch.einsum("nijk,nijkd->nijd", bary, table[face.clamp(min=0)])

    position = interpolate(surface.vertices[surface.faces])
    to_camera = functional.normalize(camera_positions(cameras, position) - position, dim=-1)
    normal = functional.normalize(interpolate(surface.normals[surface.faces]), dim=-1)
    side = torch.as_tensor(outward, dtype=torch.float32, device=face.device)
    behind = hit & ((side[face.clamp(min=0)] * to_camera).sum(-1) < 0)
    normal = torch.where(behind[..., None], -normal, normal)
    return Pixels(
        surface=surface,
        cameras=tuple(cameras),
        face=face,
        bary=bary,
        position=position,
        normal=normal,
        uv=interpolate(surface.flat),
        depth=torch.where(hit, fragments.zbuf[..., 0], torch.inf),
        facing=torch.where(hit, (normal * to_camera).sum(-1).clamp(0, 1), 0.0),
        behind=behind,
    )


def camera_positions(cameras: Sequence[Camera], like: Tensor) -> Tensor:
    """(N, 1, ..., 1, 3) camera centres that broadcast against (N, ..., 3)."""
    centres = torch.as_tensor(np.stack([c.position for c in cameras]), dtype=like.dtype, device=like.device)
    return centres.view(len(centres), *[1] * (like.ndim - 2), 3)


def outward_normals(surface: Surface) -> np.ndarray:
    """(F, 3), twice the area long: normal to each triangle, on the side to which its smooth normals point."""
    # the mean of the corner normals, not the winding: it stays right when only the winding is wrong
    mean = surface.normals[surface.faces].mean(axis=1)
    flat = face_normals(surface.vertices, surface.faces)
    return np.where((mean * flat).sum(axis=1, keepdims=True) < 0, -flat, flat)


def depth_condition(pixels: Sights, floor: float = 0.2) -> Tensor:
    """The picture a depth ControlNet reads: (N, 3, S, S) in [0, 1].

    Inverse depth, stretched per view: nearest point 1, farthest point of the object `floor`, background 0.
    The reference stretches to 0, where the far side of an object melts into the background; a floor keeps
    the silhouette.  A view of a plate at one depth, or of nothing, is guarded (1 and 0).
    """
    inverse = 1.0 / pixels.depth
    flat = inverse.flatten(1)
    high = flat.amax(1)[:, None, None]
    low = torch.where(pixels.mask.flatten(1), flat, torch.inf).amin(1)[:, None, None]
    span = high - low
    stretched = torch.where(span > 1e-6, (inverse - low) / span.clamp(min=1e-6), 1.0)
    picture = torch.where(pixels.mask, floor + (1 - floor) * stretched, 0.0)
    return picture[:, None].expand(-1, 3, -1, -1).contiguous()


def project(cameras: Sequence[Camera], points: Tensor, size: int) -> Tensor:
    """Where points fall in each view.

    points: (M, 3) or (N, M, 3).  Returns (N, M, 3): column and row in pixels (the centre of the first pixel is
    0.5, 0.5) and view-space z.
    """
    batch = to_pytorch3d(cameras, str(points.device))
    if points.ndim == 2:
        points = points[None].expand(len(cameras), -1, -1)
    z = batch.get_world_to_view_transform().transform_points(points)[..., 2:]
    ndc = batch.transform_points_ndc(points)[..., :2]
    return torch.cat([(1.0 - ndc) * (size / 2.0), z], dim=-1)


def shows_piece_of(pixels: Sights, numbers: Tensor, where: Tensor) -> Tensor:
    """(N, M) bool: whether the pixel that a point falls on shows the connected piece that the point is of.

    numbers: (M,) the faces that the points lie on, or the points themselves.  where: (N, M, 3), as `project` gives it.
    """
    view = torch.arange(len(where), device=where.device)[:, None]
    column, row = (where[..., k].floor().long().clamp(0, pixels.size - 1) for k in (0, 1))
    return pixels.connected(numbers, (view, row, column))


def visible(
    pixels: Sights, points: Tensor, normals: Tensor, faces: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Which surface points each view sees, by a depth test.

    points: (M, 3).  normals: (M, 3), the surface's own, outward: where a view looks at the outer side of the
    surface it does not see a point whose normal points away, however near it lies behind, and the other way round.
    faces: (M,) the face that each point lies on, or its own number; with it, a point is seen from its inner side only
    where the pixel shows the piece of surface that it is on, a sheet from behind, and not another one close by.
    Returns seen (N, M) bool, facing (N, M) in [0, 1] and where (N, M, 3) as `project` gives it.
    The tolerance is what depth can change within one pixel on a surface of that slope, and the pixel's spread.
    """
    where = project(pixels.cameras, points, pixels.size)
    to_camera = functional.normalize(camera_positions(pixels.cameras, points[None]) - points[None], dim=-1)
    towards = (normals[None] * to_camera).sum(-1)
    facing = towards.abs().clamp(0, 1)
    column, row = (where[..., k].floor().long() for k in (0, 1))
    inside = (column >= 0) & (column < pixels.size) & (row >= 0) & (row < pixels.size) & (where[..., 2] > 0)
    limit = pixels.size - 1
    view = torch.arange(len(pixels.cameras), device=points.device)[:, None]
    hit = view, row.clamp(0, limit), column.clamp(0, limit)
    nearest = pixels.depth[hit]
    slope = (1 - facing**2).sqrt() / facing.clamp(min=0.1)
    extent = torch.tensor([camera.extent for camera in pixels.cameras], device=points.device)[:, None]
    footprint = where[..., 2] * extent / pixels.size
    behind = footprint * (0.5 + slope) + (0.0 if pixels.spread is None else pixels.spread[hit])
    near = where[..., 2] <= nearest + behind
    if pixels.behind is not None:
        near &= (towards < 0) == pixels.behind[hit]
    if faces is not None:
        near &= shows_piece_of(pixels, faces, where) | (towards >= 0)
    return inside & torch.isfinite(nearest) & near, facing, where
