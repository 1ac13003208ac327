"""A scene as trimesh holds it, and how it is given back painted: what every format begins with."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from ..surface.partial import Repaint
from ..surface.types import Surface
from .colour import Colour, Tint, colour_of, tint_of
from .glb import glb_bytes
from .loaded import Loaded, Part
from .mtl import Library
from .pbr import mtl_lines, name_of, painted, see_through
from .shape import Section, Shape, as_trimesh


@dataclass(frozen=True)
class TrimeshSource:
    """See `loaded.Source`.  Formats that keep more than trimesh does overrule what they know better."""

    scene: trimesh.Scene
    shapes: dict[str, Shape]

    def painted(self, loaded: Loaded, surface: Surface, pngs: Sequence[bytes]) -> bytes:
        """As trimesh writes the scene, with the pictures in it."""
        return glb_bytes(loaded, surface, pngs)

    def keys(self, part: Part, by_object: bool) -> list[tuple[Hashable, str]]:
        """The node, or the one material that a mesh has in trimesh."""
        material = self._material(part.shape)
        if by_object:
            return [(part.node, part.node)] * len(self.shapes[part.shape].materials[0])
        return [(None if material is None else id(material), name_of(material) or UNNAMED)]

    def material(self, loaded: Loaded, shape: str, name: str | None, image: Any) -> Any:
        """The material that trimesh has read, with the new colour."""
        return painted(self._material(shape), image, loaded.stem, finish=loaded.finish)

    def sections(self, loaded: Loaded, part: Part, library: Library) -> tuple[list[Section], list[int]]:
        """One object with one material."""
        material = self._material(part.shape)
        lines = mtl_lines(material, library.picture_of(part.node, None), loaded.finish)
        name = library.name(name_of(material), lines)
        # nodes of a glTF mesh's primitives are trimesh's: the file does not know them
        primitive = self.scene.geometry[part.shape].metadata.get("from_gltf_primitive")
        title = " ".join((part.shape if primitive else part.node).split())
        return [Section(title, material=name)], [0] * len(self.shapes[part.shape].faces)

    def colour(self, shape: str, name: str | None) -> Colour:
        """What trimesh has read."""
        return colour_of(self._material(shape), shape)

    def tint(self, shape: str) -> Tint | None:
        """What trimesh has read, if there is one for each."""
        found, own = tint_of(self.scene.geometry[shape].visual), self.shapes[shape]
        if found is None:
            return None
        each = (found.of_vertex, own.vertices), (found.of_face, own.faces)
        return found if all(one is None or len(one) == len(of) for one, of in each) else None

    def material_names(self, shape: str) -> tuple[list[str | None], np.ndarray]:
        """One, trimesh's."""
        own = self.shapes[shape]
        return [name_of(self._material(shape))], np.zeros(len(own.faces), np.int64)

    def object_names(self, part: Part) -> tuple[str, ...]:
        """Its node, its mesh, and the node of a glTF mesh whose primitive it is."""
        if not self.scene.geometry[part.shape].metadata.get("from_gltf_primitive"):
            return (part.node, part.shape)
        return (part.node, part.shape, str(self.scene.graph.transforms.parents[part.node]))

    @property
    def asked(self) -> Repaint | None:
        """What the sender of a scene asks to be painted anew; a file asks for nothing."""
        return None

    @property
    def picture(self) -> np.ndarray | None:
        """What the sender says that the scene shows now, (H, W, 4) uint8, on its UVs; a file's materials say it."""
        return None

    def other_pictures(self, loaded: Loaded) -> dict[str, bytes | None]:
        """None: an MTL file made of such a material names the texture only."""
        return {}

    def lost(self, loaded: Loaded) -> list[str]:
        """Transparency and vertex colours."""
        visuals = [self.scene.geometry[name].visual for name in dict.fromkeys(p.shape for p in loaded.parts)]
        found = {
            TRANSPARENCY: any(see_through(getattr(visual, "material", None)) for visual in visuals),
            COLOURS: any(map(has_colours, visuals)),
        }
        return [what for what, is_there in found.items() if is_there]

    def _material(self, shape: str) -> Any:
        return getattr(self.scene.geometry[shape].visual, "material", None)


TRANSPARENCY = "transparency and cut-outs; the new texture is opaque"
UNNAMED = "material"
COLOURS = "vertex colours; the texture has the colour now"


def has_colours(visual: Any) -> bool:
    """Whether a trimesh visual has a colour for each vertex or face."""
    return visual.kind in ("vertex", "face") or "color" in getattr(visual, "vertex_attributes", {})


def source_of(scene: trimesh.Scene) -> TrimeshSource:
    """A scene in memory."""
    return TrimeshSource(scene, shapes_of(scene))


def read_by_trimesh(path: Path, data: bytes | None = None) -> TrimeshSource:
    """A file by trimesh's own reader, which keeps vertices in the file's order where that reader does.

    data: instead of the file's bytes.
    """
    with _quiet():
        scene = trimesh.load_scene(
            BytesIO(path.read_bytes() if data is None else data),
            file_type=path.suffix[1:].lower(),
            resolver=trimesh.resolvers.FilePathResolver(str(path)),  # refuses what lies outside the folder
            process=False,
            maintain_order=True,
        )
    if list(scene.geometry) == ["geometry_0"]:  # the file has no names
        only = scene.geometry["geometry_0"]
        scene = trimesh.Scene()
        scene.add_geometry(only, node_name=path.stem, geom_name=path.stem)
    return source_of(scene)


def alone(name: str, shape: Shape, colours: dict[str, np.ndarray]) -> TrimeshSource:
    """One mesh; colours: "vertex_colors" or "face_colors", if the file has some."""
    scene = trimesh.Scene()
    scene.add_geometry(coloured(shape, colours), node_name=name, geom_name=name)
    return TrimeshSource(scene, {name: shape})


def coloured(shape: Shape, colours: dict[str, np.ndarray]) -> trimesh.Trimesh:
    """A mesh; colours: see `alone`."""
    mesh = as_trimesh(shape)
    if colours and mesh.visual.kind == "texture":
        mesh.visual.vertex_attributes["color"] = next(iter(colours.values()))
    elif colours:
        mesh.visual = trimesh.visual.ColorVisuals(mesh, **colours)
    return mesh


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
