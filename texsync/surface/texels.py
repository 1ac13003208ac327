"""What lies under the texels of a map, found by rays from above."""

from __future__ import annotations

import numpy as np

RAYS = 2**20  # when counting what shares a place


def covered_share(uv: np.ndarray, uv_faces: np.ndarray, size: int = 512) -> float:
    """Share of the unit square that faces cover, each place counted once."""
    return float((uv_texels(uv, uv_faces, size)[0] >= 0).mean())


def parts_sharing(uv: np.ndarray, uv_faces: np.ndarray, part: np.ndarray, size: int = 512) -> float:
    """How many parts a covered place of the unit square belongs to on average; 1 where they keep apart.

    Every part is laid out in a tile of its own and looked at within its bounds, so the cost does not grow with parts.
    """
    numbers, which = np.unique(part, return_inverse=True)
    if len(numbers) < 2:
        return 1.0
    corners = uv[uv_faces]
    low, high = (np.full((len(numbers), 2), side) for side in (1.0, 0.0))
    np.minimum.at(low, which, corners.min(axis=1).clip(0, 1))
    np.maximum.at(high, which, corners.max(axis=1).clip(0, 1))
    # coarser where many parts are large, so that the rays stay few
    size = int(min(size, max(32, np.sqrt(RAYS / np.prod(high - low, axis=1).clip(1e-6).sum()))))
    first, last = np.ceil(low * size - 0.5).astype(int), np.floor(high * size - 0.5).astype(int)
    cells = (last - first + 1).clip(0)
    count = cells.prod(axis=1)
    owner = np.repeat(np.arange(len(numbers)), count)
    k = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    cell = first[owner] + np.stack([k % cells[owner, 0], k // cells[owner, 0]], axis=1)
    side = int(np.ceil(np.sqrt(len(numbers))))
    tile = np.stack([np.arange(len(numbers)) % side, np.arange(len(numbers)) // side], axis=1) * 2.0
    hit = _face_below((corners + tile[which, None]), (cell + 0.5) / size + tile[owner]) >= 0
    covered = np.unique(cell[hit, 0] * size + cell[hit, 1])
    return float(hit.sum() / max(len(covered), 1))


def _face_below(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(M,) which of the flat triangles (F, 3, 2) each point (M, 2) lies in, -1 for none."""
    import torch
    from pytorch3d.structures import Meshes

    from .raster import embree_scene

    flat = np.concatenate([corners, np.zeros((*corners.shape[:2], 1))], axis=2).reshape(-1, 3)
    faces = torch.arange(len(flat)).view(-1, 3)
    scene = embree_scene(Meshes([torch.as_tensor(flat, dtype=torch.float32)], [faces]))
    origins = np.column_stack([points, np.ones(len(points))]).astype(np.float32)
    down = np.tile(np.array([0, 0, -1], np.float32), (len(points), 1))
    return np.asarray(scene.run(origins, down, output=1)["primID"].astype(np.int64))


def both(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a picture of a unit square; a number stands for both."""
    return (size, size) if isinstance(size, int) else size


def uv_texels(
    uv: np.ndarray,
    uv_faces: np.ndarray,
    size: int | tuple[int, int],
    height: np.ndarray | None = None,
    across: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Which face lies under each texel centre: face (H, W) int64, -1 for none, and bary (H, W, 3).

    Row 0 is the top of the picture (v near 1); the centre of texel (row, column) is at
    u = (column + 0.5) / W, v = 1 - (row + 0.5) / H, as glTF and Blender have it.
    size: (H, W), or one number.  across: unit squares beside each other, each W wide; the picture is as much wider.
    height: (F, 3) in [0, 1], of each corner over the map: where faces share a texel the higher one has it.
    """
    import torch
    from pytorch3d.structures import Meshes

    from .raster import embree_scene

    if height is None:
        height = np.zeros(uv_faces.shape)
    raised = np.concatenate([uv[uv_faces], height[..., None]], axis=2).reshape(-1, 3)
    corners = torch.arange(len(raised)).view(-1, 3)
    mesh = Meshes([torch.as_tensor(raised, dtype=torch.float32)], [corners])
    (high, wide), total = both(size), both(size)[1] * across
    centre = (np.arange(high, dtype=np.float32) + 0.5) / high
    column, row = np.meshgrid((np.arange(total, dtype=np.float32) + 0.5) / wide, 1 - centre)
    origins = np.stack([column, row, np.full_like(row, 2)], axis=-1).reshape(-1, 3)
    down = np.zeros_like(origins)
    down[:, 2] = -1
    hits = embree_scene(mesh).run(origins, down, output=1)
    face = hits["primID"].astype(np.int64).reshape(high, total)
    u, v = (hits[name].reshape(high, total) for name in "uv")
    return face, np.where(face[..., None] >= 0, np.stack([1 - u - v, u, v], axis=-1), 0.0)
