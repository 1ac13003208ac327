"""Which Pythons have Blender in them."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def interpreters() -> list[str]:
    """Every Python with bpy that there is: named, made by .ci/blender, or this one."""
    named = os.environ.get("TEXSYNC_BPY", "").split(os.pathsep)
    made = [str(path) for path in sorted(ROOT.glob(".venv-bpy*/bin/python"))]
    mine = [sys.executable] if importlib.util.find_spec("bpy") else []
    return [path for path in named if path] or made or mine
