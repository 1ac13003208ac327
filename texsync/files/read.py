"""From a file of any known format, or a trimesh object, to what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from ..errors import InputError, Refused, about
from ..options.kinds import PathName
from .formats import Y_UP, formats
from .json_table import Wrong
from .path import EXPORT_AGAIN, checked_path, reason
from .source import TrimeshSource, source_of


def read_mesh(mesh: Any) -> tuple[str, tuple[str, str], TrimeshSource]:
    """What to call a path or a trimesh object, the axes that it is taken to have, and what is in it.

    Raises InputError for what is not there, not known or not readable.  Reads nothing outside the file's folder.
    """
    if isinstance(mesh, trimesh.Trimesh):
        mesh = trimesh.Scene(mesh)
    if isinstance(mesh, trimesh.Scene):
        return "mesh", Y_UP, source_of(mesh)
    if not isinstance(mesh, (str, Path)):
        raise Refused.mesh_kind(
            f"a {about(type(mesh).__name__)} is not a mesh",
            "pass a path, a trimesh.Trimesh or a trimesh.Scene",
        )
    path = checked_path(PathName()("mesh", mesh))
    format = formats()[path.suffix[1:].lower()]
    try:
        with np.errstate(all="ignore"):  # numbers that fit nowhere are found by checks, and told in words
            return path.name, format.axes, format.read(path)
    except (OSError, PermissionError) as error:
        raise Refused.mesh_unreadable(
            f"{about(path)} cannot be read ({error.strerror or error})", "check the file"
        ) from error
    except InputError:
        raise
    except Wrong as error:
        raise Refused.mesh_damaged(f"{about(path.name)} is damaged: {error}", EXPORT_AGAIN) from None
    except Exception as error:  # the readers raise whatever their first wrong assumption leads to
        said = f"{path} cannot be read as {path.suffix[1:].upper()} ({reason(error)})"
        raise Refused.mesh_damaged(said, EXPORT_AGAIN) from error
