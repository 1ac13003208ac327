"""Pictures as prompts: the file of an IP-Adapter, and whether it fits a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import Refused, about, got, option
from .checked import read_json
from .folder import ModelFolder
from .meta import META, attempt
from .tensors import read_header

PLACES = (
    "image_encoder",
    "../image_encoder",
    "../models/image_encoder",
)  # beside the file, as its authors' repository
WANTED = "the authors' ip-adapter_sd15, ip-adapter-plus_sd15 or ip-adapter_sdxl"


@dataclass(frozen=True)
class AdapterFiles:
    """An IP-Adapter that fits a model.  patches: it reads CLIP's patches (a "plus" one) instead of its summary."""

    path: Path
    encoder: Path
    patches: bool


def find_adapter(name: str, folder: ModelFolder) -> AdapterFiles:
    """The adapter in a file, its image encoder beside it; raises InputError for what is missing or does not fit."""
    path = Path(name).expanduser()
    if not path.is_file():
        raise Refused.model_unknown(
            f"there is no IP-Adapter {about(name)}", f"give {option('ip_adapter')} its file"
        )
    if path.suffix != ".safetensors":
        raise Refused.model_unsafe(
            f"the IP-Adapter {about(path)} is no safetensors file", "use that one instead"
        )
    shapes = dict(read_header(path).shapes)
    if "image_proj.proj.weight" not in shapes and "image_proj.latents" not in shapes:
        raise Refused.model_kind(
            f"{about(path)} is no IP-Adapter that reads pictures by CLIP", f"choose {WANTED}"
        )
    _check_width(path, shapes, folder)
    found = next((place for one in PLACES if (place := path.parent / one / "config.json").is_file()), None)
    if found is None:
        raise Refused.model_missing(
            f"the IP-Adapter {about(path)} has no image_encoder beside it",
            "fetch that folder of its repository, too",
        )
    patches = "image_proj.latents" in shapes
    _check_encoder(found, shapes, patches)
    return AdapterFiles(path, found.parent, patches)


def check_adapter(files: AdapterFiles, unet: Any) -> None:
    """Raises InputError for an adapter that lacks a weight, or has one too many or of another shape.

    unet: the model's on the meta device, which has the adapter's layers afterwards.
    """
    shapes = read_header(files.path).shapes
    tables = in_parts({name: torch.empty(shape, device=META) for name, shape in shapes.items()})
    with META:
        attempt(
            files.path,
            lambda: unet._load_ip_adapter_weights([tables], low_cpu_mem_usage=False),
            "does not fit",
        )
    mine, its = 2 * sum(".attn2." in name for name in unet.attn_processors), len(tables["ip_adapter"])
    if its != mine:
        raise Refused.model_config(
            f"the IP-Adapter {about(files.path)} has {got(its)} matrices of cross-attention, this model takes {mine}",
            f"choose an {option('ip_adapter')} made for this {option('model')}",
        )


def in_parts(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """An adapter's file as diffusers takes it: {"image_proj": {...}, "ip_adapter": {...}}."""
    parts: dict[str, dict[str, Any]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in table.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = tensor
    return parts


def _check_width(path: Path, shapes: dict[str, tuple[int, ...]], folder: ModelFolder) -> None:
    width = folder.configs["unet"].get("cross_attention_dim")
    mine = next((shape[-1] for name, shape in shapes.items() if name.endswith("to_k_ip.weight")), None)
    if mine != width:
        raise Refused.model_config(
            f"the IP-Adapter {about(path)} is for words {got(mine)} wide, this model's are {width}",
            f"choose an {option('ip_adapter')} made for this {option('model')}",
        )


def _check_encoder(config: Path, shapes: dict[str, tuple[int, ...]], patches: bool) -> None:
    said = read_json(config)
    name = "image_proj.proj_in.weight" if patches else "image_proj.proj.weight"
    wanted, has = shapes[name][-1], said.get("hidden_size" if patches else "projection_dim")
    if wanted != has:
        raise Refused.model_config(
            f"the image encoder {about(config.parent)} gives {got(has)} channels, the IP-Adapter reads {wanted}",
            "use the one that it was trained with",
        )
