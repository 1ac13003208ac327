# SPDX-License-Identifier: GPL-3.0-or-later
"""Which faces and slots get the new texture, and the way back to what they had."""

from __future__ import annotations

from array import array
from pathlib import Path

import bpy

from . import image_nodes, meshdata

MARK = "texsync_result"  # custom property of a material: the folder it was made from
MAP = "texsync_map"  # its UV map
BEFORE = "texsync_before"  # and the material that it stands for; a pointer, so it is kept in the file
FACES = "texsync_slot"  # attribute of faces: the slot they had before


class Look:
    """One result's picture, as materials of one object after the other."""

    def __init__(self, folder: Path, record: dict, image: bpy.types.Image):
        self.folder, self.record, self.image = str(folder), record, image

    def put(self, item: bpy.types.Object, slot: int, uv_map: str, rendered: str, faces: array | None) -> None:
        """As the record says: into the materials, one slot, or a new one; with `faces`, on these alone.

        slot: the chosen one, or the one that the first selected face had.  rendered: see `copied_material`.
        """
        way = self.record.get("material", "new")
        if faces is not None:
            self._faces(item, slot, uv_map, rendered, faces)
        elif way == "into":
            for number in used_slots(item.data):
                self._swap(item, number, uv_map, rendered)
        elif way == "slot":
            self._swap(item, slot, uv_map, rendered)
        else:
            self._move(item, self._material(None, uv_map, ""), None)

    def _swap(self, item: bpy.types.Object, slot: int, uv_map: str, rendered: str) -> None:
        """Give a slot, of mesh or object as it may be, its material with the new base colour."""
        if not item.material_slots:
            item.data.materials.append(None)
        place = item.material_slots[min(slot, len(item.material_slots) - 1)]
        place.material = self._material(place.material, uv_map, rendered)

    def _faces(self, item, slot: int, uv_map: str, rendered: str, faces: array) -> None:
        """The selected faces to a slot of their own; with them all that show the same picture, if it was painted on."""
        old = item.material_slots[slot].material if slot < len(item.material_slots) else None
        material = self._material(old, uv_map, rendered)
        index = slots_of_faces(item.data)
        whole = self.record.get("repaint", True)
        chosen = [faces[face] or (whole and index[face] == slot) for face in range(len(index))]
        self._move(item, material, chosen)

    def _move(self, item, material, chosen: list | None) -> None:
        """These faces, or all, to the slot of a material, which is added if there is none."""
        mesh = item.data
        remember(item)
        slot = mesh.materials.find(material.name)
        if slot < 0:
            mesh.materials.append(material)
            slot = len(mesh.materials) - 1
            item.material_slots[slot].material = material  # also where new slots are the object's
        index = array("i", [slot]) * len(mesh.polygons)
        if chosen is not None:
            index = array(
                "i", [slot if one else old for one, old in zip(chosen, slots_of_faces(mesh), strict=True)]
            )
        mesh.polygons.foreach_set("material_index", index)
        mesh.update()

    def _material(self, old, uv_map: str, rendered: str) -> bpy.types.Material:
        """The material that stands for an old one: of an earlier time that the result was applied, or new."""
        first = old.get(BEFORE, None) if is_ours(old) else old
        for material in bpy.data.materials:
            same = (material.get(MARK), material.get(BEFORE), material.get(MAP)) == (
                self.folder,
                first,
                uv_map,
            )
            if same and image_nodes.shows(material, self.image):
                return material
        if image_nodes.shaders(old):
            made = image_nodes.copied_material(self.record["name"], old, self.image, uv_map, rendered)
        else:
            made = image_nodes.new_material(self.record["name"], self.image, uv_map)
        made[MARK], made[MAP] = self.folder, uv_map
        if first is not None:
            made[BEFORE] = first
        return made


def is_ours(material: bpy.types.Material | None) -> bool:
    return material is not None and MARK in material


def slots_of_faces(mesh: bpy.types.Mesh) -> array:
    return meshdata.numbers(mesh.polygons, "material_index", "i")


def used_slots(mesh: bpy.types.Mesh) -> list[int]:
    """Slots that faces are in, as Blender shows them: beyond the last one they are in that."""
    last = max(len(mesh.materials) - 1, 0)
    return sorted({min(number, last) for number in slots_of_faces(mesh)})


def remember(item: bpy.types.Object) -> None:
    """Note each face's slot on the mesh, but for faces that have one of ours already."""
    mesh, now = item.data, slots_of_faces(item.data)
    ours = [is_ours(slot.material) for slot in item.material_slots]
    note = mesh.attributes.get(FACES)
    if note is None:
        note = mesh.attributes.new(FACES, "INT", "FACE")
        note.data.foreach_set("value", now)
        return
    before = meshdata.numbers(note.data, "value", "i")
    kept = [old if new < len(ours) and ours[new] else new for old, new in zip(before, now, strict=True)]
    note.data.foreach_set("value", array("i", kept))


def can_restore(item: bpy.types.Object) -> bool:
    return any(is_ours(slot.material) for slot in item.material_slots)


def restore(item: bpy.types.Object) -> None:
    """Faces and slots as they were before the add-on's first texture; in Object Mode."""
    mesh, note = item.data, item.data.attributes.get(FACES)
    if note is not None:
        before, now = meshdata.numbers(note.data, "value", "i"), slots_of_faces(mesh)
        ours = [is_ours(slot.material) for slot in item.material_slots]
        back = [old if new < len(ours) and ours[new] else new for old, new in zip(before, now, strict=True)]
        mesh.polygons.foreach_set("material_index", array("i", back))
        mesh.attributes.remove(mesh.attributes[FACES])
    used = used_slots(mesh)
    while (
        len(mesh.materials)
        and is_ours(item.material_slots[-1].material)
        and len(mesh.materials) - 1 not in used
    ):
        mesh.materials.pop(index=len(mesh.materials) - 1)
    for slot in item.material_slots:
        if is_ours(slot.material):
            slot.material = slot.material.get(BEFORE)
    mesh.update()
