# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the Cameras panel."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from . import obstacles, preferences, pump, results, scene, scene_cameras, state, view_jobs
from .operators import begun, settings


class ViewOperator:
    """Of what cameras see; needs a mesh, but no prompt."""

    @classmethod
    def poll(cls, context):
        why = cls.why(context)
        if why:
            cls.poll_message_set(why)
        return not why

    @classmethod
    def why(cls, context) -> str:
        """Why it is grey, or ""."""
        return obstacles.shape_obstacle(context, settings(context))

    def start(self, context, make) -> set[str]:
        """make: (settings, objects, folder of results) to a job."""
        base = preferences.output_folder()
        return begun(
            self, context, lambda: view_jobs.start(make(settings(context), scene.chosen(context), base))
        )


class FolderOperator(ViewOperator):
    """One that asks for a folder."""

    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


def at_once(job) -> None:
    """Before what waits, as it takes seconds."""
    state.waiting.add(job, first=True)


class TEXSYNC_OT_coverage(ViewOperator, bpy.types.Operator):
    """Say how much of the mesh the cameras see; takes seconds, and no model"""

    bl_idname = "texsync.coverage"
    bl_label = "Show Coverage"

    def execute(self, context):
        state.outcome.seen = ""
        return self.start(context, lambda *given: view_jobs.Looking(*given, at_once, looked, None))


class TEXSYNC_OT_export_views(FolderOperator, bpy.types.Operator):
    """Write what every camera sees to a folder: the present look to paint over, depth, normals, mask, cameras.json"""

    bl_idname = "texsync.export_views"
    bl_label = "Export Views"

    def execute(self, context):
        base = Path(bpy.path.abspath(self.directory))
        folder = _free(base / f"{results.plain(scene.chosen(context)[0].name)}_views")
        return self.start(context, lambda *given: view_jobs.Looking(*given, at_once, looked, folder))


class TEXSYNC_OT_project(FolderOperator, bpy.types.Operator):
    """Bake the pictures of a folder, as Export Views writes it, into the texture; where they are clear, yours stays"""

    bl_idname = "texsync.project"
    bl_label = "Bake Pictures"

    def execute(self, context):
        folder = Path(bpy.path.abspath(self.directory))
        if not (folder / view_jobs.CAMERAS_FILE).is_file():
            self.report(
                {"ERROR"},
                f"{folder} has no {view_jobs.CAMERAS_FILE}; choose a folder that Export Views wrote",
            )
            return {"CANCELLED"}
        return self.start(context, lambda *given: view_jobs.Baking(*given, pump.begin, pump.finished, folder))


class TEXSYNC_OT_project_own(ViewOperator, bpy.types.Operator):
    """Bake the background images of the scene's cameras into the texture; where they are clear, yours stays"""

    bl_idname = "texsync.project_own"
    bl_label = "Bake Background Images"

    @classmethod
    def why(cls, context) -> str:
        found = super().why(context) or scene_cameras.obstacle(context)
        if not found:
            try:
                scene_cameras.pictures(context)
            except ValueError as error:
                return str(error)
        return found

    def execute(self, context):
        return self.start(context, lambda *given: view_jobs.Baking(*given, pump.begin, pump.finished, None))


def looked(folder: Path | None, words: str) -> None:
    """What cameras see is known."""
    state.outcome.seen = words
    if folder:
        state.outcome.done = f"views in {folder}"


def _free(folder: Path) -> Path:
    """A folder that there is not."""
    for count in range(2, 1000):
        if not folder.exists():
            break
        folder = folder.with_name(f"{folder.name.removesuffix(f'_{count - 1}')}_{count}")
    return folder


CLASSES = (TEXSYNC_OT_coverage, TEXSYNC_OT_export_views, TEXSYNC_OT_project, TEXSYNC_OT_project_own)
