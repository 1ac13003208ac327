# SPDX-License-Identifier: GPL-3.0-or-later
"""texsync's options that this panel shows, read from options.json, which build.py writes.  No bpy here."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("options.json")


@cache
def options() -> dict[str, dict]:
    """Name to what texsync says of it: label, help, kind, default, limits, choices."""
    return {one["name"]: one for one in json.loads(FILE.read_text(encoding="utf-8"))}


def of(*sections: str) -> list[dict]:
    """Those of some sections, in texsync's order."""
    return [one for one in options().values() if one["section"] in sections]


def has_switch(one: dict) -> bool:
    """Whether a switch says that a number counts, because none can stand for what texsync decides by itself."""
    return one["default"] is None and one["kind"] in ("Whole", "Real", "Reals")


def switch(one: dict) -> str:
    return f"own_{one['name']}"


def fields(one: dict) -> list[str]:
    """The names of an option's numbers: its own, or one for each of several."""
    names = one.get("names")
    return [f"{one['name']}_{name}" for name in names] if names else [one["name"]]


def takes(name: Any, value: Any) -> bool:
    """Whether a button can give an option of this panel this value."""
    one = options().get(name) if isinstance(name, str) else None
    if one is None or value is None:
        return False
    if one["kind"] == "Choice":
        return value in [choice for choice, _, _ in one["choices"]]
    return one["kind"] != "Reals" and isinstance(value, (str, int, float))
