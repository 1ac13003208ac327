# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer that carries news from the worker to the panel, starts what waits, and applies what is ready.

A timer and not a modal operator: while one of those runs, Blender saves no backups, and closing its window ends it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import bpy
from bpy.app.handlers import persistent

from . import hands, preferences, results, state
from .session import Request
from .wording import START, Problem

EVERY = 0.1  # seconds
HOLDING = ("start", "version")  # kinds of problems that the next job would have too


def start() -> None:
    state.session.hold = lambda: not hands.off()
    if not bpy.app.timers.is_registered(pump):
        bpy.app.timers.register(pump, first_interval=EVERY, persistent=True)


def stop() -> None:
    if bpy.app.timers.is_registered(pump):
        bpy.app.timers.unregister(pump)


def pump() -> float | None:
    """One look at the worker; None, which ends the timer, when nothing is going on.

    Whatever breaks becomes a problem in the panel: a timer that raises is one that Blender ends, and the panel with it.
    """
    checking = state.doctor is not None and state.report() is None
    try:
        changed = state.session.tick()
        changed |= apply_ready()
        changed |= start_next()
    except Exception as error:
        state.session.fail(error)
        changed = True
    if changed or checking or state.doctor:
        redraw()
    return EVERY if state.busy() or checking or state.outcome.ready else None


def start_next() -> bool:
    """Start the next job that waits, if the worker is free; True if something changed."""
    if state.session.busy or not state.waiting.jobs:
        return False
    problem = state.session.problem
    if problem and problem.kind in HOLDING:
        state.waiting.held = True
    job = state.waiting.next()
    if job is None:
        return False
    try:
        command = preferences.command()
    except ValueError as error:
        state.waiting.add(job, first=True)
        state.waiting.held = True
        state.session.problem = Problem(str(error), START, "start", "preferences")
        return True
    warm = preferences.preferences().keep_warm or bool(state.waiting.jobs)
    state.session.run(command, log_file(), job, warm, preferences.offline())
    return True


def begin(job: Request) -> None:
    """A job to the list; the second half of one that has its map goes before all others."""
    state.waiting.add(job, first=job.follows)


def log_file() -> Path:
    """One for each Blender."""
    return preferences.output_folder() / f"worker_{os.getpid()}.log"


def apply_ready(pressed: bool = False) -> bool:
    """Apply the results that wait, if hands are off; True if something changed."""
    changed = False
    while state.outcome.ready and (pressed or hands.off()):
        folder = state.outcome.ready.pop(0)
        try:
            show_result(folder)
        except ValueError as error:
            state.session.problem = Problem(str(error), "", "apply")
        changed = True
    return changed


def redraw() -> None:
    """The panel and the preferences, but not the 3D view beside it, which may be slow to draw."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "PREFERENCES"):
                for region in area.regions:
                    if region.type == "UI" or area.type == "PREFERENCES":
                        region.tag_redraw()


def finished(folder: Path, record: dict) -> None:
    """A result is there: it waits to be applied, or only under Last results if it is one of several seeds."""
    if record.get("apply", True):
        state.outcome.ready.append(folder)
    else:
        state.outcome.done = results.title(record)
    with contextlib.suppress(OSError):
        days = preferences.preferences().keep_days
        if days:
            results.remove_old(folder.parent, days)
    state.forget_latest()


def show_result(folder: Path) -> None:
    """Apply a finished result as one undo step of the window that asked for it."""
    windows = list(bpy.context.window_manager.windows)
    window = state.window if state.window in windows else windows[0] if windows else None
    with bpy.context.temp_override(window=window) if window else contextlib.nullcontext():
        try:
            bpy.ops.texsync.apply("EXEC_DEFAULT", True, result=str(folder), own=True)
        except RuntimeError as error:  # how Blender hands on what an operator reports
            raise ValueError(str(error).removeprefix("Error: ").strip()) from None
    record = results.read(folder)
    state.outcome.done = results.title(record)
    if record.get("show"):
        show_texture(window)


def show_texture(window) -> None:
    """Let the 3D view that Generate was pressed in show textures; one that renders materials does so already."""
    for area in window.screen.areas if window else ():
        if area.as_pointer() == state.place and area.type == "VIEW_3D":
            shading = area.spaces.active.shading
            if shading.type in ("SOLID", "WIREFRAME"):
                shading.type, shading.color_type = "SOLID", "TEXTURE"


@persistent
def before_load(*_) -> None:
    """Another file: its scene must not get this one's texture."""
    state.another_file()
