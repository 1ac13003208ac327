"""What the panel offers beside Generate: the queue, results to pick from, help with the prompt; on a played worker."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import pytest
from check_faults import part
from check_generate import drawn
from check_scene import edit
from conftest import cube


def go(ui) -> None:
    (ui.folder / "go").write_text("")


def held(ui, **values) -> None:
    """A job that is under way until `go`."""
    (ui.folder / "go").unlink(missing_ok=True)
    ui.start(prompt="held", **values)
    ui.wait(until=lambda: ui.session.job and ui.session.job.stage == "denoise")


def seeds(ui) -> list[int]:
    return sorted(record["seed"] for _, record in ui.state.latest(ui.folder))


def test_several_objects_one_texture_each(played):
    first, second = cube("First"), cube("Second", location=(3, 0, 0))
    first.select_set(True)
    played.generate(each=True)
    names = [item.data.materials[0].name for item in (first, second)]
    assert sorted(names) == ["First mossy stone", "Second mossy stone"]


def test_several_seeds_of_which_the_first_is_applied(played):
    item = cube()
    played.generate(seed=5, count=3)
    assert seeds(played) == [5, 6, 7] and len(item.data.materials) == 1
    assert bpy.data.images[0].get("texsync_result") == str(
        next(folder for folder, record in played.state.latest(played.folder) if record["seed"] == 5)
    )


def test_jobs_wait_in_a_list_that_can_be_changed(played):
    """While one runs: two more, the second of them first; one is taken off, and its files with it."""
    cube()
    held(played)
    for seed in (1, 2, 3):
        played.start(prompt="held", seed=seed)
    panel = drawn(bpy.types.TEXSYNC_PT_main)
    assert "Waiting: 3" in panel and "Add to the Queue" in panel and "Box held, seed 2" in panel
    jobs = played.state.waiting.jobs
    bpy.ops.texsync.queue_move(job=jobs[1].ident, by=-1)
    assert [job.arguments["seed"] for job in jobs] == [2, 1, 3]
    bpy.ops.texsync.queue_remove(job=jobs[1].ident)
    go(played)
    played.wait()
    assert seeds(played) == [0, 2, 3]
    assert len([path for path in played.folder.iterdir() if path.is_dir()]) == 3


@pytest.mark.parametrize("fault", ["fail", "null", "crash"])
def test_the_others_survive_the_error_of_one(played, fault):
    cube()
    held(played)
    played.start(prompt=f"held {fault}", seed=1)
    played.start(prompt="held", seed=2)
    go(played)
    played.wait()
    assert seeds(played) == [0, 2] and played.problem()


def test_what_stops_one_from_starting_holds_the_others(played, tmp_path):
    """And they go on when that is mended."""
    cube()
    held(played)
    played.start(prompt="held", seed=1)
    right, played.preferences.program = played.preferences.program, "/nowhere/texsync"
    go(played)
    played.wait()
    assert played.state.waiting.held and "Held: 1" in drawn(bpy.types.TEXSYNC_PT_main)
    played.preferences.program = right
    assert bpy.ops.texsync.resume() == {"FINISHED"}
    played.wait()
    assert seeds(played) == [0, 1] and played.problem() == ""


def test_cancel_ends_one_and_remove_all_the_rest(played):
    cube()
    held(played)
    played.start(prompt="held", seed=1)
    bpy.ops.texsync.queue_clear()
    bpy.ops.texsync.cancel()
    played.wait()
    assert not [path for path in played.folder.iterdir() if path.is_dir()]


def test_settings_come_back_with_recall(played):
    cube()
    first = {
        "prompt": "mossy stone",
        "seed": 11,
        "texture_size": 256,
        "steps": 4,
        "material": "new",
        "uvs": "unwrap",
    }
    played.generate(**first)
    folder = str(played.state.latest(played.folder)[0][0])
    played.set(
        prompt="gold", seed=3, texture_size=64, own_steps=False, material="into", uvs="auto", guidance=2.0
    )
    bpy.ops.texsync.recall(result=folder)
    assert {name: getattr(played.settings, name) for name in first} == first
    assert played.settings.own_steps and not played.settings.own_guidance


def test_results_can_be_deleted_but_not_those_in_use(played):
    cube()
    played.generate(seed=1)
    played.generate(seed=2, storage="file")
    (used, _), (packed, _) = played.state.latest(played.folder)
    with pytest.raises(RuntimeError, match="reads its picture from there"):
        bpy.ops.texsync.delete_result(result=str(used))
    assert bpy.ops.texsync.delete_result(result=str(packed)) == {"FINISHED"}
    assert not Path(packed).exists() and seeds(played) == [2]


def test_words_and_presets(played):
    """A word that is chosen goes into the prompt; settings are kept and come back under a name."""
    cube()
    played.set(prompt="mossy", model="mini", steps=7)
    assert bpy.ops.texsync.add_word(word="Materials/copper") == {"FINISHED"}
    assert played.settings.prompt == "mossy copper"
    assert bpy.ops.texsync.preset_add(name="My Copper") == {"FINISHED"}
    played.set(prompt="gold", own_steps=False)
    (path,) = [
        path for place in bpy.utils.preset_paths("texsync") for path in Path(place).glob("My_Copper.py")
    ]
    bpy.ops.script.execute_preset(filepath=str(path), menu_idname="TEXSYNC_MT_presets")
    assert (played.settings.prompt, played.settings.steps, played.settings.own_steps) == (
        "mossy copper",
        7,
        True,
    )
    played.set(prompt="aluminium")
    assert "is read as metal" in drawn(bpy.types.TEXSYNC_PT_main)


@pytest.mark.parametrize("room", [60, 120, 250, 900])
def test_text_fits_the_sidebar(played, room):
    """No line is wider than there is room, no letter is lost, whatever the width."""
    import blf

    drawing = part(played, "drawing")
    text = "Averylongwordwithoutanyspaces/in/a/path/that/goes/on and others.\nA second line."
    found = drawing.lines(text, room, 11.0)
    assert all(blf.dimensions(0, line)[0] <= room for line in found)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_buttons_are_in_menus_and_searchable(played):
    """F3 looks through menus, and finds no operator that is internal."""
    for name in ("generate", "apply", "show", "restore", "cancel"):
        kind = getattr(bpy.types, f"TEXSYNC_OT_{name}")
        assert "INTERNAL" not in getattr(kind, "bl_options", ())
        assert name in drawn(bpy.types.TEXSYNC_MT_object)
    assert part(played, "panel").draw_menu in bpy.types.VIEW3D_MT_object.draw._draw_funcs


def test_apply_without_a_result_takes_the_latest(played):
    item = cube()
    with pytest.raises(RuntimeError, match="no result yet"):
        bpy.ops.texsync.apply()
    played.generate(seed=1)
    item.data.materials.clear()
    assert bpy.ops.texsync.apply() == {"FINISHED"} and len(item.data.materials) == 1


def handed(ui) -> dict:
    """What the worker was handed last, and asked."""
    return json.loads((ui.state.latest(ui.folder)[0][0] / "texture" / "run.json").read_text())


def test_restyle_begins_at_the_texture_that_is_there(played):
    """Its picture goes along; start noise counts only then; without a picture it is told."""
    cube()
    played.set(start_noise=0.3)
    played.generate()
    assert "start" not in handed(played)["asked"] and "start_noise" not in handed(played)["asked"]
    assert "picture" not in handed(played)["header"]
    played.generate(begin="own", texture_size=64)
    told = handed(played)
    assert (told["asked"]["start"], told["asked"]["start_noise"], told["asked"]["uvs"]) == (
        "own",
        0.3,
        "keep",
    )
    assert told["header"]["picture"]["width"] == 128
    cube("Plain", location=(3, 0, 0))
    with pytest.raises(RuntimeError, match="Plain has no texture to begin from"):
        bpy.ops.texsync.generate()


def test_a_soft_edge_is_the_vertex_groups(played):
    """A number for each corner of the selected triangles."""
    item = cube()
    played.generate()
    group = item.vertex_groups.new(name="Edge")
    group.add([0, 1, 2, 3], 0.5, "REPLACE")
    edit(0)
    played.generate(selected_only=True, soft_edge=True)
    repaint = handed(played)["header"]["repaint"]
    assert repaint["weights"]["count"] == 6 and repaint["uv"]["count"] == 12
    bpy.ops.object.mode_set(mode="OBJECT")
    weights = part(played, "meshdata").selected_weights(item.data, 0)
    assert set(weights) <= {0.0, 0.5} and len(weights) == 6
