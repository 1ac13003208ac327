# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of problems and preferences."""

import bpy

from . import preferences, pump, state
from .operators import command_known, settings
from .pump import log_file
from .wording import START, Problem


class TEXSYNC_OT_copy_error(bpy.types.Operator):
    """Copy the message to the clipboard"""

    bl_idname = "texsync.copy_error"
    bl_label = "Copy"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        if state.session.problem:
            context.window_manager.clipboard = state.session.problem.text()
        return {"FINISHED"}


class TEXSYNC_OT_open_log(bpy.types.Operator):
    """Show what texsync said"""

    bl_idname = "texsync.open_log"
    bl_label = "Open Log"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        try:
            there = log_file().is_file()
        except ValueError:
            there = False
        if not there:
            cls.poll_message_set("There is no log yet")
        return there

    def execute(self, context):
        bpy.ops.wm.path_open(filepath=str(log_file()))
        return {"FINISHED"}


class TEXSYNC_OT_dismiss(bpy.types.Operator):
    """Hide the message"""

    bl_idname = "texsync.dismiss"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        state.session.problem = None
        return {"FINISHED"}


class TEXSYNC_OT_fix(bpy.types.Operator):
    """Do what the message suggests"""

    bl_idname = "texsync.fix"
    bl_label = "Fix"
    bl_options = {"INTERNAL", "UNDO"}

    def execute(self, context):
        problem, chosen = state.session.problem, settings(context)
        fix = problem.fix if problem else ""
        if fix == "set":
            setattr(chosen, problem.option, problem.value)
        elif fix == "smaller":
            chosen.texture_size = max(chosen.texture_size // 2, 64)
        elif fix in ("preferences", "check"):
            bpy.ops.texsync.preferences()
            if fix == "check" and command_known():
                bpy.ops.texsync.check()
            return {"FINISHED"}
        state.session.problem = None
        return {"FINISHED"}


class TEXSYNC_OT_preferences(bpy.types.Operator):
    """Open this add-on's preferences"""

    bl_idname = "texsync.preferences"
    bl_label = "Preferences"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        if not bpy.app.background:
            bpy.ops.preferences.addon_show(module=__package__)
        return {"FINISHED"}


class TEXSYNC_OT_find(bpy.types.Operator):
    """Look for texsync in the usual places"""

    bl_idname = "texsync.find"
    bl_label = "Find"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        place = state.look_again()
        if not place:
            self.report({"WARNING"}, "texsync is in none of the usual places; set its path")
            return {"CANCELLED"}
        preferences.preferences().program = place
        return {"FINISHED"}


class TEXSYNC_OT_check(bpy.types.Operator):
    """Run texsync doctor and show what it says"""

    bl_idname = "texsync.check"
    bl_label = "Check"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        try:
            state.examine(preferences.command(), preferences.offline())
        except ValueError as error:
            state.session.problem = Problem(str(error), START, "start", "preferences")
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        pump.start()
        return {"FINISHED"}


CLASSES = (
    TEXSYNC_OT_copy_error,
    TEXSYNC_OT_open_log,
    TEXSYNC_OT_dismiss,
    TEXSYNC_OT_fix,
    TEXSYNC_OT_preferences,
    TEXSYNC_OT_find,
    TEXSYNC_OT_check,
)
