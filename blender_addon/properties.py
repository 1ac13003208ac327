# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user can set.  Where texsync takes None, 0, an empty text or a switch that is off stands for it here."""

import contextlib
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from . import offered
from .preferences import model_folder, preferences
from .scene_cameras import SETS

SWITCH = offered.switch({"name": ""})
NO_PLACE = ("feather",)  # options that count with others only which this panel has in another form
OF_A_START = ("start_noise",)  # those that count where a picture is begun at
OF_THE_MOMENT = ("selected_only", "count", "each")  # what settings that are recalled leave as it is


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
    material: EnumProperty(
        name="Material",
        default="into",
        items=[
            (
                "into",
                "Into Mine",
                "Replaces the base colour of the materials that the object has; roughness, metallic and all else stay. "
                "Without a Principled BSDF, a new material",
            ),
            ("slot", "This Slot", "The same, in the active material slot alone"),
            ("new", "New", "All faces get a new material, in a new slot"),
        ],
    )
    begin: EnumProperty(
        name="Begin",
        default="new",
        items=[
            ("new", "Anew", "Nothing of the old texture is looked at"),
            (
                "own",
                "From Mine",
                "Restyle: begins at the texture that is there. The less start noise, the more of it stays",
            ),
        ],
    )
    soft_edge: BoolProperty(
        name="Soft Edge",
        description="With selected faces: the new fades in by the weights of the active vertex group",
    )
    render_map: BoolProperty(
        name="New Map for Rendering",
        default=True,
        description="A new UV map becomes the one for rendering, which FBX and USD files take; "
        "other textures of your materials keep the old one",
    )
    each: BoolProperty(
        name="One Texture Each", description="A texture for each selected object, not one for all of them"
    )
    count: IntProperty(
        name="Seeds",
        default=1,
        min=1,
        soft_max=16,
        max=100,
        description="How many textures, one seed after the other; the first is applied, all are under Last Results",
    )
    cameras: EnumProperty(name="Cameras", default="ring", items=SETS)
    export_size: IntProperty(
        name="View Size",
        default=1024,
        min=16,
        max=4096,
        subtype="PIXEL",
        description="Pixels a side of the pictures that Export Views writes",
    )
    live: BoolProperty(
        name="Live Look",
        description="While it is painted, the texture is drawn over the object in 3D views (Object Mode); "
        "nothing of that is in the file. All views are decoded for it, so there are fewer previews",
    )
    previews: BoolProperty(
        name="Previews", default=True, description="Show what is being painted; takes a fifth of the time"
    )
    show: BoolProperty(
        name="Show in Viewport",
        default=True,
        description="When it is done, the 3D view that asked for it shows textures in Solid shading",
    )

    def values(self) -> dict:
        """Everything that can be set, as plain data."""
        return {name: getattr(self, name) for name in type(self).__annotations__ if name not in OF_THE_MOMENT}

    def recall(self, values: dict) -> None:
        """Set all of it again; what this edition does not have, or cannot be, is left as it is."""
        switches = [name for name in values if name.startswith(SWITCH)]
        for name in [
            *(name for name in values if name not in switches),
            *switches,
        ]:  # a field turns its switch on
            if name in type(self).__annotations__:
                with contextlib.suppress(TypeError, ValueError):
                    setattr(self, name, values[name])

    def arguments(self) -> dict:
        """Arguments of texsync.texture_mesh, without the mesh; what is left to texsync is left out."""
        said = {name: self._value(one) for name, one in offered.options().items()}
        said["model"] = model_path(self.model.strip() or "mini")
        said["start"] = "own" if self.begin == "own" else None
        for name in (*NO_PLACE, *(() if said["start"] else OF_A_START)):
            said.pop(name, None)
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
    made, more = {}, {}
    if offered.has_switch(one):
        made[offered.switch(one)] = BoolProperty(**words)
        more["update"] = _turns_on(offered.switch(one))
    if one["name"].endswith("_size"):
        more["subtype"] = "PIXEL"
    starts = one["usual"] if "names" in one else [first(one)]
    for name, start in zip(offered.fields(one), starts, strict=True):
        label = name[len(one["name"]) + 1 :].title() or one["label"]
        made[name] = KINDS.get(one["kind"], StringProperty)(
            **{**words, "name": label}, **limits(one), **more, default=start
        )
    return made


def _turns_on(switch: str):
    """A number that is set counts."""

    def update(settings, _context) -> None:
        if not getattr(settings, switch):
            setattr(settings, switch, True)

    return update


KINDS = {
    "Whole": IntProperty,
    "Real": FloatProperty,
    "Reals": FloatProperty,
    "Flag": BoolProperty,
    "Choice": EnumProperty,
}


def description(one: dict) -> str:
    """For the tooltip; Blender puts the full stop."""
    unsaid = "Off" if offered.has_switch(one) else "Empty"
    end = f". {unsaid}: {one['unsaid']}" if one["unsaid"] else ""
    return one["help"].rstrip(".") + end


def first(one: dict):
    """Where a field starts."""
    if one["default"] is not None:
        return one["default"]
    if one["usual"] is not None:
        return one["usual"]
    return one["low"] if one["kind"] == "Whole" else ""


def limits(one: dict) -> dict:
    """Of a number, or the choices."""
    if one["kind"] == "Choice":
        return {"items": [tuple(choice) for choice in one["choices"]]}
    said = {"min": one.get("low"), "max": one.get("high")}
    if one["soft"]:
        said["soft_min"], said["soft_max"] = one["soft"]
    return {name: value for name, value in said.items() if value is not None}


for _one in offered.options().values():
    TexSyncSettings.__annotations__.update(properties(_one))


def model_path(name: str) -> str:
    """The folder of that name in the model folder, else the name itself."""
    base, inside = preferences().models, model_folder(name)
    return str(inside) if base and inside and inside != Path(name) else name


def models() -> list[str]:
    """mini, and what is in the model folder."""
    base = preferences().models
    folder = Path(bpy.path.abspath(base)) if base else None
    try:
        found = sorted(path.parent.name for path in folder.glob("*/model_index.json")) if folder else []
    except OSError:
        found = []
    return ["mini", *found]
