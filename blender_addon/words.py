# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says: problems, remedies and times in the words of this panel.  No bpy here."""

from __future__ import annotations

import re
from dataclasses import dataclass

# the shell's flags, which remedies speak of, as this panel calls them
FLAGS = {
    "--unwrap": "UVs: New Map",
    "--keep-uvs": "UVs: Keep Mine",
    "--dtype": "Number Format",
    "--controlnet": "ControlNet",
    "--out": "the output folder in the preferences",
    "--chunk": "Views at Once",
}
START = "Check in the add-on's preferences which texsync it runs"


@dataclass
class Problem:
    """Something to tell the user.  fix: name of a button that mends it, see help_operators.FIXES, or ""."""

    message: str
    remedy: str = ""
    kind: str = "internal"
    fix: str = ""

    def text(self) -> str:
        end = "" if self.message.endswith((".", "!", "?")) else "."
        return f"{self.message}{end}\n{sentence(self.remedy)}" if self.remedy else f"{self.message}{end}"


def fix_for(kind: str, message: str) -> str:
    """The button that mends a problem, or ""."""
    if "cannot keep its UVs" in message:
        return "new_map"
    if kind == "memory" or "not enough memory" in message:
        return "smaller"
    if match := re.search(r"old picture has (\d+) x \1 texels", message):
        return f"texture_size {match[1]}"
    return "check" if kind == "installation" else ""


def in_panel_words(text: str) -> str:
    """A message of texsync's with this panel's names instead of the shell's flags."""

    def name(match: re.Match) -> str:
        return FLAGS.get(match[0], match[0][2:].replace("-", " ").title())

    return re.sub(r"--[a-z]+(-[a-z]+)*", name, text)


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def clock_words(seconds: float) -> str:
    """ "About 40 s left", "About 3 min left"."""
    if seconds < 90:
        return f"About {max(round(seconds), 1)} s left"
    return f"About {round(seconds / 60)} min left"
