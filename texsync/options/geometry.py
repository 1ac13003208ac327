"""What may be asked of a mesh's own geometry: its UVs, its axes, and where it is looked at from."""

from __future__ import annotations

from typing import Any

from ..errors import Refused, about, got
from .control_kinds import CONTROL_KINDS, DEPTH_STYLES
from .declared import declare, unsaid
from .kinds import CameraSet, Choice, Prompt
from .shared import ATTENTIONS

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
FRAMINGS = {
    "tight": "the mesh fills the views",
    "paper": "the sphere around the mesh fills the views",
}
BLENDS = {
    "best-facing": "where several earlier views show a point, the one that faces it best counts alone",
    "mean": "the mean of all of them; smoother",
}
VIEW_ORDERS = {
    "alternate": "the front leads, then left and right in turn",
    "paper": "the back leads, as in the authors' code",
}
EXTRA_VIEWS = {
    "auto": "also from the top and from below, where the views around the mesh see too little",
    "none": "only the views around the mesh",
}
PROMPT_HELP = "What the surface should look like, e.g. weathered copper."
SURFACE_PROMPT = Prompt('describe the surface, e.g. "weathered copper"')


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


def cameras_option(*sets: str) -> Any:
    """sets: of CAMERA_SETS."""
    return declare(
        f"Where the views stand: {', '.join(sets)}, or a file or folder of cameras, JSON, NeRF's or COLMAP's.",
        CameraSet({name: CAMERA_SETS[name] for name in sets}),
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


def blend_option() -> Any:
    return declare(
        "Where several earlier views show a point: the one that faces it best, or their mean.",
        Choice(BLENDS, was={"best": "best-facing"}),
        default=unsaid("best-facing"),
        usual="best-facing",
        paper="mean",
        was="pick",
    )


def view_order_option() -> Any:
    return declare(
        "Which view leads: front first, or the reference's.",
        Choice(VIEW_ORDERS, labels={"alternate": "Front First", "paper": "As Published"}),
        default="alternate",
        paper="paper",
        label="Views",
    )


def attention_option() -> Any:
    return declare(
        "Whether views see each other in the model's self-attention.",
        Choice(ATTENTIONS),
        default="none",
        paper="neighbours",
    )


def control_kind_option() -> Any:
    return declare(
        "What the ControlNet follows, where its name does not say it.",
        Choice(CONTROL_KINDS),
        "model",
        default=unsaid("by its name"),
        usual="depth",
    )


def depth_style_option() -> Any:
    return declare(
        "How depth looks to a ControlNet; it should be as it was trained.",
        Choice(DEPTH_STYLES),
        "model",
        default=unsaid("the model's own, else official"),
        usual="official",
    )
