"""Pixel to triangle: PyTorch3D's CUDA kernel on a GPU, Embree behind the same interface on a CPU.

PyTorch3D's CPU kernel tests every pixel against every face; tracing one ray a pixel through Embree's tree
gives the same `Fragments` some hundred times sooner (benchmarks/geometry.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
from pytorch3d.renderer.cameras import CamerasBase
from pytorch3d.renderer.mesh.rasterizer import Fragments
from pytorch3d.structures import Meshes
from torch import Tensor, nn

COINCIDENT = 1e-4  # render-frame units between layers that count as one; the mesh has radius 1
NEAREST = 1e-4  # depth from which things are seen; a face that reaches behind the camera is cut there
FIELDS = ("pix_to_face", "zbuf", "bary_coords", "dists")


def rasterize(
    vertices: np.ndarray,
    faces: np.ndarray,
    cameras: CamerasBase,
    size: int,
    device: str = "cpu",
    outward: np.ndarray | None = None,
) -> Fragments:
    """One face per pixel for every camera, two-sided, perspective-correct.

    vertices: (V, 3) render frame.  faces: (F, 3).  cameras: PyTorch3D batch of N.  size: pixels.
    outward: (F, 3) normals of any length; with them, among faces that coincide, one that faces the camera is taken.
    Returns Fragments with (N, size, size, 1) fields; `pix_to_face` counts faces within one view, -1 outside.
    """
    trace = _tracer(vertices, faces, cameras, size, device)
    views = [trace(cameras[[i]]) for i in range(len(cameras))]
    if outward is not None:
        offset = (outward * vertices[faces[:, 0]]).sum(axis=1)
        centres = cameras.get_camera_center().double().cpu().numpy()
        for i, centre in enumerate(centres):
            away = outward @ centre <= offset
            if _any_hit(views[i], away):
                near = np.flatnonzero(~away)
                facing = _tracer(vertices, faces[near], cameras, size, device)(cameras[[i]])
                views[i] = _preferred(views[i], facing, near, away)
    return Fragments(**{name: torch.cat([getattr(view, name) for view in views]) for name in FIELDS})


def _tracer(vertices: np.ndarray, faces: np.ndarray, cameras: CamerasBase, size: int, device: str):
    """One camera -> Fragments of these faces."""
    mesh = Meshes(verts=[torch.as_tensor(vertices, dtype=torch.float32)], faces=[torch.as_tensor(faces)]).to(
        device
    )
    settings = RasterizationSettings(
        image_size=size, cull_backfaces=False, perspective_correct=True, z_clip_value=NEAREST
    )
    kind = MeshRasterizer if torch.device(device).type == "cuda" else EmbreeRasterizer
    rasterizer = kind(cameras=cameras, raster_settings=settings)
    return lambda camera: rasterizer(mesh, cameras=camera)


def _any_hit(view: Fragments, away: np.ndarray) -> bool:
    """Whether some pixel shows one of the faces `away` (F,) while others are there to be preferred."""
    hit = view.pix_to_face[view.pix_to_face >= 0].cpu().numpy()
    return bool(away[hit].any() and not away.all())


def _preferred(view: Fragments, facing: Fragments, near: np.ndarray, away: np.ndarray) -> Fragments:
    """`view`, with `facing` in its place where that shows a face as near, while `view` shows one turned away.

    near: the faces that `facing` counts.  away: (F,) bool, which faces look away from the camera.
    """
    device = view.pix_to_face.device
    turned = torch.as_tensor(away, device=device)[view.pix_to_face.clamp(min=0)] & (view.pix_to_face >= 0)
    there = facing.pix_to_face >= 0
    better = turned & there & (facing.zbuf <= view.zbuf + COINCIDENT)
    numbers = torch.as_tensor(near, device=device)[facing.pix_to_face.clamp(min=0)]
    return Fragments(
        pix_to_face=torch.where(better, numbers, view.pix_to_face),
        zbuf=torch.where(better, facing.zbuf, view.zbuf),
        bary_coords=torch.where(better[..., None], facing.bary_coords, view.bary_coords),
        dists=torch.where(better, facing.dists, view.dists),
    )


class EmbreeRasterizer(nn.Module):
    """PyTorch3D's `MeshRasterizer` interface, answered by Embree. One face per pixel, no blur, no culling."""

    def __init__(self, cameras: CamerasBase, raster_settings: RasterizationSettings):
        super().__init__()
        self.cameras = cameras
        self.raster_settings = raster_settings
        self._traced: tuple[Meshes, Any] | None = None

    def forward(self, meshes_world: Meshes, **kwargs) -> Fragments:
        """meshes_world: one mesh.  cameras: in kwargs or from the constructor, one camera.

        Returns Fragments (1, S, S, 1); zbuf is view-space z, dists 0 inside (there is no blur), -1 elsewhere.
        """
        camera = kwargs.get("cameras", self.cameras)
        size = int(self.raster_settings.image_size)
        origins, directions = pixel_rays(camera, size)
        face, z, u, v = self._trace(meshes_world, origins, directions)
        hit = face >= 0
        bary = np.where(hit[:, None], np.stack([1 - u - v, u, v], axis=1), -1.0)

        def picture(values, dtype, *tail):
            return torch.as_tensor(np.ascontiguousarray(values, dtype)).view(1, size, size, 1, *tail)

        return Fragments(
            pix_to_face=picture(face, np.int64),
            zbuf=picture(np.where(hit, z, -1.0), np.float32),
            bary_coords=picture(bary, np.float32, 3),
            dists=picture(np.where(hit, 0.0, -1.0), np.float32),
        )

    def _trace(self, meshes: Meshes, origins, directions):
        if self._traced is None or self._traced[0] is not meshes:
            self._traced = (meshes, embree_scene(meshes))
        hits = self._traced[1].run(origins, directions, output=1)
        return hits["primID"].astype(np.int64), hits["tfar"], hits["u"], hits["v"]


def embree_scene(meshes: Meshes):
    """Embree's search tree over one PyTorch3D mesh; builds once, answers any camera."""
    return embree_of(meshes.verts_packed().numpy(), meshes.faces_packed().numpy())


def embree_of(vertices: np.ndarray, faces: np.ndarray):
    """Embree's search tree over triangles: (V, 3) and (F, 3)."""
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    scene = EmbreeScene(robust=True)
    TriangleMesh(scene, vertices.astype(np.float32), faces.astype(np.int32))
    return scene


def pixel_rays(camera: CamerasBase, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rays (S*S, 3) through the pixel centres, from view-space z = 0; one unit of length is one unit of z."""
    # PyTorch3D's NDC has +x left and +y up, so row 0, column 0 is (+1, +1)
    axis = 1.0 - (2.0 * torch.arange(size, dtype=torch.float32) + 1.0) / size
    y, x = torch.meshgrid(axis, axis, indexing="ij")

    def at_depth(z: float) -> Tensor:
        points = torch.stack([x, y, torch.full_like(x, z)], dim=-1).view(1, -1, 3)
        return camera.unproject_points(points, world_coordinates=True, scaled_depth_input=False)[0]

    near, far = at_depth(1.0), at_depth(2.0)
    direction = (far - near).cpu().numpy().astype(np.float32)
    return near.cpu().numpy().astype(np.float32) - direction, direction
