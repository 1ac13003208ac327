"""A person at Blender's window, played: opens the sidebar, presses the real button, orbits, cancels, undoes.

blender --enable-event-simulate --python window_drive.py -- FOLDER
"""

import os
import sys
from pathlib import Path

import bpy
import texsync_addon.state as state

sys.path.insert(0, str(Path(__file__).parent))
from window_tools import (
    CANCEL,
    GENERATE,
    area,
    check,
    click,
    drag_sidebar,
    event,
    here,
    keys,
    orbit,
    play,
    press,
    region,
    shot,
    told,
    wait,
)


def story():
    item = bpy.data.objects["Cube"]
    with here():
        bpy.ops.object.select_all(action="DESELECT")
        bpy.ops.mesh.primitive_monkey_add()
        item = bpy.context.object
        bpy.ops.object.shade_smooth()
        bpy.data.objects.remove(bpy.data.objects["Cube"])
        bpy.ops.ed.undo_push(message="scene")
    area().spaces.active.show_region_ui = True
    yield 1.0
    side = region("UI")
    yield from click(side.x + side.width - 8, side.y + side.height - 170)
    shot("sidebar")
    settings = bpy.context.scene.texsync
    settings.prompt, settings.steps, settings.texture_size = "green marble", 600, 512
    settings.view_size = 256  # a machine without a GPU paints it in seconds
    settings.uvs = "unwrap"
    with here():
        bpy.ops.ed.undo_push(message="settings")
    yield 0.6
    shot("rest")
    yield from story_of_cancel()
    yield from story_of_a_texture(item.name)
    yield from story_of_a_wrong_program()
    if "TEXSYNC_SHOTS" in os.environ:
        yield from story_of_pictures()


def story_of_cancel():
    yield from orbit("before", 60.0)
    check("no backup yet", not autosaves(), autosaves())
    yield from press(lambda: state.session.busy, GENERATE)
    yield from wait(lambda: state.session.job and state.session.job.stage == "denoise", 200, "it paints")
    yield from orbit("while it paints", 60.0)
    check("still painting", state.session.busy)
    # drawing without a graphics card on a busy machine takes its time by itself
    pauses = told["beats"]
    limit = max(2.0, 3 * pauses["before"])
    check("no long pause", 0 < pauses["while it paints"] < limit, pauses)
    shot("running")
    yield from wait(autosaves, 100, "a backup was saved while it ran")
    check("and it still runs", state.session.busy)
    yield from press(lambda: state.session.phase in ("cancelling", "idle"), CANCEL)
    yield from wait(lambda: not state.session.busy, 10, "cancelled")
    check("nothing changed", not bpy.data.images.get("Suzanne green marble"))


def story_of_a_texture(name):
    settings = bpy.context.scene.texsync
    settings.steps = 20
    maps = len(bpy.data.objects[name].data.uv_layers)
    yield from press(lambda: state.session.busy, GENERATE)
    yield from wait(lambda: state.session.preview != "", 200, "a preview came")
    yield 0.5
    shot("preview")
    yield from wait(lambda: not state.session.busy, 300, "done")
    yield 0.5
    mesh = bpy.data.objects[name].data
    check("textured", len(mesh.uv_layers) == maps + 1 and len(mesh.materials) == 1, list(mesh.uv_layers))
    space = area().spaces.active
    space.shading.type, space.shading.color_type = "SOLID", "TEXTURE"
    with here():
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_orbit(angle=0.35, type="ORBITRIGHT")
        bpy.ops.view3d.view_selected()
    yield 1.5
    shot("textured")
    yield from keys("Z", ctrl=True)
    mesh = bpy.data.objects[name].data
    check(
        "one undo takes all of it back",
        len(mesh.uv_layers) == maps and not mesh.materials,
        len(mesh.uv_layers),
    )
    check(
        "and no more than it",
        bpy.data.objects.get(name) and bpy.context.scene.texsync.prompt == "green marble",
    )
    yield from keys("Z", ctrl=True, shift=True)
    mesh = bpy.data.objects[name].data
    check("redo brings it back", len(mesh.uv_layers) == maps + 1 and len(mesh.materials) == 1)


def story_of_a_wrong_program():
    state.session.close()
    bpy.context.preferences.addons["texsync_addon"].preferences.program = "/nowhere/texsync"
    yield from press(lambda: state.session.problem is not None, GENERATE)
    yield 0.5
    shot("failed")
    check(
        "the panel says why",
        "There is no program at" in (state.session.problem.text() if state.session.problem else ""),
    )


def story_of_pictures():
    """For docs: a queue with the look on the object, results with their pictures, a narrow sidebar, cameras."""
    chosen = bpy.context.preferences.addons["texsync_addon"].preferences
    chosen.program = os.environ["TEXSYNC_PROGRAM"]
    bpy.context.object.data.materials.clear()
    settings = bpy.context.scene.texsync
    settings.live, settings.uvs = True, "keep"
    for seed, prompt in enumerate(("mossy stone", "rusty iron", "blue marble with gold veins")):
        settings.prompt, settings.seed = prompt, seed
        with here():
            bpy.ops.texsync.generate()
    job = state.session.job
    yield from wait(lambda: job.live.seen and job.step > 0.6 * job.total, 600, "the look is there")
    yield 1.0
    shot("queue")
    yield from wait(lambda: not state.busy() and not state.outcome.ready, 600, "done")
    yield 1.0
    shot("results")
    yield from drag_sidebar(70)
    yield 1.0
    shot("narrow")
    yield from drag_sidebar(-70)
    settings.cameras = "scene"
    bpy.context.scene.render.resolution_x = bpy.context.scene.render.resolution_y = 1024
    bpy.data.objects["Camera"].texsync_prompt = "{prompt}, from the side"
    with here():
        bpy.ops.texsync.coverage()
    yield from wait(lambda: state.outcome.seen, 60, "coverage")
    side = region("UI")
    yield from scroll_to_the_end(side)
    yield from click(side.x + 60, side.y + 117)  # the fourth heading from below
    yield from scroll_to_the_end(side)
    shot("cameras")


def scroll_to_the_end(side):
    event("MOUSEMOVE", "NOTHING", side.x + 60, side.y + 100)
    for _ in range(25):
        event("WHEELDOWNMOUSE", "PRESS", side.x + 60, side.y + 100)
        yield 0.05
    yield 1.0


def autosaves():
    folder = Path(os.environ["TMPDIR"])
    return sorted(path.name for path in folder.glob("*.blend"))


play(story())
