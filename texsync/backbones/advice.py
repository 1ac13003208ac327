"""How a model likes to be sampled: what its folder says in `texsync.json`, or its adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, Refused, about, got
from ..options.control_kinds import CONTROL_KINDS, DEPTH_STYLES
from ..options.kind_errors import wrong
from ..options.kinds import Choice, Kind, Text
from ..options.number_kinds import Real, Reals, Whole
from ..options.shared import SAMPLERS
from .checked import read_json

LONGEST_LINE = 1000  # characters
FINISH = ("metallic", "roughness")


class Line(Text):
    """A text of one line that is not long."""

    def __call__(self, name: str, value: Any) -> str:
        said = super().__call__(name, value)
        if len(said) > LONGEST_LINE or not said.isprintable():
            raise wrong("option-text", name, value, "is no line", f"use {LONGEST_LINE} characters at most")
        return said


@dataclass(frozen=True)
class Table:
    """An object from texts to values of a kind; None: of any."""

    each: Kind | None = None

    def __call__(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong("option-type", name, value, "must be an object", "give names and values")
        return {key: self.each(name, one) if self.each else one for key, one in value.items()}


def _said(kind: Any, default: Any = None) -> Any:
    """A field of what a model's folder may say; default: None, or what makes it."""
    return field(metadata={"kind": kind}, **{"default_factory": default} if default else {"default": None})


@dataclass(frozen=True)
class Advice:
    """How a model likes to be sampled; None, or nothing: it does not say, and every task has a default of its own.

    guidance: classifier-free, 1 = off.  guidance_rescale, clip_skip: see `Conditions`.
    steps: of denoising.  sampler: of SAMPLERS, where it is not what the scheduler is.
    prompt_prefix: before the prompt of a mesh.
    control_scale: ControlNet at the noisiest and the cleanest level.
    control_until: share of the way to the clean picture during which ControlNet acts, 0..1.
    control_kind: of CONTROL_KINDS, what its own ControlNet was trained to follow.  depth_style: of DEPTH_STYLES, how
    the depth looked that it was trained on.  view_size: pixels a side.
    strength: SyncSDE's, by task ("ambiguous"), where its own 5 is not best.
    pictures: what is otherwise in 2D tasks: any of PICTURES.
    materials: metallic and roughness, 0..1, of what a prompt may name ("gold"), for the mesh's new material.
    Source: `texsync.json` in the model's folder, any subset of these names.
    """

    guidance: float | None = _said(Real(0, 100))
    guidance_rescale: float | None = _said(Real(0, 1))
    clip_skip: int | None = _said(Whole(1, 48))
    steps: int | None = _said(Whole(1, 1000))
    sampler: str | None = _said(Choice(SAMPLERS))
    prompt_prefix: str | None = _said(Line())
    negative_prompt: str | None = _said(Line())
    control_scale: tuple[float, float] | None = _said(Reals(Real(0, 2), ("start", "end"), "e.g. [0.7, 0.9]"))
    control_until: float | None = _said(Real(0, 1))
    view_size: int | None = _said(Whole(16, 4096))
    control_kind: str | None = _said(Choice(CONTROL_KINDS))
    depth_style: str | None = _said(Choice(DEPTH_STYLES))
    strength: Mapping[str, float] = _said(Table(Real(0, 1000)), dict)
    pictures: Mapping[str, Any] = _said(Table(), dict)
    materials: Mapping[str, tuple[float, float]] = _said(
        Table(Reals(Real(0, 1), FINISH, "e.g. [1.0, 0.3]")), dict
    )

    def under(self, said: Advice) -> Advice:
        """What `said` says, and this where it says nothing."""
        values = {one.name: getattr(said, one.name) for one in fields(said)}
        return replace(self, **{name: value for name, value in values.items() if value not in (None, {})})

    def for_pictures(self) -> Advice:
        """What it is in 2D tasks."""
        return replace(self, **self.pictures)


PICTURES = ("guidance", "steps", "sampler", "negative_prompt", "view_size")


def read_advice(path: Path) -> Advice:
    """What the `texsync.json` of a model's folder says; raises InputError for a name or value unknown."""
    file = path / "texsync.json"
    if not file.exists():
        return Advice()
    kinds = {one.name: one.metadata["kind"] for one in fields(Advice)}
    values = _values(str(file), read_json(file), kinds)
    pictures = {name: kinds[name] for name in PICTURES}
    return Advice(
        **values | {"pictures": _values(f"{file} under pictures", values.get("pictures", {}), pictures)}
    )


def _values(where: str, said: Mapping[str, Any], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """What is said, each value as its kind has it."""
    values = {}
    for name, value in said.items():
        if name not in kinds:
            raise Refused.model_config(f"{about(where)} says {got(name)!r}", f"known: {', '.join(kinds)}")
        try:
            values[name] = kinds[name](name, value)
        except InputError as error:
            remedy = error.remedy
            raise Refused.model_config(f"{about(where)} has {name} {got(value):r.60}", remedy) from None
    return values
