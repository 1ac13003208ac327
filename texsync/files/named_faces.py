"""Which faces of a job a person means: by their numbers in the file, by a material or by an object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import Refused, about, got
from ..options.start import numbers
from .loaded import Loaded

NAMED = 20  # names in a line


def named_faces(loaded: Loaded, kind: str, said: str) -> np.ndarray:
    """(F,) bool.

    kind: "faces", then `said` is a list such as 0-11,40, or a file with one; "material" or "object", then a name.
    Faces count from 0 through the file, polygons where it has such.  Raises InputError for numbers and names that are
    not in the file.
    """
    if kind == "faces":
        return _numbered(loaded, said)
    names = _materials(loaded) if kind == "material" else _objects(loaded)
    chosen = np.array([said in one for one in names], bool)
    if not chosen.any():
        known = list(dict.fromkeys(name for one in names for name in one if name))
        more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
        there = f"known: {', '.join(known[:NAMED])}{more}" if known else f"the file names no {kind}s"
        raise Refused.option_choice(f"{about(loaded.stem)} has no {kind} {got(said):r.60}", there)
    return chosen[_group(loaded, kind)]


def _numbered(loaded: Loaded, said: str) -> np.ndarray:
    wanted = np.unique(numbers(_listed(said)))
    pieces: list[np.ndarray] = [np.zeros(0, np.int64)]
    last = -1
    for part in loaded.parts:
        polygon = loaded.shapes[part.shape].polygon
        every = np.arange(len(part.kept)) if polygon is None else np.unique(polygon, return_inverse=True)[1]
        pieces.append(every[part.kept] + last + 1)
        last += int(every.max(initial=-1)) + 1
    own = np.concatenate(pieces)
    if wanted.max() > last:
        raise Refused.option_range(
            f"{about(loaded.stem)} has no face {got(int(wanted.max()))}", f"its faces are 0 to {last}"
        )
    return np.isin(own, wanted)


def _listed(said: str) -> str:
    """The list itself, or what is in the file of that name."""
    if said[:1].isdigit():
        return said
    try:
        return Path(said).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise Refused.option_path(
            f"the list of {about('faces')} {got(said):r.60} cannot be read ({reason})",
            "give e.g. faces:0-11,40",
        ) from None


def _materials(loaded: Loaded) -> list[tuple[str | None, ...]]:
    """The name of each material of each part, in order."""
    found: list[tuple[str | None, ...]] = []
    for part in loaded.parts:
        found += [(name,) for name in loaded.source.material_names(part.shape)[0]]
    return found


def _objects(loaded: Loaded) -> list[tuple[str, ...]]:
    return [loaded.source.object_names(part) for part in loaded.parts]


def _group(loaded: Loaded, kind: str) -> np.ndarray:
    """(F,) which of the named things each face belongs to."""
    pieces: list[np.ndarray] = [np.zeros(0, np.int64)]
    first = 0
    for part in loaded.parts:
        names: Sequence[object] = (part.node,)
        of = np.zeros(int(part.kept.sum()), np.int64)
        if kind == "material":
            names, every = loaded.source.material_names(part.shape)
            of = every[part.kept]
        pieces.append(of + first)
        first += len(names)
    return np.concatenate(pieces)
