# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's cameras, as texsync reads them: each shows a square, in the middle of which the render's frame lies."""

from __future__ import annotations

import math
from pathlib import Path

import bpy

OWN = "scene"  # the choice of cameras that are the scene's
SETS = [
    (
        "ring",
        "Ring",
        "Ten around the mesh, and one from the top and one from below where those see too little",
    ),
    ("cover", "Cover", "As many as it takes to see almost all that can be seen, close up and inside too"),
    (OWN, "Scene", "The cameras that are selected, or if none is, all of the scene's; the scene's own leads"),
]
MOST = 1000
WIDEST_DEG = 170.0
ALIKE = 0.01  # how much the sides' proportions of a picture and of the render may differ


def chosen(context) -> list[bpy.types.Object]:
    """The selected cameras, or all of the scene; the scene's own first, then by name."""
    found = [item for item in context.scene.objects if item.type == "CAMERA"]
    picked = [item for item in found if item in context.selected_objects]
    return sorted(picked or found, key=lambda item: (item != context.scene.camera, item.name))


def obstacle(context) -> str:
    """Why these cameras cannot be used, or ""."""
    found = chosen(context)
    if not found:
        return "The scene has no camera; add one, or choose Cameras: Ring"
    if len(found) > MOST:
        return f"{len(found)} cameras are more than {MOST}; select some of them"
    return next((why for item in found if (why := _unfit(item, context.scene))), "")


def _unfit(item: bpy.types.Object, scene: bpy.types.Scene) -> str:
    if item.data.type != "PERSP":
        return f"{item.name} is {item.data.type.lower()}; texsync's cameras are perspective"
    width = field(item, scene)["fov_deg"]
    return (
        ""
        if 1 <= width <= WIDEST_DEG
        else f"{item.name} sees {width:.0f} degrees; 1 to {WIDEST_DEG:.0f} are possible"
    )


def notes(context) -> list[str]:
    """What is worth knowing of them."""
    across, high = sides(context.scene)
    if abs(across - high) < ALIKE * across:
        return []
    side = "wide" if across > high else "high"
    return [f"Views are square: as {side} as the render, and more is seen beside it"]


def sides(scene: bpy.types.Scene) -> tuple[float, float]:
    """Width and height of the render, in the same unit."""
    said = scene.render
    return said.resolution_x * said.pixel_aspect_x, said.resolution_y * said.pixel_aspect_y


def field(item: bpy.types.Object, scene: bpy.types.Scene) -> dict:
    """Of the square around the render's frame: how wide it is, and with a shift where its middle is."""
    corners = [corner / -corner.z for corner in item.data.view_frame(scene=scene)]
    (left, right), (low, top) = (
        (min(row), max(row)) for row in zip(*((c.x, c.y) for c in corners), strict=True)
    )
    half = max(right - left, top - low) / 2
    made = {"fov_deg": round(math.degrees(2 * math.atan(half)), 6)}
    middle = [round((left + right) / 2 / half, 6), round((low + top) / 2 / half, 6)]
    return {**made, "centre": middle} if any(middle) else made


def described(items: list[bpy.types.Object], scene: bpy.types.Scene) -> dict:
    """What a file of these cameras holds, in the world that meshes are handed over in."""
    return {"cameras": [_described(item, scene) for item in items]}


def _described(item: bpy.types.Object, scene: bpy.types.Scene) -> dict:
    place, turn, _ = item.matrix_world.decompose()
    matrix = turn.to_matrix().to_4x4()
    matrix.translation = place
    rows = [list(row) for row in matrix]
    made = {"name": item.name, "transform_matrix": rows, "convention": "opengl", **field(item, scene)}
    return {**made, "prompt": item.texsync_prompt} if item.texsync_prompt.strip() else made


def asked(context, settings):
    """What the option `cameras` of texsync is to be."""
    return described(chosen(context), context.scene) if settings.cameras == OWN else settings.cameras


# pictures that lie behind cameras


def pictures(context) -> dict[bpy.types.Object, bpy.types.Image]:
    """The first background image of each chosen camera that has one.  Raises ValueError, in words, if none fits."""
    found = {item: one for item in chosen(context) if (one := _background(item))}
    if not found:
        raise ValueError(
            "No camera has a background image (Camera > Background Images); add the pictures there"
        )
    across, high = sides(context.scene)
    for item, one in found.items():
        width, height = one.image.size
        if abs(width * high - height * across) > ALIKE * height * across:
            raise ValueError(
                f"{one.image.name} has {width} x {height} pixels, which is not the shape of the render "
                f"({across:g} x {high:g}); give both the same"
            )
        if any(one.offset) or one.rotation or one.scale != 1 or one.use_flip_x or one.use_flip_y:
            raise ValueError(f"{one.image.name} is moved, turned or scaled behind {item.name}; reset that")
    return {item: one.image for item, one in found.items()}


def _background(item: bpy.types.Object):
    usable = [
        one
        for one in item.data.background_images
        if one.source == "IMAGE" and one.show_background_image and one.image and one.image.size[0]
    ]
    return usable[0] if item.data.show_background_images and usable else None


def write_picture(image: bpy.types.Image, path: Path) -> None:
    """As PNG, also one that is painted on and not saved, and without touching it."""
    width, height = image.size
    copy = bpy.data.images.new(image.name, width, height, alpha=True, float_buffer=image.is_float)
    try:
        copy.pixels.foreach_set(image.pixels[:])
        copy.filepath_raw, copy.file_format = str(path), "PNG"
        copy.save()
    finally:
        bpy.data.images.remove(copy)
