# SPDX-License-Identifier: GPL-3.0-or-later
"""What drawing needs beside Blender's layouts: text over several lines, and pictures."""

from pathlib import Path

import blf
import bpy
import bpy.utils.previews

MARGINS = 64  # pixels at scale 1, of the sidebar's width: frame, scroll bar, a box's own frame
NARROW = 190  # pixels at scale 1, below which buttons stand one below the other
ICON = 22  # of an icon before the text
MOST_PICTURES = 32  # kept at a time
_pictures = None


def wrapped(layout, context, text: str, icon: str = "NONE") -> None:
    """Text over as many lines as the sidebar's width needs; a label would cut it off."""
    scale = context.preferences.system.ui_scale or 1.0  # 0 in the background
    width = context.region.width if context.region else 300
    room = width - (MARGINS + (ICON if icon != "NONE" else 0)) * scale
    column = layout.column(align=True)
    for number, line in enumerate(lines(text, max(room, 60 * scale), points(context) * scale)):
        blank = "BLANK1" if icon != "NONE" else "NONE"
        column.label(text=line, icon=icon if number == 0 else blank)


def narrow(context) -> bool:
    """Whether two buttons with words do not fit beside each other."""
    scale = context.preferences.system.ui_scale or 1.0
    return context.region is not None and context.region.width < NARROW * scale


def points(context) -> float:
    """Size of the text of labels at scale 1."""
    styles = context.preferences.ui_styles
    if not styles:
        return 11.0
    return getattr(styles[0], "widget_label", styles[0].widget).points  # one for both since Blender 4


def lines(text: str, room: float, size: float) -> list[str]:
    """The text in lines of at most so many pixels, measured; a word that is longer than that is cut."""
    blf.size(0, size) if bpy.app.version >= (4, 0, 0) else blf.size(0, size, 72)
    found: list[str] = []
    for part in text.splitlines():
        line = ""
        for word in _short(part.split(), room):
            longer = f"{line} {word}" if line else word
            if line and _width(longer) > room:
                found.append(line)
                longer = word
            line = longer
        found.append(line)
    return [line for line in found if line]


def _short(words: list[str], room: float) -> list[str]:
    """Words, those that do not fit into a line in pieces."""
    pieces = []
    for word in words:
        while _width(word) > room and len(word) > 1:
            fits = next((n for n in range(len(word) - 1, 1, -1) if _width(word[:n]) <= room), 1)
            pieces.append(word[:fits])
            word = word[fits:]
        pieces.append(word)
    return pieces


def _width(text: str) -> float:
    return blf.dimensions(0, text)[0]


def placeholder(text: str) -> dict:
    """Grey text in an empty field, where Blender has it (4.1)."""
    return {"placeholder": text} if bpy.app.version >= (4, 1, 0) else {}


def icon_of(path: str | Path) -> int:
    """An icon that shows a picture file, 0 if there is none."""
    name = str(path)
    if not name or _pictures is None:
        return 0
    if name not in _pictures:
        if not Path(name).is_file():
            return 0
        if len(_pictures) >= MOST_PICTURES:
            _pictures.clear()
        _pictures.load(name, name, "IMAGE").image_size[:]  # read now: a preview's file is not there for long
    return _pictures[name].icon_id


def forget_picture(path: str | Path) -> None:
    if _pictures is not None and str(path) in _pictures:
        del _pictures[str(path)]


def open_pictures() -> None:
    global _pictures
    _pictures = bpy.utils.previews.new()


def close_pictures() -> None:
    global _pictures
    if _pictures is not None:
        bpy.utils.previews.remove(_pictures)
    _pictures = None
