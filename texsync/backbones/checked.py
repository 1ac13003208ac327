"""Values from a model's JSON files: of the right type and in range, or one line that names file, name and value."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..errors import Refused, about, got


def number(where: str, name: str, value: Any, low: float, high: float) -> float:
    """A finite number in low..high, both included."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused.model_config(f"{about(where)} has {name} {got(value):r.60}", "expected a number")
    if not math.isfinite(value) or not low <= value <= high:
        raise Refused.model_config(
            f"{about(where)} has {name} {got(value):r.60}", f"expected {low:g} to {high:g}"
        )
    return value


def whole(where: str, name: str, value: Any, low: int, high: int) -> int:
    """A whole number in low..high, both included."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refused.model_config(
            f"{about(where)} has {name} {got(value):r.60}", f"expected a whole number, {low} to {high}"
        )
    return value


def several(where: str, name: str, value: Any, most: int) -> list[Any]:
    """A list of one to `most` things."""
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= most:
        raise Refused.model_config(
            f"{about(where)} has {name} {got(value):r.60}", f"expected a list of 1 to {most}"
        )
    return list(value)


def read_json(path: Path, hint: str = "") -> dict[str, Any]:
    """The JSON object in a file; raises InputError naming the file otherwise."""
    remedy = hint or "fetch or save the model again"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused.model_missing(f"{about(path)} is missing", remedy) from None
    except (OSError, ValueError, RecursionError) as error:
        raise Refused.model_damaged(f"{about(path)} cannot be read ({error})", remedy) from None
    if not isinstance(content, dict):
        raise Refused.model_config(f"{about(path)} is not a JSON object", remedy)
    return content
