# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer that carries news from the worker to the panel.

A timer and not a modal operator: while one of those runs, Blender saves no backups, and closing its window ends it.
"""

from __future__ import annotations

import contextlib

import bpy
from bpy.app.handlers import persistent

from . import state

EVERY = 0.1  # seconds
# operators that the user is in the middle of; the result waits until they are over
HANDS_BUSY = ("TRANSFORM_OT_", "MESH_OT_", "OBJECT_OT_", "SCULPT_OT_", "PAINT_OT_", "UV_OT_", "VIEW3D_OT_")


def start() -> None:
    state.session.hold = hands_busy
    if not bpy.app.timers.is_registered(pump):
        bpy.app.timers.register(pump, first_interval=EVERY, persistent=True)


def stop() -> None:
    if bpy.app.timers.is_registered(pump):
        bpy.app.timers.unregister(pump)


def pump() -> float | None:
    """One look at the worker; None, which ends the timer, when nothing is going on."""
    checking = state.doctor is not None and state.report() is None
    if state.session.tick() or checking or state.doctor:
        redraw()
    return EVERY if state.session.busy or checking else None


def hands_busy() -> bool:
    """Whether the user is dragging, painting or orbiting; Blender 4.2 and later can tell."""
    for window in bpy.context.window_manager.windows:
        for operator in getattr(window, "modal_operators", ()):
            if operator.bl_idname.startswith(HANDS_BUSY):
                return True
    return False


def redraw() -> None:
    """The panel and the preferences, but not the 3D view beside it, which may be slow to draw."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "PREFERENCES"):
                for region in area.regions:
                    if region.type == "UI" or area.type == "PREFERENCES":
                        region.tag_redraw()


def show_result(folder) -> None:
    """Apply a finished result as one undo step of the window that asked for it."""
    state.forget_latest()
    windows = list(bpy.context.window_manager.windows)
    window = state.window if state.window in windows else windows[0] if windows else None
    with bpy.context.temp_override(window=window) if window else contextlib.nullcontext():
        try:
            bpy.ops.texsync.apply("EXEC_DEFAULT", True, result=str(folder))
        except RuntimeError as error:  # how Blender hands on what an operator reports
            raise ValueError(str(error).removeprefix("Error: ").strip()) from None


@persistent
def before_load(*_) -> None:
    """Another file: its scene must not get this one's texture."""
    if state.session.busy:
        state.session.close()
    state.session.problem = None
    state.window = None
