# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be textured, and what keeps it from being textured."""

from __future__ import annotations

import bpy

from .meshdata import MOST_MAPS, topology

WHOLE_SELECTION = ("OBJECT", "EDIT_MESH")


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


def obstacle(context, settings) -> str:
    """Why there is nothing to generate now, in one sentence, or "" if there is nothing in the way."""
    objects = chosen(context)
    if not objects:
        return _nothing(context)
    if not any(character.isalnum() for character in settings.prompt):
        return "Say in the prompt what the surface should look like"
    partial = only_selected(context, settings)
    reasons = [_reason(item, settings, partial) for item in objects]
    if partial and len(objects) > 1:
        reasons.append("Only the selected faces of one object at a time can be painted")
    if partial and not objects[0].data.total_face_sel:
        reasons.append("Select the faces to paint, or turn off Selected Faces Only")
    return next((reason for reason in reasons if reason), "")


def _nothing(context) -> str:
    active = context.object
    if active and active.type == "MESH" and not active.visible_get():
        return f"{active.name} is hidden; show it first"
    if active and active.type != "MESH" and active.select_get():
        return f"{active.name} is no mesh; select one, or convert it with Object > Convert > Mesh"
    return "Select the mesh to texture"


def _reason(item: bpy.types.Object, settings, partial: bool) -> str:
    mesh = item.data
    if item.library or mesh.library:
        return f"{item.name} is linked from another file; make it local with Object > Relations"
    if item.mode != "EDIT" and not len(mesh.polygons):
        return f"{item.name} has no faces"
    if item.mode == "SCULPT" and item.use_dynamic_topology_sculpting:
        return "Turn off Dyntopo first; it changes the faces while you sculpt"
    wants_own = partial or settings.uvs == "keep"
    if wants_own and not mesh.uv_layers:
        return f"{item.name} has no UV map; choose UVs: New Map"
    if partial and settings.uvs == "unwrap":
        return "A new map cannot keep the other faces; choose UVs: Keep Mine, or turn off Selected Faces Only"
    if not wants_own and settings.uvs == "unwrap" and len(mesh.uv_layers) >= MOST_MAPS:
        return f"{item.name} has {MOST_MAPS} UV maps, as many as Blender allows; remove one"
    return ""


def notes(context) -> list[str]:
    """What is worth knowing before a run."""
    shared = [item for item in chosen(context) if item.data.users - item.data.use_fake_user > 1]
    return [
        f"{item.name} shares its mesh with {item.data.users - item.data.use_fake_user - 1} more: all get the texture"
        for item in shared
    ]


def uid(item: bpy.types.ID) -> int:
    """A number that survives renaming; 0 in Blender before 4.2, which has none."""
    return getattr(item, "session_uid", 0)


def describe(item: bpy.types.Object, view: bpy.types.Object) -> dict:
    """How to find an object again when the result is there.  view: the object, or its readable twin."""
    mesh = view.data
    return {
        "object": item.name,
        "uid": uid(item),
        "corners": len(mesh.loops),
        "topology": topology(mesh),
    }


def find(target: dict) -> bpy.types.Object:
    """The object that a result is for: by its number, its name, or as the only one with the same faces.

    Raises ValueError, in words, if it is gone or its faces have changed.
    """
    meshes = [item for item in bpy.data.objects if item.type == "MESH" and item.data.library is None]
    same = [item for item in meshes if target["uid"] and uid(item) == target["uid"]]
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
