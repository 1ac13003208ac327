"""A network as its config describes it, on torch's meta device: shapes without numbers, so nothing is allocated.

A folder's config is compared with its weights before a byte of them is read; what was read is then run once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import Refused, TexsyncError, about, got, out_of_memory
from .embeddings import PENULTIMATE, Embeddings, States, added, side_by_side
from .weights import Weights

META = torch.device("meta")
SPARE = 2**20  # numbers that a network may have beyond its file's, such as tables that it computes
REMEDY = "fetch or save the model again"
FAILS = "does not run"
T = 500  # any timestep
WORDS = 4  # tokens
OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # of autoencoders' attention
WHOLE = ("CLIPText", "T5Encoder")  # beside diffusers' own: their files hold every weight under today's names


def attempt(path: Path, job: Callable[[], Any], what: str = "cannot be loaded", remedy: str = REMEDY) -> Any:
    """What job() returns; whatever a library raises over wrong input becomes one InputError that names the path."""
    try:
        return job()
    except (TexsyncError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # tokenizers' panics are no Exception
        if out_of_memory(error) and what != FAILS:  # what fails at its smallest does not lack memory
            raise
        raise Refused.model_damaged(f"{about(path)} {what} ({first_line(error)})", remedy) from error


def first_line(error: BaseException, most: int = 200) -> str:
    """The first line of an error that says something, or its class."""
    lines = (" ".join(line.split()) for line in str(error).splitlines())
    return next((line[:most] for line in lines if line), type(error).__name__)


def skeleton(cls: Any, path: Path, config: Mapping[str, Any], weights: Weights) -> nn.Module:
    """The network on the meta device; raises InputError if it is not the one whose weights these are."""
    _check_counts(path, config, len(weights.shapes))
    network = attempt(path, lambda: _build(cls, dict(config)))
    _compare(path, network, weights)
    if cls.__name__.startswith(WHOLE) or hasattr(cls, "from_config"):
        check_missing(path, _lacking(network, weights))
    return network


def described(cls: Any, path: Path, config: Mapping[str, Any]) -> Weights:
    """The weights of a network that is not there, by its config in `path`."""
    network = attempt(path, lambda: _build(cls, dict(config)))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    return Weights((), None, sum(map(math.prod, shapes.values())), shapes)


def _build(cls: Any, config: dict[str, Any]) -> nn.Module:
    with META:
        if hasattr(cls, "from_config"):
            return cls.from_config(config)
        return cls(cls.config_class.from_dict(config))


def _check_counts(path: Path, config: Mapping[str, Any], tensors: int) -> None:
    """Raises InputError for more layers than there are tensors; merely to build them would take for ever."""
    for name, value in config.items():
        if "layers" in name and max(_numbers(value), default=0) > tensors:
            raise Refused.model_damaged(
                f"{about(path)} has {name} {got(value):r.60}, its weights are {tensors} tensors", REMEDY
            )


def _numbers(value: Any) -> list[float]:
    if isinstance(value, (list, tuple)):
        return [number for one in value for number in _numbers(one)]
    return [value] if isinstance(value, (int, float)) else []


def _compare(path: Path, network: nn.Module, weights: Weights) -> None:
    for name, mine in network.state_dict().items():
        there = weights.shapes.get(name)  # old files have other names for some
        if there is not None and tuple(mine.shape) != there:
            told = f"{name} would be {tuple(mine.shape)}, in the weights it is {there}"
            raise Refused.model_damaged(
                f"the config of {about(path)} does not fit its weights: {told}", REMEDY
            )
    asked = sum(parameter.numel() for parameter in network.parameters())
    if asked > 2 * weights.numbers + SPARE:
        raise Refused.model_damaged(
            f"the config of {about(path)} asks for {asked:,} numbers, its weights are {weights.numbers:,}",
            REMEDY,
        )


def _lacking(network: nn.Module, weights: Weights) -> list[str]:
    """Parameters that the files do not have; one that has several names needs one of them."""
    have = {bare(modern(name)) for name in weights.shapes}
    names: dict[int, list[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return [same[0] for same in names.values() if not any(bare(name) in have for name in same)]


def check_missing(path: Path, names: Iterable[str]) -> None:
    """Raises InputError if there are any."""
    missing = sorted(names)
    if missing:
        raise Refused.model_damaged(
            f"{about(path)} lacks {len(missing)} weights, {missing[0]} first", "fetch the model again"
        )


def modern(name: str) -> str:
    """A weight's name today; autoencoders were saved with others for their attention."""
    place, dot, last = name.rpartition(".")
    start, _, layer = place.rpartition(".")
    return f"{start}.{OLD[layer]}{dot}{last}" if layer in OLD and ".attentions." in name else name


def bare(name: str) -> str:
    """A weight's name as it is whether or not transformers puts its network into another."""
    return name.removeprefix("text_model.")


@torch.no_grad()
def rehearse(networks: Mapping[str, Any], folder: Path, channels: int, scale: int) -> None:
    """Run text encoders, autoencoder, ControlNet and UNet once at their smallest; raises InputError for one that fails.

    channels: of the latents.  scale: pixels per latent cell along a side.
    """
    unet, vae, controlnet = networks["unet"], networks["vae"], networks.get("controlnet")
    cells = 2 ** (len(unet.config.block_out_channels) - 1)
    x = torch.zeros(1, channels, cells, cells, dtype=unet.dtype, device=unet.device)
    picture = x.new_zeros(1, 3, scale * cells, scale * cells)
    t = torch.full((1,), T, device=unet.device)
    said = _rehearse_words(networks, folder, unet.device)
    words, more = said.words, added(said.pooled, (scale * cells, scale * cells))
    _run(folder / "vae", lambda: vae.encode(picture.to(vae.dtype)).latent_dist.mode(), tuple(x.shape))
    _run(folder / "vae", lambda: vae.decode(x.to(vae.dtype)).sample, tuple(picture.shape))
    if controlnet is not None:
        call = {"controlnet_cond": picture, "return_dict": False, **more}
        down, middle = attempt(folder / "controlnet", lambda: controlnet(x, t, words, **call), FAILS)
        more |= {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
    _run(folder / "unet", lambda: unet(x, t, words, return_dict=False, **more)[0], tuple(x.shape))


def _rehearse_words(networks: Mapping[str, Any], folder: Path, device: torch.device) -> Embeddings:
    ids = torch.zeros(1, WORDS, dtype=torch.long, device=device)
    names = [name for name in ("text_encoder", "text_encoder_2") if name in networks]
    read = States() if len(names) == 1 else PENULTIMATE
    said = [attempt(folder / name, lambda name=name: read(networks[name], ids), FAILS) for name in names]  # type: ignore[misc]
    for name, one in zip(names, said, strict=True):
        _check_shape(folder / name, one.words, (1, WORDS, networks[name].config.hidden_size))
    return side_by_side(said)


def _run(path: Path, job: Callable[[], Any], shape: tuple[int, ...]) -> Any:
    made = attempt(path, job, FAILS)
    _check_shape(path, made, shape)
    return made


def _check_shape(path: Path, made: torch.Tensor, shape: tuple[int, ...]) -> None:
    if tuple(made.shape) != shape:
        raise Refused.model_damaged(
            f"{about(path)} makes {tuple(made.shape)} where {shape} is expected", REMEDY
        )
