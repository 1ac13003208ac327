# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels of settings below the main one, and how an option is drawn."""

import bpy

from . import offered, scene_cameras, state
from .drawing import placeholder, wrapped
from .properties import NO_PLACE, OF_A_START

TOP = ("model", "texture_size", "seed")  # options beside the prompt and Generate
MOST_CAMERAS = 24  # that are listed
SHORT = {"texture_size": "Size", "refine_noise": "Noise"}  # labels that their place makes clear


class SidebarPanel:
    """Where all of the add-on's panels are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "TexSync"


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


class TEXSYNC_PT_cameras(PanelSection, bpy.types.Panel):
    bl_label = "Cameras"
    bl_idname = "TEXSYNC_PT_cameras"

    def more(self, layout, context, chosen) -> None:
        row = layout.row()
        row.use_property_split = False  # full words need the whole width
        row.prop(chosen, "cameras", expand=True)
        if chosen.cameras == scene_cameras.OWN:
            _draw_cameras(layout, context)
        layout.operator("texsync.coverage", icon="HIDE_OFF")
        if state.outcome.seen:
            wrapped(layout, context, state.outcome.seen, "CHECKMARK")
        layout.prop(chosen, "export_size")
        layout.operator("texsync.export_views", icon="EXPORT")
        layout.operator("texsync.project", icon="IMPORT")
        layout.operator("texsync.project_own", icon="IMAGE_BACKGROUND")


def _draw_cameras(layout, context) -> None:
    """Each with a prompt of its own, "{prompt}" in which stands for the mesh's."""
    why = scene_cameras.obstacle(context)
    for note in [why] if why else scene_cameras.notes(context):
        wrapped(layout, context, note, "INFO")
    column = layout.column(align=True)
    for item in scene_cameras.chosen(context)[:MOST_CAMERAS]:
        column.prop(item, "texsync_prompt", text=item.name, **placeholder("the mesh's prompt"))
    left = len(scene_cameras.chosen(context)) - MOST_CAMERAS
    if left > 0:
        column.label(text=f"and {left} more")


class TEXSYNC_PT_output(PanelSection, bpy.types.Panel):
    bl_label = "Output"
    bl_idname = "TEXSYNC_PT_output"

    def more(self, layout, context, chosen) -> None:
        for name in ("texture_name", "storage", "previews"):
            layout.prop(chosen, name)
        _headed(layout, "Live Look").prop(chosen, "live", text="Show")
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


CLASSES = (
    TEXSYNC_PT_surface,
    TEXSYNC_PT_cameras,
    TEXSYNC_PT_output,
    TEXSYNC_PT_advanced,
    TEXSYNC_PT_research,
)
