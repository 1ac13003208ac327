"""How a model likes to be sampled: what its folder says in `texsync.json`, or its adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import Refused, about, got
from ..options.control_kinds import CONTROL_KINDS, DEPTH_STYLES
from .checked import number, read_json


@dataclass(frozen=True)
class Advice:
    """How a model likes to be sampled; None, or nothing: it does not say, and every task has a default of its own.

    guidance: classifier-free, 1 = off.  guidance_rescale, clip_skip: see `Conditions`.
    steps: of denoising.  prompt_prefix: before the prompt of a mesh.
    control_scale: ControlNet at the noisiest and the cleanest level.
    control_until: share of the way to the clean picture during which ControlNet acts, 0..1.
    control_kind: of CONTROL_KINDS, what its own ControlNet was trained to follow.  depth_style: of DEPTH_STYLES, how
    the depth looked that it was trained on.  view_size: pixels a side.
    strength: SyncSDE's, by task ("ambiguous"), where its own 5 is not best.
    pictures: what is otherwise in 2D tasks: any of PICTURES.
    materials: metallic and roughness, 0..1, of what a prompt may name ("gold"), for the mesh's new material.
    Source: `texsync.json` in the model's folder, any subset of these names.
    """

    guidance: float | None = None
    guidance_rescale: float | None = None
    clip_skip: int | None = None
    steps: int | None = None
    prompt_prefix: str | None = None
    negative_prompt: str | None = None
    control_scale: tuple[float, float] | None = None
    control_until: float | None = None
    view_size: int | None = None
    control_kind: str | None = None
    depth_style: str | None = None
    strength: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)
    materials: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def for_pictures(self) -> Advice:
        """What it is in 2D tasks."""
        return replace(self, **self.pictures)


PICTURES = ("guidance", "steps", "negative_prompt", "view_size")
EXAMPLES: dict[str, Any] = {
    "guidance": 7.5,
    "guidance_rescale": 0.7,
    "clip_skip": 2,
    "steps": 30,
    "prompt_prefix": "a photo of ",
    "negative_prompt": "blurry",
    "control_scale": (0.7, 0.9),
    "control_until": 0.99,
    "view_size": 768,
    "control_kind": "depth",
    "depth_style": "official",
    "strength": {"ambiguous": 2.0},
    "pictures": {},
    "materials": {"gold": (1.0, 0.3)},
}
CHOICES = {"control_kind": CONTROL_KINDS, "depth_style": DEPTH_STYLES}
LONGEST_TEXT = 1000
LIMITS: dict[str, tuple[float, float]] = {  # of the numbers in texsync.json
    "guidance": (0, 100),
    "guidance_rescale": (0, 1),
    "clip_skip": (1, 48),
    "steps": (1, 1000),
    "control_scale": (0, 2),
    "control_until": (0, 1),
    "view_size": (16, 4096),
    "strength": (0, 1000),
    "materials": (0, 1),
}


def read_advice(path: Path) -> Advice:
    """What the `texsync.json` of a model's folder says; raises InputError for a name or value unknown."""
    file = path / "texsync.json"
    if not file.exists():
        return Advice()
    said = read_json(file)
    _check(str(file), said, [field.name for field in fields(Advice)])
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in said.items()}
    return Advice(**values)


def _check(where: str, said: Mapping[str, Any], known: Sequence[str]) -> None:
    for name, value in said.items():
        if name not in known:
            raise Refused.model_config(f"{about(where)} says {got(name)!r}", f"known: {', '.join(known)}")
        if name == "pictures" and isinstance(value, dict):
            _check(f"{where} under {name}", value, PICTURES)
            continue
        if not _same_kind(value, EXAMPLES[name]):
            raise Refused.model_config(
                f"{about(where)} has {name} {got(value)!r:.60}", f"expected e.g. {EXAMPLES[name]!r}"
            )
        _check_limits(where, name, value)


def _check_limits(where: str, name: str, value: Any) -> None:
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise Refused.model_config(
                f"{about(where)} has {name} {got(value)!r:.60}", f"known: {', '.join(CHOICES[name])}"
            )
    elif isinstance(value, str):
        if len(value) > LONGEST_TEXT or not value.isprintable():
            raise Refused.model_config(
                f"{about(where)} has {name} {got(value)!r:.60}", f"expected {LONGEST_TEXT} characters at most"
            )
    elif name in LIMITS:
        for one in _flat(value):
            number(where, name, one, *LIMITS[name])


def _flat(value: Any) -> list[Any]:
    """The numbers in lists and objects."""
    inside = value if isinstance(value, list) else value.values() if isinstance(value, dict) else None
    return [value] if inside is None else [number for one in inside for number in _flat(one)]


def _same_kind(value: Any, example: Any) -> bool:
    if isinstance(example, tuple):
        return isinstance(value, list) and len(value) == 2 and all(_same_kind(v, 0.0) for v in value)
    if isinstance(example, dict):
        one = next(iter(example.values()), 0.0)
        return isinstance(value, dict) and all(_same_kind(v, one) for v in value.values())
    if isinstance(example, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is type(example)
