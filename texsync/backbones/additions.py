"""What users add to a model: another autoencoder, LoRA files, textual inversions; looked at before weights are read."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import Refused, about, got, option
from .checked import read_json
from .folder import ModelFolder
from .hub import OnBytes
from .image_prompt import AdapterFiles, find_adapter
from .locate import find_file, find_part, on_hub
from .lora import LoraFile, read_lora
from .single_file import autoencoder_of
from .tensors import read_header
from .weights import find_weights

PathName = str | os.PathLike[str]
LORA_FILE = "pytorch_lora_weights.safetensors"  # of repositories that name none
EMBEDDING_FILE = "learned_embeds.safetensors"
TWO = ("clip_l", "clip_g")  # names of the vectors for SDXL's encoders
STRONGEST = 10.0  # of a LoRA


@dataclass(frozen=True)
class Additions:
    """What is added, as users name it.

    vae: a file, folder or hub id.  lora: files or hub ids, each with its weight behind a colon, 1 where none is said.
    embedding: files or hub ids.  ip_adapter: a file, its image encoder beside it.
    """

    vae: str | None = None
    lora: Sequence[str] = ()
    embedding: Sequence[str] = ()
    ip_adapter: str | None = None

    def __bool__(self) -> bool:
        return bool(self.said())

    @classmethod
    def of(
        cls,
        vae: PathName | None,
        lora: Sequence[str],
        embedding: Sequence[str],
        ip_adapter: PathName | None = None,
    ) -> Additions:
        """Of what Python users give: paths, and one text for a list of one."""
        lists = [(one,) if isinstance(one, (str, os.PathLike)) else tuple(one) for one in (lora, embedding)]
        loras, embeddings = (tuple(map(os.fspath, texts)) for texts in lists)
        one, other = (None if path is None else os.fspath(path) for path in (vae, ip_adapter))
        return cls(one, loras, embeddings, other)

    def here(self) -> Additions:
        """Without what is a hub's."""
        vae = None if self.vae is None or on_hub(self.vae) else self.vae
        lora = tuple(text for text in self.lora if not on_hub(split_weight(text)[0]))
        return replace(
            self, vae=vae, lora=lora, embedding=tuple(name for name in self.embedding if not on_hub(name))
        )

    def said(self) -> dict[str, Any]:
        """Those that are there, by option."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class Inversion:
    """A textual inversion: a word that stands for vectors of its own.

    names: of the tensors in the file, one for each text encoder.
    """

    path: Path
    word: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Added:
    """What was found of `Additions`, checked by headers."""

    loras: tuple[LoraFile, ...] = ()
    inversions: tuple[Inversion, ...] = ()
    adapter: AdapterFiles | None = None


def find_additions(
    additions: Additions, folder: ModelFolder, *, half: bool = False, on_bytes: OnBytes | None = None
) -> tuple[ModelFolder, Added]:
    """The model with another autoencoder, if one is asked for, and what goes into its networks.

    Reads headers, fetches what is a hub's.  Raises InputError for what is not there or not made for this model.
    """
    if additions.vae:
        folder = with_vae(folder, find_part(additions.vae, half=half, on_bytes=on_bytes))
    loras = []
    for text in additions.lora:
        name, weight = split_weight(text)
        path = find_file(name, "LoRA", option("lora"), LORA_FILE, on_bytes)
        loras.append(read_lora(path, weight, folder))
    inversions = [
        read_inversion(
            find_file(name, "textual inversion", option("embedding"), EMBEDDING_FILE, on_bytes), folder
        )
        for name in additions.embedding
    ]
    adapter = None if additions.ip_adapter is None else find_adapter(additions.ip_adapter, folder)
    return folder, Added(tuple(loras), tuple(inversions), adapter)


def split_weight(text: str) -> tuple[str, float]:
    """("file.safetensors", 0.8) of "file.safetensors:0.8"; raises InputError for a weight that is none."""
    name, colon, tail = text.rpartition(":")
    if not colon or re.search(r"[/\\.](?![0-9]*$)", tail):  # C:\file, https://page
        return text, 1.0
    try:
        weight = float(tail)
    except ValueError:
        return text, 1.0
    if not math.isfinite(weight) or abs(weight) > STRONGEST:
        raise Refused.option_choice(
            f"the LoRA {about(name)} has weight {got(tail)}",
            f"use {-STRONGEST:g} to {STRONGEST:g}",
        )
    return name, weight


# ---- another autoencoder


def with_vae(folder: ModelFolder, path: Path) -> ModelFolder:
    """The model with the autoencoder of a folder or file; raises InputError for one that does not fit."""
    if path.is_file():
        weights = autoencoder_of(path)
        config = folder.configs["vae"]
    else:
        path = path / "vae" if (path / "model_index.json").is_file() else path
        config, weights = read_json(path / "config.json"), find_weights(path)
        kind = config.get("_class_name", "AutoencoderKL")
        if kind != "AutoencoderKL":
            raise Refused.model_kind(f"{about(path)} is a {kind}", f"give {option('vae')} an AutoencoderKL")
    _check_vae(path, config, folder.configs["vae"])
    return replace(
        folder, configs=folder.configs | {"vae": config}, weights=folder.weights | {"vae": weights}
    )


def _check_vae(path: Path, config: Mapping[str, object], usual: Mapping[str, object]) -> None:
    """Raises InputError for an autoencoder of other latents: of more channels, or of another scale."""
    for name, default in (("latent_channels", 4), ("scaling_factor", 0.18215)):
        mine, theirs = config.get(name, default), usual.get(name, default)
        if mine != theirs:
            raise Refused.model_config(
                f"the autoencoder {about(path)} has {name} {got(mine)}, the model's has {theirs}",
                f"choose a {option('vae')} made for this {option('model')}",
            )


# ---- textual inversions


def read_inversion(path: Path, folder: ModelFolder) -> Inversion:
    """A textual inversion, by its header; raises InputError for one of another kind of model."""
    header = read_header(path)
    shapes = dict(header.shapes)
    nested = header.notes.get("string_to_param")
    if isinstance(nested, dict):  # of the first web interface, a pickle
        shapes = {f"string_to_param.{name}": tuple(value.shape) for name, value in nested.items()}
    widths = [folder.configs[part].get("hidden_size") for part in folder.layout.encoders]
    names = [name for name in TWO if name in shapes] if len(widths) > 1 else list(shapes)
    if len(names) != len(widths) or any(not 1 <= len(shapes[name]) <= 2 for name in names):
        raise Refused.model_kind(
            f"{about(path)} is no textual inversion for this model",
            f"give {option('embedding')} one, or leave it out",
        )
    found = [shapes[name][-1] for name in names]
    if found != widths:
        raise Refused.model_config(
            f"{about(path)} was made for words {' and '.join(map(str, found))} wide, this model's are "
            f"{' and '.join(map(str, widths))}",
            f"choose an {option('embedding')} made for this {option('model')}",
        )
    own = names[0].removeprefix("string_to_param.")
    word = own if re.fullmatch(r"<[^<>\s]+>", own) else path.stem
    return Inversion(path, word, tuple(names))
