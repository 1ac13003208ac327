# SPDX-License-Identifier: GPL-3.0-or-later
"""TexSync in Blender: a panel that textures the selected mesh while one goes on working.

bpy and the standard library only.  The work is done by another program, `texsync worker`, which is started when needed.
Files without bpy: client, handoff, installed, offered, results, session, state, vocabulary, waiting,
wording.
"""

import sys

# an add-on that is updated while Blender runs is this file read again, with the parts of the old edition still here
for _name in [name for name in sys.modules if name.startswith(f"{__name__}.")]:
    del sys.modules[_name]
    globals().pop(_name.rpartition(".")[2], None)

bl_info = {
    "name": "TexSync",
    "author": "The texsync authors",
    "version": (0, 1, 0),
    "blender": (3, 4, 0),
    "location": "3D View > Sidebar > TexSync",
    "description": "Paint a texture on the selected mesh from a prompt",
    "category": "Material",
}


def register() -> None:
    import bpy

    from . import drawing, panel, properties, pump

    for kind in _classes():
        bpy.utils.register_class(kind)
    bpy.types.Object.texsync_prompt = bpy.props.StringProperty(
        name="Prompt", description="Of this camera; {prompt} in it stands for the mesh's. Empty: the mesh's"
    )
    bpy.types.Scene.texsync = bpy.props.PointerProperty(type=properties.TexSyncSettings)
    bpy.app.handlers.load_pre.append(pump.before_load)
    drawing.open_pictures()
    panel.add_menus()


def unregister() -> None:
    import bpy

    from . import drawing, panel, pump, state

    pump.stop()
    state.another_file()
    state.session.close()
    panel.remove_menus()
    drawing.close_pictures()
    bpy.app.handlers.load_pre.remove(pump.before_load)
    del bpy.types.Scene.texsync, bpy.types.Object.texsync_prompt
    for kind in reversed(_classes()):
        bpy.utils.unregister_class(kind)


def _classes() -> tuple:
    from . import (
        help_operators,
        operators,
        panel,
        preferences,
        prompt_help,
        properties,
        result_operators,
        view_operators,
    )

    return (
        preferences.TexSyncPreferences,
        properties.TexSyncSettings,
        *operators.CLASSES,
        *result_operators.CLASSES,
        *view_operators.CLASSES,
        *help_operators.CLASSES,
        *prompt_help.CLASSES,
        *panel.CLASSES,
    )
