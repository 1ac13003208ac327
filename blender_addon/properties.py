# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user can set.  Where texsync takes None, 0, an empty text or a switch that is off stands for it here."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from . import offered
from .preferences import preferences


class TexSyncSettings(bpy.types.PropertyGroup):
    """Kept with the scene: texsync's options, and what is this panel's own."""

    texture_name: StringProperty(
        name="Name", description="Of the image and the material. Empty: the object's name and the prompt"
    )
    storage: EnumProperty(
        name="Image",
        default="pack",
        items=[
            ("pack", "Pack", "Keep the picture inside the .blend file"),
            ("file", "File", "Keep the picture as a file in the output folder"),
        ],
    )
    selected_only: BoolProperty(
        name="Selected Faces Only",
        description="Paint the selected faces; the rest of the texture stays as it is",
    )
    previews: BoolProperty(
        name="Previews", default=True, description="Show what is being painted; takes a fifth of the time"
    )

    def arguments(self) -> dict:
        """Arguments of texsync.texture_mesh, without the mesh; what is left to texsync is left out."""
        said = {name: self._value(one) for name, one in offered.options().items()}
        said["model"] = model_path(self.model.strip() or "mini")
        return {name: value for name, value in said.items() if value is not None}

    def _value(self, one: dict):
        """An option's value; None for one that is left to texsync."""
        values = [getattr(self, name) for name in offered.fields(one)]
        if offered.has_switch(one) and not getattr(self, offered.switch(one)):
            return None
        # a choice that stands where it started is left to texsync too: not every coupling has it
        unsaid = (one["usual"],) if one["kind"] == "Choice" else (0, "")
        if one["default"] is None and values[0] in unsaid and not offered.has_switch(one):
            return None
        values = [round(v, 6) if isinstance(v, float) else v for v in values]  # Blender's have 32 bits
        return values if "names" in one else values[0]


def properties(one: dict) -> dict:
    """The Blender properties of one of texsync's options, by name."""
    words = {"name": one["label"], "description": description(one)}
    made = {}
    if offered.has_switch(one):
        made[offered.switch(one)] = BoolProperty(**words)
    starts = one["usual"] if "names" in one else [first(one)]
    for name, start in zip(offered.fields(one), starts, strict=True):
        label = name[len(one["name"]) + 1 :].title() or one["label"]
        made[name] = KINDS.get(one["kind"], StringProperty)(
            **{**words, "name": label}, **limits(one), default=start
        )
    return made


KINDS = {
    "Whole": IntProperty,
    "Real": FloatProperty,
    "Reals": FloatProperty,
    "Flag": BoolProperty,
    "Choice": EnumProperty,
}


def description(one: dict) -> str:
    """For the tooltip; Blender puts the full stop."""
    unsaid = {"Whole": "0", "Real": "Off", "Reals": "Off"}.get(one["kind"], "Empty")
    end = f". {unsaid}: {one['unsaid']}" if one["unsaid"] else ""
    return one["help"].rstrip(".") + end


def first(one: dict):
    """Where a field starts."""
    if one["default"] is not None:
        return one["default"]
    if one["usual"] is not None:
        return one["usual"]
    return 0 if one["kind"] == "Whole" else ""


def limits(one: dict) -> dict:
    """Of a number, or the choices."""
    if one["kind"] == "Choice":
        return {"items": [tuple(choice) for choice in one["choices"]]}
    said = {"min": 0 if offered.zero_is_unsaid(one) else one.get("low"), "max": one.get("high")}
    if one["soft"]:
        said["soft_min"], said["soft_max"] = one["soft"]
    return {name: value for name, value in said.items() if value is not None}


for _one in offered.options().values():
    TexSyncSettings.__annotations__.update(properties(_one))


def model_path(name: str) -> str:
    """The folder of that name in the model folder, else the name itself."""
    base = preferences().models
    folder = Path(bpy.path.abspath(base)) / name if base else None
    return str(folder) if folder and (folder / "model_index.json").is_file() else name


def models() -> list[str]:
    """mini, and what is in the model folder."""
    base = preferences().models
    folder = Path(bpy.path.abspath(base)) if base else None
    try:
        found = sorted(path.parent.name for path in folder.glob("*/model_index.json")) if folder else []
    except OSError:
        found = []
    return ["mini", *found]
