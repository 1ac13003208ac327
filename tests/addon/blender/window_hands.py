"""A person who is in the middle of something when a result arrives, played, on a worker that is played too.

blender --enable-event-simulate --python window_hands.py -- PROGRAM FOLDER
A drag in Edit Mode, strokes in Sculpt, Weight Paint and Texture Paint: nothing is applied until the panel's button is
pressed.  A drag in Object Mode: it is applied.
"""

import sys
from pathlib import Path

import bpy
import texsync_addon.state as state
from texsync_addon import preferences

sys.path.insert(0, str(Path(__file__).parent))
import window_panel
from window_tools import FOLDER, area, check, click, event, here, play, press, region, shot, wait

MODES = ("EDIT", "SCULPT", "WEIGHT_PAINT", "TEXTURE_PAINT")


def story():
    bpy.context.preferences.addons["texsync_addon"].preferences.program = sys.argv[-2]
    area().spaces.active.show_region_ui = True
    yield 1.0
    side = region("UI")
    yield from click(side.x + side.width - 8, side.y + side.height - 170)
    with here():
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_selected()
    yield from story_of_my_materials()
    for number, mode in enumerate(MODES):
        yield from story_of_a_hand(mode, number)
    yield from story_of_a_drag_in_object_mode()
    yield from story_of_an_error()
    yield from window_panel.story()


def generate(**values):
    """Start a job that ends when it is told to, and wait until it is under way."""
    (preferences.output_folder() / "go").unlink(missing_ok=True)
    settings = bpy.context.scene.texsync
    for name, value in {"prompt": "held", "texture_size": 64, "material": "new", **values}.items():
        setattr(settings, name, value)
    with here():
        bpy.ops.texsync.generate()
    yield from wait(lambda: state.session.job and state.session.job.stage == "denoise", 60, "it paints")


def go():
    (preferences.output_folder() / "go").write_text("")


def cube():
    return bpy.data.objects["Cube"]


def story_of_my_materials():
    """Fault of kind: PBR that is lost.  Two slots keep their faces and metallic."""
    mesh = cube().data
    mesh.materials.clear()
    for name, metallic in (("Wood", 0.0), ("Iron", 1.0)):
        material = bpy.data.materials.new(name)
        material.use_nodes = True
        material.node_tree.nodes["Principled BSDF"].inputs["Metallic"].default_value = metallic
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", [0, 0, 0, 0, 1, 1])
    yield from generate(material="into")
    for seed in (1, 2):
        bpy.context.scene.texsync.seed = seed
        with here():
            bpy.ops.texsync.generate()
    yield 0.6
    shot("hands_queue")
    state.waiting.clear()
    go()
    yield from wait(lambda: state.outcome.done, 60, "done")
    metal = [
        one.node_tree.nodes["Principled BSDF"].inputs["Metallic"].default_value for one in mesh.materials
    ]
    check("slots stay", [face.material_index for face in mesh.polygons] == [0, 0, 0, 0, 1, 1])
    check("metallic stays", metal == [0.0, 1.0], metal)
    check("the viewport shows it", area().spaces.active.shading.color_type == "TEXTURE")
    yield 0.5
    shot("hands_done")


def story_of_a_hand(mode, number):
    with here():
        bpy.ops.object.mode_set(mode=mode)
        if mode == "EDIT":
            bpy.ops.mesh.select_all(action="SELECT")
    before = len(cube().data.materials)
    yield from generate(seed=number + 1)
    yield from hold(mode)
    go()
    yield from wait(lambda: state.outcome.ready, 60, f"ready, {mode}")
    for _ in range(10):
        yield from move()
    check(f"nothing is applied, {mode}", state.outcome.ready and len(cube().data.materials) == before)
    yield from let_go(mode)
    yield 1.0
    check(f"nor after that, {mode}", state.outcome.ready and cube().mode == mode)
    shot(f"hands_ready_{mode.lower()}")
    if number == 0:
        yield from press(lambda: not state.outcome.ready, "bpy.ops.texsync.apply_ready()")
    else:
        with here():
            bpy.ops.texsync.apply_ready()
    check(f"applied, {mode}", len(cube().data.materials) == before + 1, state.session.problem)
    check(f"same mode, {mode}", cube().mode == mode)
    with here():
        bpy.ops.object.mode_set(mode="OBJECT")
    yield 0.3


place = [0.0, 0.0]


def hold(mode):
    """Begin a drag (Edit, Object) or a stroke, and do not end it."""
    window = region("WINDOW")
    place[:] = window.x + window.width / 3, window.y + window.height / 2
    event("MOUSEMOVE", "NOTHING", *place)
    yield 0.2
    if mode in ("EDIT", "OBJECT"):
        event("G", "PRESS", *place)
        event("G", "RELEASE", *place)
    else:
        event("LEFTMOUSE", "PRESS", *place)
    for _ in range(4):
        yield from move()


def move():
    place[0] += 3
    event("MOUSEMOVE", "NOTHING", *place)
    yield 0.05


def let_go(mode):
    key = "RIGHTMOUSE" if mode in ("EDIT", "OBJECT") else "LEFTMOUSE"
    if key == "RIGHTMOUSE":
        event(key, "PRESS", *place)
    event(key, "RELEASE", *place)
    yield 0.3


def story_of_a_drag_in_object_mode():
    before = len(cube().data.materials)
    with here():
        bpy.ops.ed.undo_push(message="before")  # scripts' operators push none by themselves
    yield from generate(seed=9)
    yield from hold("OBJECT")
    go()
    yield from wait(lambda: state.outcome.done, 60, "applied in Object Mode")
    for _ in range(5):
        yield from move()
    yield from let_go("OBJECT")
    check("applied, OBJECT", len(cube().data.materials) == before + 1)
    check("where it was", cube().location.length < 1e-4, cube().location)
    with here():
        bpy.ops.ed.undo()
    yield 0.5
    check("one undo", len(cube().data.materials) == before, len(cube().data.materials))
    check("screenshots are there", any(FOLDER.glob("hands_*.png")))


def story_of_an_error():
    """It ends in the panel, among the results that are there, and Generate works again."""
    settings = bpy.context.scene.texsync
    settings.prompt = "fail"
    with here():
        bpy.ops.texsync.generate()
    yield from wait(lambda: state.session.problem, 60, "it fails")
    yield 0.5
    shot("hands_failed")
    with here():
        check("Generate works again", bpy.ops.texsync.generate.poll())


play(story())
