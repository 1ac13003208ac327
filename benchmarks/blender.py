"""What Blender makes of a result: import the GLB, say what arrived, render a picture.

python -m venv .venv-bpy && .venv-bpy/bin/pip install bpy==4.5.15       (Python 3.11)
.venv-bpy/bin/python benchmarks/blender.py rabbit_textured/rabbit.glb rabbit.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
from mathutils import Vector


def main(model: Path, picture: Path) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(model))
    meshes = [item for item in bpy.data.objects if item.type == "MESH"]
    for item in meshes:
        images = {
            node.image.name
            for slot in item.material_slots
            for node in slot.material.node_tree.nodes
            if node.type == "TEX_IMAGE"
        }
        maps = [layer.name for layer in item.data.uv_layers]
        print(f"{item.name}: {len(item.data.polygons)} faces, UV maps {maps}, images {sorted(images)}")
    stage(meshes)
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.device = "CYCLES", 24, "CPU"
    scene.render.resolution_x = scene.render.resolution_y = 512
    scene.view_settings.view_transform = "Standard"
    scene.render.filepath = str(picture.resolve())
    bpy.ops.render.render(write_still=True)


def stage(meshes: list) -> None:
    """A camera a little to the side and above, a sun, a light sky."""
    corners = [item.matrix_world @ Vector(corner) for item in meshes for corner in item.bound_box]
    low, high = (Vector(pick(point[k] for point in corners) for k in range(3)) for pick in (min, max))
    middle, radius = (low + high) / 2, (high - low).length / 2
    spot = middle + Vector((0.5, -0.8, 0.35)).normalized() * radius * 3.2  # Blender's front is -y
    for data, place in ((bpy.data.cameras.new("camera"), spot), (bpy.data.lights.new("sun", "SUN"), spot)):
        item = bpy.data.objects.new(data.name, data)
        item.location = place
        item.rotation_euler = (middle - place).to_track_quat("-Z", "Y").to_euler()
        bpy.context.scene.collection.objects.link(item)
    bpy.data.cameras["camera"].clip_end = radius * 100
    bpy.data.lights["sun"].energy = 2.0
    bpy.context.scene.camera = bpy.data.objects["camera"]
    world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.6, 0.6, 0.6, 1)
    bpy.context.scene.world = world


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
