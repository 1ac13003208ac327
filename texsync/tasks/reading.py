"""Pictures and masks of the user's own: whatever kind of file they are, or one line about why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import Refused, about, got
from ..options.kind_errors import brief
from ..options.kinds import PathName
from ..picture_files import decoded, upright

if TYPE_CHECKING:
    from torch import Tensor

LEAST_SIDE = 16  # pixels
MOST_ASPECT = 4.0  # long side over short side of a picture to edit
SIXTEEN_BIT = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def read_picture(source: Any, backdrop: str | None = "white") -> Image.Image:
    """A picture file, PIL image or array as RGB, upright as its EXIF says; clear parts show the backdrop.

    backdrop: a colour; None: a picture that has clear parts stays as it is, RGBA.

    16-bit and grey pictures are taken to 8-bit RGB.  Raises InputError for what is no picture, or an animation, or
    smaller than 16 pixels a side; see `pictures`.
    """
    if isinstance(source, np.ndarray):
        source = _from_array(source)
    elif isinstance(source, (str, Path)):
        source = PathName()("picture", source)
    elif not isinstance(source, Image.Image):
        raise Refused.picture_kind(
            f"{about(brief(source))} is not a picture", "give the path of a file, a PIL image or an array"
        )
    name = "the picture" if isinstance(source, Image.Image) else str(source)
    picture = upright(decoded(source))
    if min(picture.size) < LEAST_SIDE:
        raise Refused.picture_size(
            f"{about(name)} is only {picture.width} x {picture.height} pixels",
            f"use one of at least {LEAST_SIDE} a side",
        )
    return _rgb(picture, backdrop, name)


def _from_array(values: np.ndarray) -> Image.Image:
    try:
        return Image.fromarray(values)
    except (TypeError, ValueError, OverflowError):
        raise Refused.picture_kind(
            f"an {about('array')} of {got(values.dtype)} {values.shape} is not a picture",
            "give (H, W, 3) as uint8",
        ) from None


def _rgb(picture: Image.Image, backdrop: str | None, name: str) -> Image.Image:
    if picture.mode in SIXTEEN_BIT:
        values = np.asarray(picture).astype(np.int64)
        grey = values / 257 if values.max(initial=0) > 255 or picture.mode != "I" else values
        return Image.fromarray(np.clip(np.round(grey), 0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise Refused.picture_kind(f"{about(name)} holds floating point numbers", "save it as 8-bit PNG")
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        if backdrop is None:
            return clear
        return Image.alpha_composite(Image.new("RGBA", clear.size, backdrop), clear).convert("RGB")
    return picture.convert("RGB")


def colour_profile(picture: Image.Image) -> bytes | None:
    """The ICC profile of a picture as read, if it is one of RGB values."""
    profile = picture.info.get("icc_profile") or b""
    return profile if profile[16:20] == b"RGB " and picture.mode in ("RGB", "RGBA") else None


def read_mask(source: Any, soft: bool = False) -> np.ndarray:
    """A mask file as (H, W) float64 in [0, 1], 1 = foreground = white; clear parts are background.

    soft: keep greys as shares; otherwise what is at least half white is foreground (SyncSDE's code).
    """
    grey = np.asarray(read_picture(source, backdrop="black").convert("L"), np.float64) / 255
    return grey if soft else (grey >= 0.5).astype(np.float64)


def check_shape(mask: np.ndarray, width: int, height: int, name: str) -> None:
    """Raises InputError unless a mask (H, W) has the shape of width : height."""
    tall, wide = mask.shape
    if abs(tall * width - wide * height) > max(width, height):  # about a pixel
        raise Refused.mask_size(
            f"{about(name)} is {got(wide)} x {tall} pixels, the picture {width} x {height}",
            "crop or pad the mask to the picture's shape",
        )


def mask_cells(
    mask: np.ndarray, height: int, width: int, name: str, *, soft: bool = False, pick: str = "mean"
) -> np.ndarray:
    """A mask (H, W) on the grid of latent cells (height, width): each cell's share, rounded unless soft.

    pick: the "mean" of a cell's pixels, or the "nearest" one, which is its first as in torch's interpolate.
    Raises InputError if nothing or everything is foreground.
    """
    if pick == "nearest":
        rows, columns = (
            np.arange(n) * side // n for n, side in zip((height, width), mask.shape, strict=True)
        )
        cells = mask[np.ix_(rows, columns)]
    else:
        area = Image.fromarray((mask * 255).astype(np.float32)).resize((width, height), Image.Resampling.BOX)
        cells = np.clip(np.asarray(area, np.float64) / 255, 0, 1)
    cells = cells if soft else (cells >= 0.5).astype(np.float64)
    if cells.max() == 0:
        raise Refused.mask_empty(
            f"{about(name)} is empty", "paint white where the foreground is, at least a few pixels wide"
        )
    if cells.min() == 1:
        raise Refused.mask_full(f"{about(name)} is full", "leave black where the background is")
    return cells


def fitted_size(size: tuple[int, int], view_size: int, multiple: int) -> tuple[int, int]:
    """(width, height) that a picture is worked on at: its shape, about view_size^2 pixels, in whole multiples.

    Raises InputError for a picture that is more than four times as long as it is short.
    """
    width, height = size
    if max(size) > MOST_ASPECT * min(size):
        raise Refused.picture_size(
            f"the {about('picture')} is {got(width)} x {height} pixels",
            f"crop it to at most {MOST_ASPECT:g} : 1",
        )
    grow = view_size / (width * height) ** 0.5
    width, height = (max(multiple, round(side * grow / multiple) * multiple) for side in size)
    return width, height


def to_tensor(picture: Image.Image) -> Tensor:
    """RGB to (3, H, W) float32 in [0, 1]."""
    import torch

    return torch.as_tensor(np.array(picture)).permute(2, 0, 1).float() / 255


def fitted(picture: Image.Image, view_size: int, multiple: int) -> Image.Image:
    """A picture at the size that it is worked on, see `fitted_size`."""
    return picture.resize(fitted_size(picture.size, view_size, multiple), Image.Resampling.LANCZOS)
