# SPDX-License-Identifier: GPL-3.0-or-later
"""TexSync in Blender: a panel that textures the selected mesh while one goes on working.

bpy and the standard library only.  The work is done by another program, `texsync worker`, which is started when needed.
Files without bpy: client, handoff, installed, offered, results, session, state, words.
"""

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

    from . import panel, properties, pump

    for kind in _classes():
        bpy.utils.register_class(kind)
    bpy.types.Scene.texsync = bpy.props.PointerProperty(type=properties.TexSyncSettings)
    bpy.app.handlers.load_pre.append(pump.before_load)
    panel.open_pictures()


def unregister() -> None:
    import bpy

    from . import panel, pump, state

    pump.stop()
    state.session.close()
    panel.close_pictures()
    bpy.app.handlers.load_pre.remove(pump.before_load)
    del bpy.types.Scene.texsync
    for kind in reversed(_classes()):
        bpy.utils.unregister_class(kind)


def _classes() -> tuple:
    from . import help_operators, operators, panel, preferences, properties

    return (
        preferences.TexSyncPreferences,
        properties.TexSyncSettings,
        *operators.CLASSES,
        *help_operators.CLASSES,
        *panel.CLASSES,
    )
