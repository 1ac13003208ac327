"""What Blender shows is what the shell writes: same mesh, seed and settings, same texture."""

from __future__ import annotations

import os
import time
from array import array

import bpy
from check_generate import image_node, textured
from conftest import WAIT


def pixels(image) -> array:
    flat = array("f", bytes(16 * image.size[0] * image.size[1]))
    image.pixels.foreach_get(flat)
    return flat


def test_the_texture_in_blender_is_the_shells(ui):
    """To one 8-bit level, on the file's own UVs, with the embedded model."""
    bpy.ops.wm.obj_import(filepath=os.environ["TEXSYNC_MESH"])
    item = bpy.context.selected_objects[0]
    bpy.context.view_layer.objects.active = item
    asked = {"prompt": "mossy stone", "seed": 3, "steps": 4, "texture_size": 256, "view_size": 256}
    ui.generate(**asked, uvs="keep", model="mini")
    textured(item, item.data.uv_layers[0].name)
    material = item.data.materials[item.data.polygons[0].material_index]
    end = time.monotonic() + WAIT
    while not os.path.exists(os.environ["TEXSYNC_TEXTURE"]) and time.monotonic() < end:
        time.sleep(0.2)  # the shell works beside this
    ours = pixels(image_node(material).image)
    theirs = pixels(bpy.data.images.load(os.environ["TEXSYNC_TEXTURE"]))
    assert len(ours) == len(theirs) == 256 * 256 * 4
    worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    assert round(255 * worst) <= 1, f"{255 * worst:.1f} levels apart"
    assert max(ours[k] for k in range(0, len(ours), 4)) - min(ours[k] for k in range(0, len(ours), 4)) > 0.2
