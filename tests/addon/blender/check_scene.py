"""What becomes of every kind of scene; docs/blender.md says the same in words."""

from __future__ import annotations

from array import array
from pathlib import Path

import bpy
import pytest
from check_generate import image_node, textured, uvs
from conftest import cube, snapshot


def why(ui) -> str:
    """What the grey button says."""
    import importlib

    assert not bpy.ops.texsync.generate.poll()
    return importlib.import_module(f"{ui.module}.operators").blocked(bpy.context)


def edit(*faces: int) -> None:
    """Edit mode with these faces selected."""
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_mode(type="FACE")
    bpy.ops.mesh.select_all(action="DESELECT")
    bpy.ops.object.mode_set(mode="OBJECT")
    mesh = bpy.context.object.data
    mesh.polygons.foreach_set("select", [index in faces for index in range(len(mesh.polygons))])
    bpy.ops.object.mode_set(mode="EDIT")


def painted(item, colour=(0.25, 0.5, 0.75, 1.0), size=128):
    """Give an object a material with a one-coloured picture, the way users do."""
    image = bpy.data.images.new("Old", size, size)
    image.pixels.foreach_set(array("f", colour) * (size * size))
    image.pack()
    material = bpy.data.materials.new("Old")
    if material.node_tree is None:
        material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.125
    material.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    item.data.materials.append(material)
    return image


def pixels(image) -> array:
    flat = array("f", bytes(16 * image.size[0] * image.size[1]))
    image.pixels.foreach_get(flat)
    return flat


def texel(flat: array, size: int, u: float, v: float) -> tuple:
    at = 4 * (int(v * size) * size + int(u * size))
    return tuple(round(255 * value) for value in flat[at : at + 4])


def centre(mesh, face: int, name: str = "UVMap") -> tuple[float, float]:
    flat = uvs(mesh, name)
    loops = mesh.polygons[face].loop_indices
    return sum(flat[2 * k] for k in loops) / len(loops), sum(flat[2 * k + 1] for k in loops) / len(loops)


def test_selected_faces_only(ui):
    """Two faces are painted; the texels of the others stay to the last bit, also roughness and the old slot."""
    item = cube()
    old = painted(item)
    edit(0, 3)
    ui.generate(selected_only=True, texture_size=64)  # the old picture's size counts
    assert bpy.context.mode == "EDIT_MESH"
    bpy.ops.object.mode_set(mode="OBJECT")
    assert [material.name for material in item.data.materials][0] == "Old"
    material = item.data.materials[item.data.polygons[0].material_index]
    assert {face.material_index for face in item.data.polygons} == {1}
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    assert shader.inputs["Roughness"].default_value == 0.125
    new, before = pixels(image_node(material).image), pixels(old)
    assert tuple(image_node(material).image.size) == (128, 128)
    for face in range(6):
        u, v = centre(item.data, face)
        same = texel(new, 128, u, v) == texel(before, 128, u, v)
        assert same == (face not in (0, 3)), face
    changed = sum(new[k] != before[k] for k in range(0, len(new), 4))
    assert 0 < changed < 128 * 128 / 2
    assert image_node(item.data.materials[0]).image == old and pixels(old) == before


def test_a_picture_that_is_no_square_is_painted_in_its_own_size(ui):
    item = cube()
    image = painted(item)
    image.scale(128, 64)
    before = pixels(image)
    edit(0)
    ui.generate(selected_only=True)
    bpy.ops.object.mode_set(mode="OBJECT")
    made = image_node(item.data.materials[item.data.polygons[0].material_index]).image
    assert tuple(image.size) == tuple(made.size) == (128, 64)
    new, u, v = pixels(made), *centre(item.data, 0)
    changed = [k // 4 for k in range(0, len(new), 4) if new[k] != before[k]]
    assert int(v * 64) * 128 + int(u * 128) in changed and len(changed) < 128 * 64 / 2


@pytest.mark.parametrize("policy", ["keep", "unwrap"])
def test_edit_mode_paints_all_and_comes_back(ui, policy):
    item = cube()
    edit(1)
    ui.generate(uvs=policy)
    assert bpy.context.mode == "EDIT_MESH" and len(bpy.data.objects) == len(bpy.data.meshes) == 1
    bpy.ops.object.mode_set(mode="OBJECT")
    textured(item, "TexSync" if policy == "unwrap" else "UVMap")
    assert [face.select for face in item.data.polygons] == [False, True, False, False, False, False]


@pytest.mark.parametrize("policy", ["keep", "unwrap"])
def test_modifiers_in_edit_mode(ui, policy):
    item = cube()
    item.modifiers.new("Subdivision", "SUBSURF").levels = 2
    edit(1)
    ui.generate(uvs=policy)
    assert faces_seen(ui.state.latest(ui.folder)[0][0]) == 6 * 16 * 2
    bpy.ops.object.mode_set(mode="OBJECT")
    textured(item, "TexSync" if policy == "unwrap" else "UVMap")


def test_two_objects_in_edit_mode(ui):
    first, second = cube("First"), cube("Second", location=(3, 0, 0))
    first.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    ui.generate()
    assert first.mode == second.mode == "EDIT"
    bpy.ops.object.mode_set(mode="OBJECT")
    textured(first, "TexSync")
    textured(second, "TexSync")


@pytest.mark.parametrize("mode", ["SCULPT", "TEXTURE_PAINT", "WEIGHT_PAINT", "VERTEX_PAINT"])
def test_sculpt_and_paint_modes(ui, mode):
    item = cube()
    bpy.ops.object.mode_set(mode=mode)
    ui.generate(uvs="unwrap")
    assert item.mode == mode
    bpy.ops.object.mode_set(mode="OBJECT")
    textured(item, "TexSync")


def test_dyntopo_is_refused(ui):
    cube()
    bpy.ops.object.mode_set(mode="SCULPT")
    bpy.ops.sculpt.dynamic_topology_toggle()
    assert "Turn off Dyntopo" in why(ui)


@pytest.mark.parametrize("policy", ["keep", "unwrap"])
def test_modifiers_are_painted_as_the_viewport_shows_them(ui, policy):
    """Mirror, subdivision: the worker sees what they make; the mesh and its modifiers stay as they are."""
    item = cube()
    item.modifiers.new("Subdivision", "SUBSURF").levels = 2
    mirror = item.modifiers.new("Mirror", "MIRROR")
    mirror.use_axis = (False, True, False)
    before = snapshot()
    ui.generate(uvs=policy)
    textured(item, "UVMap" if policy == "keep" else "TexSync")
    assert len(item.data.polygons) == 6 and len(item.modifiers) == 2
    assert snapshot()["objects"] == before["objects"] and len(bpy.data.meshes) == 1
    (folder, _) = ui.state.latest(ui.folder)[0]
    assert faces_seen(folder) > 6 * 16 * 2


def faces_seen(folder: Path) -> int:
    """Triangles that the worker painted."""
    import json

    return json.loads((folder / "texture" / "run.json").read_text())["mesh"]["faces"]


def test_modifiers_that_are_off_do_not_count(ui):
    item = cube()
    item.modifiers.new("Subdivision", "SUBSURF").show_viewport = False
    ui.generate()
    assert faces_seen(ui.state.latest(ui.folder)[0][0]) == 12


def test_modifiers_that_drop_uvs_are_left_out(ui):
    item = cube()
    item.modifiers.new("Remesh", "REMESH").voxel_size = 0.2
    ui.generate(uvs="keep")
    textured(item, "UVMap")
    assert faces_seen(ui.state.latest(ui.folder)[0][0]) == 12


def test_shape_keys_are_painted_in_the_shape_they_have(ui):
    item = cube()
    item.shape_key_add(name="Basis")
    key = item.shape_key_add(name="Tall")
    for point in key.data:
        point.co.z *= 3
    key.value = 1.0
    ui.start(uvs="unwrap", steps=4)
    (handed,) = ui.folder.glob("*/mesh.texmesh")
    content = handed.read_bytes()
    ui.wait()
    textured(item, "TexSync")
    assert {round(z, 3) for z in heights(content)} == {-3.0, 3.0}
    assert {round(vertex.co.z, 3) for vertex in item.data.vertices} == {-1.0, 1.0}


def heights(content: bytes) -> list[float]:
    import json

    line, _, data = content.partition(b"\n")
    place = json.loads(line)["parts"][0]["vertices"]
    flat = array("f")
    flat.frombytes(data[place["at"] : place["at"] + 4 * place["count"]])
    return list(flat[2::3])


def test_parents_and_uneven_scale(ui):
    """The mesh is painted where it stands in the world, and stays there."""
    parent = cube("Parent")
    child = cube("Child")
    child.parent, child.scale = parent, (1, 1, 4)
    parent.scale = (2, 1, 1)
    bpy.context.view_layer.update()
    before = child.matrix_world.copy()
    ui.start(uvs="unwrap", steps=4)
    import json

    (handed,) = ui.folder.glob("*/mesh.texmesh")
    line = handed.read_bytes().partition(b"\n")[0]
    transform = json.loads(line)["parts"][0]["transform"]
    assert [transform[k] for k in (0, 5, 10)] == [2, 1, 4]
    ui.wait()
    textured(child, "TexSync")
    assert child.matrix_world == before and not parent.data.materials


def test_linked_duplicates_are_painted_once_and_share_the_texture(ui):
    first = cube("First")
    bpy.ops.object.duplicate(linked=True)
    second = bpy.context.object
    second.location.x = 4
    first.select_set(True)
    ui.generate(uvs="unwrap")
    assert faces_seen(ui.state.latest(ui.folder)[0][0]) == 12
    textured(first, "TexSync")
    assert first.data == second.data


def test_odd_names(ui):
    item = cube('Wände / "x" \\ 日本 ' + "n" * 30)
    ui.generate(texture_name="a/b:c*?")
    textured(item, "UVMap")


def test_a_renamed_object_is_found(ui):
    item = cube("Before")
    ui.start(steps=4)
    item.name = "After"
    ui.wait()
    assert ui.problem() == ""
    textured(item, "UVMap")


def test_an_object_that_is_gone_is_told(ui):
    item = cube("Gone")
    ui.start(steps=4)
    bpy.data.objects.remove(item)
    ui.wait()
    assert "Gone is not here any more" in ui.problem()
    assert not bpy.data.materials and not bpy.data.images


def test_a_mesh_that_was_edited_meanwhile_is_told_and_left_alone(ui):
    item = cube()
    ui.start(steps=4)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    bpy.ops.object.mode_set(mode="OBJECT")
    ui.wait()
    assert "The faces of Box have changed since" in ui.problem()
    assert not item.data.materials and len(ui.state.latest(ui.folder)) == 1


def test_vertices_may_move_meanwhile(ui):
    item = cube()
    ui.start(steps=4)
    item.data.vertices[0].co.x = -3
    ui.wait()
    textured(item, "UVMap")


def test_eight_uv_maps_are_enough(ui):
    """Blender allows no ninth: refused before the work, and before anything changes if it comes up later."""
    item = cube()
    while len(item.data.uv_layers) < 8:
        item.data.uv_layers.new(name="More")
    ui.set(uvs="unwrap")
    assert "has 8 UV maps" in why(ui)
    item.data.uv_layers.remove(item.data.uv_layers[7])
    ui.start(steps=4)
    item.data.uv_layers.new(name="More")
    ui.wait()
    assert "has 8 UV maps" in ui.problem()
    assert not item.data.materials and not bpy.data.images


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda: bpy.ops.object.select_all(action="DESELECT"), "Select the mesh to texture"),
        (lambda: bpy.context.object.hide_set(True), "Box is hidden; show it first"),
        (lambda: bpy.ops.object.camera_add(), "is no mesh"),
        (lambda: setattr(bpy.context.scene.texsync, "prompt", " ?! "), "Say in the prompt"),
        (lambda: bpy.context.object.data.clear_geometry(), "Box has no faces"),
    ],
)
def test_the_grey_button_says_why(ui, prepare, reason):
    cube()
    assert bpy.ops.texsync.generate.poll()
    prepare()
    assert reason in why(ui)


def test_selected_faces_that_cannot_be_painted_say_why(ui):
    item = cube()
    ui.set(selected_only=True)
    edit()
    assert "Select the faces to paint" in why(ui)
    bpy.ops.mesh.select_all(action="SELECT")
    ui.set(uvs="keep")
    assert bpy.ops.texsync.generate.poll()
    bpy.ops.object.mode_set(mode="OBJECT")
    item.data.uv_layers.remove(item.data.uv_layers[0])
    bpy.ops.object.mode_set(mode="EDIT")
    assert "has no UV map" in why(ui)


def test_selected_faces_of_two_objects_are_refused(ui):
    first = cube("First")
    cube("Second", location=(3, 0, 0))
    first.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    ui.set(selected_only=True)
    assert "one object at a time" in why(ui)


def test_linked_libraries_are_refused(ui, tmp_path):
    """What belongs to another file cannot be changed here."""
    cube("Library")
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.objects = ["Library"]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    bpy.context.view_layer.objects.active = wanted.objects[0]
    wanted.objects[0].select_set(True)
    ui.set(prompt="stone")
    assert "is linked from another file" in why(ui)


def test_opening_a_file_ends_the_job(played, tmp_path):
    """Its scene must not get the texture of the one before."""
    ui = played
    cube()
    path = str(tmp_path / "other.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    ui.start(prompt="held")
    process = ui.session.client.process
    bpy.ops.wm.open_mainfile(filepath=path)
    assert not ui.session.busy and process.wait(10) is not None
    assert not bpy.data.materials and not any(path.is_dir() for path in ui.folder.iterdir())


def test_ngons_and_loose_parts(ui):
    """A cylinder's caps are polygons of 32 corners; loose edges have none."""
    bpy.ops.mesh.primitive_cylinder_add(vertices=32)
    item = bpy.context.object
    ui.generate(uvs="unwrap")
    textured(item, "TexSync")
    new = uvs(item.data, "TexSync")
    caps = [face for face in item.data.polygons if len(face.vertices) == 32]
    for cap in caps:  # a cap in one piece is as wide as it is high, nearly
        u = [new[2 * k] for k in cap.loop_indices]
        v = [new[2 * k + 1] for k in cap.loop_indices]
        wide, high = sorted((max(u) - min(u), max(v) - min(v)))
        assert wide > 0.9 * high > 0.05
