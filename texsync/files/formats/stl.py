"""STL by trimesh's reader, if all of it is there: readers take what they can from a file that was cut short."""

from __future__ import annotations

from pathlib import Path

from ...errors import Refused, about, got
from ..source import TrimeshSource, read_by_trimesh
from . import Z_UP, Format

HEAD, TRIANGLE = 84, 50  # bytes
AGAIN = "copy or export it again"


def whole_stl(path: Path) -> bytes:
    """The file without what some programs write behind the triangles.

    Raises InputError for one with fewer triangles than it announces, or that ends too early.
    """
    data = path.read_bytes()
    if (
        data.lstrip().startswith(b"solid") and b"\0" not in data[:1000]
    ):  # some binary files begin with "solid" too
        low = data.lower()
        ends = low.count(b"endfacet")
        if low.count(b"facet") != 2 * ends or low.count(b"vertex") != 3 * ends or b"endsolid" not in low:
            raise Refused.mesh_damaged(
                f"{about(path.name)} is cut short: its text ends before 'endsolid'", AGAIN
            )
        return data
    if len(data) < HEAD:
        raise Refused.mesh_damaged(
            f"{about(path.name)} is cut short: {len(data)} bytes are no STL file", AGAIN
        )
    there, announced = (len(data) - HEAD) // TRIANGLE, int.from_bytes(data[HEAD - 4 : HEAD], "little")
    if there < announced:
        raise Refused.mesh_damaged(
            f"{about(path.name)} is cut short: {got(there)} of {announced} triangles are there", AGAIN
        )
    return data[: HEAD + TRIANGLE * announced]


def read(path: Path) -> TrimeshSource:
    """The meshes of a file, vertices in the file's order."""
    return read_by_trimesh(path, whole_stl(path))


FORMAT = Format(("stl",), read, axes=Z_UP)
