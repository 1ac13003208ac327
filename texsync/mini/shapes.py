"""Random shapes, looked at once from random cameras: the geometry that all of mini's training pictures reuse."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import trimesh
from torch import Tensor

from ..surface.cameras import Camera, view_name
from ..surface.pixels import depth_condition, look
from ..surface.types import Surface


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
    """Pre-rasterise `count` pictures of random shapes, `size` pixels each; the same for the same seed."""
    rng = random.Random(seed)
    result: list[Shot] = []
    while len(result) < count:
        surface = as_surface(random_shape(rng), scale=rng.uniform(0.7, 1.0))
        cameras = [_random_camera(rng) for _ in range(views_each)]
        pixels = look(surface, cameras, size)
        condition = depth_condition(pixels)[:, 0]
        for i, camera in enumerate(cameras):
            result.append(
                Shot(
                    pixels.position[i].half(),
                    pixels.normal[i].half(),
                    pixels.facing[i].half(),
                    condition[i].half(),
                    view_name(camera),
                )
            )
    return result[:count]


def _random_camera(rng: random.Random) -> Camera:
    elevation = 0.0 if rng.random() < 0.5 else rng.uniform(-20, 45)
    return Camera(rng.choice(range(0, 360, 45)) if rng.random() < 0.5 else rng.uniform(0, 360), elevation)


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
