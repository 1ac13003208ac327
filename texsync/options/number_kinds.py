"""Kinds of numbers, and yes or no; see `kinds`."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from .kind_errors import wrong


@dataclass(frozen=True)
class Whole:
    """An int in low..high, both included."""

    low: int = 0
    high: int = 2**63 - 1

    def __call__(self, name: str, value: Any) -> int:
        limits = f"use {self.low} to {self.high}"
        try:
            if isinstance(value, bool):
                raise TypeError
            number = operator.index(
                value
            )  # TypeError, ValueError: arrays and tensors of several numbers, too
        except (TypeError, ValueError):
            raise wrong("option-type", name, value, "must be a whole number", limits) from None
        if not self.low <= number <= self.high:
            raise wrong("option-range", name, value, "is out of range", limits)
        return number


@dataclass(frozen=True)
class TextureSize(Whole):
    """Texels along a side; or (width, height) of a picture that is no square, also as a text: "2048x1024"."""

    example: ClassVar[str] = "give one number, or two as in 2048x1024"

    def __call__(self, name: str, value: Any) -> int | tuple[int, int]:  # type: ignore[override]
        if isinstance(value, str):
            found = re.fullmatch(r"\s*(\d{1,9})\s*[xX×]\s*(\d{1,9})\s*", value)
            if not found:
                raise wrong("option-type", name, value, "must be a whole number, or two", self.example)
            value = [int(one) for one in found.groups()]
        if not isinstance(value, (list, tuple)):
            return super().__call__(name, value)
        if len(value) != 2:
            raise wrong("option-type", name, value, "must be one number, or two", self.example)
        width, height = (super(TextureSize, self).__call__(name, one) for one in value)
        return width if width == height else (width, height)


def shape_of(texels: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of what `TextureSize` gives."""
    width, height = (texels, texels) if isinstance(texels, int) else texels
    return height, width


@dataclass(frozen=True)
class Real:
    """A finite float in low..high."""

    low: float = 0.0
    high: float = math.inf

    def __call__(self, name: str, value: Any) -> float:
        limits = f"use {self.low:g} to {self.high:g}"
        if math.isinf(self.high):
            limits = f"use a number of at least {self.low:g}"
        try:
            if isinstance(value, (str, bytes, bytearray, bool)):
                raise TypeError
            number = float(value)
        except OverflowError:
            raise wrong("option-range", name, value, "is out of range", limits) from None
        except (TypeError, ValueError, RuntimeError):
            raise wrong("option-type", name, value, "must be a number", limits) from None
        if not math.isfinite(number) or not self.low <= number <= self.high:
            raise wrong("option-range", name, number, "is out of range", limits)
        return number


@dataclass(frozen=True)
class Reals:
    """As many numbers as there are names, each a Real: ("start", "end") for instance."""

    each: Real
    names: tuple[str, ...]
    example: str

    def __call__(self, name: str, value: Any) -> tuple[float, ...]:
        if not isinstance(value, (tuple, list)) or len(value) != len(self.names):
            count = {2: "two", 3: "three"}.get(len(self.names), len(self.names))
            what = f"must be {count} numbers, {' and '.join(self.names)}"
            raise wrong("option-type", name, value, what, self.example)
        return tuple(self.each(f"{name} {one}", v) for one, v in zip(self.names, value, strict=True))


@dataclass(frozen=True)
class Flag:
    """True or False."""

    def __call__(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):  # numpy's
            raise wrong("option-type", name, value, "must be true or false", "leave it out for its default")
        return bool(value)
