"""Files of splats: .ply, .spz and .splat."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError, Refused, about, got
from .gaussians import Splats
from .projected import LEAST_ALPHA
from .splat_packed import (
    HEADER,
    ROW,
    SplatRows,
    SplatSpz,
    read_rows,
    read_spz,
    rows_bytes,
    spz_bytes,
    unzipped,
)
from .splat_ply import SplatPly, claims_ply, count_ply, ply_bytes, read_splat_ply

ENDINGS = (".ply", ".spz", ".splat")
BYTES_EACH = (
    500  # that a splat takes here while it is looked at, its place in the file apart; seen with 500,000
)
HEAD = 2**16  # bytes in which a PLY file's header ends
AGAIN = "export it again from the program that made it"


def is_splats(path: str | Path) -> bool:
    """Whether a file is of splats, by its ending, and a .ply by its fields: one that has faces is a mesh.

    True also where some fields are missing, which `read_splats` says.  False for what cannot be read.
    """
    path = Path(path).expanduser()
    kind = path.suffix.lower()
    try:
        if kind != ".ply" or not path.is_file():
            return kind in ENDINGS and kind != ".ply"
        with path.open("rb") as file:
            return claims_ply(file.read(HEAD))
    except OSError:
        return False


def read_splats(path: str | Path, room: int | None = None) -> Splats:
    """The splats of a file, all of them finite, with unit quaternions.

    room: bytes of memory that there are.  Raises InputError for a file that is not there, is damaged, lacks fields, has
    numbers that are none, no splats, none that is opaque enough to be seen, or more than `room` holds.
    """
    path = Path(path).expanduser()
    data = _bytes(path)
    try:
        splats = _read(path, data, room)
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, OverflowError, UnboundLocalError) as error:
        said = " ".join(f"{error}".split())[:120]
        raise Refused.splats_damaged(f"{about(path.name)} is damaged: {said}", AGAIN) from None
    _check(path.name, splats)
    length = np.linalg.norm(splats.rotations, axis=1, keepdims=True)
    return Splats(
        splats.means, splats.scales, splats.rotations / length, splats.opacity, splats.colour, splats.source
    )


def splat_bytes(splats: Splats, ending: str) -> bytes:
    """Splats as a file with this ending.

    One of the kind that they were read from is that file with other colours, and all else in it as it was, to the bit;
    so do not move splats that are to be saved.  Another kind is made anew.
    """
    own = {".ply": SplatPly, ".spz": SplatSpz, ".splat": SplatRows}[ending]
    if splats.source is not None and isinstance(splats.source, own):
        return splats.source.painted(splats.colour)
    return {".ply": ply_bytes, ".spz": spz_bytes, ".splat": rows_bytes}[ending](splats)


def _bytes(path: Path) -> bytes:
    if path.suffix.lower() not in ENDINGS:
        raise Refused.splats_kind(
            f"{about(path)} has an unknown ending {got(path.suffix)!r}", f"known: {', '.join(ENDINGS)}"
        )
    if not path.exists():
        raise Refused.mesh_missing(f"{about(path)} does not exist", "check the path")
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused.mesh_unreadable(
            f"{about(path)} cannot be read ({error.strerror or error})", "check the file"
        ) from error


def _read(path: Path, data: bytes, room: int | None) -> Splats:
    kind, name = path.suffix.lower(), path.name
    if kind == ".ply":
        _check_count(name, count_ply(data, name), len(data), room)
        return read_splat_ply(data)
    if kind == ".splat":
        _check_count(name, len(data) // ROW.itemsize, len(data), room)
        return read_rows(data, name)
    whole = unzipped(data, name, room)
    _check_count(name, HEADER.unpack_from(whole)[2], len(whole), room)
    return read_spz(whole, name)


def _check_count(name: str, count: int, size: int, room: int | None) -> None:
    """size: of the file, which is held twice when it is painted, bytes."""
    if not count:
        raise Refused.splats_empty(f"{about(name)} has no splats", AGAIN)
    each = BYTES_EACH + 2 * size // count
    if room is not None and count * each > room:
        raise Refused.memory(
            f"{about(name)} has {got(count):,} splats, and memory holds about {room // each:,}",
            "leave some out, or close other programs",
        )


def _check(name: str, splats: Splats) -> None:
    parts = {"centres": splats.means, "scales": splats.scales, "rotations": splats.rotations}
    parts |= {"opacities": splats.opacity, "colours": splats.colour}
    for part, values in parts.items():
        if wrong := int((~np.isfinite(values.reshape(len(values), -1)).all(axis=1)).sum()):
            raise Refused.splats_damaged(
                f"{about(name)} has NaN or infinity in the {part} of {got(wrong):,} splats",
                "remove those splats, or export it again",
            )
    if wrong := int(((splats.rotations == 0).all(axis=1) | (splats.scales <= 0).any(axis=1)).sum()):
        raise Refused.splats_damaged(
            f"{about(name)} has {got(wrong):,} splats without a size or a rotation",
            "remove those, or export it again",
        )
    if splats.opacity.max() < LEAST_ALPHA:
        raise Refused.splats_empty(
            f"the splats of {about(name)} have opacities of at most {got(float(splats.opacity.max())):.2g}: "
            "none would be seen",
            "give it splats that are opaque",
        )
