# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture that is on a mesh already, and what its material does with it."""

from __future__ import annotations

from array import array

import bpy


def base_colour(material: bpy.types.Material | None):
    """The image node that gives a material its base colour, or None."""
    tree = material.node_tree if material else None
    for node in tree.nodes if tree else []:
        if node.type == "BSDF_PRINCIPLED":
            for link in node.inputs["Base Color"].links:
                if link.from_node.type == "TEX_IMAGE" and link.from_node.image:
                    return link.from_node
    return None


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
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    picture, place = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeUVMap")
    picture.location = (shader.location.x - 320, shader.location.y)
    place.location = (picture.location.x - 220, picture.location.y - 120)
    links.new(picture.outputs["Color"], shader.inputs["Base Color"])
    links.new(place.outputs["UV"], picture.inputs["Vector"])
    _show(material, picture, image, place, uv_map)
    return material


def copied_material(
    name: str, old: bpy.types.Material, image: bpy.types.Image, uv_map: str
) -> bpy.types.Material:
    """The old material with another base colour picture; roughness, normal map and all else stay."""
    material = old.copy()
    material.name = name
    picture = base_colour(material)
    place = next((link.from_node for link in picture.inputs["Vector"].links), None)
    if place is None:
        place = material.node_tree.nodes.new("ShaderNodeUVMap")
        place.location = (picture.location.x - 220, picture.location.y - 120)
        material.node_tree.links.new(place.outputs["UV"], picture.inputs["Vector"])
    _show(material, picture, image, place if place.type == "UVMAP" else None, uv_map)
    return material


def _show(material, picture, image, place, uv_map: str) -> None:
    picture.image = image
    if place:
        place.uv_map = uv_map
    for node in material.node_tree.nodes:
        node.select = node == picture
    material.node_tree.nodes.active = picture  # what Solid shading and baking look at
