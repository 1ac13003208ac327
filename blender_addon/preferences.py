# SPDX-License-Identifier: GPL-3.0-or-later
"""Which texsync to run and where results go."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, IntProperty, StringProperty

from . import installed, state
from .wording import verdict

DAYS = 90  # that results are kept
# "//" for the .blend's own folder, which Blender since 4.5 wants declared
RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()


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
        options=RELATIVE,
        description="Where results are kept. Empty: Blender's own data folder",
    )
    keep_days: IntProperty(
        name="Keep Results (Days)",
        default=DAYS,
        min=0,
        description="Older ones are deleted when there is a new one, but not pictures that lie there for a .blend. "
        "0: for ever",
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
        layout.prop(self, "keep_days")
        _draw_place(layout)
        layout.prop(self, "keep_warm")


def _draw_place(layout) -> None:
    """Where results go and how much there is, or why that is no place."""
    try:
        folder = output_folder()
    except ValueError as error:
        layout.label(text=str(error), icon="ERROR")
        return
    count, size = state.size(folder)
    layout.label(text=f"{count} results, {size / 1e6:,.0f} MB, in {folder}")


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
    box.separator()
    box.label(text=verdict(report), icon="CHECKMARK" if report.get("ok") else "ERROR")


class Unkept:
    """What counts where Blender keeps no preferences for the add-on, as with `--addons` on its command line."""

    program = models = output = ""
    keep_warm, keep_days = True, DAYS


_unkept = Unkept()


def preferences() -> TexSyncPreferences | Unkept:
    """This add-on's preferences, under whatever name it was installed."""
    kept = bpy.context.preferences.addons.get(__package__)
    return kept.preferences if kept else _unkept


def offline() -> bool:
    """Whether Blender may not use the network (4.2 and later)."""
    return not getattr(bpy.app, "online_access", True)


def command() -> list[str]:
    """How to start texsync; raises ValueError, in words, if that is not known."""
    place = preferences().program or state.found()
    if not place:
        raise ValueError("texsync was not found; set its path in the add-on's preferences")
    return installed.command(bpy.path.abspath(place))


def output_folder() -> Path:
    """Where results are kept; it may not be there yet.  Raises ValueError, in words, for a place that is none yet."""
    chosen = preferences().output
    if chosen.startswith("//") and not bpy.data.filepath:
        raise ValueError(
            f"The results folder {chosen} is beside the .blend file, which is not saved yet; "
            "save it, or choose another folder in the preferences"
        )
    if chosen:
        return Path(bpy.path.abspath(chosen))
    return Path(bpy.utils.user_resource("DATAFILES", path="texsync"))


def model_folder(name: str) -> Path | None:
    """The folder that a model's name stands for: one in the model folder, or a path; None if it is neither."""
    base = preferences().models
    inside = Path(bpy.path.abspath(base)) / name if base else None
    if inside and (inside / "model_index.json").is_file():
        return inside
    path = Path(bpy.path.abspath(name)).expanduser()
    return path if name and path.exists() else None
