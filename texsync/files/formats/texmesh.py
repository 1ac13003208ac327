"""A mesh as another program holds it, array by array: how Blender hands a scene over and gets its UVs back.

A mesh format would triangulate, merge or reorder; here corner number k of the sender is corner number k of the
answer.  The file (.texmesh) is one line of JSON, then little-endian arrays one after the other, which any language's
standard library can write:

    {"texsync_mesh": 1, "name": "Suzanne", "parts": [{"name": "Suzanne", "transform": [16 numbers, row by row],
      "vertices": {"at": 0, "count": 1521}, "corner_vertex": {...}, "triangles": {...}, "polygon": {...}, "uv": {...}}],
     "picture": {"width": 512, "height": 512, "pixels": {...}},
     "repaint": {"uv": {...}, "weights": {...}, "width": 512, "height": 512, "pixels": {...}}}

at: bytes after the line; count: numbers.  vertices: float32 xyz.  corner_vertex: int32, the vertex at each corner.
triangles: int32, three corners each.  polygon: int32, the polygon of each triangle.  uv: float32 uv of each corner,
may be missing.  picture: what the UVs show now, float32 RGBA from the bottom row on; may be missing.  repaint: see
`surface.partial.Repaint`; may be missing, and so may its weights, a number for each corner of its triangles, and its
picture, which is that of all where it has none of its own.  Axes are Blender's: +z up, -y front.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from trimesh.util import unique_name

from ...errors import Refused, about, got
from ...options.kinds import PathName
from ...surface.partial import Repaint
from ...surface.types import Surface
from ..corners import corner_uvs, keeps_uvs
from ..json_table import Fields, Is, Number, Row, check, read_json
from ..loaded import Loaded
from ..path import checked_path
from ..shape import Shape, as_trimesh
from ..source import TrimeshSource
from . import Z_UP, Format

VERSION = 1
ENDING = "texmesh"
LONGEST_HEADER = 2**24  # bytes
FLOATS, WHOLE = "<f4", "<i4"
ARRAY = Fields({"at": Number(0, 2.0**53, whole=True), "count": Number(0, 2.0**53, whole=True)})
SIDE = Number(1, 2**16, whole=True)  # pixels
PART = Fields(
    {
        "name": Is(str),
        "transform": Row(Number(), 16, 16),
        **dict.fromkeys(("vertices", "corner_vertex", "triangles", "polygon"), ARRAY),
    },
    {"uv": ARRAY},
)
PICTURE = Fields({"width": SIDE, "height": SIDE, "pixels": ARRAY})
REPAINT = Fields({"uv": ARRAY}, {"weights": ARRAY, "width": SIDE, "height": SIDE, "pixels": ARRAY})
HEADER = Fields({"name": Is(str), "parts": Row(PART)}, {"picture": PICTURE, "repaint": REPAINT})


@dataclass(frozen=True)
class HandedPart:
    """One object.  shape: its triangles.  triangles: (F, 3) int64 into its `corners` corners."""

    name: str
    transform: np.ndarray
    shape: Shape
    triangles: np.ndarray
    corners: int


@dataclass(frozen=True)
class Handed:
    """Everything in a .texmesh file; `parts` have unique names.  picture: (H, W, 4) uint8, row 0 on top, or None."""

    name: str
    parts: tuple[HandedPart, ...]
    repaint: Repaint | None = None
    picture: np.ndarray | None = None


@dataclass(frozen=True)
class HandedSource(TrimeshSource):
    """A scene whose sender also says what it shows and what of it is to be painted."""

    handed: Handed

    @property
    def asked(self) -> Repaint | None:
        return self.handed.repaint

    @property
    def picture(self) -> np.ndarray | None:
        asked = self.handed.repaint
        return self.handed.picture if asked is None or asked.old is None else asked.old


def read_handed(path: str | Path) -> Handed:
    """Read a .texmesh file; raises InputError if it is not one, is cut short, or was written by a newer add-on."""
    path = checked_path(PathName()("mesh", path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused.mesh_unreadable(
            f"{about(path)} cannot be read ({error.strerror or error})", "check the file"
        ) from error
    line = content[:LONGEST_HEADER].partition(b"\n")[0]
    try:
        header = read_json(line)
        version = header["texsync_mesh"]
    except (ValueError, TypeError, KeyError):
        raise Refused.mesh_kind(
            f"{about(path.name)} is not a .texmesh file", "hand the mesh over again"
        ) from None
    if version != VERSION:
        raise Refused.mesh_kind(
            f"{about(path.name)} has version {got(version)!r}, not {VERSION}", "update texsync"
        )
    try:
        check(header, HEADER)
        return _handed(header, memoryview(content)[len(line) + 1 :])
    except ValueError as error:
        raise Refused.mesh_damaged(
            f"{about(path.name)} is damaged: {error}", "hand the mesh over again"
        ) from None


def _handed(header: dict[str, Any], data: memoryview) -> Handed:
    parts: list[HandedPart] = []
    for entry in header["parts"]:
        name = unique_name(entry["name"], {part.name for part in parts})
        parts.append(_part(name, entry, data))
    picture = _picture(header["picture"], data) if "picture" in header else None
    repaint = _repaint(header["repaint"], data, picture) if "repaint" in header else None
    return Handed(header["name"], tuple(parts), repaint, picture)


def _part(name: str, entry: dict[str, Any], data: memoryview) -> HandedPart:
    corner_vertex = _array(data, entry["corner_vertex"], WHOLE).astype(np.int64)
    triangles = _array(data, entry["triangles"], WHOLE, 3).astype(np.int64)
    _check_corners(triangles, len(corner_vertex), f"{name}: triangles")
    uv = _array(data, entry["uv"], FLOATS, 2).astype(np.float64) if "uv" in entry else None
    if uv is not None and len(uv) != len(corner_vertex):
        raise ValueError(f"{name}: {len(uv)} UVs for {len(corner_vertex)} corners")
    polygon = _array(data, entry["polygon"], WHOLE).astype(np.int64)
    if len(polygon) != len(triangles):
        raise ValueError(f"{name}: {len(polygon)} polygon numbers for {len(triangles)} triangles")
    shape = Shape(
        vertices=_array(data, entry["vertices"], FLOATS, 3).astype(np.float64),
        faces=corner_vertex[triangles],
        uv=uv,
        uv_faces=None if uv is None else triangles,
        polygon=polygon,
        corner=triangles,
    )
    _check_corners(shape.faces, len(shape.vertices), f"{name}: corners")
    transform = np.array(entry["transform"], np.float64).reshape(4, 4)
    return HandedPart(name, transform, shape, triangles, len(corner_vertex))


def _picture(entry: dict[str, Any], data: memoryview) -> np.ndarray:
    """(H, W, 4) uint8, row 0 on top."""
    pixels = _array(data, entry["pixels"], FLOATS).reshape(entry.get("height", 0), entry.get("width", 0), 4)
    pixels = np.nan_to_num(pixels)
    return (pixels[::-1] * 255).round().clip(0, 255).astype(np.uint8)  # Blender's first row is the bottom


def _repaint(entry: dict[str, Any], data: memoryview, picture: np.ndarray | None) -> Repaint:
    old = _picture(entry, data) if "pixels" in entry else picture
    uv = _array(data, entry["uv"], FLOATS, 2).astype(np.float64).reshape(-1, 3, 2)
    if not np.isfinite(uv).all():
        raise ValueError("UVs to repaint are no numbers")
    if "weights" not in entry:
        return Repaint(uv, old)
    weight = _array(data, entry["weights"], FLOATS).astype(np.float64).reshape(len(uv), 3)
    if not ((weight >= 0) & (weight <= 1)).all():
        raise ValueError("weights to repaint are not in 0 to 1")
    return Repaint(uv, old, weight)


def _array(data: memoryview, place: dict[str, int], kind: str, columns: int = 1) -> np.ndarray:
    """One of the arrays, (count,) or (count / columns, columns); raises ValueError where it does not fit."""
    at, count = place["at"], place["count"]
    if at + 4 * count > len(data):
        raise ValueError(f"{count} numbers at byte {at} of {len(data)}")
    flat = np.frombuffer(data, kind, count, at)
    return flat.reshape(-1, columns) if columns > 1 else flat


def _check_corners(indices: np.ndarray, count: int, what: str) -> None:
    if len(indices) and (indices.min() < 0 or indices.max() >= count):
        raise ValueError(f"{what} refer to number {indices.max()} of {count}")


def read(path: Path) -> HandedSource:
    """The parts as a trimesh scene, and their shapes by name."""
    handed = read_handed(path)
    scene = trimesh.Scene()
    for part in handed.parts:
        mesh = as_trimesh(part.shape)
        scene.add_geometry(mesh, node_name=part.name, geom_name=part.name, transform=part.transform)
    return HandedSource(scene, {part.name: part.shape for part in handed.parts}, handed)


def new_uvs(handed: Handed, loaded: Loaded, surface: Surface) -> bytes | None:
    """What the sender needs to show a new map: float32 uv of every corner, part after part; None if it kept its own."""
    if keeps_uvs(loaded, surface):
        return None
    by_name = {part.shape: part for part in loaded.parts}
    blocks = []
    for part in handed.parts:
        table = np.zeros((part.corners, 2), np.float32)
        if part.name in by_name:  # one without faces is not
            corners = corner_uvs(loaded, surface, by_name[part.name])
            table[part.triangles.ravel()] = surface.uv[corners.ravel()]
        blocks.append(table.astype(FLOATS).tobytes())
    return b"".join(blocks)


FORMAT = Format((ENDING,), read, axes=Z_UP, public=False)
