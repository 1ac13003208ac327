"""Blender in the background: install the zip, choose the program, keep the choice.

blender -b --python window_install.py -- ZIP PROGRAM RESULTS
"""

import sys

import bpy

archive, program, results = sys.argv[sys.argv.index("--") + 1 :]
bpy.ops.preferences.addon_install(filepath=archive)
bpy.ops.preferences.addon_enable(module="texsync_addon")
chosen = bpy.context.preferences.addons["texsync_addon"].preferences
chosen.program, chosen.output = program, results
# the splash would take the first click; backups come as often as Blender lets them
bpy.context.preferences.view.show_splash = False
bpy.context.preferences.filepaths.use_auto_save_temporary_files = True
bpy.context.preferences.filepaths.auto_save_time = 1
bpy.ops.wm.save_userpref()
