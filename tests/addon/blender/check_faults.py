"""What artists ran into, each kind with what it must do now; on a worker that is played, as nothing need be painted."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import zipfile

import bpy
import pytest
from check_generate import image_node
from check_scene import edit, painted, why
from conftest import cube, install


def part(ui, name: str):
    return importlib.import_module(f"{ui.module}.{name}")


def principled(name: str, metallic: float, colour=(0.5, 0.1, 0.1, 1)):
    material = bpy.data.materials.new(name)
    if material.node_tree is None:
        material.use_nodes = True
    shader = shader_of(material)
    shader.inputs["Metallic"].default_value = metallic
    shader.inputs["Base Color"].default_value = colour
    return material


def shader_of(material):
    return next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")


def two_slots():
    """A cube of two materials, the last two faces in the second."""
    item = cube()
    for name, metallic in (("Wood", 0.0), ("Iron", 1.0)):
        item.data.materials.append(principled(name, metallic))
    item.data.polygons.foreach_set("material_index", [0, 0, 0, 0, 1, 1])
    return item


# 2: files of pictures


def test_two_results_are_two_files_when_unpacked(played, tmp_path):
    """Also of one object and one prompt; Unpack names files by them."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    cube()
    played.generate(seed=1)
    played.generate(seed=4)
    cube("Other", location=(3, 0, 0))
    played.generate(seed=5)
    bpy.ops.file.unpack_all(method="WRITE_LOCAL")
    files = sorted(path.name for path in (tmp_path / "textures").iterdir())
    assert (
        len(files) == 3
        and files[0].startswith("Box_mossy_stone")
        and files[2].startswith("Other_mossy_stone")
    )


@pytest.mark.parametrize("kind", ["obj", "fbx", "usd"])
def test_exports_with_copied_textures_keep_two_pictures(played, tmp_path, kind):
    for number, name in enumerate(("First", "Second")):
        cube(name, location=(3 * number, 0, 0))
        played.generate(seed=number + 1, storage="file", texture_name="Same")
    out = tmp_path / "out"
    out.mkdir()
    if kind == "obj":
        bpy.ops.wm.obj_export(filepath=str(out / "a.obj"), path_mode="COPY")
    elif kind == "usd":
        bpy.ops.wm.usd_export(filepath=str(out / "a.usda"))
    else:
        importlib.import_module("addon_utils").enable("io_scene_fbx")
        bpy.ops.export_scene.fbx(filepath=str(out / "a.fbx"), path_mode="COPY")
    assert len({path.read_bytes() for path in out.rglob("*.png")}) == 2


# 3: selected faces


def plain(item):
    item.data.materials.append(principled("Old", 1.0))


def behind_a_node(item):
    painted(item)
    tree = item.data.materials[0].node_tree
    change = tree.nodes.new("ShaderNodeHueSaturation")
    tree.links.new(tree.nodes["Image Texture"].outputs["Color"], change.inputs["Color"])
    tree.links.new(change.outputs["Color"], shader_of(item.data.materials[0]).inputs["Base Color"])


def placed_by_a_node(item):
    painted(item)
    tree = item.data.materials[0].node_tree
    mapping = tree.nodes.new("ShaderNodeMapping")
    tree.links.new(mapping.outputs["Vector"], tree.nodes["Image Texture"].inputs["Vector"])


def without_a_material(item):
    item.data.materials.append(None)


@pytest.mark.parametrize("look", [plain, behind_a_node, placed_by_a_node, without_a_material])
@pytest.mark.parametrize("policy", ["auto", "unwrap"])
def test_faces_that_are_not_selected_keep_slot_material_and_map(played, look, policy):
    """Where there is no old picture to paint on; the selected ones keep roughness, metallic and the like."""
    item = cube()
    look(item)
    old = item.data.materials[0]
    edit(0, 3)
    assert not why_of(played)
    played.generate(selected_only=True, uvs=policy)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert [face.material_index for face in item.data.polygons] == [1, 0, 0, 1, 0, 0]
    assert item.data.materials[0] == old
    assert [layer.name for layer in item.data.uv_layers if layer.active_render] == ["UVMap"]
    if old:
        metal = [shader_of(one).inputs["Metallic"].default_value for one in item.data.materials]
        assert metal[0] == metal[1]
    assert part(played, "image_nodes").shows(item.data.materials[1], bpy.data.images["Box mossy stone"])


def why_of(ui) -> str:
    return part(ui, "operators").blocked(bpy.context)


def test_a_picture_on_an_objects_own_slot_is_painted_on(played):
    """The slot is linked to the object, not to the mesh."""
    item = cube()
    old = painted(item)
    material = item.data.materials[0]
    item.data.materials[0] = None
    item.material_slots[0].link = "OBJECT"
    item.material_slots[0].material = material
    edit(0)
    played.generate(selected_only=True)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert {face.material_index for face in item.data.polygons} == {1}
    new = image_node(item.material_slots[1].material).image
    assert tuple(new.size) == tuple(old.size) and item.material_slots[0].material == material


# 4: the panel never jams


def test_a_line_that_makes_no_sense_is_a_problem_and_no_more(played):
    cube()
    played.start(prompt="null")
    played.wait()
    assert played.problem() and not played.session.busy
    played.generate(prompt="mossy stone")


@pytest.mark.parametrize(
    "place", ["session.tick", "pump.show_result", "results.discard", "results.name_picture"]
)
def test_whatever_breaks_in_the_timer_ends_in_the_panel(played, monkeypatch, place):
    """A locked file on Windows, say: the timer goes on, the state is idle, Generate works again."""
    cube()
    owner, name = place.split(".")
    target = played.session if owner == "session" else part(played, owner)
    played.start(prompt="fail" if name == "discard" else "mossy stone")
    with monkeypatch.context() as broken:
        broken.setattr(target, name, lambda *_, **__: (_ for _ in ()).throw(PermissionError("it is locked")))
        end = time.monotonic() + 60
        while played.busy and time.monotonic() < end:
            played.pump.pump()
            time.sleep(0.01)
    assert not played.session.busy and not played.busy and played.problem()
    played.generate(prompt="mossy stone")


# 5: materials


def test_into_my_materials_keeps_all_but_the_base_colour(played):
    item = two_slots()
    old = list(item.data.materials)
    played.generate(uvs="unwrap")
    assert [face.material_index for face in item.data.polygons] == [0, 0, 0, 0, 1, 1]
    assert len(item.data.materials) == 2 and item.data.materials[0] != old[0]
    assert [shader_of(one).inputs["Metallic"].default_value for one in item.data.materials] == [0.0, 1.0]
    assert {image_node(one).image.name for one in item.data.materials} == {"Box mossy stone"}
    assert all(not shader_of(one).inputs["Base Color"].links for one in old)


def test_only_this_slot(played):
    item = two_slots()
    old = list(item.data.materials)
    item.active_material_index = 1
    played.generate(material="slot", uvs="keep")
    assert item.data.materials[0] == old[0] and item.data.materials[1] != old[1]
    assert image_node(item.data.materials[1]).image.name == "Box mossy stone"


def test_a_new_material_takes_all_faces(played):
    item = two_slots()
    played.generate(material="new")
    assert [one.name for one in item.data.materials] == ["Wood", "Iron", "Box mossy stone"]
    assert {face.material_index for face in item.data.polygons} == {2}


def test_other_textures_of_my_material_keep_their_map(played):
    """A normal map reads the map for rendering without naming it, and that becomes another."""
    item = cube()
    material = principled("Bumpy", 0.0)
    item.data.materials.append(material)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    bumps, normal = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeNormalMap")
    bumps.name = "bumps"
    links.new(bumps.outputs["Color"], normal.inputs["Color"])
    links.new(normal.outputs["Normal"], shader_of(material).inputs["Normal"])
    played.generate(uvs="unwrap")
    made = item.data.materials[0].node_tree.nodes
    assert made["bumps"].inputs["Vector"].links[0].from_node.uv_map == "UVMap"
    assert next(node for node in made if node.type == "NORMAL_MAP").uv_map == "UVMap"


@pytest.mark.parametrize("way", ["into", "slot", "new", "faces"])
def test_the_old_materials_come_back_also_after_saving(played, tmp_path, way):
    item = two_slots()
    if way == "faces":
        edit(0, 5)
        played.set(selected_only=True)
    played.generate(material="into" if way == "faces" else way)
    played.generate(seed=2)
    if way == "faces":
        bpy.ops.object.mode_set(mode="OBJECT")
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    item = bpy.data.objects["Box"]
    item.select_set(True)
    bpy.context.view_layer.objects.active = item
    assert bpy.ops.texsync.restore() == {"FINISHED"}
    assert [one.name for one in item.data.materials] == ["Wood", "Iron"]
    assert [face.material_index for face in item.data.polygons] == [0, 0, 0, 0, 1, 1]
    assert not bpy.ops.texsync.restore.poll()


# 6: the map that exporters take


@pytest.mark.parametrize("wanted", [True, False])
def test_a_new_map_is_the_one_for_rendering(played, wanted):
    item = cube()
    played.generate(uvs="unwrap", render_map=wanted)
    (name,) = [layer.name for layer in item.data.uv_layers if layer.active_render]
    assert name == ("TexSync" if wanted else "UVMap")


# 7: success that one can see


def nodes_that(item, kind: str) -> None:
    """Geometry nodes that show a mesh of their own, or nothing but instances."""
    tree = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    made, out = tree.nodes.new("GeometryNodeMeshCube"), tree.nodes.new("NodeGroupOutput")
    if kind == "instances":
        grid, place = tree.nodes.new("GeometryNodeMeshGrid"), tree.nodes.new("GeometryNodeInstanceOnPoints")
        tree.links.new(grid.outputs["Mesh"], place.inputs["Points"])
        tree.links.new(made.outputs["Mesh"], place.inputs["Instance"])
        made = place
    tree.links.new(made.outputs[0], out.inputs[0])
    item.modifiers.new("Nodes", "NODES").node_group = tree


def test_an_empty_mesh_that_nodes_fill_can_be_made_one(played):
    item = cube()
    item.data.clear_geometry()
    nodes_that(item, "mesh")
    bpy.context.view_layer.update()
    assert "faces of its modifiers only" in why(played)
    assert bpy.ops.texsync.realise() == {"FINISHED"}
    played.generate()
    assert len(item.data.polygons) == 6


def test_instances_get_a_note(played):
    item = cube()
    nodes_that(item, "instances")
    bpy.context.view_layer.update()
    assert "Realize Instances" in notes(played)
    item.modifiers.clear()
    item.instance_type, item.show_instancer_for_viewport = "VERTS", False
    assert "behind its instances" in notes(played)


def notes(ui) -> str:
    return "\n".join(part(ui, "obstacles").notes(bpy.context, ui.settings))


# 8: the rest


def test_a_results_folder_beside_an_unsaved_file_is_told_before_the_work(played, tmp_path):
    cube()
    played.preferences.output = "//results"
    assert "is not saved yet" in why(played)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    played.generate()
    assert (tmp_path / "results").is_dir()


def collection_instance():
    made = bpy.data.collections.new("Group")
    bpy.ops.object.collection_instance_add(collection=made.name)


@pytest.mark.parametrize(
    ("add", "advice"),
    [
        (collection_instance, "Make Instances Real"),
        (lambda: bpy.ops.object.light_add(), "no mesh but a light; select a mesh"),
        (lambda: bpy.ops.object.empty_add(), "no mesh but an empty"),
        (lambda: bpy.ops.object.text_add(), "Convert > Mesh"),
    ],
)
def test_advice_fits_what_is_selected(played, add, advice):
    add()
    assert advice in why(played)


def test_a_library_override_gets_advice(played, tmp_path):
    cube("Library")
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.objects = ["Library"]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    item = wanted.objects[0].override_create(remap_local_usages=True)
    bpy.context.view_layer.objects.active = item
    item.select_set(True)
    played.set(prompt="stone")
    assert "library override" in why(played) and "Selected Objects and Data" in why(played)


def test_udim_and_selected_faces_do_not_go_in_circles(played):
    """Neither choice of UVs sends one to the other."""
    item = cube()
    painted(item)
    item.data.materials[0].node_tree.nodes["Image Texture"].image.source = "TILED"
    edit(0)
    for policy in ("auto", "unwrap"):
        played.generate(selected_only=True, uvs=policy)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert item.data.polygons[1].material_index == 0


def test_apply_obeys_the_selection(played):
    first, second = cube("First"), cube("Second", location=(3, 0, 0))
    bpy.ops.object.select_all(action="DESELECT")
    first.select_set(True)
    bpy.context.view_layer.objects.active = first
    played.generate(material="new")
    folder = str(played.state.latest(played.folder)[0][0])
    first.select_set(False)
    second.select_set(True)
    bpy.context.view_layer.objects.active = second
    bpy.ops.texsync.apply(result=folder)
    assert len(second.data.materials) == len(first.data.materials) == 1
    bpy.ops.mesh.primitive_uv_sphere_add()
    with pytest.raises(RuntimeError, match="which this was made for"):
        bpy.ops.texsync.apply(result=folder)
    bpy.ops.object.select_all(action="DESELECT")
    bpy.context.view_layer.objects.active = None
    assert bpy.ops.texsync.apply(result=folder) == {"FINISHED"}


def test_an_object_of_another_file_is_not_taken_for_the_old_one(played):
    cube()
    played.generate()
    folder = str(played.state.latest(played.folder)[0][0])
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    item = cube()
    item.select_set(False)
    with pytest.raises(RuntimeError, match="belongs to another file"):
        bpy.ops.texsync.apply(result=folder)
    assert not item.data.materials


def test_old_results_go_but_no_picture_that_a_file_reads(played):
    cube()
    played.generate(storage="file")
    played.generate(seed=2, storage="pack")
    old = [folder for folder, _ in played.state.latest(played.folder)]
    for folder in old:
        os.utime(folder / "result.json", (1e9, 1e9))
    played.generate(seed=3)
    left = played.state.latest(played.folder)
    assert sorted(record["seed"] for _, record in left) == [0, 3] and len(old) == 2
    assert played.state.size(played.folder)[0] == 2
    assert [path.name for path in played.folder.glob("*.log")] == [f"worker_{os.getpid()}.log"]


def test_without_kept_preferences(played, tmp_path):
    """As with --factory-startup --addons: there is no entry for the add-on."""
    preferences = part(played, "preferences")
    kept = bpy.context.preferences.addons[played.module]
    bpy.context.preferences.addons.remove(kept)
    try:
        assert preferences.preferences().keep_warm and preferences.output_folder()
        cube()
        assert bpy.ops.texsync.generate.poll()
    finally:
        bpy.context.preferences.addons.new().module = played.module


def test_an_update_without_a_restart_is_read_whole(ui, tmp_path):
    """All modules of the new edition, not only the first."""
    again = tmp_path / "again.zip"
    with zipfile.ZipFile(os.environ["TEXSYNC_ZIP"]) as old, zipfile.ZipFile(again, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("wording.py"):
                content += b"\nEDITION = 'the next'\n"
            new.writestr(name, content + b"\n" * name.endswith("__init__.py"))
    time.sleep(1.1)  # Blender tells editions by the time of the file, in seconds on some systems
    for path in (str(again), os.environ["TEXSYNC_ZIP"]):
        assert install(path) == ui.module
        panel = sys.modules[bpy.types.TEXSYNC_PT_main.__module__]
        assert callable(panel.clock_words)
        wording = sys.modules[f"{ui.module}.wording"]
        assert hasattr(wording, "EDITION") == (path == str(again))
        assert panel.clock_words is wording.clock_words
        time.sleep(1.1)


# 9: network


def test_the_worker_is_offline_where_blender_is(played, monkeypatch):
    cube()
    online = {"4": False, "5": False}.get(bpy.app.version_string[0])
    assert bpy.app.online_access is online
    played.generate()
    assert asked(played)["offline"] == "1"
    monkeypatch.setattr(part(played, "preferences"), "offline", lambda: False)
    played.generate(seed=2)
    assert asked(played)["offline"] == os.environ.get("HF_HUB_OFFLINE", "")


def asked(ui) -> dict:
    return json.loads((ui.state.latest(ui.folder)[0][0] / "texture" / "run.json").read_text())


def test_the_panel_says_that_it_is_offline(played):
    cube()
    played.set(model="owner/name")
    assert "online access" in notes(played)
    played.set(model="mini")
    assert "online access" not in notes(played)
