"""What `--sweep strength=0,1,3` asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import Refused, got, option
from .declared import Options, declared, nearest
from .shared import plain


def swept(options: Options, text: str) -> tuple[str, list[Any]]:
    """The option's name and its values, each of which the options would take.

    Raises InputError if there is no such option, or no or a wrong value.
    """
    name, _, listed = text.partition("=")
    name = name.strip().replace("-", "_")
    said = declared(type(options))
    able = [field for field, one in said.items() if one.varies]
    if name not in able:
        message = f"{option('sweep')} {got(text)!r} names no option that can vary{nearest(name, able)}"
        raise Refused.sweep(message, f"use one of {', '.join(able)}")
    values = [plain(value) for value in listed.split(",") if value.strip()]
    if not values:
        remedy = f"e.g. {option('sweep')} {name}=0,1,3"
        raise Refused.sweep(f"{option('sweep')} {got(text)!r} gives no values", remedy)
    for value in values:
        replace(options, **{name: value})  # type: ignore[type-var]
    return name, values
