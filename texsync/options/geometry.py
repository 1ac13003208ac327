"""What may be asked of a mesh's own geometry: its UVs, its axes, and where it is looked at from."""

from __future__ import annotations

from typing import Any

from ..errors import Refused, about, got
from .declared import declare
from .kinds import CameraSet, Choice

UVS = Choice(
    {
        "auto": "keep the mesh's UVs if they can hold a texture, else make new ones",
        "keep": "use the mesh's own UVs, whatever they are like",
        "unwrap": "make new UVs; yours stay as they are",
    },
    labels={"keep": "Keep Mine", "unwrap": "New Map"},
)
ATLAS = Choice(
    {
        "one": "one texture for everything",
        "per-material": "one for each material of the file, on its own UVs",
        "per-object": "one for each object of the file",
        "udim": "one for each UDIM tile that the file's UVs lie in",
    },
    labels={"udim": "UDIM"},
)
AXES = {"auto": "by the file's format", **{f"{sign}{axis}": "" for sign in ("", "-") for axis in "xyz"}}
LABELS = {axis: axis.upper() for axis in AXES if axis != "auto"}
UP, FRONT = Choice(AXES, "up axis", LABELS), Choice(AXES, "front axis", LABELS)
CAMERA_SETS = {
    "ring": "the paper's ten around the mesh, and one from the top and one from below where those see too little",
    "cover": "as many as it takes to see almost all that can be seen better than 60 degrees, close up and inside too",
}
CAMERAS = CameraSet(CAMERA_SETS)
FRAMINGS = {
    "tight": "the mesh fills the views",
    "paper": "the sphere around the mesh fills the views",
}
EXTRA_VIEWS = {
    "auto": "also from the top and from below, where the views around the mesh see too little",
    "none": "only the views around the mesh",
}


def check_axes(up: Any, front: Any) -> None:
    """Both known, and not along the same line; raises InputError otherwise."""
    UP("up", up)
    FRONT("front", front)
    if up != "auto" and up.lstrip("-") == front.lstrip("-"):
        message = f"up {up} and {about('front')} {got(front)} lie on one axis"
        raise Refused.axes(message, "choose two different axes")


# options of several tasks; a field belongs to one class, so each is made where it is asked for


def uvs_option() -> Any:
    return declare(
        "Make new UVs, or use the mesh's own.",
        UVS,
        "surface",
        default="auto",
        flag={"keep": "keep-uvs", "unwrap": "unwrap"},
        label="UVs",
    )


def up_option() -> Any:
    return declare(
        "Up axis of the file: x, y, z, -x, -y, -z; auto goes by format.",
        UP,
        "surface",
        default="auto",
        metavar="AXIS",
        label="",
    )


def front_option() -> Any:
    return declare(
        "Axis that the front looks along, likewise.", FRONT, "surface", default="auto", metavar="AXIS"
    )


def cameras_option() -> Any:
    return declare(
        "Where the views stand: ring, cover, or a file or folder of cameras, JSON, NeRF's or COLMAP's.",
        CAMERAS,
        "surface",
        default="ring",
        label="",
    )


def framing_option() -> Any:
    return declare(
        "Views that the mesh fills, or its bounding sphere does.",
        Choice(FRAMINGS, labels={"paper": "As Published"}),
        default="tight",
        paper="paper",
    )


def extra_views_option() -> Any:
    return declare(
        "Top and bottom views where the ten around the mesh see too little, or none.",
        Choice(EXTRA_VIEWS),
        default="auto",
        paper="none",
    )
