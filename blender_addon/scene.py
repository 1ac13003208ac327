# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be textured, and where a result belongs."""

from __future__ import annotations

import bpy

from . import state
from .meshdata import topology


def chosen(context) -> list[bpy.types.Object]:
    """Mesh objects that a job would texture: the selected ones that can be seen; in edit mode those being edited,
    in sculpt and paint modes the active one.  Of several that share a mesh, the active one or else the first.
    """
    if context.mode == "EDIT_MESH":
        found = list(context.objects_in_mode_unique_data)
    elif context.mode == "OBJECT":
        found = [item for item in context.selected_objects if item.type == "MESH" and item.visible_get()]
    else:
        active = context.object
        found = [active] if active and active.type == "MESH" else []
    found.sort(key=lambda item: item != context.object)  # the active one leads
    first: dict[bpy.types.Mesh, bpy.types.Object] = {}
    for item in found:
        first.setdefault(item.data, item)
    return list(first.values())


def only_selected(context, settings) -> bool:
    """Whether only the selected faces are to be painted."""
    return settings.selected_only and context.mode == "EDIT_MESH"


def uid(item: bpy.types.ID) -> int:
    """A number that survives renaming, as long as the file is open; 0 in Blender before 4.2, which has none."""
    return getattr(item, "session_uid", 0)


def file() -> dict:
    """Which .blend this is: by a word for the time that it is open, and by its path."""
    return {"opened": state.opened, "path": bpy.data.filepath}


def describe(item: bpy.types.Object, view: bpy.types.Object) -> dict:
    """How to find an object again when the result is there.  view: the object, or its readable twin."""
    mesh = view.data
    return {
        "object": item.name,
        "uid": uid(item),
        "corners": len(mesh.loops),
        "topology": topology(mesh),
        "slot": item.active_material_index,
    }


def targets(record: dict, among: list[bpy.types.Object] | None) -> list[bpy.types.Object | None]:
    """The object for each target of a result; None for one that is not among those asked for.

    Raises ValueError, in words, if there is none.
    """
    if among is None:
        return [_find(target, record.get("file", {})) for target in record["targets"]]
    left, found = list(among), []
    for target in record["targets"]:
        fits = [item for item in left if _matches(item, target)]
        fits.sort(key=lambda item: item.name != target["object"])
        found.append(fits[0] if fits else None)
        left = [item for item in left if item not in fits[:1]]
    if not any(found):
        names = ", ".join(target["object"] for target in record["targets"])
        asked = ", ".join(item.name for item in among[:3])
        raise ValueError(f"{asked} has other faces than {names}, which this was made for; select that one")
    return found


def _find(target: dict, where: dict) -> bpy.types.Object:
    """The object that a result is for: by its number, its name, or as the only one with the same faces; in its file.

    Raises ValueError, in words, if it is gone or its faces have changed.
    """
    here, now = file(), where.get("opened")
    if now != here["opened"] and not (where.get("path") and where["path"] == here["path"]):
        raise ValueError(f"{target['object']} belongs to another file; select an object with the same faces")
    meshes = [item for item in bpy.data.objects if item.type == "MESH" and item.data.library is None]
    same = [item for item in meshes if now == here["opened"] and target["uid"] and uid(item) == target["uid"]]
    same += [item for item in meshes if item.name == target["object"]]
    for item in same:
        if _matches(item, target):
            return item
    others = {item.data: item for item in meshes if _matches(item, target)}
    if len(others) == 1:
        return next(iter(others.values()))
    if same:
        raise ValueError(f"The faces of {same[0].name} have changed since; generate again")
    raise ValueError(f"{target['object']} is not here any more")


def _matches(item: bpy.types.Object, target: dict) -> bool:
    if item.mode == "EDIT":
        item.update_from_editmode()
    return len(item.data.loops) == target["corners"] and topology(item.data) == target["topology"]
