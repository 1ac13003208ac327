# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model knows, where that is a list: words by kind, and what it reads other words as.  No bpy here.

words.json beside this file has it of models that are inside texsync, by name; a model's own folder may have a file of
that name: {"kinds": {"Colours": ["red", ...], ...}, "known": "a the of ...", "near": {"crimson": "red, ruby"}}.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("words.json")
WORD = re.compile(r"[^\W\d_]+")
MOST = 3  # unknown words that are named


@cache
def words(model: str) -> dict:
    """What there is of a model, by its name or folder; {} if nothing is known."""
    inside = _read(FILE).get(model)
    return inside if isinstance(inside, dict) else _read(Path(model) / FILE.name)


def _read(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def kinds(model: str) -> dict[str, list[str]]:
    return words(model).get("kinds", {})


@cache
def known(model: str) -> frozenset[str]:
    said = [word for names in kinds(model).values() for name in names for word in name.split()]
    return frozenset([*said, *words(model).get("known", "").split()])


def unknown(model: str, prompt: str) -> list[str]:
    """A line for each word of a prompt that the model reads as another one or does not know, the first few."""
    if not kinds(model):
        return []
    near, notes = words(model).get("near", {}), []
    for word in dict.fromkeys(WORD.findall(prompt.lower())):
        if word not in known(model):
            notes.append(
                f'"{word}" is read as {near[word]}' if word in near else f'"{word}" is not known to {model}'
            )
    return notes[:MOST]
