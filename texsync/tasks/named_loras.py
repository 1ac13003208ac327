"""LoRAs that prompts name, <lora:rust:0.8>: files that are given get the weight from there, others are said."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import TexsyncWarning, option
from ..options.declared import declared
from ..options.kinds import Texts, WeighedText
from ..options.prompt_grammar import Tag, tags_of

FILES = (".safetensors", ".pt", ".bin", ".ckpt")


def weighed_loras(options: Any) -> tuple[str, ...]:
    """The LoRA files asked for; one without a weight has that which a prompt says of its name."""
    named = {tag.name: tag.weight for tag in _tags(options)}
    return tuple(
        f"{file}:{named[_stem(file)]}" if named.get(_stem(file)) and file.endswith(FILES) else file
        for file in map(str, options.lora)
    )


def warn_of_tags(options: Any) -> None:
    """Say which files prompts name that are not given (TexsyncWarning); they are no words."""
    given = {_stem(str(file)) for file in getattr(options, "lora", ())}
    missing = dict.fromkeys(str(tag) for tag in _tags(options) if tag.name not in given)
    if missing:
        message = (
            f"the prompt names {', '.join(missing)}, which is not there; give its file with {option('lora')}"
        )
        warnings.warn(TexsyncWarning(message), stacklevel=2)


def _stem(file: str) -> str:
    """A file's name without its ending and weight."""
    name = Path(file).name
    bare, colon, tail = name.rpartition(":")
    return Path(bare if colon and tail.replace(".", "", 1).lstrip("+-").isdigit() else name).stem


def _tags(options: Any) -> Iterator[Tag]:
    for name, said in declared(type(options)).items():
        kind, value = said.kind, getattr(options, name)
        if isinstance(kind, WeighedText) and value:
            yield from tags_of(value)
        elif isinstance(kind, Texts) and isinstance(kind.each, WeighedText):
            for text in value:
                yield from tags_of(text)
