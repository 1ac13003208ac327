# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the user's hands are off, so that a step that nobody pressed a button for may change the scene.

A mode switch inside a running modal operator (a drag in Edit Mode, a stroke) makes Blender crash.
"""

from __future__ import annotations

import bpy

# operators that the user is in the middle of in Object Mode; other modal ones there are add-ons' that never end
BUSY = ("TRANSFORM_OT_", "MESH_OT_", "OBJECT_OT_", "SCULPT_OT_", "PAINT_OT_", "UV_OT_", "VIEW3D_OT_")


def off() -> bool:
    """Outside Object Mode only where Blender tells what runs (4.2 and later), and only if nothing does."""
    if bpy.app.background:
        return True  # no window, no hands
    running = _running()
    if running is None:
        return not _in_a_mode()
    return not running if _in_a_mode() else not any(name.startswith(BUSY) for name in running)


def _running() -> list[str] | None:
    """Names of the modal operators of all windows; None where Blender does not tell."""
    if not hasattr(bpy.types.Window, "modal_operators"):
        return None
    return [one.bl_idname for window in _windows() for one in window.modal_operators]


def _in_a_mode() -> bool:
    """Whether any window's active object is in another mode than Object Mode."""
    actives = [window.view_layer.objects.active for window in _windows()]
    return any(item is not None and item.mode != "OBJECT" for item in actives)


def _windows() -> list[bpy.types.Window]:
    return list(bpy.context.window_manager.windows)
