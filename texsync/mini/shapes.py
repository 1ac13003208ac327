"""Random shapes, looked at once from random cameras: the geometry that all of mini's training pictures reuse."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import trimesh
from torch import Tensor

from ..surface.cameras import Camera, view_name
from ..surface.types import Surface

FLOOR = 0.2  # of the condition at an object's farthest point, as in surface.pixels.depth_condition
TIGHT = 0.75  # share of pictures that the object fills, as texsync frames its views


@dataclass(frozen=True)
class Shot:
    """One view of one shape, S x S.  position, normal: (S, S, 3) half; facing: (S, S) half, 0 on background;
    condition: (S, S) half, what the ControlNet reads; view: "front", "side", ..."""

    position: Tensor
    normal: Tensor
    facing: Tensor
    condition: Tensor
    view: str


def shots(count: int, size: int, seed: int, views_each: int = 4) -> list[Shot]:
    """`count` pictures of random shapes, `size` pixels each; the same for the same seed."""
    endless = endless_shots(size, random.Random(seed), views_each)
    return [next(endless) for _ in range(count)]


def endless_shots(size: int, rng: random.Random, views_each: int = 4) -> Iterator[Shot]:
    """Shape after shape, each seen from `views_each` random cameras."""
    while True:
        surface = as_surface(random_shape(rng), scale=rng.uniform(0.7, 1.0))
        scene = embree(surface)
        for _ in range(views_each):
            yield look(surface, scene, random_camera(rng, surface.vertices), size)


def embree(surface: Surface):
    """Embree's search tree over a surface."""
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    scene = EmbreeScene(robust=True)
    TriangleMesh(scene, surface.vertices.astype(np.float32), surface.faces.astype(np.int32))
    return scene


def look(surface: Surface, scene, camera: Camera, size: int) -> Shot:
    """Trace a ray through every pixel's centre; one unit along a ray is one unit of depth."""
    right, up, forward = axes(camera)
    along = (torch.arange(size).numpy() + 0.5) * 2 / size - 1
    across, down = np.meshgrid(along, along)
    half = camera.extent / 2
    x = across[..., None] * half + camera.centre[0] * half * camera.zoom
    y = -down[..., None] * half + camera.centre[1] * half * camera.zoom
    rays = (forward + x * right + y * up).astype(np.float32).reshape(-1, 3)
    origins = np.broadcast_to(camera.position.astype(np.float32), rays.shape)
    hits = scene.run(np.ascontiguousarray(origins), rays, output=1)
    return shot_of(surface, camera, rays, hits, size)


def shot_of(surface: Surface, camera: Camera, rays: np.ndarray, hits: dict, size: int) -> Shot:
    """What the rays (S*S, 3) hit, as pictures."""
    hit = hits["primID"] >= 0
    face, depth = hits["primID"][hit].astype(np.int64), hits["tfar"][hit]
    u, v = hits["u"][hit], hits["v"][hit]
    shares = np.stack([1 - u - v, u, v], axis=1)
    normal = np.einsum("mk,mkd->md", shares, surface.normals[surface.faces[face]])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-6)
    sight = -rays[hit] / np.linalg.norm(rays[hit], axis=1, keepdims=True)
    towards = (normal * sight).sum(axis=1)
    inverse = 1 / depth
    span = np.ptp(inverse) if len(inverse) else 0.0
    nearness = (inverse - inverse.min()) / span if span > 1e-6 else np.ones_like(inverse)

    def picture(values: np.ndarray, *tail: int) -> Tensor:
        full = np.zeros((size * size, *tail), np.float16)
        full[hit] = values
        return torch.from_numpy(full.reshape(size, size, *tail))

    return Shot(
        picture(camera.position + depth[:, None] * rays[hit], 3),
        picture(np.where(towards[:, None] < 0, -normal, normal), 3),
        picture(np.abs(towards)),
        picture(FLOOR + (1 - FLOOR) * nearness),
        view_name(camera),
    )


def axes(camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors right, up and forward of a camera."""
    forward = -camera.direction
    right = np.cross(forward, camera.up)
    return right / np.linalg.norm(right), camera.up, forward


def random_camera(rng: random.Random, points: np.ndarray) -> Camera:
    """Around the object, now and then from above or below; mostly with the object filling the picture."""
    kind = rng.random()
    elevation = 0.0 if kind < 0.5 else rng.uniform(-20, 45) if kind < 0.9 else rng.choice((-90.0, 90.0))
    azimuth = rng.choice(range(0, 360, 45)) if rng.random() < 0.5 else rng.uniform(0, 360)
    camera = Camera(azimuth, elevation)
    return tight(camera, points, rng.uniform(0.8, 1.0)) if rng.random() < TIGHT else camera


def tight(camera: Camera, points: np.ndarray, fill: float) -> Camera:
    """The camera's window moved and enlarged until the points (P, 3) fill so much of its side."""
    right, up, forward = axes(camera)
    away = points - camera.position
    depth, half = away @ forward, camera.extent / 2
    flat = np.stack([away @ right, away @ up], axis=1) / depth[:, None] / half
    low, high = flat.min(axis=0), flat.max(axis=0)
    zoom = max(1.0, 2 * fill / float((high - low).max()))
    return Camera(camera.azimuth_deg, camera.elevation_deg, centre=tuple((low + high) / 2), zoom=zoom)


def as_surface(mesh: trimesh.Trimesh, scale: float = 1.0) -> Surface:
    """Centre a mesh and fit it into the sphere of radius `scale`; no UVs."""
    vertices = np.asarray(mesh.vertices, dtype=float) - mesh.bounds.mean(axis=0)
    vertices *= scale / np.linalg.norm(vertices, axis=1).max()
    faces = np.asarray(mesh.faces, dtype=np.int64)
    return Surface(
        vertices,
        faces,
        np.array(mesh.vertex_normals, dtype=float),
        np.zeros((1, 2)),
        np.zeros_like(faces),
        np.zeros(len(faces), dtype=np.int64),
    )


def random_shape(rng: random.Random) -> trimesh.Trimesh:
    """A lump, a turned vase, a primitive, or several of them put together."""
    make = rng.choices((lump, vase, primitive, cluster), (0.25, 0.2, 0.2, 0.35))[0]
    return make(rng)


def lump(rng: random.Random) -> trimesh.Trimesh:
    """A sphere pushed in and out by a few smooth waves, then stretched."""
    mesh = trimesh.creation.icosphere(subdivisions=4)
    noise = np.random.default_rng(rng.randrange(2**31))
    direction, phase = noise.normal(size=(3, 6)) * rng.uniform(1, 2.6), noise.uniform(0, 6.3, 6)
    radius = 1 + rng.uniform(0.08, 0.3) * np.sin(mesh.vertices @ direction + phase).mean(1) * 2
    mesh.vertices = mesh.vertices * radius[:, None] * noise.uniform(0.5, 1, 3)
    return mesh


def vase(rng: random.Random) -> trimesh.Trimesh:
    """A surface of revolution around the upright axis."""
    height = np.linspace(-1, 1, 24)
    waves = sum(rng.uniform(-0.2, 0.2) * np.sin(k * height * 2 + rng.uniform(0, 6)) for k in (1, 2, 3))
    radius = np.clip(rng.uniform(0.25, 0.7) + waves, 0.06, None)
    profile = np.column_stack([np.r_[0, radius, 0], np.r_[-1, height, 1]])
    mesh = trimesh.creation.revolve(profile, sections=48)
    mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    return mesh


def primitive(rng: random.Random) -> trimesh.Trimesh:
    """A box, ball, cylinder, cone, capsule or ring of random proportions, turned at random."""
    size = [rng.uniform(0.3, 1) for _ in range(3)]
    mesh = rng.choice(
        (
            lambda: trimesh.creation.box(extents=size),
            lambda: trimesh.creation.icosphere(subdivisions=3, radius=size[0]),
            lambda: trimesh.creation.cylinder(radius=size[0] / 2, height=2 * size[1], sections=40),
            lambda: trimesh.creation.cone(radius=size[0] / 1.5, height=1.5 * size[1], sections=40),
            lambda: trimesh.creation.capsule(radius=size[0] / 2.5, height=size[1]),
            lambda: trimesh.creation.torus(size[0], size[0] * rng.uniform(0.2, 0.45)),
        )
    )()
    if rng.random() < 0.7:
        axis = [rng.gauss(0, 1) for _ in range(3)]
        mesh.apply_transform(trimesh.transformations.rotation_matrix(rng.uniform(0, 6.3), axis))
    # faceted shading needs its own vertices; a smooth normal across a box edge would light it like a pillow
    mesh.unmerge_vertices()
    return mesh


def cluster(rng: random.Random) -> trimesh.Trimesh:
    """Two to five parts that touch: limbs, handles, lids."""
    parts = []
    for _ in range(rng.randint(2, 5)):
        part = rng.choice((lump, primitive, primitive, vase))(rng)
        part.apply_scale(rng.uniform(0.35, 0.9))
        part.apply_translation([rng.uniform(-0.6, 0.6) for _ in range(3)])
        parts.append(part)
    return trimesh.util.concatenate(parts)
