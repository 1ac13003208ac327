# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel of what was made, with a picture of each."""

import bpy

from . import preferences, state
from .drawing import icon_of, narrow, wrapped
from .sections import SidebarPanel


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
    row = box.column() if narrow(context) else box.split(factor=0.3)
    icon = icon_of(state.look(folder))
    if icon:
        row.template_icon(icon_value=icon, scale=2.6)
    column = row.column(align=True)
    seed = record.get("seed")
    column.label(text=record["name"] if seed is None else f"{seed}: {record['name']}")
    buttons = column.row(align=True)
    (column if narrow(context) else buttons).operator("texsync.apply", text="Apply").result = str(folder)
    buttons.operator("texsync.recall", text="", icon="RECOVER_LAST").result = str(folder)
    buttons.operator("texsync.open_folder", text="", icon="FILE_FOLDER").result = str(folder)
    buttons.operator("texsync.delete_result", text="", icon="TRASH").result = str(folder)


CLASSES = (TEXSYNC_PT_results,)
