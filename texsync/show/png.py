"""Pictures as 8-bit PNG, with the parameters that they were made with inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..picture_files import opened
from ..record.facts import dump

KEY = "parameters"  # of the text chunk; where image tools look
XMP = "XML:com.adobe.xmp"  # the chunk in which a PNG holds that
MOST_PACKED = 4_000_000  # pixels; larger PNGs take minutes to pack as small as can be


def to_image(picture: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] to an 8-bit RGB picture, rounded; (4, H, W) to RGBA."""
    planes = [(plane.clamp(0, 1) * 255).round().byte().cpu().numpy() for plane in picture]
    return Image.fromarray(np.stack(planes, axis=-1))


def png(image: Image.Image) -> bytes:
    """A picture as PNG: what a notebook shows of a result."""
    return stamped_png(image, {})


def stamped_png(image: Image.Image, about: Mapping[str, Any]) -> bytes:
    """A picture as PNG with `about` as JSON in its text, if there is any."""
    file = BytesIO()
    image.save(file, "PNG", pnginfo=_text(about))
    return file.getvalue()


def write_png(
    picture: Tensor, path: Path, parameters: dict[str, Any], profile: bytes | None = None, xmp: str = ""
) -> None:
    """A picture (3 or 4, H, W) in [0, 1] as `save_png` does."""
    save_png(to_image(picture), path, parameters, profile, xmp)


def save_png(
    picture: Image.Image, path: Path, parameters: dict[str, Any], profile: bytes | None = None, xmp: str = ""
) -> None:
    """An 8-bit PNG whose text chunk `KEY` holds `parameters` as JSON.  profile: ICC.  xmp: XML for other programs."""
    small = picture.width * picture.height < MOST_PACKED
    effort: dict[str, Any] = {"optimize": True} if small else {"compress_level": 3}
    text = _text(parameters)
    if xmp:
        text.add_itxt(XMP, xmp)
    picture.save(path, pnginfo=text, icc_profile=profile, **effort)


def read_parameters(path: str | Path) -> dict[str, Any]:
    """What `write_png` put into a picture; an empty dict for other pictures.  Raises InputError for no picture."""
    picture = opened(path)
    return json.loads(getattr(picture, "text", {}).get(KEY, "{}"))


def _text(about: Mapping[str, Any]) -> Any:
    info = PngInfo()
    if about:
        info.add_text(KEY, dump(about))
    return info
