"""A mesh file, or a trimesh object, as one job: every mesh of the scene in one set of arrays.

What stands where in the file is remembered (`loaded`), so that `save` can give the scene back as it was.
A mesh that several nodes show (an instance) is in the job once for each of them, because every view sees each;
`save` shares it again if their UVs are still the same.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from ..errors import Refused, about, got
from ..surface.faces import smooth_normals, solid
from .axes import axes, normalised, rotation
from .encoding import shown_name
from .gltf_check import MOST_FACES
from .loaded import Loaded, Part
from .normals import with_unit_normals
from .read import read_mesh
from .shape import Shape

LARGEST, SMALLEST = 1e30, 1e-30  # of a mesh's extent: GLB stores 32-bit floats, which end at 3e38


def load(mesh: Any, up: str = "auto", front: str = "auto") -> Loaded:
    """Read a mesh.

    mesh: path of an OBJ, GLB, glTF, PLY, STL or OFF file, or a trimesh Trimesh or Scene.
    up, front: axes of the file, "x" to "-z"; "auto" is +y and +z, but +z and -y for STL, PLY and OFF.
    Raises InputError, in one line, for whatever cannot be read or holds nothing that could be painted.
    """
    name, own, source = read_mesh(mesh)
    scene, shapes = source.scene, source.shapes
    turn = rotation(*axes(up, front, own))
    placed = _placed(name, scene, shapes)  # from here on every index is one of a vertex
    shapes = shapes | with_unit_normals({shape: shapes[shape] for _, shape, _ in placed})
    vertices = np.concatenate([_moved(shapes[shape].vertices, where) for _, shape, where in placed])
    starts = np.cumsum([0] + [len(shapes[shape].vertices) for _, shape, _ in placed])
    faces = [shapes[shape].faces + start for (_, shape, _), start in zip(placed, starts, strict=False)]
    _check_numbers(name, vertices, np.concatenate(faces))
    local, to_world, kept = _render_frame(name, vertices, faces, turn)
    parts = tuple(_parts(placed, shapes, starts, kept))
    painted = np.concatenate([f[k] for f, k in zip(faces, kept, strict=True)])
    group = np.repeat(np.arange(len(parts)), np.diff(starts))
    uv, uv_faces = _own_uvs(parts, shapes)
    return Loaded(
        source=replace(source, shapes=shapes),
        stem=shown_name(Path(name).stem),
        vertices=local,
        faces=painted,
        normals=smooth_normals(local, painted, group),
        part=_textures(parts, shapes),
        uv=uv,
        uv_faces=uv_faces,
        parts=parts,
        to_world=to_world,
        axes=own,
        polygon=_polygons(parts, shapes),
        names=tuple(part.node for part in parts for _ in shapes[part.shape].materials[0]),
    )


def _placed(name: str, scene: trimesh.Scene, shapes: dict[str, Shape]) -> list[tuple[str, str, np.ndarray]]:
    """(node, shape, transform) of every mesh, in the file's order; raises InputError for no or too many faces."""
    placed = []
    for node in scene.graph.nodes_geometry:
        transform, shape = scene.graph[node]
        if shape in shapes and len(shapes[shape].faces):
            placed.append((node, shape, np.array(transform, np.float64)))
    order = {name: i for i, name in enumerate(scene.geometry)}  # trimesh walks a glTF's nodes from the last
    placed.sort(key=lambda place: order[place[1]])
    count = sum(len(shapes[shape].faces) for _, shape, _ in placed)
    if not count:
        raise Refused.mesh_empty(
            f"{about(name)} has no faces", "export it as a mesh with triangles, not as points or lines"
        )
    if count > MOST_FACES:
        raise Refused.mesh_extreme(
            f"{about(name)} has {got(count):,} faces, more than {MOST_FACES:,}",
            "decimate it first, e.g. in Blender",
        )
    for node, shape, transform in placed:
        faces, vertices = shapes[shape].faces, shapes[shape].vertices
        if faces.min() < 0 or faces.max() >= len(vertices):
            raise Refused.mesh_damaged(
                f"{about(name)}: a face of {shape!r} refers to vertex {got(faces.max())} of {len(vertices)}",
                "the file is damaged; export it again",
            )
        if not np.isfinite(transform).all():
            raise Refused.mesh_damaged(
                f"{about(name)}: the place of {got(node)!r} is not a number", "export it again"
            )
    return placed


def _moved(vertices: np.ndarray, transform: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):  # checked afterwards
        return vertices @ transform[:3, :3].T + transform[:3, 3]


def _check_numbers(name: str, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Raises InputError for coordinates that are no numbers, or too large or small to store."""
    bad = ~np.isfinite(vertices).all(axis=1)
    if bad.any():
        raise Refused.mesh_extreme(
            f"{about(name)} has {got(bad.sum())} vertices at NaN or infinity (first: vertex {bad.argmax()})",
            "repair or remove them, e.g. in Blender with Mesh > Clean Up",
        )
    corners = vertices[faces.ravel()]
    extent = (corners.max(axis=0) / 2 - corners.min(axis=0) / 2).max() * 2
    if extent > LARGEST or np.abs(corners).max() > LARGEST or 0 < extent < SMALLEST:
        raise Refused.mesh_extreme(
            f"{about(name)} is {got(extent):g} units large",
            f"scale it to between {SMALLEST:g} and {LARGEST:g} units",
        )


def _render_frame(
    name: str, vertices: np.ndarray, faces: list[np.ndarray], turn: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Vertices in the render frame, the matrix back, and which faces of each part have an area."""
    every = np.concatenate(faces)
    used = np.zeros(len(vertices), bool)
    used[every] = True
    if (np.ptp(vertices[used], axis=0) > 0).any():
        local, to_world = normalised(vertices, used, turn)
        kept = solid(local, every)
        if kept.any():
            return local, to_world, np.split(kept, np.cumsum([len(f) for f in faces])[:-1])
    raise Refused.mesh_empty(
        f"none of the {len(every)} faces of {got(about(name))} has an area",
        "check that the mesh was not scaled to zero",
    )


def _parts(placed: list, shapes: dict[str, Shape], starts: np.ndarray, kept: list[np.ndarray]):
    """The parts, in the order of `placed`."""
    first = 0
    for (node, shape, transform), low, high, keep in zip(placed, starts[:-1], starts[1:], kept, strict=True):
        last = first + int(keep.sum())
        yield Part(
            node=node,
            shape=shape,
            transform=transform,
            vertices=slice(int(low), int(high)),
            faces=slice(first, last),
            kept=keep,
            has_uv=shapes[shape].has_uv,
        )
        first = last


def _textures(parts: tuple[Part, ...], shapes: dict[str, Shape]) -> np.ndarray:
    """(F,) a number for each part and, where it has several, each of its materials."""
    pieces, first = [np.zeros(0, np.int64)], 0
    for part in parts:
        names, material = shapes[part.shape].materials
        pieces.append(material[part.kept] + first)
        first += len(names)
    return np.concatenate(pieces)


def _polygons(parts: tuple[Part, ...], shapes: dict[str, Shape]) -> np.ndarray | None:
    """(F,) one number for all triangles of a polygon; None if any part does not say."""
    numbers, start = [], 0
    for part in parts:
        polygon = shapes[part.shape].polygon
        if polygon is None:
            return None
        numbers.append(polygon[part.kept] + start)
        start += int(polygon.max(initial=-1)) + 1
    return np.concatenate(numbers)


def _own_uvs(
    parts: tuple[Part, ...], shapes: dict[str, Shape]
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """The file's UVs as one table and faces into it, -1 where a face has none; (None, None) if none has any."""
    tables: dict[int, np.ndarray] = {}
    starts: dict[int, int] = {}
    corners = []
    for part in parts:
        shape = shapes[part.shape]
        mapped = shape.mapped[part.kept]
        if shape.uv is None or shape.uv_faces is None or not mapped.any():
            corners.append(np.full((len(mapped), 3), -1))
            continue
        if id(shape.uv) not in tables:  # instances, and the objects of one OBJ file, share a table
            starts[id(shape.uv)] = sum(map(len, tables.values()))
            tables[id(shape.uv)] = shape.uv
        own = shape.uv_faces[part.kept] + starts[id(shape.uv)]
        corners.append(np.where(mapped[:, None], own, -1))
    return (np.concatenate(list(tables.values())), np.concatenate(corners)) if tables else (None, None)
