"""What a person at Blender's window does, played: mouse, keys, looking at the panel; and how a story of that is run.

FOLDER, the last argument, gets result.json and screenshots.  A story runs as steps from a timer, because that is where
Blender lets scripts wait.
"""

import json
import sys
import time
import traceback
from pathlib import Path

import bpy
import texsync_addon.state as state

GENERATE, CANCEL = "bpy.ops.texsync.generate()", "bpy.ops.texsync.cancel()"
FOLDER = Path(sys.argv[-1])
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


def drag_sidebar(by):
    """Drag its left edge, by so many pixels to the right."""
    side = region("UI")
    before, y = side.width, side.y + side.height // 2
    for beside in (6, 4, 8, 2):  # where the edge can be taken
        x = side.x + beside
        for near in (-30, -10, 0):
            event("MOUSEMOVE", "NOTHING", x + near, y)
            yield 0.1
        event("LEFTMOUSE", "PRESS", x, y)
        yield 0.1
        for step in range(1, 9):
            event("MOUSEMOVE", "NOTHING", x + by * step / 8, y)
            yield 0.05
        event("LEFTMOUSE", "RELEASE", x + by, y)
        yield 0.5
        if region("UI").width != before:
            return


def hovered():
    """The operator under the mouse: Blender copies its command for scripts."""
    with here("UI"):
        try:
            bpy.context.window_manager.clipboard = ""
            bpy.ops.ui.copy_python_command_button()
        except RuntimeError:
            return ""
    return bpy.context.window_manager.clipboard


def keys(kind, **modifiers):
    window = region("WINDOW")
    x, y = window.x + window.width / 3, window.y + window.height / 2
    event("MOUSEMOVE", "NOTHING", x, y)
    yield 0.2
    event(kind, "PRESS", x, y, **modifiers)
    event(kind, "RELEASE", x, y, **modifiers)
    yield 0.8


def play(story):
    """Run a story, a generator that says how many seconds to wait; then quit, with the result written."""
    running, due = story, [0.0]

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
