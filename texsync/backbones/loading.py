"""Weights from disk into networks; the one place where diffusers and transformers are imported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import Refused, about, got, option
from .additions import Added
from .checked import read_json
from .clip_words import clip_tokenizer
from .controls import Control, FoundControl
from .folder import ControlFolder, ModelFolder, has_vocabulary, pixels_per_latent
from .image_prompt import check_adapter
from .inverted_words import add_word, vectors_of
from .lora import check_lora, merge_lora
from .memory import free_bytes
from .memory_plan import number_format, plan_of
from .meta import attempt, check_missing, rehearse, skeleton
from .quiet import quiet as quiet
from .single_file import as_diffusers, read
from .taking_turns import Turns
from .weights import Weights, warn_of_pickles

NOTHING = Added()
CONTROL = ("diffusers", "ControlNetModel")


@dataclass(frozen=True)
class Parts:
    """The networks of one model, on one device, in one number format."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    text_encoder_2: Any = None
    tokenizer_2: Any = None
    controls: tuple[Control, ...] = ()


def load_parts(
    folder: ModelFolder,
    controls: Sequence[FoundControl],
    device: torch.device,
    dtype: torch.dtype,
    added: Added = NOTHING,
) -> Parts:
    """Load every part; raises InputError if a file is wrong or the memory too small."""
    every = [*folder.weights.values(), *(control.folder.weights for control in controls)]
    turns, on_cpu = _turns(folder, controls, device, dtype), device.type == "cpu"
    if turns is not None:
        device = torch.device("cpu")  # until a network's turn comes
    _check_room(sum(weights.numbers for weights in every) * dtype.itemsize, device)
    warn_of_pickles(every)
    with quiet():
        blank = compare_with_configs(folder, [control.folder for control in controls])
        for lora in added.loras:
            check_lora(lora, blank)
        if added.adapter is not None:
            check_adapter(added.adapter, blank["unet"])
        networks = {
            part: load_network(
                folder.place(part),
                folder.classes[part],
                folder.weights[part],
                device,
                number_format(folder, part, dtype),
                folder.configs[part],
            )
            for part in folder.layout.networks
        }
        words = {part: load_tokenizer(folder.small / part) for part in folder.layout.tokenizers}
        _add(added, folder, networks, words)
        vae = folder.configs["vae"]
        sizes = vae.get("latent_channels", 4), pixels_per_latent(vae)
        loaded = []
        if not controls:
            rehearse(_taking_turns(networks, turns), folder.path, *sizes)
        for one in controls:
            place = one.folder
            network = load_network(place.path, CONTROL, place.weights, device, dtype, place.config)
            rehearse(_taking_turns(networks | {"controlnet": network}, turns), folder.path, *sizes)
            loaded.append(Control(network, _split_hint(network), one.kind, one.scale))
        if on_cpu:
            heard: list[Any] = [part for one in loaded for part in (one.network, one.hint)]
            _lay_out([*networks.values(), *heard])
        return _parts(networks, loaded, words, turns)


def _lay_out(networks: Iterable[Any]) -> None:
    """Channels last, as a CPU's convolutions want pictures, which are then not turned in every layer.

    On a GPU it would be group norms that turn them.
    """
    for network in networks:
        network.to(memory_format=torch.channels_last)


def _turns(
    folder: ModelFolder, controls: Sequence[FoundControl], device: torch.device, dtype: torch.dtype
) -> Turns | None:
    """How networks take turns on a GPU that has no room for all of them; None where all fit, or on a CPU."""
    if device.type == "cpu" or folder.layout.denoiser != "unet":
        return None
    plan = plan_of(folder, [one.folder for one in controls], device, dtype, free_bytes(device))
    return Turns(device) if plan.turns else None


def _parts(
    networks: dict[str, Any], controls: Sequence[Control], words: dict[str, Any], turns: Turns | None
) -> Parts:
    """The loaded networks; ControlNets and what reads their pictures take their turn with the UNet."""
    more = {f"control{n}": one.network for n, one in enumerate(controls)}
    more |= {f"hint{n}": one.hint for n, one in enumerate(controls)}
    made = _taking_turns(networks | more, turns)
    taking = tuple(
        replace(one, network=made.pop(f"control{n}"), hint=made.pop(f"hint{n}"))
        for n, one in enumerate(controls)
    )
    return Parts(controls=taking, **made, **words)


def _taking_turns(networks: dict[str, Any], turns: Turns | None) -> dict[str, Any]:
    """The networks, in three groups if they take turns: text encoders; UNet and ControlNet; autoencoder."""
    if turns is None:
        return networks
    words = {name: one for name, one in networks.items() if name.startswith("text_encoder")}
    vae = {"vae": networks["vae"]}
    rest = {name: one for name, one in networks.items() if name not in (*words, *vae)}
    return turns.wrapped(**words) | turns.wrapped(**rest) | turns.wrapped(**vae)


def _add(added: Added, folder: ModelFolder, networks: dict[str, Any], words: dict[str, Any]) -> None:
    """LoRAs into the weights, textual inversions into the words."""
    for lora in added.loras:
        merge_lora(lora, networks)
    for inversion in added.inversions:
        for name, encoder, tokenizer in zip(
            inversion.names, folder.layout.encoders, folder.layout.tokenizers, strict=True
        ):
            vectors = vectors_of(inversion.path, name)
            add_word(inversion.word, vectors, words[tokenizer], networks[encoder])


def compare_with_configs(folder: ModelFolder, controls: Iterable[ControlFolder]) -> dict[str, nn.Module]:
    """The networks without numbers; raises InputError for a config that does not fit its weights."""
    blank = {}
    for part, weights in folder.weights.items():
        path = folder.place(part)
        blank[part] = _fit(class_of(folder.classes[part], path), path, folder.configs[part], weights)
    for control in controls:
        _fit(class_of(CONTROL, control.path), control.path, control.config, control.weights)
    return blank


def _fit(load: Any, path: Path, config: dict[str, Any], weights: Weights) -> nn.Module:
    there = attempt(path, lambda: as_diffusers(weights, config)) if weights.layout else weights
    return skeleton(load, path, config, there)


def _check_room(needed: int, device: torch.device) -> None:
    free = free_bytes(device)
    if needed > free:
        raise Refused.memory(
            f"the {about('model')} takes {got(needed / 2**30):.1f} GB, {free / 2**30:.1f} GB are free on {device}",
            f"use {option('dtype', 'fp16')}, {option('device', 'cpu')} or a smaller {option('model')}",
        )


def load_network(
    path: Path,
    kind: tuple[str, str],
    weights: Weights,
    device: torch.device,
    dtype: torch.dtype,
    config: dict[str, Any] | None = None,
) -> nn.Module:
    """config: of weights under their authors' names, which have none of their own."""
    load = class_of(kind, path)
    if weights.layout:
        return _from_single(load, path, weights, config or {}, dtype).to(device).eval().requires_grad_(False)
    options: dict[str, Any] = {"torch_dtype" if kind[0] == "diffusers" else "dtype": dtype}
    options |= {"use_safetensors": not weights.pickled, "local_files_only": True, "variant": weights.variant}
    network, told = attempt(path, lambda: load.from_pretrained(path, output_loading_info=True, **options))
    check_missing(path, told["missing_keys"])
    return network.to(device).eval().requires_grad_(False)


def _from_single(load: Any, path: Path, weights: Weights, config: dict[str, Any], dtype: torch.dtype) -> Any:
    """A network whose weights have their authors' names, filled without being made at random first."""
    state = {name: tensor.to(dtype) for name, tensor in read(weights, config).items()}
    if hasattr(load, "from_config"):  # diffusers'
        with torch.device("meta"):
            network = load.from_config(config)
        told = attempt(path, lambda: network.load_state_dict(state, strict=False, assign=True))
        check_missing(path, told.missing_keys)
        return network
    options = {"config": load.config_class.from_dict(config), "state_dict": state, "dtype": dtype}
    network, told = attempt(path, lambda: load.from_pretrained(None, output_loading_info=True, **options))
    check_missing(path, told["missing_keys"])
    return network


def class_of(kind: tuple[str, str], path: Path) -> Any:
    """The class that model_index.json names, from diffusers or transformers and nothing else."""
    library, name = kind
    if library == "diffusers":
        import diffusers as source
    else:
        import transformers as source
    found = getattr(source, name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise Refused.model_config(
            f"{about(path)} is a {name}, which {library} {source.__version__} does not have",
            "use another model",
        )
    return found


def load_tokenizer(path: Path) -> Any:
    if not has_vocabulary(path):
        return attempt(path, lambda: clip_tokenizer(read_json(path / "tokenizer_config.json")))
    from transformers import AutoTokenizer

    # False, not None: with None a folder that brings code makes the library ask at the terminal
    options = {"local_files_only": True, "trust_remote_code": False}
    return attempt(path, lambda: AutoTokenizer.from_pretrained(path, **options))


def _split_hint(controlnet: Any) -> nn.Module:
    """Take the control picture's own layers out, to run them once instead of at every step."""
    hint = controlnet.controlnet_cond_embedding
    controlnet.controlnet_cond_embedding = nn.Identity()
    if controlnet.config.controlnet_conditioning_channel_order == "bgr":
        controlnet.register_to_config(controlnet_conditioning_channel_order="rgb")
        return nn.Sequential(_Reverse(), hint)
    return hint


class _Reverse(nn.Module):
    """RGB to BGR."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.flip(1)
