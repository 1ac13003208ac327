"""What a mesh shows already: the base colours of its materials, on the map that it is painted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from ..surface.texels import both, uv_texels
from ..surface.types import Surface
from .colour import Colour, to_light, to_screen
from .corners import keeps_uvs
from .loaded import Loaded

NEUTRAL = 0.01  # of linear light; programs write one grey for a material that nobody has touched


@dataclass(frozen=True)
class OwnColour:
    """pixels: (H, W, 3) uint8, row 0 on top.  whole: it is the one picture of the file as it stands."""

    pixels: np.ndarray
    whole: bool


def own_colour(loaded: Loaded, surface: Surface, size: int | tuple[int, int]) -> OwnColour | None:
    """The base colours of a scene on its surface's map; None where all is one grey.

    The one picture of a file, where its own UVs are kept; else what all materials show, times what vertices say.
    size: (height, width) in texels, or one number.
    """
    if loaded.source.picture is not None:
        return _laid(loaded, surface, size, Colour(Image.fromarray(loaded.source.picture[..., :3])))
    colours, tints = _colours(loaded), _tints(loaded)
    first = colours[0]
    if tints is None and all(one == first for one in colours):
        if first.picture is not None:
            return _laid(loaded, surface, size, first)
        if max(first.tint) - min(first.tint) < NEUTRAL:
            return None
    return OwnColour(_transferred(loaded, surface, colours, size, tints), False)


def on_map(loaded: Loaded, surface: Surface, size: int | tuple[int, int], picture: Image.Image) -> OwnColour:
    """A picture on a file's own UVs, on the map that is painted; on a mesh without any, it is on that map already."""
    return _laid(loaded, surface, size, Colour(picture))


def _laid(loaded: Loaded, surface: Surface, size: int | tuple[int, int], colour: Colour) -> OwnColour:
    if loaded.uv is None or keeps_uvs(loaded, surface):
        return OwnColour(np.asarray(colour.tinted()), True)
    count = int(loaded.part.max(initial=0)) + 1
    return OwnColour(_transferred(loaded, surface, [colour] * count, size), False)


def _colours(loaded: Loaded) -> list[Colour]:
    """By number in `Loaded.part`: each part's materials."""
    found: list[Colour] = []
    known: dict[str, list[Colour]] = {}
    for part in loaded.parts:
        if part.shape not in known:
            names, _ = loaded.shapes[part.shape].materials
            known[part.shape] = [loaded.source.colour(part.shape, name) for name in names]
        found += known[part.shape]
    return found


def _tints(loaded: Loaded) -> np.ndarray | None:
    """(F, 3, 3): what multiplies the colour at the corners of each face, in linear light; None: nothing does."""
    known = {shape: loaded.source.tint(shape) for shape in {part.shape for part in loaded.parts}}
    if not any(known.values()):
        return None
    at = np.ones((*loaded.faces.shape, 3))
    for part in loaded.parts:
        tint, corners = known[part.shape], loaded.faces[part.faces] - part.vertices.start
        if tint is not None and tint.of_vertex is not None:
            at[part.faces] = tint.of_vertex[corners]
        elif tint is not None and tint.of_face is not None:
            at[part.faces] = tint.of_face[part.kept][:, None]
    return at


def _transferred(
    loaded: Loaded,
    surface: Surface,
    colours: list[Colour],
    size: int | tuple[int, int],
    tints: np.ndarray | None = None,
) -> np.ndarray:
    """(H, W, 3): every texel shows what the file's own UVs show there; the padding, the nearest texel's.

    tints: see `_tints`.
    """
    face, bary = uv_texels(surface.uv, surface.uv_faces, size)
    inside = face >= 0
    face, bary = face[inside], bary[inside]
    corners = np.zeros((len(face), 3, 2))
    if loaded.uv is not None and loaded.uv_faces is not None:
        own = loaded.uv_faces[face]
        corners = np.where((own >= 0)[..., None], loaded.uv[np.maximum(own, 0)], 0.0)
    uv = np.einsum("mk,mkd->md", bary, corners)
    shown = np.zeros((len(face), 3), np.uint8)
    for number, colour in enumerate(colours):
        mine = loaded.part[face] == number
        if mine.any():
            shown[mine] = looked_up(colour, uv[mine])
    if tints is not None:
        light = to_light(shown / 255) * np.einsum("mk,mkc->mc", bary, tints[face])
        shown = (to_screen(light) * 255).round().clip(0, 255).astype(np.uint8)
    canvas = np.zeros((*inside.shape, 3), np.uint8)
    canvas[inside] = shown
    row, column = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    padded: np.ndarray = canvas[row, column]
    return padded


def looked_up(colour: Colour, uv: np.ndarray) -> np.ndarray:
    """(M, 3) uint8: what a material shows at UVs (M, 2), v up, bilinear; pictures repeat beyond the unit square."""
    picture = colour.tinted()
    table = np.asarray(picture, np.float32)
    height, width = table.shape[:2]
    x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    across, down = (x - left)[:, None], (y - top)[:, None]
    rows, columns = (top % height, (top + 1) % height), (left % width, (left + 1) % width)
    upper, lower = (table[row, columns[0]] * (1 - across) + table[row, columns[1]] * across for row in rows)
    mixed: np.ndarray = (upper * (1 - down) + lower * down).round().clip(0, 255).astype(np.uint8)
    return mixed


def resized(pixels: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """A picture (H, W, 3) at `size`, (height, width) or both."""
    height, width = both(size)
    if pixels.shape[:2] == (height, width):
        return pixels
    made: Any = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(made)
