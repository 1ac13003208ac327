# SPDX-License-Identifier: GPL-3.0-or-later
"""Help with the prompt: words that the model knows, and presets of the user's own."""

import bpy
from bl_operators.presets import AddPresetBase
from bpy.props import EnumProperty, StringProperty

from . import offered, vocabulary
from .properties import model_path

_items: list[tuple[str, str, str]] = []  # Blender wants the texts of a menu kept


def kinds(model: str) -> dict[str, list[str]]:
    return vocabulary.kinds(model_path(model.strip() or "mini"))


def unknown(model: str, prompt: str) -> list[str]:
    return vocabulary.unknown(model_path(model.strip() or "mini"), prompt)


def _found(self, context) -> list[tuple[str, str, str]]:
    names = kinds(context.scene.texsync.model)
    shown = {self.kind: names[self.kind]} if self.kind in names else names
    _items[:] = [(f"{kind}/{word}", word, kind) for kind, words in shown.items() for word in words]
    return _items


class TEXSYNC_OT_add_word(bpy.types.Operator):
    """Search the words that the model knows, and put one into the prompt"""

    bl_idname = "texsync.add_word"
    bl_label = "Add a Word"
    bl_options = {"INTERNAL", "UNDO"}
    bl_property = "word"

    kind: StringProperty(options={"SKIP_SAVE"})
    word: EnumProperty(items=_found)

    def invoke(self, context, event):
        context.window_manager.invoke_search_popup(self)
        return {"FINISHED"}

    def execute(self, context):
        chosen = context.scene.texsync
        chosen.prompt = f"{chosen.prompt} {self.word.partition('/')[2]}".strip()
        return {"FINISHED"}


class TEXSYNC_MT_words(bpy.types.Menu):
    bl_idname = "TEXSYNC_MT_words"
    bl_label = "Words"

    def draw(self, context):
        for kind in ["", *kinds(context.scene.texsync.model)]:
            button = self.layout.operator("texsync.add_word", text=f"{kind or 'All Words'} ...")
            button.kind = kind


class TEXSYNC_MT_presets(bpy.types.Menu):
    bl_idname = "TEXSYNC_MT_presets"
    bl_label = "TexSync Presets"
    preset_subdir = "texsync"
    preset_operator = "script.execute_preset"

    def draw(self, context):
        bpy.types.Menu.draw_preset(self, context)
        self.layout.separator()
        self.layout.operator("texsync.preset_add", text="Save as Preset ...", icon="ADD")
        self.layout.operator(
            "texsync.preset_add", text="Delete the Last Chosen", icon="REMOVE"
        ).remove_active = True


class TEXSYNC_OT_preset_add(AddPresetBase, bpy.types.Operator):
    """Keep prompt and settings under a name, as Blender keeps presets"""

    bl_idname = "texsync.preset_add"
    bl_label = "Add a TexSync Preset"
    preset_menu = "TEXSYNC_MT_presets"
    preset_subdir = "texsync"
    preset_defines = ["chosen = bpy.context.scene.texsync"]

    @property
    def preset_values(self) -> list[str]:
        """Fields before their switches, which fields turn on."""
        said = bpy.context.scene.texsync.values()
        switches = [offered.switch(one) for one in offered.options().values() if offered.has_switch(one)]
        return [f"chosen.{name}" for name in [*(n for n in said if n not in switches), *switches]]


CLASSES = (TEXSYNC_OT_add_word, TEXSYNC_MT_words, TEXSYNC_MT_presets, TEXSYNC_OT_preset_add)
