"""A person at Blender's window, played: opens the sidebar, presses the real button, orbits, cancels, undoes.

blender --enable-event-simulate --python window_drive.py -- FOLDER
FOLDER gets result.json and screenshots.  Runs as steps from a timer, because that is where Blender lets scripts wait.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path

import bpy
import texsync_addon.state as state

GENERATE, CANCEL = "bpy.ops.texsync.generate()", "bpy.ops.texsync.cancel()"
FOLDER = Path(sys.argv[sys.argv.index("--") + 1])
told: dict = {"steps": [], "beats": {}}
beats: list[float] = []


def area():
    return next(a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == "VIEW_3D")


def region(kind):
    return next(r for r in area().regions if r.type == kind)


def here(kind="WINDOW"):
    window = bpy.context.window_manager.windows[0]
    return bpy.context.temp_override(window=window, area=area(), region=region(kind))


def event(kind, value, x, y, **keys):
    bpy.context.window_manager.windows[0].event_simulate(type=kind, value=value, x=int(x), y=int(y), **keys)


def click(x, y):
    event("MOUSEMOVE", "NOTHING", x, y)
    yield 0.2
    event("LEFTMOUSE", "PRESS", x, y)
    yield 0.1
    event("LEFTMOUSE", "RELEASE", x, y)
    yield 0.4


def shot(name):
    with here():
        bpy.ops.screen.screenshot(filepath=str(FOLDER / f"{name}.png"))


def check(name, fine, found=""):
    told["steps"].append([name, bool(fine), str(found)])
    if not fine:
        shot("stuck")
        raise AssertionError(f"{name}: {found}")


def wait(until, seconds, what):
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        yield 0.05
    check(what, until(), state.session.problem and state.session.problem.text())


def longest(beats) -> float:
    return max((b - a for a, b in zip(beats, beats[1:], strict=False)), default=0.0)


def orbit(name, seconds):
    """Drag with the middle button until the view has turned; the longest pause between heartbeats is kept by name."""
    view = area().spaces.active.region_3d
    before = view.view_rotation.copy()
    window = region("WINDOW")
    x, y = window.x + window.width / 3, window.y + window.height / 2
    del beats[:]
    event("MOUSEMOVE", "NOTHING", x, y)
    event("MIDDLEMOUSE", "PRESS", x, y)
    end, turned = time.monotonic() + seconds, 0.0
    while time.monotonic() < end and turned < 0.2:
        x += 4
        event("MOUSEMOVE", "NOTHING", x, y)
        yield 0.05
        turned = before.rotation_difference(view.view_rotation).angle
    event("MIDDLEMOUSE", "RELEASE", x, y)
    yield 0.2
    told["beats"][name] = longest(beats)
    check(f"the view turned, {name}", turned > 0.1, turned)


def find_button():
    """Where buttons may be: a column of pixels in the sidebar, tried until the mouse is over the right one."""
    side = region("UI")
    return side.x + side.width / 2 - 10, range(int(side.y + side.height - 60), int(side.y + 20), -12)


def press(done, name):
    """Press the real button: look for it, as nothing tells where Blender drew it; begin where it was before."""
    x, rows = find_button()
    near = next((told[known] for known in (name, GENERATE) if known in told), rows[0])
    for y in 2 * sorted(rows, key=lambda y: abs(y - near)):
        event("MOUSEMOVE", "NOTHING", x, y)
        yield 0.4
        if hovered() != name:
            continue
        yield 0.5  # a slow window still shows where the mouse was before
        if hovered() != name:
            continue
        told[name] = y
        yield from click(x, y)
        break
    yield from wait(done, 5, f"pressed {name}")


def hovered():
    """The operator under the mouse: Blender copies its command for scripts."""
    with here("UI"):
        try:
            bpy.context.window_manager.clipboard = ""
            bpy.ops.ui.copy_python_command_button()
        except RuntimeError:
            return ""
    return bpy.context.window_manager.clipboard


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


def story_of_cancel():
    yield from orbit("before", 15.0)
    check("no backup yet", not autosaves(), autosaves())
    yield from press(lambda: state.session.busy, GENERATE)
    yield from wait(lambda: state.session.job and state.session.job.stage == "denoise", 200, "it paints")
    yield from orbit("while it paints", 15.0)
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


def keys(kind, **modifiers):
    window = region("WINDOW")
    x, y = window.x + window.width / 3, window.y + window.height / 2
    event("MOUSEMOVE", "NOTHING", x, y)
    yield 0.2
    event(kind, "PRESS", x, y, **modifiers)
    event(kind, "RELEASE", x, y, **modifiers)
    yield 0.8


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


def autosaves():
    folder = Path(os.environ["TMPDIR"])
    return sorted(path.name for path in folder.glob("*.blend"))


running = story()
due = [0.0]


def step():
    beats.append(time.monotonic())
    if time.monotonic() < due[0]:
        return 0.02
    try:
        due[0] = time.monotonic() + next(running)
        return 0.02
    except StopIteration:
        told["finished"] = True
    except Exception:
        told["error"] = traceback.format_exc()
    (FOLDER / "result.json").write_text(json.dumps(told, indent=1))
    state.session.close()
    bpy.ops.wm.quit_blender()
    return None


bpy.app.timers.register(step, first_interval=2.0, persistent=True)
