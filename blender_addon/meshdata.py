# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes as arrays, and back: corner number k is Blender's loop k, so nothing has to be matched."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager

import bpy

NEW_MAP = "TexSync"  # name of UV maps that the add-on makes
MOST_MAPS = 8  # Blender's limit of UV maps on a mesh


def numbers(collection, name: str, kind: str, each: int = 1) -> array:
    """All values of one property of a collection, flat."""
    flat = array(kind, bytes(4 * each * len(collection)))
    collection.foreach_get(name, flat)
    return flat


def part(name: str, mesh: bpy.types.Mesh, matrix, uv: array | None) -> dict:
    """What `handoff.write` takes; the mesh is read, never changed."""
    mesh.calc_loop_triangles()
    entry = {
        "name": name,
        "transform": [number for row in matrix for number in row],
        "vertices": numbers(mesh.vertices, "co", "f", 3),
        "corner_vertex": numbers(mesh.loops, "vertex_index", "i"),
        "triangles": numbers(mesh.loop_triangles, "loops", "i", 3),
        "polygon": numbers(mesh.loop_triangles, "polygon_index", "i"),
    }
    return {**entry, "uv": uv} if uv else entry


def uv_of(mesh: bpy.types.Mesh, name: str) -> array | None:
    """Two floats for each corner, or None if there is no such map."""
    layer = mesh.uv_layers.get(name)
    return numbers(layer.data, "uv", "f", 2) if layer and len(layer.data) == len(mesh.loops) else None


def topology(mesh: bpy.types.Mesh) -> str:
    """A word that changes when corners do: faces added, removed or turned; not when vertices move."""
    corners = numbers(mesh.loops, "vertex_index", "i")
    starts = numbers(mesh.polygons, "loop_start", "i")
    return (
        f"{len(corners)}-{hashlib.blake2b(corners.tobytes() + starts.tobytes(), digest_size=8).hexdigest()}"
    )


@contextmanager
def evaluated(owner: bpy.types.Object) -> Iterator[bpy.types.Mesh]:
    """The mesh as the viewport shows it: modifiers, shape keys and pose applied."""
    shown = owner.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = shown.to_mesh()
    try:
        yield mesh
    finally:
        shown.to_mesh_clear()


def changed_by_modifiers(owner: bpy.types.Object) -> bool:
    """Whether the viewport shows other faces than the mesh has (Mirror, Subdivision and so on)."""
    if not any(modifier.show_viewport for modifier in owner.modifiers):
        return False
    with evaluated(owner) as mesh:
        return len(mesh.polygons) > 0 and topology(mesh) != topology(owner.data)


@contextmanager
def readable(owner: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """An object whose mesh can be read: in edit mode a twin outside of it, as UVs are out of reach there."""
    if owner.mode != "EDIT":
        yield owner
        return
    owner.update_from_editmode()
    with _twin(owner, owner.data.copy()) as twin:
        yield twin


@contextmanager
def with_uvs(owner: bpy.types.Object, uv: array) -> Iterator[bpy.types.Mesh]:
    """The mesh as the viewport would show it if it had these UVs, in map NEW_MAP."""
    mesh = owner.data.copy()
    while len(mesh.uv_layers) >= MOST_MAPS or mesh.uv_layers.get(NEW_MAP):
        mesh.uv_layers.remove(mesh.uv_layers.get(NEW_MAP) or mesh.uv_layers[-1])
    mesh.uv_layers.new(name=NEW_MAP).data.foreach_set("uv", uv)
    with _twin(owner, mesh) as twin, evaluated(twin) as shown:
        yield shown


@contextmanager
def _twin(owner: bpy.types.Object, mesh: bpy.types.Mesh) -> Iterator[bpy.types.Object]:
    """A copy of an object with another mesh, in the scene for as long as the block lasts; then both are gone."""
    twin = owner.copy()
    try:
        twin.data = mesh
        bpy.context.scene.collection.objects.link(twin)
        bpy.context.view_layer.update()
        yield twin
    finally:
        bpy.data.objects.remove(twin)
        bpy.data.meshes.remove(mesh)


def set_uvs(mesh: bpy.types.Mesh, uv: array) -> str:
    """Put a new map on a mesh, or find it there from an earlier run; returns its name.

    No map of the user's is changed.  Raises ValueError if the mesh has as many maps as it can.
    """
    for layer in mesh.uv_layers:
        if layer.name.startswith(NEW_MAP) and uv_of(mesh, layer.name) == uv:
            mesh.uv_layers.active = layer
            return layer.name
    layer = mesh.uv_layers.new(name=NEW_MAP, do_init=False) if len(mesh.uv_layers) < MOST_MAPS else None
    if layer is None:
        raise ValueError(
            f"{mesh.name} has {MOST_MAPS} UV maps already; remove one and apply the result again"
        )
    layer.data.foreach_set("uv", uv)
    mesh.uv_layers.active = layer
    return layer.name


def selected_triangles(mesh: bpy.types.Mesh, uv: array) -> array:
    """The selected faces as triangles on the map: six floats each."""
    flat = array("f")
    for corner in _selected_corners(mesh):
        flat.extend(uv[2 * corner : 2 * corner + 2])
    return flat


def selected_weights(mesh: bpy.types.Mesh, group: int) -> array:
    """How much the corners of the same triangles are in a vertex group, 0..1; three floats each."""
    weights = array("f", bytes(4 * len(mesh.vertices)))
    for vertex in mesh.vertices:
        weights[vertex.index] = next((one.weight for one in vertex.groups if one.group == group), 0.0)
    corner_vertex = numbers(mesh.loops, "vertex_index", "i")
    return array("f", [weights[corner_vertex[corner]] for corner in _selected_corners(mesh)])


def _selected_corners(mesh: bpy.types.Mesh) -> Iterator[int]:
    """The corners of the selected faces' triangles, three each."""
    mesh.calc_loop_triangles()
    chosen = selected_faces(mesh)
    corners = numbers(mesh.loop_triangles, "loops", "i", 3)
    for triangle, face in enumerate(numbers(mesh.loop_triangles, "polygon_index", "i")):
        if chosen[face]:
            yield from corners[3 * triangle : 3 * triangle + 3]


def selected_faces(mesh: bpy.types.Mesh) -> array:
    """1 for each selected face, 0 for the others."""
    flags = array("b", bytes(len(mesh.polygons)))
    mesh.polygons.foreach_get("select", flags)
    return flags
