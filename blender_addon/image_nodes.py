# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture that is on a mesh already, what its material does with it, and materials with another one."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import bpy

SIDES = (64, 8192)  # texels a side that a picture may have to be painted on
LABEL = "TexSync"  # of nodes that the add-on makes


def shaders(material: bpy.types.Material | None) -> list:
    """The Principled BSDFs that a material's output shows."""
    tree = material.node_tree if material else None
    output = tree.get_output_node("ALL") if tree else None
    return [node for node in _before(output) if node.type == "BSDF_PRINCIPLED"]


def _before(node) -> Iterator:
    """A node, and all whose values reach it."""
    todo, seen = [node] if node else [], set()
    while todo:
        node = todo.pop()
        if node.name not in seen:
            seen.add(node.name)
            yield node
            todo += [link.from_node for put in node.inputs for link in put.links]


def shows(material: bpy.types.Material, image: bpy.types.Image) -> bool:
    """Whether a picture is a material's base colour."""
    sources = [colour_source(shader) for shader in shaders(material)]
    return any(node and node.type == "TEX_IMAGE" and node.image == image for node in sources)


def colour_source(shader):
    """The node that gives a shader its base colour, or None for a plain one."""
    return next((link.from_node for link in shader.inputs["Base Color"].links), None)


def readable(material: bpy.types.Material | None) -> tuple:
    """(image node, "") if the whole base colour is one picture that can be painted on, else (None, why not).

    Behind a mix or a mapping it is not: texels would come back with another colour, or at another place.
    """
    found = shaders(material)
    node = colour_source(found[0]) if len(found) == 1 else None
    if node is None:
        return None, "has no picture" if material else "there is no material"
    if node.type != "TEX_IMAGE" or not node.image:
        return None, "its colour is mixed by nodes"
    if any(link.from_node.type != "UVMAP" for link in node.inputs["Vector"].links):
        return None, "its picture is placed by nodes"
    return (None, why) if (why := _unfit(node.image)) else (node, "")


def _unfit(image: bpy.types.Image) -> str:
    width, height = image.size
    if image.source == "TILED":
        return f"{image.name} has UDIM tiles"
    if not width:
        return f"{image.name} cannot be read"
    if not SIDES[0] <= min(width, height) <= max(width, height) <= SIDES[1]:
        return f"{image.name} has {width} x {height} texels"
    return "" if image.channels == 4 else f"{image.name} has {image.channels} channels"


def uv_map_of(node) -> str:
    """Name of the UV map that an image node reads, or "" for the one that is set for rendering."""
    for link in node.inputs["Vector"].links if node else []:
        if link.from_node.type == "UVMAP":
            return link.from_node.uv_map
    return ""


def pixels(image: bpy.types.Image) -> dict | None:
    """width, height and pixels (float32 RGBA as stored, bottom row first); None for a picture that is not there."""
    width, height = image.size
    if not width or image.channels != 4 or not image.pixels:
        return None
    flat = array("f", bytes(4 * 4 * width * height))
    image.pixels.foreach_get(flat)
    return {"width": width, "height": height, "pixels": flat}


def new_material(name: str, image: bpy.types.Image, uv_map: str) -> bpy.types.Material:
    """Principled BSDF, its base colour from the image by way of a UV Map node; the image node is the active one."""
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # setting it is deprecated where it is not needed
        material.use_nodes = True
    _colour(material, image, uv_map)
    return material


def copied_material(
    name: str, old: bpy.types.Material, image: bpy.types.Image, uv_map: str, rendered: str
) -> bpy.types.Material:
    """The old material with another base colour; roughness, metallic, normal map and all else stay.

    rendered: the UV map that its other textures read so far without naming it; "" leaves them alone.
    """
    material = old.copy()
    material.name = name
    if rendered:
        _pin(material, rendered)
    _colour(material, image, uv_map)
    return material


def _colour(material: bpy.types.Material, image: bpy.types.Image, uv_map: str) -> None:
    """Let the picture, on a UV map, be the base colour of every shader."""
    found = shaders(material)
    picture = _own_picture(material, found) or _new_picture(material, found[0])
    for shader in found:
        material.node_tree.links.new(picture.outputs["Color"], shader.inputs["Base Color"])
    place = _place(material, picture)
    picture.image, place.uv_map = image, uv_map
    for node in material.node_tree.nodes:
        node.select = node == picture
    material.node_tree.nodes.active = picture  # what Solid shading and baking look at


def _own_picture(material, found: list):
    """The image node that is the base colour already, and nothing else (a cut-out's alpha, say)."""
    nodes = [colour_source(shader) for shader in found]
    for node in nodes:
        if node and node.type == "TEX_IMAGE":
            ends = [link for out in node.outputs for link in out.links]
            if all(link.to_socket.name == "Base Color" for link in ends):
                return node
    return None


def _new_picture(material, shader):
    picture = material.node_tree.nodes.new("ShaderNodeTexImage")
    picture.label, picture.location = LABEL, (shader.location.x - 320, shader.location.y)
    return picture


def _place(material, picture):
    """The picture's own UV Map node."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    old = next((link.from_node for link in picture.inputs["Vector"].links), None)
    if old and old.type == "UVMAP" and len(old.outputs["UV"].links) == 1:
        return old
    place = nodes.new("ShaderNodeUVMap")
    place.location = (picture.location.x - 220, picture.location.y - 120)
    links.new(place.outputs["UV"], picture.inputs["Vector"])
    return place


def _pin(material: bpy.types.Material, uv_map: str) -> None:
    """Name the UV map to every node that reads the one for rendering, so that another may become that."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    place = nodes.new("ShaderNodeUVMap")
    place.uv_map, place.label = uv_map, LABEL
    for node in nodes:
        if node.type == "TEX_IMAGE" and not node.inputs["Vector"].links:
            links.new(place.outputs["UV"], node.inputs["Vector"])
        elif node.type == "TEX_COORD":
            for link in list(node.outputs["UV"].links):
                links.new(place.outputs["UV"], link.to_socket)
        elif node.type in ("UVMAP", "NORMAL_MAP", "TANGENT") and not node.uv_map:
            node.uv_map = uv_map
    if not place.outputs["UV"].links:
        nodes.remove(place)
