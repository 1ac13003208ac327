# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of results and of jobs that wait."""

from pathlib import Path

import bpy
from bpy.props import IntProperty, StringProperty

from . import apply, drawing, face_slots, obstacles, pump, results, scene, state
from .operators import settings

QUIET = {"INTERNAL"}  # buttons that make no sense without their panel


class TEXSYNC_OT_apply_ready(bpy.types.Operator):
    """Put it on: your hands are off"""

    bl_idname = "texsync.apply_ready"
    bl_label = "Apply"
    bl_options = QUIET

    def execute(self, context):
        pump.apply_ready(pressed=True)
        return {"FINISHED"}


class TEXSYNC_OT_leave_ready(bpy.types.Operator):
    """Do not apply; it stays under Last Results"""

    bl_idname = "texsync.leave_ready"
    bl_label = "Leave"
    bl_options = QUIET

    def execute(self, context):
        state.outcome.ready.clear()
        return {"FINISHED"}


class TEXSYNC_OT_go_on(bpy.types.Operator):
    """The new UV map is there: go on with the painting"""

    bl_idname = "texsync.go_on"
    bl_label = "Go On"
    bl_options = QUIET

    def execute(self, context):
        state.session.go_on()
        return {"FINISHED"}


class ResultOperator:
    """Of one result."""

    bl_options = QUIET
    result: StringProperty(options={"SKIP_SAVE"})

    @classmethod
    def description(cls, context, given):
        return f"{cls.__doc__}\n{given.result}"


class TEXSYNC_OT_recall(ResultOperator, bpy.types.Operator):
    """Set prompt, seed and all settings as they were for this result"""

    bl_idname = "texsync.recall"
    bl_label = "Recall Settings"
    bl_options = {"INTERNAL", "UNDO"}
    result: StringProperty(options={"SKIP_SAVE"})

    def execute(self, context):
        try:
            record = results.read(Path(self.result))
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        settings(context).recall(
            record.get("settings") or {"prompt": record["prompt"], "seed": record["seed"]}
        )
        return {"FINISHED"}


class TEXSYNC_OT_open_folder(ResultOperator, bpy.types.Operator):
    """Show the folder in the system's file browser"""

    bl_idname = "texsync.open_folder"
    bl_label = "Open Folder"
    result: StringProperty(options={"SKIP_SAVE"})

    def execute(self, context):
        if not Path(self.result).is_dir():
            self.report({"ERROR"}, f"There is no folder {self.result}")
            return {"CANCELLED"}
        bpy.ops.wm.path_open(filepath=self.result)
        return {"FINISHED"}


class TEXSYNC_OT_delete_result(ResultOperator, bpy.types.Operator):
    """Delete this result's files; textures in the scene that are packed stay"""

    bl_idname = "texsync.delete_result"
    bl_label = "Delete this result?"
    result: StringProperty(options={"SKIP_SAVE"})

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context):
        folder = Path(self.result)
        used = [image.name for image in bpy.data.images if _lies_in(image, folder)]
        if used:
            self.report({"ERROR"}, f"{used[0]} reads its picture from there; pack it first")
            return {"CANCELLED"}
        drawing.forget_picture(state.look(folder))
        results.discard(folder)
        state.outcome.ready = [one for one in state.outcome.ready if one != folder]
        state.forget_latest()
        return {"FINISHED"}


def _lies_in(image: bpy.types.Image, folder: Path) -> bool:
    return not image.packed_file and folder in Path(bpy.path.abspath(image.filepath)).parents


class TEXSYNC_OT_restore(bpy.types.Operator):
    """Give the selected objects the materials that they had before their first TexSync texture"""

    bl_idname = "texsync.restore"
    bl_label = "Restore Old Materials"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context):
        if not any(face_slots.can_restore(item) for item in scene.chosen(context)):
            cls.poll_message_set("The selected objects have no TexSync texture")
            return False
        return True

    def execute(self, context):
        try:
            apply.restore([item for item in scene.chosen(context) if face_slots.can_restore(item)])
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class TEXSYNC_OT_realise(bpy.types.Operator):
    """Make meshes of what modifiers and nodes show of the selected objects; Undo takes it back"""

    bl_idname = "texsync.realise"
    bl_label = "Make It a Mesh"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context):
        return context.mode == "OBJECT" and obstacles.can_realise(context)

    def execute(self, context):
        return bpy.ops.object.convert(target="MESH")


class TEXSYNC_OT_queue_move(bpy.types.Operator):
    """Earlier, or later"""

    bl_idname = "texsync.queue_move"
    bl_label = "Move"
    bl_options = QUIET
    job: StringProperty()
    by: IntProperty()

    def execute(self, context):
        state.waiting.move(self.job, self.by)
        return {"FINISHED"}


class TEXSYNC_OT_queue_remove(bpy.types.Operator):
    """Take it off the list"""

    bl_idname = "texsync.queue_remove"
    bl_label = "Remove"
    bl_options = QUIET
    job: StringProperty()

    def execute(self, context):
        state.waiting.remove(self.job)
        return {"FINISHED"}


class TEXSYNC_OT_queue_clear(bpy.types.Operator):
    """Take all of them off the list; the one that runs goes on"""

    bl_idname = "texsync.queue_clear"
    bl_label = "Remove All"
    bl_options = QUIET

    def execute(self, context):
        state.waiting.clear()
        return {"FINISHED"}


class TEXSYNC_OT_resume(bpy.types.Operator):
    """Start those that wait"""

    bl_idname = "texsync.resume"
    bl_label = "Go On"
    bl_options = QUIET

    def execute(self, context):
        state.session.problem, state.waiting.held = None, False
        pump.start_next()
        pump.start()
        return {"FINISHED"}


CLASSES = (
    TEXSYNC_OT_apply_ready,
    TEXSYNC_OT_leave_ready,
    TEXSYNC_OT_go_on,
    TEXSYNC_OT_recall,
    TEXSYNC_OT_open_folder,
    TEXSYNC_OT_delete_result,
    TEXSYNC_OT_restore,
    TEXSYNC_OT_realise,
    TEXSYNC_OT_queue_move,
    TEXSYNC_OT_queue_remove,
    TEXSYNC_OT_queue_clear,
    TEXSYNC_OT_resume,
)
