"""What is said of a value that an option cannot take, and of names that are old."""

from __future__ import annotations

import warnings
from typing import Any

from ..errors import InputError, Refused, TexsyncWarning, about


def warn_renamed(old: str, new: str) -> None:
    """Say that an option, or a value of one, has a new name (TexsyncWarning); the old one works for one release."""
    warnings.warn(TexsyncWarning(f"{old} is called {new} now; the old name will go"), stacklevel=5)


def wrong(code: str, name: str, value: Any, what: str, remedy: str) -> InputError:
    """The error that says what an option must be, or what its value is."""
    said = f"{value:g}" if type(value) is float else brief(value)
    message = f"{name} {what}, got {said}" if what.startswith("must") else f"{name} {said} {what}"
    return InputError(message, remedy, code=code, thing=name, value=value)


def unknown(name: str, value: Any, known: Any) -> InputError:
    """The error that lists what there is."""
    return Refused.option_choice(
        f"unknown {about(name)} {brief(value)}", f"known: {', '.join(known)}", value=value
    )


def is_a(value: Any, name: str) -> bool:
    """Whether an object's class, or one that it is derived from, has this name; spares importing it."""
    return bool(name) and any(kind.__name__ == name for kind in type(value).__mro__)


def brief(value: Any, most: int = 60) -> str:
    """How a value is named in a message: its repr, cut if it is long."""
    try:
        said = " ".join(repr(value).split())
    except Exception:  # a number of more digits than Python likes to print, an object of somebody's own
        said = f"a {type(value).__name__}"
    return said if len(said) <= most else f"{said[:most]}..."
