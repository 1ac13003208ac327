# SPDX-License-Identifier: GPL-3.0-or-later
"""The TexSync tab in the 3D view's sidebar."""

import textwrap
from pathlib import Path

import bpy
import bpy.utils.previews

from . import offered, preferences, scene, state
from .operators import blocked
from .wording import clock_words

LETTER = 7.5  # pixels of a letter at scale 1, on the wide side
SQUARES = 14  # of the progress bar in Blender 3
_pictures = None


class TEXSYNC_PT_main(bpy.types.Panel):
    bl_label = "TexSync"
    bl_idname = "TEXSYNC_PT_main"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "TexSync"

    def draw(self, context):
        layout, chosen = self.layout, context.scene.texsync
        _draw_settings(layout, context, chosen)
        if state.session.busy:
            _draw_progress(layout, context)
        else:
            _draw_generate(layout, context)
        if state.session.problem:
            _draw_problem(layout, context)
        for note in state.session.notes:
            wrapped(layout, context, note, "INFO")
        _draw_results(layout)


def _draw_settings(layout, context, chosen) -> None:
    layout.prop(chosen, "prompt", text="", icon="TEXT", **placeholder("What should it look like?"))
    layout.use_property_split, layout.use_property_decorate = True, False
    for one in [offered.options()["model"], *offered.of("main", "surface")]:
        _draw_option(layout, chosen, one)
    for name in ("texture_name", "storage"):
        layout.prop(chosen, name)
    row = layout.row()
    row.enabled = context.mode == "EDIT_MESH"
    row.prop(chosen, "selected_only")
    if chosen.selected_only and context.mode != "EDIT_MESH":
        wrapped(layout, context, "All faces are painted: faces can be selected in Edit Mode only")


def _draw_option(layout, chosen, one: dict) -> None:
    """One of texsync's options; numbers that a switch turns on only if it is on."""
    name = one["name"]
    if name == "prompt":
        return  # on top
    if offered.has_switch(one):
        layout.prop(chosen, offered.switch(one))
        if getattr(chosen, offered.switch(one)):
            for field in offered.fields(one):
                layout.prop(chosen, field)
        return
    row = layout.row(align=True)
    row.prop(chosen, name)
    if name == "seed":
        row.operator("texsync.new_seed", text="", icon="FILE_REFRESH")
    if name == "model":
        row.menu("TEXSYNC_MT_models", text="", icon="DOWNARROW_HLT")


def placeholder(text: str) -> dict:
    """Grey text in an empty field, where Blender has it (4.1)."""
    return {"placeholder": text} if bpy.app.version >= (4, 1, 0) else {}


def _draw_generate(layout, context) -> None:
    row = layout.row()
    row.scale_y = 1.5
    row.operator("texsync.generate", icon="BRUSH_DATA")
    why = blocked(context)
    if why:
        wrapped(layout, context, why, "INFO")
    else:
        for note in scene.notes(context):
            wrapped(layout, context, note, "INFO")


def _draw_progress(layout, context) -> None:
    session = state.session
    left = session.seconds_left()
    column = layout.column(align=True)
    if hasattr(layout, "progress"):  # Blender 4.0 and later
        column.progress(factor=session.fraction(), text=session.status())
    else:
        column.label(text=session.status(), icon="SORTTIME")
        filled = round(SQUARES * session.fraction())
        column.label(text="■" * filled + "□" * (SQUARES - filled))
    column.label(text=clock_words(left) if left is not None else "")
    column.operator("texsync.cancel", icon="CANCEL")
    icon = _icon(session.preview)
    if icon:
        layout.template_icon(icon_value=icon, scale=9.0)


def _draw_problem(layout, context) -> None:
    problem = state.session.problem
    box = layout.box()
    red = box.column()
    red.alert = True
    wrapped(red, context, problem.text(), "ERROR")
    if problem.button():
        box.operator("texsync.fix", text=problem.button(), icon="TOOL_SETTINGS")
    row = box.row(align=True)
    row.operator("texsync.copy_error", icon="COPYDOWN")
    row.operator("texsync.open_log", text="Log", icon="TEXT")
    row.operator("texsync.dismiss", text="", icon="X")


def _draw_results(layout) -> None:
    found = state.latest(preferences.output_folder())
    if found:
        layout.separator()
        layout.label(text="Last results")
    for folder, record in found:
        row = layout.split(factor=0.68, align=True)
        row.label(text=f"{record['name']} ({record['seed']})")
        row.operator("texsync.apply", text="Apply").result = str(folder)
    if found:
        layout.operator("texsync.show", icon="SHADING_TEXTURE")


class TEXSYNC_PT_advanced(bpy.types.Panel):
    bl_label = "Advanced"
    bl_idname = "TEXSYNC_PT_advanced"
    bl_parent_id = "TEXSYNC_PT_main"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "TexSync"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, chosen = self.layout, context.scene.texsync
        layout.use_property_split, layout.use_property_decorate = True, False
        for one in offered.of("model", "advanced"):
            if one["name"] != "model":  # above
                _draw_option(layout, chosen, one)
        layout.prop(chosen, "previews")
        layout.operator("texsync.release", icon="TRASH")
        layout.operator("texsync.preferences", icon="PREFERENCES")


def wrapped(layout, context, text: str, icon: str = "NONE") -> None:
    """Text over as many lines as the sidebar's width needs; a label would cut it off."""
    width = context.region.width if context.region else 300
    scale = context.preferences.system.ui_scale or 1.0  # 0 in the background
    letters = max(int((width - 50 * scale) / (LETTER * scale)), 16)
    column = layout.column(align=True)
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, letters)]
    for number, line in enumerate(lines):
        blank = "BLANK1" if icon != "NONE" else "NONE"
        column.label(text=line, icon=icon if number == 0 else blank)


def _icon(path: str) -> int:
    """An icon of the latest preview, 0 if there is none."""
    if not path or _pictures is None:
        return 0
    if path not in _pictures:
        if not Path(path).is_file():
            return 0
        _pictures.clear()
        _pictures.load(path, path, "IMAGE").image_size[:]  # read now: the file is not there for long
    return _pictures[path].icon_id


def open_pictures() -> None:
    global _pictures
    _pictures = bpy.utils.previews.new()


def close_pictures() -> None:
    global _pictures
    if _pictures is not None:
        bpy.utils.previews.remove(_pictures)
    _pictures = None


CLASSES = (TEXSYNC_PT_main, TEXSYNC_PT_advanced)
