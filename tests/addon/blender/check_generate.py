"""From a press of the button to a texture on the mesh."""

from __future__ import annotations

import sys
from array import array
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from conftest import FORBIDDEN, Blocker, cube, snapshot


def image_node(material):
    (node,) = [node for node in material.node_tree.nodes if node.type == "TEX_IMAGE"]
    return node


def textured(item, uv_map: str) -> None:
    """The object shows a packed picture by way of this map, on all faces."""
    material = item.data.materials[item.data.polygons[0].material_index]
    node = image_node(material)
    assert {polygon.material_index for polygon in item.data.polygons} == {
        item.data.materials.find(material.name)
    }
    assert node.image.packed_file and node.image.colorspace_settings.name == "sRGB"
    (link,) = node.outputs["Color"].links
    assert (link.to_node.type, link.to_socket.name) == ("BSDF_PRINCIPLED", "Base Color")
    assert node.inputs["Vector"].links[0].from_node.uv_map == uv_map
    assert material.node_tree.nodes.active == node


def uvs(mesh, name) -> array:
    flat = array("f", bytes(8 * len(mesh.loops)))
    mesh.uv_layers[name].data.foreach_get("uv", flat)
    return flat


def test_own_uvs_are_kept(ui):
    """New slot behind the old ones, no new map, UVs bit for bit."""
    item = cube()
    item.data.materials.append(bpy.data.materials.new("Old"))
    before = uvs(item.data, "UVMap")
    ui.generate(uvs="keep", texture_name="Moss", material="new")
    textured(item, "UVMap")
    assert uvs(item.data, "UVMap") == before
    assert [layer.name for layer in item.data.uv_layers] == ["UVMap"]
    assert [material.name for material in item.data.materials] == ["Old", "Moss"]
    assert tuple(image_node(item.data.materials[1]).image.size) == (128, 128)


def test_a_new_map_leaves_the_old_one(ui):
    """One UV per corner, inside the square, no quad torn, and the old map untouched and still there."""
    item = cube()
    bpy.ops.object.shade_smooth()
    before = uvs(item.data, "UVMap")
    ui.generate(uvs="unwrap")
    textured(item, "TexSync")
    assert uvs(item.data, "UVMap") == before
    new = uvs(item.data, "TexSync")
    assert min(new) >= 0 and max(new) <= 1
    assert item.data.uv_layers.active.name == "TexSync"
    areas = [
        quad_area([new[2 * k : 2 * k + 2] for k in polygon.loop_indices]) for polygon in item.data.polygons
    ]
    assert min(areas) > 0.5 * max(areas) > 0.01  # a cube's sides are alike; a torn quad would cover all


def quad_area(corners) -> float:
    following = [*corners[1:], corners[0]]
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, following, strict=True))) / 2


def test_a_mesh_without_uvs_gets_a_map(ui):
    item = cube(uvs=False)
    ui.generate()
    textured(item, "TexSync")


def test_the_same_map_is_not_added_twice(ui):
    item = cube(uvs=False)
    ui.generate(uvs="unwrap")
    ui.generate(uvs="unwrap", seed=3)
    assert [layer.name for layer in item.data.uv_layers] == ["TexSync"]
    assert len(item.data.materials) == 1


def test_nothing_changes_before_the_result_is_there(ui):
    cube()
    before = snapshot()
    ui.start(steps=30)
    ui.wait(until=lambda: ui.session.job and ui.session.job.step > 20)
    assert snapshot() == before
    ui.wait()
    assert snapshot() != before


def test_previews_and_progress_reach_the_panel(ui):
    cube()
    ui.start(steps=60)
    ui.wait(until=lambda: ui.session.preview and ui.session.seconds_left() is not None)
    assert Path(ui.session.preview).read_bytes().startswith(b"\x89PNG")
    assert ui.session.status().startswith("Painting ") and ui.session.status().endswith("/60")
    assert 0.1 < ui.session.fraction() < 0.9
    bpy.ops.texsync.cancel()
    ui.wait()


def test_results_can_be_applied_again(ui):
    """After everything was taken off, as Undo would; without making image or material twice."""
    item = cube()
    ui.generate(uvs="unwrap")
    (found,) = ui.state.latest(ui.folder)
    assert found[1]["prompt"] == "mossy stone"
    item.data.materials.clear()
    item.data.uv_layers.remove(item.data.uv_layers["TexSync"])
    bpy.data.materials.remove(bpy.data.materials[found[1]["name"]])
    bpy.data.images.remove(bpy.data.images[found[1]["name"]])
    for _ in range(2):
        assert bpy.ops.texsync.apply(result=str(found[0])) == {"FINISHED"}
    textured(item, "TexSync")
    assert len(item.data.materials) == 1 and len(bpy.data.images) == 1


def test_several_objects_share_one_texture(ui):
    """Their maps overlap, so Auto makes a new one, in which they do not."""
    first, second = cube("First"), cube("Second", location=(3, 0, 0))
    first.select_set(True)
    ui.generate()
    for item in (first, second):
        textured(item, "TexSync")
    assert first.data.materials[0] == second.data.materials[0]
    boxes = [bounds(uvs(item.data, "TexSync")) for item in (first, second)]
    assert uvs(first.data, "TexSync") != uvs(second.data, "TexSync"), boxes


def bounds(flat):
    return min(flat[::2]), max(flat[::2]), min(flat[1::2]), max(flat[1::2])


def test_a_file_can_hold_the_picture(ui):
    item = cube()
    ui.generate(storage="file")
    image = image_node(item.data.materials[0]).image
    assert not image.packed_file and Path(bpy.path.abspath(image.filepath)).is_file()


def test_save_and_reopen(ui, tmp_path):
    """The picture is in the file, also when the result folder is gone."""
    import shutil

    cube()
    ui.generate(uvs="unwrap")
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    shutil.rmtree(ui.folder)
    bpy.ops.wm.open_mainfile(filepath=path)
    item = bpy.data.objects["Box"]
    textured(item, "TexSync")
    pixels = image_node(item.data.materials[0]).image.pixels[:]
    assert len(pixels) == 128 * 128 * 4 and 0 < sum(pixels) < len(pixels)
    assert bpy.context.scene.texsync.prompt == "mossy stone"


def test_the_worker_stays_warm_in_another_file_too(ui):
    cube()
    ui.generate()
    first = ui.session.client.process.pid
    ui.generate(seed=1)
    assert ui.session.client.process.pid == first
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert ui.session.client.process.pid == first


@pytest.mark.parametrize("warm", [True, False])
def test_the_worker_ends_when_it_is_let_go_or_is_not_to_be_kept(played, warm):
    cube()
    played.preferences.keep_warm = warm
    played.start()
    process = played.session.client.process
    played.wait()
    assert played.session.problem is None
    if warm:
        assert process.poll() is None and bpy.ops.texsync.release() == {"FINISHED"}
    assert process.wait(20) is not None and played.session.client is None


def test_the_panel_draws_in_every_state(played):
    """At rest, grey with the reason, running, failed, with results; what it says is on it."""
    ui, panel = played, bpy.types.TEXSYNC_PT_main

    def said() -> str:
        return drawn(panel)

    assert "Select the mesh to texture" in said()
    cube()
    assert "texsync.generate" in said()
    ui.start()
    assert "Starting texsync" in said() and "texsync.cancel" in said()
    ui.wait()
    assert "Done: Box mossy stone, seed 0" in said()
    results = drawn(bpy.types.TEXSYNC_PT_results)
    assert "0: Box mossy stone" in results and "1 in all" in results
    assert {"texsync.apply", "texsync.recall", "texsync.open_folder", "texsync.delete_result"} <= set(
        results.split()
    )
    ui.session.problem = SimpleNamespace(text=lambda: "It broke.\nMend it.", button=lambda: "Halve it")
    assert "It broke." in said() and "Halve it" in said()
    assert "coupling" in drawn(bpy.types.TEXSYNC_PT_research)
    assert "the model's own" in drawn(bpy.types.TEXSYNC_PT_advanced)
    assert {"uvs", "material"} <= set(drawn(bpy.types.TEXSYNC_PT_surface).split())
    assert "storage" in drawn(bpy.types.TEXSYNC_PT_output)


class Recorder:
    """A layout that remembers what is put on it."""

    def __init__(self, words=None):
        object.__setattr__(self, "words", [] if words is None else words)

    def __setattr__(self, name, value):
        pass

    def __getattr__(self, name):
        def add(*args, **details):
            self.words.extend(str(value) for value in (*args[-1:], *details.values()))
            return Recorder(self.words)

        return add


def drawn(panel) -> str:
    recorder = Recorder()
    own = SimpleNamespace(layout=recorder)
    for name in ("sections", "first"):
        setattr(own, name, getattr(panel, name, ()))
    own.more, own.last = (lambda *told: panel.more(own, *told)), (lambda layout: panel.last(own, layout))
    panel.draw(own, bpy.context)
    return "\n".join(recorder.words)


def test_nothing_heavy_was_imported():
    """Runs last in this file: after all of the above, Blender has neither seen nor asked for any of it."""
    assert Blocker.asked == [] and not FORBIDDEN & {name.partition(".")[0] for name in sys.modules}


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_the_blocker_can_fail(name):
    with pytest.raises(ImportError, match="does not belong"):
        __import__(name)
    Blocker.asked.clear()
