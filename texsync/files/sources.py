"""From a file, or a trimesh object, to a trimesh Scene and the meshes in it just as the file has them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..options import path as as_path
from .gltf import read_gltf
from .gltf_scene import GltfSource, gltf_scene
from .json_table import Wrong
from .loaded import ObjSource
from .mtl import read_mtl
from .obj import ObjFile, read_obj
from .path import EXPORT_AGAIN, HANDED, checked_path, reason
from .ply import read_ply
from .polygons import read_off
from .shape import Shape, as_trimesh
from .stl import whole_stl
from .texmesh import read_handed_scene

if TYPE_CHECKING:
    import trimesh

GLTF = ("glb", "gltf", "vrm")  # a VRM is a GLB with an extension for figures


@dataclass(frozen=True)
class Source:
    """What was read.

    name: to call it by.  format: "obj", "glb", ... or "trimesh".  scene: as trimesh has it.  shapes: its meshes as the
    file has them, by geometry name.  gltf: where they are in a GLB or glTF file.  obj: the rest of an OBJ file.
    """

    name: str
    format: str
    scene: trimesh.Scene
    shapes: dict[str, Shape]
    gltf: GltfSource | None = None
    obj: ObjSource | None = None


def read_scene(mesh: Any) -> Source:
    """Read a path or a trimesh object.

    Raises InputError for what is not there, not known or not readable.  Reads nothing outside the file's folder.
    """
    import trimesh

    if isinstance(mesh, trimesh.Trimesh):
        mesh = trimesh.Scene(mesh)
    if isinstance(mesh, trimesh.Scene):
        return Source("mesh", "trimesh", mesh, shapes_of(mesh))
    if not isinstance(mesh, (str, Path)):
        raise InputError(
            f"a {type(mesh).__name__} is not a mesh", "pass a path, a trimesh.Trimesh or a trimesh.Scene"
        )
    path = checked_path(as_path("mesh", mesh))
    format = path.suffix[1:].lower()
    try:
        return _read(path, format)
    except (OSError, PermissionError) as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})", "check the file") from error
    except InputError:
        raise
    except Wrong as error:
        raise InputError(f"{path.name} is damaged: {error}", EXPORT_AGAIN) from None
    except Exception as error:  # the readers raise whatever their first wrong assumption leads to
        said = f"{path} cannot be read as {format.upper()} ({reason(error)})"
        raise InputError(said, EXPORT_AGAIN) from error


def _read(path: Path, format: str) -> Source:
    """A file of a known format; raises whatever the first wrong assumption of its reader leads to."""
    with np.errstate(all="ignore"):  # numbers that fit nowhere are found by checks, and told in words
        if format in GLTF:
            return Source(path.name, format, *gltf_scene(read_gltf(path)))
        if format == "obj":
            scene, shapes, rest = read_obj_scene(path)
            return Source(path.name, format, scene, shapes, obj=rest)
        if format == HANDED:
            return Source(path.name, format, *read_handed_scene(path))
        if format in ("ply", "off"):
            shape, colours = read_ply(path) if format == "ply" else (read_off(path), {})
            return Source(path.name, format, *_alone(path.stem, shape, colours))
        return Source(path.name, format, *read_stl(path))


def _alone(name: str, shape: Shape, colours: dict[str, np.ndarray]) -> tuple[trimesh.Scene, dict[str, Shape]]:
    """The scene of one mesh; colours: "vertex_colors" or "face_colors", if the file has some."""
    import trimesh

    mesh = as_trimesh(shape)
    if colours and mesh.visual.kind == "texture":
        mesh.visual.vertex_attributes["color"] = next(iter(colours.values()))
    elif colours:
        mesh.visual = trimesh.visual.ColorVisuals(mesh, **colours)
    scene = trimesh.Scene()
    scene.add_geometry(mesh, node_name=name, geom_name=name)
    return scene, {name: shape}


def read_stl(path: Path) -> tuple[trimesh.Scene, dict[str, Shape]]:
    """STL; vertices in the file's order."""
    import trimesh

    data = BytesIO(whole_stl(path))
    with _quiet():
        scene = trimesh.load_scene(data, file_type="stl", process=False, maintain_order=True)
    if list(scene.geometry) == ["geometry_0"]:  # the file has no names
        only = scene.geometry["geometry_0"]
        scene = trimesh.Scene()
        scene.add_geometry(only, node_name=path.stem, geom_name=path.stem)
    return scene, shapes_of(scene)


@contextmanager
def _quiet() -> Iterator[None]:
    """trimesh logs the tracebacks of what it tries first."""
    logger = logging.getLogger("trimesh.util")  # the one of all its readers
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def shapes_of(scene: trimesh.Scene) -> dict[str, Shape]:
    """Every triangle mesh of a scene; points and lines have no faces and are left out."""
    import trimesh

    meshes = {k: g for k, g in scene.geometry.items() if isinstance(g, trimesh.Trimesh)}
    return {name: shape_of(mesh) for name, mesh in meshes.items()}


def shape_of(mesh: trimesh.Trimesh) -> Shape:
    """A trimesh's arrays; UVs and normals only if they came with it."""
    faces = np.array(mesh.faces, np.int64).reshape(-1, 3)
    uv = getattr(mesh.visual, "uv", None)
    if uv is None or np.ndim(uv) != 2 or len(uv) != len(mesh.vertices) or np.shape(uv)[1] < 2:
        uv = None
    given = "vertex_normals" in mesh._cache.cache  # trimesh's exporters ask the same: else it computes them
    return Shape(
        vertices=np.array(mesh.vertices, np.float64).reshape(-1, 3),
        faces=faces,
        uv=None if uv is None else np.array(uv, np.float64)[:, :2],
        uv_faces=None if uv is None else faces,
        normals=np.array(mesh.vertex_normals, np.float64) if given else None,
        normal_faces=faces if given else None,
    )


def read_obj_scene(path: Path) -> tuple[trimesh.Scene, dict[str, Shape], ObjSource]:
    """An OBJ file: one mesh per `o` line, all vertices in the file's order; the shapes know of the materials."""
    import trimesh

    file = read_obj(path)
    scene = trimesh.Scene()
    shapes: dict[str, Shape] = {}
    for k, name in enumerate(file.objects):
        unique = trimesh.util.unique_name(name, set(shapes))
        shapes[unique] = obj_shape(file, k)
        mesh = as_trimesh(shapes[unique])
        scene.add_geometry(mesh, node_name=unique, geom_name=unique)
    return scene, shapes, ObjSource(read_mtl(path, file.libraries, file.reading), file.lost)


def obj_shape(file: ObjFile, k: int) -> Shape:
    """Object number k of an OBJ file, its vertices counted from its own first."""
    mine = file.owner == k
    home = np.flatnonzero(file.home == k)
    first = home[0] if len(home) else 0
    return Shape(
        vertices=file.vertices[home],
        faces=file.faces[mine] - first,
        uv=file.uv if len(file.uv) else None,
        uv_faces=file.uv_faces[mine] if len(file.uv) else None,
        normals=file.normals if _all_there(file.normal_faces[mine], file.normals) else None,
        normal_faces=file.normal_faces[mine] if _all_there(file.normal_faces[mine], file.normals) else None,
        polygon=file.polygon[mine],
        corner=file.corner[mine],
        run=file.run[mine],
        runs=file.runs,
    )


def _all_there(corners: np.ndarray, table: np.ndarray) -> bool:
    return bool(len(corners) and corners.min() >= 0 and corners.max() < len(table))
