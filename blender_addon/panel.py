# SPDX-License-Identifier: GPL-3.0-or-later
"""The TexSync tab in the 3D view's sidebar: what to paint, and how far it is."""

import bpy

from . import obstacles, offered, prompt_help, result_panel, sections, state
from .drawing import icon_of, narrow, placeholder, wrapped
from .operators import blocked
from .sections import TOP, SidebarPanel, draw_option
from .wording import clock_words

SQUARES = 14  # of the progress bar in Blender 3


class TEXSYNC_PT_main(SidebarPanel, bpy.types.Panel):
    bl_label = "TexSync"
    bl_idname = "TEXSYNC_PT_main"

    def draw_header_preset(self, context):
        self.layout.menu("TEXSYNC_MT_presets", text="", icon="PRESET")

    def draw(self, context):
        layout, chosen = self.layout, context.scene.texsync
        _draw_prompt(layout, context, chosen)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        for name in TOP:
            draw_option(column, chosen, offered.options()[name])
        _draw_generate(layout, context, chosen)
        if state.session.busy:
            _draw_progress(layout, context)
        _draw_waiting(layout)
        for folder in state.outcome.ready:
            _draw_ready(layout, folder)
        _draw_outcome(layout, context)


def _draw_prompt(layout, context, chosen) -> None:
    asked = "What should it look like?"
    if not (chosen.prompt or placeholder(asked)):
        layout.label(text=asked)
    row = layout.row(align=True)
    row.prop(chosen, "prompt", text="", icon="TEXT", **placeholder(asked))
    if prompt_help.kinds(chosen.model):
        row.menu("TEXSYNC_MT_words", text="", icon="VIEWZOOM")
    for note in prompt_help.unknown(chosen.model, chosen.prompt):
        wrapped(layout, context, note, "QUESTION")


def _draw_generate(layout, context, chosen) -> None:
    row = layout.column(align=True) if narrow(context) else layout.row(align=True)
    row.scale_y = 1.5
    more = state.busy()
    row.operator("texsync.generate", text="Add to the Queue" if more else "Generate", icon="BRUSH_DATA")
    side = row.row(align=True)
    side.scale_x = 1.0 if narrow(context) else 0.5
    side.prop(chosen, "count", text="")
    why = blocked(context)
    if why:
        wrapped(layout, context, why, "INFO")
        if obstacles.can_realise(context):
            layout.operator("texsync.realise", icon="MESH_DATA")
        return
    if len(context.selected_objects) > 1:
        layout.prop(chosen, "each")
    for note in obstacles.notes(context, chosen):
        wrapped(layout, context, note, "INFO")


def _draw_progress(layout, context) -> None:
    session = state.session
    left = session.seconds_left()
    column = layout.column(align=True)
    if session.job:
        column.label(text=session.job.title, icon="BRUSH_DATA")
    if hasattr(layout, "progress"):  # Blender 4.0 and later
        column.progress(factor=session.fraction(), text=session.status())
    else:
        column.label(text=session.status(), icon="SORTTIME")
        filled = round(SQUARES * session.fraction())
        column.label(text="■" * filled + "□" * (SQUARES - filled))
    column.label(text=clock_words(left) if left is not None else "")
    if session.waits:
        column.operator("texsync.go_on", icon="PLAY")
    column.operator("texsync.cancel", text="Cancel", icon="CANCEL")
    icon = icon_of(session.preview)
    if icon:
        layout.template_icon(icon_value=icon, scale=9.0)


def _draw_waiting(layout) -> None:
    """The queue, in its order."""
    waiting = state.waiting
    if not waiting.jobs:
        return
    box = layout.box().column(align=True)
    head = box.row()
    head.label(text=f"{'Held' if waiting.held else 'Waiting'}: {len(waiting.jobs)}", icon="SORTTIME")
    if waiting.held:
        head.operator("texsync.resume", text="Go On", icon="PLAY")
    head.operator("texsync.queue_clear", text="", icon="TRASH")
    for job in waiting.jobs[:12]:
        row = box.row(align=True)
        row.label(text=job.title)
        for icon, by in (("TRIA_UP", -1), ("TRIA_DOWN", 1)):
            button = row.operator("texsync.queue_move", text="", icon=icon, emboss=False)
            button.job, button.by = job.ident, by
        row.operator("texsync.queue_remove", text="", icon="X", emboss=False).job = job.ident


def _draw_ready(layout, folder) -> None:
    """A result that waits for a press, as the user's hands may be busy."""
    box = layout.box()
    box.label(text=f"Ready: {state.title(folder)}", icon="CHECKMARK")
    row = box.row(align=True)
    row.operator("texsync.apply_ready", icon="CHECKMARK")
    row.operator("texsync.leave_ready", text="", icon="X")


def _draw_outcome(layout, context) -> None:
    """How the last job ended, and what texsync said meanwhile."""
    if state.outcome.done:
        wrapped(layout, context, f"Done: {state.outcome.done}", "CHECKMARK")
    if state.session.problem:
        _draw_problem(layout, context)
    for note in state.session.notes:
        wrapped(layout, context, note, "INFO")


def _draw_problem(layout, context) -> None:
    problem = state.session.problem
    box = layout.box()
    red = box.column()
    red.alert = True
    wrapped(red, context, problem.text(), "ERROR")
    if problem.button():
        box.operator("texsync.fix", text=problem.button(), icon="TOOL_SETTINGS")
    row = box.column(align=True) if narrow(context) else box.row(align=True)
    row.operator("texsync.copy_error", icon="COPYDOWN")
    row.operator("texsync.open_log", text="Log", icon="TEXT")
    row.operator("texsync.dismiss", text="", icon="X")


def draw_menu(self, context) -> None:
    """In the 3D view's menus, which is also where F3 finds the buttons."""
    self.layout.separator()
    self.layout.menu("TEXSYNC_MT_object")


class TEXSYNC_MT_object(bpy.types.Menu):
    bl_idname = "TEXSYNC_MT_object"
    bl_label = "TexSync"

    def draw(self, context):
        names = ("generate", "cancel", "apply", "restore", "show", "coverage", "export_views", "project")
        for name in (*names, "project_own"):
            self.layout.operator(f"texsync.{name}")


MENUS = (
    "VIEW3D_MT_object",
    "VIEW3D_MT_edit_mesh",
    "VIEW3D_MT_sculpt",
    "VIEW3D_MT_paint_texture",
    "VIEW3D_MT_paint_vertex",
    "VIEW3D_MT_paint_weight",
)


def add_menus() -> None:
    for name in MENUS:
        if menu := getattr(bpy.types, name, None):
            menu.append(draw_menu)


def remove_menus() -> None:
    for name in MENUS:
        if menu := getattr(bpy.types, name, None):
            menu.remove(draw_menu)


CLASSES = (
    TEXSYNC_MT_object,
    TEXSYNC_PT_main,
    *result_panel.CLASSES,
    *sections.CLASSES,
)
