# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a finished result on its objects.  The only place that changes the scene; the operator makes it one undo step."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterator
from pathlib import Path

import bpy

from . import face_slots, handoff, meshdata, results, scene


def apply(folder: Path, among: list[bpy.types.Object] | None = None) -> list[bpy.types.Object]:
    """Show a result: new image, its materials, new UV map if there is one.

    among: the objects to put it on, those that it was made for or that have the same faces; None: its own.
    Returns the objects.  Raises ValueError, in words, before anything is changed.
    """
    record = results.read(folder)
    if results.picture(folder) is None:
        raise ValueError(f"The picture in {folder} is not there any more; generate again")
    found = scene.targets(record, among)
    maps = _maps(folder, record["targets"], found)
    faces = _faces(folder) if record.get("partial") else None
    objects = [item for item in found if item is not None]
    with _object_mode(objects):
        look = face_slots.Look(folder, record, _image(folder, record))
        for target, item, uv in zip(record["targets"], found, maps, strict=True):
            if item is not None:
                _put(look, record, target, item, uv, faces)
    return objects


def _put(look, record: dict, target: dict, item: bpy.types.Object, uv: array | None, faces) -> None:
    rendered = next((layer.name for layer in item.data.uv_layers if layer.active_render), "")
    name = target["uv_map"] if uv is None else meshdata.set_uvs(item.data, uv)
    # other materials read the map for rendering without naming it
    alone = faces is None and record.get("material", "new") != "slot"
    if uv is not None and alone and record.get("render_map", True):
        item.data.uv_layers[name].active_render = True
    look.put(item, target.get("slot", 0), name, "" if rendered == name else rendered, faces)


def _maps(folder: Path, targets: list[dict], objects: list) -> list[array | None]:
    """The new map of each object, or None for all; raises ValueError if one has no place for it, or lost its own."""
    found = [path for path in (folder / "texture" / "uvs.bin", folder / "map" / "uvs.bin") if path.is_file()]
    for target, item in zip(targets, objects, strict=True):
        names = [layer.name for layer in item.data.uv_layers] if item else [target["uv_map"]]
        if found and len(names) >= meshdata.MOST_MAPS and not any(meshdata.NEW_MAP in name for name in names):
            raise ValueError(f"{item.name} has {len(names)} UV maps, as many as Blender allows; remove one")
        if not found and target["uv_map"] not in names:
            raise ValueError(f"{item.name} has no UV map {target['uv_map']} any more")
    if not found:
        return [None] * len(targets)
    return list(handoff.read_uvs(found[0], [target["corners"] for target in targets]))


def _faces(folder: Path) -> array:
    flags = array("b")
    flags.frombytes((folder / "faces.bin").read_bytes())
    return flags


def _image(folder: Path, record: dict) -> bpy.types.Image:
    """The result's picture, under a file name of its own: Unpack and exporters write it by that."""
    for image in bpy.data.images:
        if image.get(face_slots.MARK) == str(folder):
            return image
    taken = [Path(bpy.path.basename(image.filepath)).name for image in bpy.data.images if image.filepath]
    image = bpy.data.images.load(str(results.free_picture(folder, taken)))
    image.name, image[face_slots.MARK] = record["name"], str(folder)
    if record.get("storage", "pack") == "pack":
        image.pack()
    elif bpy.data.filepath:
        with contextlib.suppress(ValueError):  # on another drive there is no relative path
            image.filepath = bpy.path.relpath(image.filepath)
    return image


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


def restore(objects: list[bpy.types.Object]) -> None:
    """Their own materials back."""
    with _object_mode(objects):
        for item in objects:
            face_slots.restore(item)
