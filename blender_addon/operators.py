# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons."""

import random
from pathlib import Path

import bpy
from bpy.props import StringProperty

from . import apply, jobs, preferences, pump, scene, state
from .properties import models
from .wording import Problem


def settings(context):
    return context.scene.texsync


class TEXSYNC_OT_generate(bpy.types.Operator):
    """Paint a texture on the selected mesh; you can go on working meanwhile"""

    bl_idname = "texsync.generate"
    bl_label = "Generate"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        why = blocked(context)
        if why:
            cls.poll_message_set(why)
        return not why

    def execute(self, context):
        session, chosen = state.session, preferences.preferences()
        session.problem = None
        state.window = context.window
        try:
            command, base = preferences.command(), preferences.output_folder()
            log = log_file()
            jobs.start(
                context,
                settings(context),
                base,
                lambda job: session.run(command, log, job, chosen.keep_warm),
                pump.show_result,
            )
        except ValueError as error:
            session.problem = Problem(str(error), "", "input", "" if command_known() else "preferences")
        except OSError as error:
            remedy = "choose another output folder in the preferences"
            session.problem = Problem(f"The mesh cannot be written ({error})", remedy, "disk", "preferences")
        if session.problem:
            # the panel shows it; a dialog on top of that would only be in the way
            self.report({"ERROR" if bpy.app.background else "WARNING"}, session.problem.text())
            return {"CANCELLED"}
        pump.start()
        return {"FINISHED"}


def blocked(context) -> str:
    """Why Generate is grey, or ""."""
    if state.session.busy:
        return "A texture is being made; cancel it first"
    return scene.obstacle(context, settings(context))


def command_known() -> bool:
    try:
        return bool(preferences.command())
    except ValueError:
        return False


def log_file() -> Path:
    return preferences.output_folder() / "worker.log"


class TEXSYNC_OT_cancel(bpy.types.Operator):
    """Stop; nothing in the scene changes"""

    bl_idname = "texsync.cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

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
    """Put this result on its object: new image, new material, and the UV map it was made with"""

    bl_idname = "texsync.apply"
    bl_label = "Apply TexSync Texture"
    bl_options = {"UNDO", "INTERNAL"}  # no REGISTER: "Adjust Last Operation" would run it at every change

    result: StringProperty(options={"SKIP_SAVE"})

    @classmethod
    def description(cls, context, given):
        return f"{cls.__doc__}\n{given.result}"

    def execute(self, context):
        try:
            objects = apply.apply(Path(self.result))
        except (ValueError, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        names = ", ".join(item.name for item in objects)
        self.report({"INFO"}, f"New texture on {names}; Undo takes it back")
        return {"FINISHED"}


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
    bl_options = {"INTERNAL"}

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
