"""Kinds of JSON values: what a format says about each field, as a table that one walk checks.

A table serves twice: `check` refuses a wrong value before any work begins, and `leaves` finds every number that refers
to something, which is how a glTF document is renumbered.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 64  # containers in containers; copying and writing JSON takes a few Python calls for each
LARGEST = 1e38  # what a 32-bit float can hold


class Wrong(ValueError):
    """A value that is not what its format says; the message names the place, the value and what it should be."""

    def __init__(self, where: str, value: Any, wanted: str):
        shown = json.dumps(value, default=repr)
        super().__init__(f"{where or 'the file'} is {shown[:40]}{'...' * (len(shown) > 40)}, not {wanted}")


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`; whole: without a fraction."""

    low: float = -LARGEST
    high: float = LARGEST
    whole: bool = False

    def wants(self, value: Any) -> str:
        types = (int,) if self.whole else (int, float)
        if isinstance(value, types) and not isinstance(value, bool) and self.low <= value <= self.high:
            return ""
        bounds = "" if -self.low == self.high == LARGEST else f" from {self.low:g} to {self.high:g}"
        return f"a {'whole ' * self.whole}number{bounds}"


@dataclass(frozen=True)
class Ref:
    """The number of a thing in one of the document's lists, or `none`."""

    to: str
    none: int = 0

    def wants(self, value: Any) -> str:
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= min(self.none, 0)
        return "" if fits else f"the number of one of its {self.to}"


@dataclass(frozen=True)
class OneOf:
    """One of these values."""

    values: tuple[Any, ...]

    def wants(self, value: Any) -> str:
        fits = any(value == one and type(value) is type(one) for one in self.values)
        return "" if fits else f"one of {', '.join(map(str, self.values))}"


@dataclass(frozen=True)
class Is:
    """A value of one type: str, bool."""

    type: type

    def wants(self, value: Any) -> str:
        return "" if isinstance(value, self.type) else {str: "a text", bool: "true or false"}[self.type]


@dataclass(frozen=True)
class Row:
    """A list of `least` to `most` values of a kind."""

    of: Any
    least: int = 0
    most: int | None = None

    def wants(self, value: Any) -> str:
        if isinstance(value, list) and self.least <= len(value) <= (self.most or len(value)):
            return ""
        exact = self.least if self.least == self.most else f"at least {self.least}" if self.least else ""
        return " ".join(f"a list of {exact} values".split())


@dataclass(frozen=True)
class Fields:
    """An object.

    needed, may: kinds by name; "*" is any other name, "*Texture" any that ends so.  What has no kind may be anything.
    """

    needed: Mapping[str, Any] = field(default_factory=dict)
    may: Mapping[str, Any] = field(default_factory=dict)

    def wants(self, value: Any) -> str:
        if not isinstance(value, dict):
            return "an object"
        missing = [name for name in self.needed if name not in value]
        return f"an object with {missing[0]!r}" if missing else ""

    def kind(self, name: str) -> Any:
        """The kind of a field, None if it may be anything."""
        known = self.needed.get(name, self.may.get(name))
        if known is None:
            ends = [kind for said, kind in self.may.items() if said[0] == "*" and name.endswith(said[1:])]
            known = ends[0] if ends else None
        return known


def leaves(value: Any, kind: Any, where: str = "") -> Iterator[tuple[Any, Any, Any, str]]:
    """(container, key, kind, place) of every value that has a kind and is no container.

    Raises Wrong for a container that is not what its kind says.
    """
    wanted = kind.wants(value)
    if wanted:
        raise Wrong(where, value, wanted)
    row = isinstance(kind, Row)
    keys: list[Any] = list(range(len(value))) if row else list(value)
    for key in keys:
        of = kind.of if row else kind.kind(key)
        if of is None:
            continue
        place = f"{where}[{key}]" if row else f"{where}.{key}" if where else key
        if isinstance(of, (Row, Fields)):
            yield from leaves(value[key], of, place)
        else:
            yield value, key, of, place


def only(kind: Any, leaf: type) -> Any:
    """A table without all kinds but one, for a walk that looks for that; None if nothing is left."""
    if isinstance(kind, Row):
        of = only(kind.of, leaf)
        return of and Row(of)
    if isinstance(kind, Fields):
        every = {name: only(of, leaf) for name, of in {**kind.may, **kind.needed}.items()}
        # an extension that is known by name but has none must not be looked up under "*"
        some = any(every.values())
        return (
            Fields(may={name: of or Fields() for name, of in every.items() if of or "*" in every})
            if some
            else None
        )
    return kind if isinstance(kind, leaf) else None


def check(value: Any, kind: Any) -> None:
    """Raises Wrong, in the file's own words, for the first value that is not of its kind."""
    for container, key, of, where in leaves(value, kind):
        wanted = of.wants(container[key])
        if wanted:
            raise Wrong(where, container[key], wanted)


def read_json(text: bytes | str) -> Any:
    """JSON of which every number is finite and no container is deeper than 64; raises ValueError."""
    try:
        tree = json.loads(text)
    except RecursionError:
        raise ValueError(f"its JSON is nested more than {DEEPEST} deep") from None
    todo = [(tree, 0)]
    while todo:
        value, depth = todo.pop()
        if isinstance(value, (dict, list)):
            if depth > DEEPEST:
                raise ValueError(f"its JSON is nested more than {DEEPEST} deep")
            todo += [(one, depth + 1) for one in (value.values() if isinstance(value, dict) else value)]
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"its JSON holds {value}, which is no number")
    return tree
