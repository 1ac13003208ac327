"""Wavefront OBJ: one mesh per `o` line, all vertices in the file's order, its MTL materials line by line."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from ..colour import WHITE, Colour
from ..loaded import Loaded, Part
from ..mtl import Library, Mtl, channels, lines_of, read_mtl
from ..obj_file import ObjFile, read_obj
from ..pbr import mtl_lines, painted
from ..shape import Section, Shape
from ..source import TRANSPARENCY, UNNAMED, TrimeshSource, coloured
from . import Format


@dataclass(frozen=True)
class ObjSource(TrimeshSource):
    """materials: by name.  unheard: what else stands in the file that a result cannot have."""

    materials: dict[str, Mtl]
    unheard: tuple[str, ...]

    def material(self, loaded: Loaded, shape: str, name: str | None, image: Any) -> Any:
        """The material of that name in the file."""
        more = channels(self.materials[name]) if name in self.materials else {}
        return painted(None, image, name or loaded.stem, more, loaded.finish)

    def colour(self, shape: str, name: str | None) -> Colour:
        """What the file's material says; its picture alone counts where it has one, as most readers have it."""
        said = self.materials.get(name or "")
        if said is None:
            return Colour()
        picture = said.colour_picture()
        red, green, blue = (
            said.numbers("Kd")[:3] if picture is None and len(said.numbers("Kd")) >= 3 else WHITE
        )
        return Colour(picture, (red, green, blue))

    def material_names(self, shape: str) -> tuple[list[str | None], np.ndarray]:
        """As the file's `usemtl` lines have it."""
        return self.shapes[shape].materials

    def keys(self, part: Part, by_object: bool) -> list[tuple[Hashable, str]]:
        """The object, or the materials' names."""
        names = self.shapes[part.shape].materials[0]
        return [(part.node, part.node) if by_object else (name, name or UNNAMED) for name in names]

    def sections(self, loaded: Loaded, part: Part, library: Library) -> tuple[list[Section], list[int]]:
        """What the file says itself, with the names that materials have now."""
        shape, named = self.shapes[part.shape], []
        assert shape.run is not None
        for run in shape.runs:
            said = self.materials.get(run.material or "")
            picture = library.picture_of(part.node, run.material)
            if library.pictures and run.material not in shape.materials[0]:
                named.append(run)  # no face of this object has it
                continue
            lines = (
                mtl_lines(None, picture, loaded.finish)
                if said is None
                else lines_of(said, picture, library.files, loaded.finish)
            )
            named.append(run._replace(material=library.name(run.material, lines, blank=" ")))
        return named, shape.run.tolist()

    def other_pictures(self, loaded: Loaded) -> dict[str, bytes | None]:
        """Of every channel but colour, those of materials that a face has."""
        found: dict[str, bytes | None] = {}
        for material in self._used(loaded):
            for _, _, file in material.pictures():
                found[file] = found.get(file) or material.read(file)
        return found

    def lost(self, loaded: Loaded) -> list[str]:
        """Also what is not heard of again."""
        found = dict.fromkeys(super().lost(loaded))
        if not all(material.is_opaque() for material in self._used(loaded)):
            found = {TRANSPARENCY: None, **found}
        return list({**found, **dict.fromkeys(self.unheard)})

    def _used(self, loaded: Loaded) -> list[Mtl]:
        """The materials that any face has."""
        names = dict.fromkeys(
            name for part in loaded.parts for name in self.shapes[part.shape].materials[0] if name
        )
        return [self.materials[name] for name in names if name in self.materials]


def read(path: Path) -> ObjSource:
    """Everything in the file and its libraries."""
    file = read_obj(path)
    scene = trimesh.Scene()
    shapes: dict[str, Shape] = {}
    for k, name in enumerate(file.objects):
        unique = trimesh.util.unique_name(name, set(shapes))
        shapes[unique] = shape_of_object(file, k)
        colours = {} if file.colours is None else {"vertex_colors": file.colours[file.home == k]}
        scene.add_geometry(coloured(shapes[unique], colours), node_name=unique, geom_name=unique)
    return ObjSource(scene, shapes, read_mtl(path, file.libraries, file.reading), file.lost)


def shape_of_object(file: ObjFile, k: int) -> Shape:
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


FORMAT = Format(("obj",), read)
