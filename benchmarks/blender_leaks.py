"""What 200 jobs and 100 rounds of apply, undo and redo leave behind in a Blender that stays open: it should be nothing.

xvfb-run -a blender -p 0 0 640 480 --python benchmarks/blender_leaks.py -- PROGRAM [JOBS ROUNDS]

PROGRAM: texsync, or a worker that is played, `tests/addon/blender/played.py`.  A window is needed, as Blender undoes
nothing without one; the add-on is taken from this folder's checkout.  Open files, threads, timers, pictures and
materials are counted; memory is that of Blender's process.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parents[1]))
import addon_utils  # noqa: E402

addon_utils.enable("blender_addon", default_set=True)

from blender_addon import drawing, preferences, pump, state  # noqa: E402

PLACE = Path(tempfile.mkdtemp())
PROGRAM, *COUNTS = sys.argv[sys.argv.index("--") + 1 :]
JOBS, ROUNDS = (int(count) for count in (COUNTS or (200, 100)))
EVERY = 50  # jobs or rounds between two lines


def counted(what: str) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    numbers = (
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        bpy.app.timers.is_registered(pump.pump),
        len(bpy.data.images),
        len(bpy.data.materials),
        len(drawing._pictures),
        len(state.outcome.ready) + len(state.waiting.jobs),
    )
    print(f"{what:<14}" + "".join(f"{number:>11.0f}" for number in numbers), flush=True)


def story():
    preferences.preferences().program, preferences.preferences().output = PROGRAM, str(PLACE)
    chosen = bpy.context.scene.texsync
    chosen.prompt, chosen.texture_size, chosen.steps, chosen.material = "mossy stone", 128, 2, "new"
    names = ("MB", "files", "threads", "timer", "images", "materials", "icons", "waiting")
    print(f"{'':<14}" + "".join(f"{name:>11}" for name in names))
    for number in range(JOBS):
        chosen.seed = number
        bpy.ops.texsync.generate()
        while state.busy() or state.outcome.ready:
            yield 0.02
        folder = state.latest(PLACE)[0][0]
        bpy.ops.texsync.restore()
        for collection in (bpy.data.materials, bpy.data.images):
            for one in [one for one in collection if "texsync_result" in one]:
                collection.remove(one)
        if (number + 1) % EVERY == 0 or number == 0:
            yield 0.3  # the timer ends after its last look
            counted(f"{number + 1} jobs")
    for number in range(ROUNDS):
        bpy.ops.texsync.apply("EXEC_DEFAULT", True, result=str(folder))
        bpy.ops.ed.undo()
        bpy.ops.ed.redo()
        bpy.ops.ed.undo()
        if (number + 1) % EVERY == 0 or number == 0:
            yield 0.3
            counted(f"{number + 1} rounds")
    state.session.close()
    yield 0.3
    counted("closed")


running = story()


def step():
    try:
        with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
            return next(running)
    except StopIteration:
        bpy.ops.wm.quit_blender()
        return None


bpy.app.timers.register(step, first_interval=2.0, persistent=True)
