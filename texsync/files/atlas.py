"""One picture for everything, or one per material, object or UDIM tile: which a face has, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path

import numpy as np

from ..options.geometry import ATLAS
from ..surface.squares import prepare_apart, prepare_udim
from ..surface.types import Surface
from .loaded import Loaded, Part

LONGEST_NAME = 60  # characters that the name of a material or object adds to a file's


def prepared(loaded: Loaded, atlas: str, policy: str, texture_size: int) -> Surface:
    """The surface with the UVs to paint on.

    atlas: "one", "per-material", "per-object" or "udim".  policy, texture_size: see `uv.prepare`.
    Warns and raises as `uv.prepare` does, and for "udim" as `prepare_udim`.
    """
    ATLAS("atlas", atlas)
    if atlas == "udim":
        return prepare_udim(loaded)
    return prepare_apart(loaded, *grouped(loaded, atlas), policy, texture_size)


def grouped(loaded: Loaded, atlas: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """(F,) int64, which group a face belongs to, and what to call each group; in the file's order."""
    group = np.zeros(len(loaded.faces), np.int64)
    names: dict[Hashable, str] = {}
    if atlas == "one":
        return group, ("",)
    for part in loaded.parts:
        which = loaded.shapes[part.shape].materials[1][part.kept]
        keys = loaded.source.keys(part, by_object=atlas == "per-object")
        for k in np.unique(which):
            key, name = keys[k]
            names.setdefault(key, name)
            group[part.faces][which == k] = list(names).index(key)
    return group, _unique([names[key] for key in names])


def _unique(names: list[str]) -> tuple[str, ...]:
    """Names that can stand in file names, all of them different, also where case does not count."""
    made: list[str] = []
    for name in names:
        plain = re.sub(r"[^\w-]+", "_", name)[:LONGEST_NAME].strip("_") or "unnamed"
        free, k = plain, 1
        while free.lower() in (one.lower() for one in made):
            free, k = f"{plain}_{k}", k + 1
        made.append(free)
    return tuple(made)


def picture_names(stem: str, surface: Surface) -> list[str]:
    """The files of the pictures."""
    if surface.squares is None:
        return [f"{stem}_texture.png"]
    between = "." if surface.squares.udim else "_"
    return [f"{stem}_texture{between}{name}.png" for name in surface.squares.names]


def titles(stem: str, surface: Surface) -> list[str]:
    """The pictures' names inside a GLB."""
    return [stem if surface.squares is None else Path(name).stem for name in picture_names(stem, surface)]


def pictures(image: np.ndarray, surface: Surface) -> list[np.ndarray]:
    """(H, W, 3) each, of the row of them that was baked."""
    return np.split(image, surface.across, axis=1)


def squares_of(loaded: Loaded, surface: Surface, part: Part) -> np.ndarray:
    """(n,) int64, which picture each face of a part's shape has, also those without an area."""
    which = loaded.shapes[part.shape].materials[1]
    tile = np.zeros(len(which), np.int64)
    if surface.squares is None:
        return tile
    known = np.flatnonzero(part.kept)
    tile[known] = surface.squares.face[part.faces]
    for face in np.flatnonzero(~part.kept):  # as others of its material
        alike = known[which[known] == which[face]]
        tile[face] = tile[alike[0] if len(alike) else known[0]] if len(known) else 0
    return tile


def tile_of_material(loaded: Loaded, surface: Surface, part: Part) -> dict[str | None, int]:
    """The picture of each of a part's materials, by its name; of one with several, the first."""
    names, which = loaded.shapes[part.shape].materials
    tile = squares_of(loaded, surface, part)
    return {name: int(tile[which == k][0]) for k, name in enumerate(names) if (which == k).any()}
