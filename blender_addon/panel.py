# SPDX-License-Identifier: GPL-3.0-or-later
"""The TexSync tab in the 3D view's sidebar: what to paint, and how far it is."""

import bpy

from . import obstacles, offered, preferences, prompt_help, state
from .drawing import icon_of, placeholder, wrapped
from .operators import blocked
from .properties import NO_PLACE, OF_A_START
from .wording import clock_words

SQUARES = 14  # of the progress bar in Blender 3
TOP = ("model", "texture_size", "seed")  # options beside the prompt and Generate
SHORT = {"texture_size": "Size", "refine_noise": "Noise"}  # labels that their place makes clear


class SidebarPanel:
    """Where all of the add-on's panels are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "TexSync"


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


def draw_option(layout, chosen, one: dict) -> None:
    """One of texsync's options; a number that texsync decides by itself has a box to tick before it counts."""
    name = one["name"]
    text = SHORT.get(name, one["label"])
    if offered.has_switch(one):
        _draw_override(layout, chosen, one, text)
        return
    row = layout.row(align=True)
    row.prop(chosen, name, text=text, **(placeholder(one["unsaid"]) if one["unsaid"] else {}))
    if name == "seed":
        row.operator("texsync.new_seed", text="", icon="FILE_REFRESH")
    if name == "model":
        row.menu("TEXSYNC_MT_models", text="", icon="DOWNARROW_HLT")


def _draw_override(layout, chosen, one: dict, text: str) -> None:
    row = layout.row(align=True, heading=text)
    row.prop(chosen, offered.switch(one), text="")
    if not getattr(chosen, offered.switch(one)):
        row.label(text=one["unsaid"])
        return
    for field in offered.fields(one):
        row.prop(chosen, field, text="")


def _draw_generate(layout, context, chosen) -> None:
    row = layout.row(align=True)
    row.scale_y = 1.5
    more = state.busy()
    row.operator("texsync.generate", text="Add to the Queue" if more else "Generate", icon="BRUSH_DATA")
    side = row.row(align=True)
    side.scale_x = 0.5
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
    row = box.row(align=True)
    row.operator("texsync.copy_error", icon="COPYDOWN")
    row.operator("texsync.open_log", text="Log", icon="TEXT")
    row.operator("texsync.dismiss", text="", icon="X")


class TEXSYNC_PT_results(SidebarPanel, bpy.types.Panel):
    bl_label = "Last Results"
    bl_idname = "TEXSYNC_PT_results"
    bl_parent_id = "TEXSYNC_PT_main"

    def draw(self, context):
        try:
            base = preferences.output_folder()
        except ValueError as error:
            wrapped(self.layout, context, str(error), "INFO")
            return
        found = state.latest(base)
        for folder, record in found:
            _draw_result(self.layout, context, folder, record)
        if not found:
            self.layout.label(text="None yet")
            return
        count, size = state.size(base)
        row = self.layout.row()
        row.label(text=f"{count} in all, {size / 1e6:,.0f} MB")
        row.operator("texsync.open_folder", text="", icon="FILE_FOLDER").result = str(base)
        self.layout.operator("texsync.show", icon="SHADING_TEXTURE")
        self.layout.operator("texsync.restore", icon="LOOP_BACK")


def _draw_result(layout, context, folder, record: dict) -> None:
    """Its picture; the seed first, as that is what tells results of one prompt apart."""
    box = layout.box()
    row = box.split(factor=0.3)
    icon = icon_of(state.look(folder))
    if icon:
        row.template_icon(icon_value=icon, scale=2.6)
    column = row.column(align=True)
    column.label(text=f"{record['seed']}: {record['name']}")
    buttons = column.row(align=True)
    buttons.operator("texsync.apply", text="Apply").result = str(folder)
    buttons.operator("texsync.recall", text="", icon="RECOVER_LAST").result = str(folder)
    buttons.operator("texsync.open_folder", text="", icon="FILE_FOLDER").result = str(folder)
    buttons.operator("texsync.delete_result", text="", icon="TRASH").result = str(folder)


class PanelSection(SidebarPanel):
    """A panel of settings below the main one."""

    bl_parent_id = "TEXSYNC_PT_main"
    bl_options = {"DEFAULT_CLOSED"}
    sections: tuple[str, ...] = ()
    first: tuple[str, ...] = ()

    def draw(self, context):
        layout, chosen = self.layout, context.scene.texsync
        layout.use_property_split, layout.use_property_decorate = True, False
        for name in self.first:
            draw_option(layout, chosen, offered.options()[name])
        self.more(layout, context, chosen)
        for one in offered.of(*self.sections):
            if one["name"] not in (*TOP, "prompt", *NO_PLACE, *OF_A_START, *self.first):
                draw_option(layout, chosen, one)
        self.last(layout)

    def more(self, layout, context, chosen) -> None:
        """What is this panel's own, after the options that come first."""

    def last(self, layout) -> None:
        """Its buttons."""


def _headed(layout, heading: str):
    """A row for a box to tick whose name would be cut off beside it."""
    return layout.row(heading=heading)


class TEXSYNC_PT_surface(PanelSection, bpy.types.Panel):
    bl_label = "Surface"
    bl_idname = "TEXSYNC_PT_surface"
    bl_options = set()
    sections = ("surface",)
    first = ("uvs",)

    def more(self, layout, context, chosen) -> None:
        layout.prop(chosen, "begin")
        for name in OF_A_START if chosen.begin == "own" else ():
            draw_option(layout, chosen, offered.options()[name])
        layout.prop(chosen, "material")
        _headed(layout, "For Export").prop(chosen, "render_map", text="New Map")
        row = _headed(layout, "Faces")
        row.enabled = context.mode == "EDIT_MESH"
        row.prop(chosen, "selected_only", text="Selected")
        if chosen.selected_only and row.enabled:
            layout.prop(chosen, "soft_edge")
        if chosen.selected_only and context.mode != "EDIT_MESH":
            wrapped(layout, context, "All faces are painted: faces can be selected in Edit Mode only")


class TEXSYNC_PT_output(PanelSection, bpy.types.Panel):
    bl_label = "Output"
    bl_idname = "TEXSYNC_PT_output"

    def more(self, layout, context, chosen) -> None:
        for name in ("texture_name", "storage", "previews"):
            layout.prop(chosen, name)
        _headed(layout, "When Done").prop(chosen, "show", text="Show")


class TEXSYNC_PT_advanced(PanelSection, bpy.types.Panel):
    bl_label = "Advanced"
    bl_idname = "TEXSYNC_PT_advanced"
    sections = ("main", "model")

    def last(self, layout) -> None:
        layout.operator("texsync.release", icon="TRASH")
        layout.operator("texsync.preferences", icon="PREFERENCES")


class TEXSYNC_PT_research(PanelSection, bpy.types.Panel):
    bl_label = "Research"
    bl_idname = "TEXSYNC_PT_research"
    sections = ("advanced",)


def draw_menu(self, context) -> None:
    """In the 3D view's menus, which is also where F3 finds the buttons."""
    self.layout.separator()
    self.layout.menu("TEXSYNC_MT_object")


class TEXSYNC_MT_object(bpy.types.Menu):
    bl_idname = "TEXSYNC_MT_object"
    bl_label = "TexSync"

    def draw(self, context):
        for name in ("generate", "cancel", "apply", "restore", "show"):
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
    TEXSYNC_PT_results,
    TEXSYNC_PT_surface,
    TEXSYNC_PT_output,
    TEXSYNC_PT_advanced,
    TEXSYNC_PT_research,
)
