"""Folders of published models at their full size: configs and file headers as they are, weights that are holes."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}


def write_part(folder: Path, network: nn.Module) -> tuple[str, str]:
    """config.json and safetensors of a network on the meta device; takes no room on a disk that keeps holes."""
    folder.mkdir(parents=True, exist_ok=True)
    library = type(network).__module__.partition(".")[0]
    config: Any = network.config
    said = dict(config) if library == "diffusers" else config.to_dict()
    (folder / "config.json").write_text(
        json.dumps({"_class_name": type(network).__name__, **said}, default=str)
    )
    write_holes(folder / f"{STEMS[library]}.safetensors", shapes_of(network))
    return library, type(network).__name__


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def write_holes(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """A safetensors file in fp16 with these names and shapes, all zeros."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with file.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + end)


def write_folder(
    folder: Path, networks: Mapping[str, nn.Module], tokenizers: tuple[str, ...], **index: Any
) -> Path:
    """A whole folder: networks by part, a vocabulary file for each tokenizer, Stable Diffusion's scheduler."""
    classes = {part: write_part(folder / part, network) for part, network in networks.items()}
    for part in tokenizers:
        (folder / part).mkdir()
        (folder / part / "tokenizer.json").write_text("{}")
        classes[part] = ("transformers", "CLIPTokenizer")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    classes["scheduler"] = ("diffusers", "EulerDiscreteScheduler")
    (folder / "model_index.json").write_text(json.dumps({**classes, **index}))
    return folder
