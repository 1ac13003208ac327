"""What may be asked of ControlNets: which ones, what each follows and how firmly, and how depth looks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Refused, option

CONTROL_KINDS = {
    "depth": "how near things are, nearest white",
    "normal": "which way the surface faces, as the v1.1 normalbae ControlNet has it",
    "softedge": "broad grey lines, as HED and PiDiNet draw them",
    "canny": "thin white lines",
    "lineart": "white lines on black",
    "tile": "the picture that is there already, whose details it paints anew",
}
"""What texsync can render of a mesh for a ControlNet, each with a line on it."""
KNOWN = ("tile",)  # of these, what follows no geometry, but what is known of the result before it is painted
NOT_RENDERED = {
    "normal-midas": "normals estimated by MiDaS, whose axes are others; the v1.1 normalbae one follows a mesh's",
    "mlsd": "straight lines of a photograph",
    "openpose": "a skeleton",
    "scribble": "a scribble",
    "seg": "a segmentation",
    "shuffle": "the colours of a picture",
    "ip2p": "the picture itself",
    "inpaint": "a picture with a hole",
    "qr": "a pattern of light and dark",
    "union": "several kinds, which it wants to be told",
    "t2i-adapter": "what a ControlNet follows, but is none",
}
"""What other ControlNets follow, which a mesh has not."""
UNREAD = ("union", "t2i-adapter")  # of those, what no picture makes a task read
NAMED = (  # what a ControlNet's name says of it, the first that fits
    ("t2i-adapter", r"t2i-?adapter"),
    ("normal-midas", r"sd-controlnet-normal"),
    ("union", r"union|promax"),
    ("softedge", r"soft-?edge|\bhed\b|pidi"),
    ("normal", r"normal"),
    ("lineart", r"line-?art"),
    ("canny", r"canny"),
    ("mlsd", r"mlsd"),
    ("openpose", r"open-?pose|\bpose\b"),
    ("scribble", r"scribble|sketch"),
    ("seg", r"\bseg\b|segment"),
    ("shuffle", r"shuffle"),
    ("ip2p", r"ip2p|pix2pix"),
    ("inpaint", r"inpaint"),
    ("qr", r"\bqr|qrcode|brightness|illumination"),
    ("tile", r"\btile|upscal"),
    ("depth", r"depth|zoe|midas"),
)
DEPTH_STYLES = {
    "official": "blurred, the object's far end as dark as the background, as the authors' code gives it",
    "sharp": "sharp, and the object's far end brighter than the background",
}
AND = " + "  # between several ControlNets in one text
MOST, FIRMEST = 8, 2.0  # ControlNets at once; scale of one
SAID = re.compile(
    r"(?:(?P<kind>[a-z][a-z0-9-]*)=)?(?P<name>.*?)(?::(?P<scale>\d+(?:\.\d*)?|\.\d+))?", re.DOTALL
)
EXAMPLE = "e.g. depth=owner/name:0.8"


@dataclass(frozen=True)
class SaidControl:
    """One ControlNet as a user names it.  name: "" is the model's own.  scale: None is as for all of them."""

    name: str
    kind: str | None = None
    scale: float | None = None

    def __str__(self) -> str:
        scale = "" if self.scale is None else f":{self.scale:g}"
        return f"{self.kind}={self.name}{scale}" if self.kind else f"{self.name}{scale}"


def said_controls(text: str | None, kind: str | None = None) -> list[SaidControl]:
    """The ControlNets in a text such as "depth=FOLDER:1.0 + normal=owner/name:0.5"; none for None.

    kind: of those that say none.  Raises InputError for a kind or scale that there is not, or too many.
    """
    if text is None:
        return [SaidControl("", kind)] if kind else []
    parts = [text] if _exists(text) else text.split(AND)
    if len(parts) > MOST:
        raise Refused.option_count(f"{len(parts)} {option('controlnet')}s", f"use at most {MOST}")
    return [_said(part.strip(), kind) for part in parts]


def _said(text: str, kind: str | None) -> SaidControl:
    if _exists(text):
        return SaidControl(text, kind)
    found = SAID.fullmatch(text)
    assert found is not None, "every text fits"
    own = found["kind"]
    if own is not None and own not in (*CONTROL_KINDS, *NOT_RENDERED):
        raise Refused.option_choice(
            f"{option('controlnet')} follows an unknown {own!r}", f"known: {', '.join(CONTROL_KINDS)}"
        )
    scale = None if found["scale"] is None else float(found["scale"])
    if scale is not None and scale > FIRMEST:
        raise Refused.option_choice(
            f"{option('controlnet')} {found['name']} has scale {scale:g}", f"use 0 to {FIRMEST:g}"
        )
    if not found["name"] and scale is not None:
        raise Refused.option_choice(f"{option('controlnet')} {text!r} names no ControlNet", EXAMPLE)
    return SaidControl(found["name"], own or kind, scale)


def said_kinds(controlnet: Any) -> list[str | None]:
    """What each of the ControlNets follows, as it is said or by its name; None: that says nothing.

    controlnet: the option; None: the model's own one.
    """
    text = None if controlnet is None else os.fspath(controlnet)
    return [one.kind or kind_by_name(one.name) for one in said_controls(text)] or [None]


def with_kind(controlnet: Any, kind: str | None) -> str | None:
    """The option as a text that has what each follows, where that is said.  kind: of those that say none."""
    said = said_controls(None if controlnet is None else os.fspath(controlnet), kind)
    return AND.join(map(str, said)) or None


def joined_controls(values: Iterable[Any]) -> str:
    """Several as one text."""
    return AND.join(os.fspath(value) for value in values)


def kind_by_name(*names: str) -> str | None:
    """What a ControlNet follows by its names, the first that says something; None: they do not say."""
    for name in names:
        parts = re.split(r"[/\\]", name.lower())
        for part in [*reversed(parts[-2:]), *(part for part in parts[:-2] if part.startswith("models--"))]:
            words = re.sub(r"[^a-z0-9]+", "-", part)
            for kind, pattern in NAMED:
                if re.search(pattern, words):
                    return kind
    return None


def check_rendered(name: str, kind: str | None) -> str:
    """The kind, if it can be rendered of a mesh; raises InputError that asks for it, or says why not."""
    if kind in CONTROL_KINDS:
        return kind
    if kind is None:
        raise Refused.controlnet(
            f"it is not said what {option('controlnet')} {name or 'the model has'} follows",
            f"say it, e.g. {option('control_kind', 'depth')}; known: {', '.join(CONTROL_KINDS)}",
        )
    raise Refused.controlnet(
        f"{option('controlnet')} {name} follows {NOT_RENDERED[kind]} ({kind}), which texsync cannot render of a mesh",
        f"use one for {', '.join(CONTROL_KINDS)}",
    )


def check_read(controlnet: Any) -> None:
    """Raises InputError for one that says by its name that it is no ControlNet of one condition.

    controlnet: the option; None: the model's own one.
    """
    for one in said_controls(None if controlnet is None else os.fspath(controlnet)):
        kind = one.kind or kind_by_name(one.name)
        if kind is not None and kind in UNREAD:
            raise Refused.controlnet(
                f"{option('controlnet')} {one.name} follows {NOT_RENDERED[kind]} ({kind})",
                f"give {option('controlnet')} a ControlNet of one condition",
            )


def check_known(followed: Iterable[tuple[str, str | None]], remedy: str) -> None:
    """Raises InputError for a ControlNet that follows what is known, in a run in which nothing is.

    followed: each one's name and kind.  remedy: how something would be known.
    """
    for name, kind in followed:
        if kind in KNOWN:
            raise Refused.controlnet(
                f"{option('controlnet')} {name or kind} follows a picture that is there already, and there is none",
                remedy,
            )


def shared_out(kinds: Sequence[str | None], given: int) -> list[int | None]:
    """For each ControlNet which of so many given pictures it follows; None: the one that is known already.

    There is one for each, or for each but those that follow what is known.  Raises InputError for another number.
    """
    asking = len(kinds) if given == len(kinds) else sum(kind not in KNOWN for kind in kinds)
    if given != asking:
        raise Refused.option_count(
            f"{given} {option('control')}s for {asking} {option('controlnet')}s",
            f"give each one, in their order, e.g. {option('control', 'canny')} {option('control_image', 'house.jpg')}",
        )
    number = iter(range(given))
    return [None if kind in KNOWN and given < len(kinds) else next(number) for kind in kinds]


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False
