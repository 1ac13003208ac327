# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a mesh from being textured, and what is worth knowing before: each with what to do."""

from __future__ import annotations

import bpy

from . import image_nodes, meshdata, preferences, scene, scene_cameras

CONVERTED = {
    "CURVE",
    "SURFACE",
    "META",
    "FONT",
    "CURVES",
    "POINTCLOUD",
    "VOLUME",
}  # what Blender makes meshes of


def obstacle(context, settings) -> str:
    """Why there is nothing to generate now, in one sentence, or "" if there is nothing in the way."""
    objects = scene.chosen(context)
    if objects and not any(character.isalnum() for character in settings.prompt):
        return "Say in the prompt what the surface should look like"
    return shape_obstacle(context, settings, scene.only_selected(context, settings))


def shape_obstacle(context, settings, partial: bool = False) -> str:
    """The same, but for the prompt.  partial: only the selected faces are to be painted."""
    objects = scene.chosen(context)
    if not objects:
        return _nothing(context)
    reasons = [_reason(item, settings, partial) for item in objects]
    if settings.cameras == scene_cameras.OWN:
        reasons.append(scene_cameras.obstacle(context))
    if partial and len(objects) > 1:
        reasons.append("Only the selected faces of one object at a time can be painted")
    if partial and not objects[0].data.total_face_sel:
        reasons.append("Select the faces to paint, or turn off Selected Faces Only")
    return next((reason for reason in [*reasons, _place()] if reason), "")


def _place() -> str:
    try:
        preferences.output_folder()
    except ValueError as error:
        return str(error)
    return ""


def _nothing(context) -> str:
    active = context.object
    if active is None or not (active.select_get() or active.type == "MESH"):
        return "Select the mesh to texture"
    if active.type == "EMPTY" and active.instance_type == "COLLECTION":
        return f"{active.name} is an instance of a collection; use Object > Apply > Make Instances Real"
    if active.type != "MESH" and active.select_get():
        if active.type in CONVERTED:
            return f"{active.name} is no mesh; select one, or convert it with Object > Convert > Mesh"
        return f"{active.name} is no mesh but {_kind(active)}; select a mesh"
    if not active.visible_get():
        return f"{active.name} is hidden; show it first"
    return "Select the mesh to texture"


def _kind(item: bpy.types.Object) -> str:
    name = item.type.replace("_", " ").lower()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _reason(item: bpy.types.Object, settings, partial: bool) -> str:
    mesh = item.data
    if item.override_library:
        return (
            f"{item.name} is a library override, whose mesh belongs to another file; "
            "use Object > Relations > Make Local > Selected Objects and Data"
        )
    if item.library or mesh.library:
        return f"{item.name} is linked from another file; make it local with Object > Relations > Make Local"
    if item.mode != "EDIT" and not len(mesh.polygons):
        return _faceless(item)
    if item.mode == "SCULPT" and item.use_dynamic_topology_sculpting:
        return "Turn off Dyntopo first; it changes the faces while you sculpt"
    if settings.uvs == "keep" and not mesh.uv_layers:
        return f"{item.name} has no UV map; choose UVs: New Map"
    if settings.uvs == "unwrap" and len(mesh.uv_layers) >= meshdata.MOST_MAPS:
        return f"{item.name} has {meshdata.MOST_MAPS} UV maps, as many as Blender allows; remove one"
    return ""


def _faceless(item: bpy.types.Object) -> str:
    if shown_faces(item):
        return f"{item.name} has faces of its modifiers only, which hold no UVs; make them a mesh first"
    return f"{item.name} has no faces"


def shown_faces(item: bpy.types.Object) -> int:
    """How many faces the viewport shows of an object with modifiers; instances are not among them."""
    if not any(modifier.show_viewport for modifier in item.modifiers):
        return len(item.data.polygons)
    return len(item.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.polygons)


def can_realise(context) -> bool:
    """Whether making a mesh of what the viewport shows would help."""
    return any(not len(item.data.polygons) and shown_faces(item) for item in scene.chosen(context))


def notes(context, settings) -> list[str]:
    """What is worth knowing before a run."""
    objects = scene.chosen(context)
    found = [note for item in objects for note in (_shared(item), _unseen(item)) if note]
    if preferences.offline() and "/" in settings.model and not preferences.model_folder(settings.model):
        found.append(
            "Blender has no online access: texsync only uses what was fetched before. "
            "Preferences > System > Network changes that"
        )
    if scene.only_selected(context, settings) and objects:
        found += [note] if (note := _alone(objects[0], settings)) else []
    if settings.cameras == scene_cameras.OWN:
        found += scene_cameras.notes(context)
    return found


def _shared(item: bpy.types.Object) -> str:
    others = item.data.users - item.data.use_fake_user - 1
    return f"{item.name} shares its mesh with {others} more: all get the texture" if others > 0 else ""


def _unseen(item: bpy.types.Object) -> str:
    """Where the texture goes on faces that the viewport does not show."""
    if item.mode == "EDIT":
        return ""
    if item.instance_type != "NONE" and not item.show_instancer_for_viewport:
        return f"{item.name} is hidden behind its instances: select what they show to texture that"
    if len(item.data.polygons) and not shown_faces(item):
        return (
            f"The modifiers of {item.name} show instances, or nothing: the texture goes on the mesh below. "
            "Realize Instances in the nodes makes it seen"
        )
    return ""


def _alone(item: bpy.types.Object, settings) -> str:
    """Why selected faces get a texture of their own."""
    if settings.uvs == "unwrap":
        return "On a new map, the selected faces get a texture of their own; the others stay as they are"
    why = image_nodes.readable(old_material(item))[1]
    return f"The selected faces get a texture of their own: {why}" if why else ""


def old_material(item: bpy.types.Object, mesh: bpy.types.Mesh | None = None):
    """The material of the first selected face; mesh: where the selection is read, None for the object's own."""
    slot = first_slot(item, mesh or item.data)
    return item.material_slots[slot].material if slot < len(item.material_slots) else None


def first_slot(item: bpy.types.Object, mesh: bpy.types.Mesh) -> int:
    """Material slot of the first selected face; in edit mode, whose faces are out of reach, the active one."""
    flags = meshdata.selected_faces(mesh)
    return mesh.polygons[flags.index(1)].material_index if 1 in flags else item.active_material_index
