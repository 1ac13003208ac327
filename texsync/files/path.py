"""Which files may be meshes."""

from __future__ import annotations

from pathlib import Path

from ..errors import Refused, about, got
from ..splats.splat_files import is_splats
from .formats import formats, known

EXPORT_AGAIN = "export it again from the program that made it"


def checked_path(path: Path) -> Path:
    """The path if a mesh file may be there; raises InputError otherwise."""
    endings = ", ".join(known())
    if path.is_dir():
        raise Refused.mesh_kind(f"{about(path)} is a folder", f"name a mesh file in it ({endings})")
    if not path.exists():
        raise Refused.mesh_missing(f"{about(path)} does not exist", "check the path")
    if is_splats(path):
        raise Refused.mesh_kind(
            f"{about(path)} is of Gaussian splats, not of triangles",
            "paint it with the task splats: texsync splats, or texture_splats in Python",
        )
    if path.suffix[1:].lower() not in formats():
        raise Refused.mesh_kind(
            f"{about(path)} has an unknown ending {got(path.suffix)!r}", f"known: {endings}"
        )
    if path.stat().st_size == 0:
        raise Refused.mesh_damaged(f"{about(path)} is empty", EXPORT_AGAIN)
    return path


def reason(error: BaseException) -> str:
    """What went wrong inside a reader or writer, in a few words."""
    return " ".join(f"{type(error).__name__} {error}".split())[:120]
