# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons."""

import random
from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from . import apply, jobs, obstacles, preferences, pump, scene, state
from .properties import models
from .wording import Problem


def settings(context):
    return context.scene.texsync


class TEXSYNC_OT_generate(bpy.types.Operator):
    """Paint a texture on the selected meshes; you can go on working meanwhile"""

    bl_idname = "texsync.generate"
    bl_label = "Generate Texture"

    @classmethod
    def poll(cls, context):
        why = blocked(context)
        if why:
            cls.poll_message_set(why)
        return not why

    def execute(self, context):
        base, given = preferences.output_folder(), settings(context)
        return begun(self, context, lambda: jobs.start(context, given, base, pump.begin, pump.finished))


def begun(operator: bpy.types.Operator, context, start: Callable[[], object]) -> set[str]:
    """What an operator that hands meshes over returns; what keeps it from that is told in the panel."""
    session = state.session
    session.problem, state.waiting.held, state.outcome.done = None, False, ""
    state.window = context.window
    state.place = context.area.as_pointer() if context.area else 0
    try:
        preferences.command()
        start()
        pump.start_next()
    except ValueError as error:
        session.problem = Problem(str(error), "", "input", "" if command_known() else "preferences")
    except OSError as error:
        remedy = "choose another output folder in the preferences"
        session.problem = Problem(f"The mesh cannot be written ({error})", remedy, "disk", "preferences")
    pump.redraw()  # pressed from a menu or by a script, the panel would not know
    if session.problem:
        # the panel shows it; a dialog on top of that would only be in the way
        operator.report({"ERROR" if bpy.app.background else "WARNING"}, session.problem.text())
        return {"CANCELLED"}
    pump.start()
    return {"FINISHED"}


def blocked(context) -> str:
    """Why Generate is grey, or ""."""
    return obstacles.obstacle(context, settings(context))


def command_known() -> bool:
    try:
        return bool(preferences.command())
    except ValueError:
        return False


class TEXSYNC_OT_cancel(bpy.types.Operator):
    """Stop; nothing in the scene changes"""

    bl_idname = "texsync.cancel"
    bl_label = "Cancel Texture"

    @classmethod
    def poll(cls, context):
        if state.session.phase not in ("starting", "running"):
            cls.poll_message_set("Nothing is running" if not state.session.busy else "It is stopping already")
            return False
        return True

    def execute(self, context):
        state.session.cancel()
        return {"FINISHED"}


class TEXSYNC_OT_apply(bpy.types.Operator):
    """Put a result on the selected objects, or on the one it was made for: image, material, and UV map"""

    bl_idname = "texsync.apply"
    bl_label = "Apply TexSync Texture"
    bl_options = {"UNDO"}  # no REGISTER: "Adjust Last Operation" would run it at every change

    result: StringProperty(options={"SKIP_SAVE"})
    own: BoolProperty(options={"SKIP_SAVE"}, description="Put it on the object it was made for")

    @classmethod
    def description(cls, context, given):
        return f"{cls.__doc__}\n{given.result}"

    def execute(self, context):
        among = None if self.own else scene.chosen(context) or None
        try:
            objects = apply.apply(self._folder(), among)
        except (ValueError, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        names = ", ".join(item.name for item in objects)
        self.report({"INFO"}, f"New texture on {names}; Undo takes it back")
        return {"FINISHED"}

    def _folder(self) -> Path:
        """The result asked for, or the latest; raises ValueError if there is none."""
        if self.result:
            return Path(self.result)
        found = state.latest(preferences.output_folder())
        if not found:
            raise ValueError("There is no result yet; generate one")
        return found[0][0]


class TEXSYNC_OT_new_seed(bpy.types.Operator):
    """Another seed, for another texture"""

    bl_idname = "texsync.new_seed"
    bl_label = "New Seed"
    bl_options = {"INTERNAL", "UNDO"}

    def execute(self, context):
        settings(context).seed = random.randrange(2**31)
        return {"FINISHED"}


class TEXSYNC_OT_model(bpy.types.Operator):
    """Use this model"""

    bl_idname = "texsync.model"
    bl_label = "Model"
    bl_options = {"INTERNAL", "UNDO"}

    name: StringProperty()

    def execute(self, context):
        settings(context).model = self.name
        return {"FINISHED"}


class TEXSYNC_MT_models(bpy.types.Menu):
    bl_idname = "TEXSYNC_MT_models"
    bl_label = "Models"

    def draw(self, context):
        for name in models():
            self.layout.operator("texsync.model", text=name).name = name


class TEXSYNC_OT_release(bpy.types.Operator):
    """Give back the memory that the model takes, on the GPU too"""

    bl_idname = "texsync.release"
    bl_label = "Free Memory"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if state.session.busy or state.session.client is None:
            cls.poll_message_set("A texture is being made" if state.session.busy else "No model is in memory")
            return False
        return True

    def execute(self, context):
        state.session.release()
        return {"FINISHED"}


class TEXSYNC_OT_show(bpy.types.Operator):
    """Show textures in this viewport's Solid shading"""

    bl_idname = "texsync.show"
    bl_label = "Show Texture in Viewport"

    @classmethod
    def poll(cls, context):
        return context.space_data is not None and context.space_data.type == "VIEW_3D"

    def execute(self, context):
        shading = context.space_data.shading
        shading.type, shading.color_type = "SOLID", "TEXTURE"
        return {"FINISHED"}


CLASSES = (
    TEXSYNC_OT_generate,
    TEXSYNC_OT_cancel,
    TEXSYNC_OT_apply,
    TEXSYNC_OT_new_seed,
    TEXSYNC_OT_model,
    TEXSYNC_MT_models,
    TEXSYNC_OT_release,
    TEXSYNC_OT_show,
)
