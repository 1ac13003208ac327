"""A model by its name, whatever its family: one of `families`, or of another package's."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, Protocol

import torch

from ..errors import InputError, Refused, TexsyncWarning, about, got, option
from ..options.kind_errors import brief
from ..plugins import BACKBONES
from .additions import Additions
from .advice import Advice
from .base import Backbone
from .hub import OnBytes
from .memory import choose_device, choose_dtype, limit, warn_of_slow
from .presets import preset_of
from .warm import remembered

NOTHING = Additions()
USUAL = "diffusion"  # takes what no other family claims
PathName = str | os.PathLike[str]


class Family(Protocol):
    """How models of one kind are loaded: a file in `families`, or what an entry point of `texsync.backbones` names.

    It may also have check_rendered(controlnet), which raises InputError for a ControlNet that cannot follow a mesh;
    check_words(model, clip_skip), which raises InputError for a layer of the text encoder that is not there;
    check(model, controlnet), which raises InputError for what `load` would refuse of names and
    folders on this machine, without reading weights; both may return the names of the ControlNets that they have
    looked at, each with what it follows; and fetch(model, controlnet, half=, on_bytes=), which downloads
    what `load` will read, half: weights of 16 bits where there are any.  All three may take additions=, what users add
    to a model (`additions.Additions`); a family that does not is not given any.
    """

    def claims(self, model: str) -> bool:
        """Whether this name, folder, file or hub id is one of this family's; looks, but does not load."""

    def load(
        self, model: str, controlnet: str | None, *, device: torch.device, dtype: torch.dtype
    ) -> Backbone:
        """The model; raises InputError for a missing or wrong file.  controlnet: as in `load_model`."""


def load_model(
    model: PathName = "mini",
    controlnet: PathName | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    vae: PathName | None = None,
    lora: Sequence[str] = (),
    embedding: Sequence[str] = (),
    ip_adapter: PathName | None = None,
    vram: float | None = None,
) -> Backbone:
    """Load a model, to be handed to tasks as `model=`, or to take part in a loop of your own.

    model: "mini", one of `presets.PRESETS`, a folder, a checkpoint in one file, or a hub id "owner/name",
    "owner/name@revision" or "owner/name/file.safetensors" (only presets and hub ids touch the network), of any family
    that is installed.
    controlnet: a folder, file or hub id, with what it follows before it and how firmly behind it where that is not as
    usual, "depth=owner/name:0.8"; several with " + " between them.  None takes the model's own `controlnet/` folder,
    or for Stable Diffusion 1.5 and XL from the hub its usual depth ControlNet; "none" does without.
    device: auto, cpu, cuda, cuda:N, mps.  dtype: auto, fp32, fp16, bf16.
    vae, lora, embedding, ip_adapter: what is added to it, see `additions.Additions`.
    vram: GB of a GPU's memory that may be used.
    Raises InputError for a missing or wrong file, parts that do not fit each other, or too little memory.
    """
    name, control = os.fspath(model), None if controlnet is None else os.fspath(controlnet)
    place = choose_device(device)
    number = choose_dtype(dtype, place)
    additions = Additions.of(vae, lora, embedding, ip_adapter)
    asked = named(name, control, additions)
    limit(vram, place)
    warn_of_slow(number, place)

    def load() -> Backbone:
        family = family_of(asked.model)
        more = _taken(family.load, name, asked.additions)
        backbone = family.load(asked.model, asked.controlnet, device=place, dtype=number, **more)
        if not isinstance(backbone, Backbone):
            raise Refused.plugin(
                f"{about('model')} {got(name)!r} loads as {brief(backbone)}",
                "its family must return a Backbone",
            )
        backbone.advice = Advice(**asked.advice).under(backbone.advice)
        backbone.source = {"model": name, "controlnet": control, **additions.said()}
        return backbone

    return remembered((name, control, place, number, additions, vram), load)


@dataclass(frozen=True)
class Asked:
    """What is to be loaded: a preset's name is resolved."""

    model: str
    controlnet: str | None
    additions: Additions
    advice: Mapping[str, Any]


def named(model: str, controlnet: str | None, additions: Additions) -> Asked:
    """What a model's name stands for, with what its preset adds; the user's ControlNet and LoRAs come first."""
    preset = preset_of(model)
    if preset is None:
        return Asked(model, controlnet, additions, {})
    added = replace(additions, lora=(*preset.lora, *additions.lora))
    return Asked(preset.model, controlnet or preset.controlnet, added, preset.advice)


def _taken(function: Callable[..., Any], model: str, additions: Additions) -> dict[str, Any]:
    """Keywords for a function of a family; raises InputError for additions that it does not take."""
    if not additions:
        return {}
    if "additions" not in signature(function).parameters:
        named = " and ".join(map(option, additions.said()))
        raise Refused.model_lacks(
            f"{about(model)} takes no {named}", "leave it out, or use a Stable Diffusion"
        )
    return {"additions": additions}


def check_model(
    model: PathName,
    controlnet: PathName | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    additions: Additions = NOTHING,
    rendered: bool = False,
    clip_skip: int | None = None,
) -> list[tuple[str, str | None]]:
    """What `load_model` would refuse of names, folders on this machine and devices, at no cost.

    rendered: also ControlNets that follow what cannot be rendered of a mesh.  clip_skip: see `check_words`.
    Returns the names of ControlNets, as far as they are known, each with what it follows.
    Reads no weights and fetches nothing, so it can come before long work on a mesh.  Raises InputError.
    """
    choose_dtype(dtype, choose_device(device))
    asked = named(os.fspath(model), None if controlnet is None else os.fspath(controlnet), additions)
    family: Any = family_of(asked.model)
    more = _taken(family.load, os.fspath(model), asked.additions)
    followed: list[tuple[str, str | None]] = []
    if rendered and hasattr(family, "check_rendered"):
        followed += family.check_rendered(asked.controlnet) or ()
    if hasattr(family, "check"):
        followed += family.check(asked.model, asked.controlnet, **more) or ()
    check_words(model, clip_skip)
    return followed


def check_words(model: PathName, clip_skip: int | None) -> None:
    """Raises InputError for a layer that the text encoder of a model on this machine does not have, by its config."""
    asked = named(os.fspath(model), None, NOTHING)
    family: Any = family_of(asked.model)
    if clip_skip is not None and hasattr(family, "check_words"):
        family.check_words(asked.model, clip_skip)


def fetch_model(
    model: PathName,
    controlnet: PathName | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    on_bytes: OnBytes | None = None,
    additions: Additions = NOTHING,
    clip_skip: int | None = None,
) -> None:
    """Download what `load_model` will read, where it is a hub's and not in the cache; raises InputError.

    Loading does so too; this is for doors that tell a download from the reading of weights.
    clip_skip: see `check_words`, before weights move where a family can.
    """
    asked = named(os.fspath(model), None if controlnet is None else os.fspath(controlnet), additions)
    family: Any = family_of(asked.model)
    if hasattr(family, "fetch"):
        half = choose_dtype(dtype, choose_device(device)) != torch.float32
        more = _taken(family.fetch, os.fspath(model), asked.additions)
        if "clip_skip" in signature(family.fetch).parameters:
            more["clip_skip"] = clip_skip
        family.fetch(asked.model, asked.controlnet, half=half, on_bytes=on_bytes, **more)


def family_of(model: str) -> Family:
    """The first family that claims a model: another package's, then texsync's own."""
    return next((family for family in _families() if family.claims(model)), BACKBONES.load(USUAL))


def _families() -> Iterator[Family]:
    for name in (*BACKBONES.others(), *(name for name in BACKBONES.own() if name != USUAL)):
        try:
            yield BACKBONES.load(name)
        except InputError as error:  # a package that is broken must not keep others' models from loading
            warnings.warn(TexsyncWarning(error.line()), stacklevel=2)
