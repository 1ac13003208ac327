"""Several pictures on one: contact sheets, tables, rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .png import to_image

FONT_SIZE = 15  # pixels
TABLE_SIDE = 256  # pixels a side that a square picture has in a table; others have its area


def contact_sheet(
    rows: Mapping[str, Tensor],
    names: Sequence[str],
    side: int = 192,
    *,
    across: int | None = None,
    caption: str = "",
) -> Image.Image:
    """One row per kind of picture, one column per view, all labelled.

    rows: title to (N, 3, s, s) in [0, 1].  names: N column titles.  side: pixels of each small picture.
    across: views side by side, None for all; further ones go below, again with all their kinds.
    """
    font, gutter, across = ImageFont.load_default(size=FONT_SIZE), 26, across or len(names)
    margin = 8 + max(int(font.getlength(title)) for title in rows) + 8
    head, block = gutter if caption else 0, gutter + len(rows) * (side + 4)
    blocks = math.ceil(len(names) / across)
    sheet = Image.new("RGB", (margin + across * (side + 4), head + blocks * block), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((8, head // 2), _shortened(caption, font, sheet.width - 16), "black", font, "lm")
    for view, name in enumerate(names):
        left, top = margin + view % across * (side + 4), head + view // across * block
        draw.text((left + side // 2, top + gutter // 2), name, "black", font, "mm")
        for row, pictures in enumerate(rows.values()):
            small = to_image(pictures[view]).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(small, (left, top + gutter + row * (side + 4)))
    for number, (row, title) in product(range(blocks), enumerate(rows)):
        middle = head + number * block + gutter + row * (side + 4) + side // 2
        draw.text((8, middle), title, "black", font, "lm")
    return sheet


def _shortened(text: str, font: Any, room: int) -> str:
    """As much of a text as fits into so many pixels."""
    text = " ".join(text.split())
    while font.getlength(text) > room:
        text = text[:-2].rstrip("…") + "…"
    return text


def labelled(
    pictures: Sequence[Sequence[Image.Image]], rows: Sequence[str], columns: Sequence[str]
) -> Image.Image:
    """Pictures of one size in rows, with a title on each row and column."""
    font = ImageFont.load_default(size=FONT_SIZE)
    width, height = pictures[0][0].size
    shrink = TABLE_SIDE / (width * height) ** 0.5
    width, height = round(width * shrink), round(height * shrink)
    left, top = 16 + max(int(font.getlength(title)) for title in rows), 26
    size = (left + len(columns) * (width + 4), top + len(rows) * (height + 4))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for j, title in enumerate(columns):
        draw.text((left + j * (width + 4) + width // 2, top // 2), title, "black", font, "mm")
    for i, (title, row) in enumerate(zip(rows, pictures, strict=True)):
        y = top + i * (height + 4)
        draw.text((8, y + height // 2), title, "black", font, "lm")
        for j, picture in enumerate(row):
            small = picture.resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(small, (left + j * (width + 4), y))
    return sheet


def in_a_row(images: Sequence[Image.Image], gap: int = 4) -> Image.Image:
    """Pictures of one size beside each other, `gap` pixels apart; those that are wide, below each other."""
    wide, high = images[0].size
    right, down = (0, high + gap) if wide > high else (wide + gap, 0)
    last = len(images) - 1
    whole = Image.new("RGB", (wide + last * right, high + last * down), "white")
    for k, image in enumerate(images):
        whole.paste(image, (k * right, k * down))
    return whole


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one height in a row, without gaps."""
    strip = Image.new("RGB", (sum(picture.width for picture in pictures), pictures[0].height))
    for k, picture in enumerate(pictures):
        strip.paste(picture, (k * picture.width, 0))
    return strip


def grid(pictures: Tensor, side: int, most: int = 4) -> Image.Image:
    """(N, 3, s, s) in [0, 1] to one picture of at most `most`, evenly chosen, two in a row, `side` pixels each."""
    small = [to_image(pictures[k]).resize((side, side)) for k in some(len(pictures), most)]
    sheet = Image.new("RGB", (side * min(len(small), 2), side * ((len(small) + 1) // 2)))
    for k, picture in enumerate(small):
        sheet.paste(picture, (side * (k % 2), side * (k // 2)))
    return sheet


def some(count: int, most: int) -> list[int]:
    """At most `most` of the numbers 0..count-1, evenly spread, the first and the last among them."""
    most = min(most, count)
    return [round(k * (count - 1) / max(most - 1, 1)) for k in range(most)]
