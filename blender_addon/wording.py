# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says: problems, remedies and times in the words of this panel.  No bpy here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import offered

ELSEWHERE = {  # options of texsync that are not in the panel, by where they are
    "out": "the output folder in the preferences",
    "overwrite": "the output folder in the preferences",
}
FIXES = {  # error codes, and the button that mends them whatever the remedy says
    "memory": "smaller",
    "installation": "check",
}
BUTTONS = {
    "smaller": "Halve the Texture Size",
    "preferences": "Open Preferences",
    "check": "Check texsync",
}
START = "Check in the add-on's preferences which texsync it runs"


@dataclass
class Problem:
    """Something to tell the user.  fix: what a button does about it, one of BUTTONS, or "set" an option; "": none."""

    message: str
    remedy: str = ""
    kind: str = "internal"
    fix: str = ""
    option: str = ""
    value: Any = None

    def text(self) -> str:
        end = "" if self.message.endswith((".", "!", "?")) else "."
        return f"{self.message}{end}\n{sentence(self.remedy)}" if self.remedy else f"{self.message}{end}"

    def button(self) -> str:
        """What the button says; "" if there is none."""
        return f"Use {name_of(self.option, self.value)}" if self.fix == "set" else BUTTONS.get(self.fix, "")


def problem_of(event: dict) -> Problem:
    """What the panel tells of an `error` that the worker sent."""
    kind, code, remedy = (event.get(name) for name in ("kind", "code", "remedy"))
    problem = Problem(in_panel_words(event.get("message")), in_panel_words(remedy), str(kind or "internal"))
    problem.fix = FIXES.get(str(code), "")
    for part in remedy if isinstance(remedy, list) and not problem.fix else ():
        if isinstance(part, dict) and offered.takes(part.get("option"), part.get("value")):
            problem.fix, problem.option, problem.value = "set", part["option"], part["value"]
            break
    return problem


def in_panel_words(text: Any) -> str:
    """A text of the worker's, in which options are objects, with this panel's names for them."""
    parts = text if isinstance(text, list) else [str(text or "")]
    return "".join(
        part if isinstance(part, str) else name_of(str(part.get("option")), part.get("value"))
        for part in parts
    )


def name_of(option: str, value: Any = None) -> str:
    """An option, or a value for it, as this panel calls it."""
    shown = offered.options().get(option)
    name = shown["label"] if shown else ELSEWHERE.get(option, option.replace("_", " "))
    if value is None or (shown is None and option in ELSEWHERE):
        return name
    labels = {choice: label for choice, label, _ in (shown or {}).get("choices", ())}
    return f"{name}: {labels.get(value, value)}"


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def clock_words(seconds: float) -> str:
    """ "About 40 s left", "About 3 min left"."""
    if seconds < 90:
        return f"About {max(round(seconds), 1)} s left"
    return f"About {round(seconds / 60)} min left"


def verdict(report: dict) -> str:
    """What a check comes to, in one line."""
    if report.get("ok"):
        return f"texsync {report.get('texsync') or ''} can be used".replace("  ", " ")
    wrong = [str(check["name"]) for check in report.get("checks", []) if check["needed"] and not check["ok"]]
    return f"texsync cannot be used yet: see {', '.join(wrong) or 'the log'}"
