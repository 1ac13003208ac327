# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a finished result on its objects.  The only place that changes the scene; the operator makes it one undo step."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterator
from pathlib import Path

import bpy

from . import handoff, image_nodes, meshdata, results, scene

MARK = "texsync_result"  # custom property of a material: the folder it was made from


def apply(folder: Path) -> list[bpy.types.Object]:
    """Show a result: new image, new material in a new slot (old ones stay), new UV map if there is one.

    Returns the objects.  Raises ValueError, in words, before anything is changed.
    """
    record = results.read(folder)
    picture = folder / "texture" / "texture.png"
    if not picture.is_file():
        raise ValueError(f"{picture} is not there any more; generate again")
    targets = record["targets"]
    objects = [scene.find(target) for target in targets]
    maps = _maps(folder, targets, objects)
    faces = _faces(folder) if record.get("partial") else None
    with _object_mode(objects):
        names = [
            _put_map(item.data, uv, target) for item, uv, target in zip(objects, maps, targets, strict=True)
        ]
        material = _material(folder, record, objects[0].data, names[0])
        for item in objects:
            _put_material(item.data, material, record, faces)
    return objects


def _maps(folder: Path, targets: list[dict], objects: list) -> list[array | None]:
    """The new map of each object, or None for all; raises ValueError if one has no place for it, or lost its own."""
    found = [path for path in (folder / "texture" / "uvs.bin", folder / "map" / "uvs.bin") if path.is_file()]
    for target, item in zip(targets, objects, strict=True):
        names = [layer.name for layer in item.data.uv_layers]
        if found and len(names) >= meshdata.MOST_MAPS and not any(meshdata.NEW_MAP in name for name in names):
            raise ValueError(f"{item.name} has {len(names)} UV maps, as many as Blender allows; remove one")
        if not found and target["uv_map"] not in names:
            raise ValueError(f"{item.name} has no UV map {target['uv_map']} any more")
    if not found:
        return [None] * len(targets)
    return list(handoff.read_uvs(found[0], [target["corners"] for target in targets]))


def _put_map(mesh: bpy.types.Mesh, uv: array | None, target: dict) -> str:
    return target["uv_map"] if uv is None else meshdata.set_uvs(mesh, uv)


def _faces(folder: Path) -> array:
    flags = array("b")
    flags.frombytes((folder / "faces.bin").read_bytes())
    return flags


def _material(folder: Path, record: dict, mesh: bpy.types.Mesh, uv_map: str) -> bpy.types.Material:
    """The result's material: from an earlier time that it was applied, or new."""
    for material in bpy.data.materials:
        node = image_nodes.base_colour(material)
        if material.get(MARK) == str(folder) and node and image_nodes.uv_map_of(node) == uv_map:
            return material
    image = _image(folder, record)
    old = _old_material(record, mesh)
    if old and image_nodes.base_colour(old):
        material = image_nodes.copied_material(record["name"], old, image, uv_map)
    else:
        material = image_nodes.new_material(record["name"], image, uv_map)
    material[MARK] = str(folder)
    return material


def _old_material(record: dict, mesh: bpy.types.Mesh) -> bpy.types.Material | None:
    """The material whose other faces are to look as before; only when some faces are painted."""
    slot = record["slot"] if record.get("partial") else None
    return mesh.materials[slot] if slot is not None and slot < len(mesh.materials) else None


def _image(folder: Path, record: dict) -> bpy.types.Image:
    image = bpy.data.images.load(str(folder / "texture" / "texture.png"))
    image.name = record["name"]
    if record.get("storage", "pack") == "pack":
        image.pack()
    elif bpy.data.filepath:
        with contextlib.suppress(ValueError):  # on another drive there is no relative path
            image.filepath = bpy.path.relpath(image.filepath)
    return image


def _put_material(mesh: bpy.types.Mesh, material, record: dict, faces: array | None) -> None:
    """In the slot that has it already, or a new one; on all faces, or on those that `faces` and the old slot say."""
    slot = mesh.materials.find(material.name)
    if slot < 0:
        mesh.materials.append(material)
        slot = len(mesh.materials) - 1
    index = array("i", bytes(4 * len(mesh.polygons)))
    if faces is None:
        index = array("i", [slot]) * len(mesh.polygons)
    else:
        mesh.polygons.foreach_get("material_index", index)
        for face, old in enumerate(index):
            if faces[face] or old == record["slot"]:
                index[face] = slot
    mesh.polygons.foreach_set("material_index", index)
    mesh.update()


@contextlib.contextmanager
def _object_mode(objects: list) -> Iterator[None]:
    """Leave the mode that the user is in while meshes change, and go back to it."""
    active = bpy.context.view_layer.objects.active
    mode = active.mode if active else "OBJECT"
    if all(item.mode == "OBJECT" for item in objects):
        yield
        return
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    busy = next((item for item in objects if item.mode != "OBJECT"), None)
    if busy:
        raise ValueError(f"{busy.name} is being edited elsewhere; leave that mode and apply the result again")
    try:
        yield
    finally:
        bpy.ops.object.mode_set(mode=mode)
