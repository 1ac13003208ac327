# SPDX-License-Identifier: GPL-3.0-or-later
"""Which texsync to run and where results go."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from . import installed, state


class TexSyncPreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    program: StringProperty(
        name="texsync",
        subtype="FILE_PATH",
        description="The texsync program, a Python that has texsync, or the folder of its virtual environment. "
        "Empty: look in the usual places",
    )
    models: StringProperty(
        name="Models", subtype="DIR_PATH", description="A folder whose subfolders are Stable Diffusion models"
    )
    output: StringProperty(
        name="Results",
        subtype="DIR_PATH",
        description="Where results are kept. Empty: Blender's own data folder",
    )
    keep_warm: BoolProperty(
        name="Keep the Model in Memory",
        default=True,
        description="The next texture starts at once. Free Memory in the panel ends it",
    )

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        row = layout.row(align=True)
        row.prop(self, "program")
        row.operator("texsync.find", text="", icon="VIEWZOOM")
        told = layout.column(align=True)
        _draw_program(told, self)
        layout.operator("texsync.check", icon="CHECKMARK")
        _draw_report(layout)
        layout.prop(self, "models")
        layout.prop(self, "output")
        layout.label(text=f"Results go to {output_folder()}")
        layout.prop(self, "keep_warm")


def _draw_program(layout, chosen) -> None:
    """What would be started, or why nothing can be."""
    if installed.walled_in():
        layout.label(text=installed.walled_in(), icon="ERROR")
        return
    try:
        layout.label(text=f"Runs {' '.join(command())}", icon="INFO")
    except ValueError as error:
        text = str(error) if chosen.program else "texsync was not found; install it and set the path above"
        layout.label(text=text, icon="ERROR")


def _draw_report(layout) -> None:
    """What doctor found."""
    report = state.report()
    if report is None:
        if state.doctor:
            layout.label(text="Checking; this takes some seconds", icon="SORTTIME")
        return
    box = layout.box().column(align=True)
    for check in report.get("checks", []):
        icon = "CHECKMARK" if check["ok"] else "ERROR" if check["needed"] else "INFO"
        box.label(text=f"{check['name']}: {check['found']}", icon=icon)
        if check["remedy"]:
            box.label(text=check["remedy"], icon="BLANK1")


def preferences() -> TexSyncPreferences:
    """This add-on's preferences, under whatever name it was installed."""
    return bpy.context.preferences.addons[__package__].preferences


def command() -> list[str]:
    """How to start texsync; raises ValueError, in words, if that is not known."""
    place = preferences().program or state.found()
    if not place:
        raise ValueError("texsync was not found; set its path in the add-on's preferences")
    return installed.command(bpy.path.abspath(place))


def output_folder() -> Path:
    """Where results are kept; it may not be there yet."""
    chosen = preferences().output
    if chosen:
        return Path(bpy.path.abspath(chosen))
    return Path(bpy.utils.user_resource("DATAFILES", path="texsync"))
