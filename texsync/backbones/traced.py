"""How much memory a network takes at most, counted without the numbers: its code is run on torch's meta device.

Every tensor that an operation makes counts from then until nobody holds it any more.  Attention counts as its fused
kernels do, which keep no matrix of all pairs; what convolutions lay out anew is added where a device does so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .quiet import quiet

META = torch.device("meta")
TOKENS = 77
CONVOLUTION = torch.ops.aten.convolution.default


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of what is made while it is entered.  peak: the most at one time.

    relayout: whether a convolution keeps copies of what goes in and comes out, as those of a CPU do.
    """

    def __init__(self, relayout: bool = False):
        super().__init__()
        self.relayout, self.peak = relayout, 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self._before: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for storage in _storages((args, kwargs)):
            if storage._cdata not in self._alive:
                self._before.add(storage._cdata)  # weights, and what goes in
        made = func(*args, **(kwargs or {}))
        for storage in _storages(made):
            if storage._cdata not in self._before:
                self._alive.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))
        extra = sum(one.nbytes for one in (args[0], made)) if self.relayout and func is CONVOLUTION else 0
        self._alive = {key: held for key, held in self._alive.items() if not held[0].expired()}
        self.peak = max(self.peak, extra + sum(size for _, size in self._alive.values()))
        return made


def _storages(values: Any) -> list[Any]:
    return [one.untyped_storage() for one in tree_leaves(values) if isinstance(one, Tensor)]


@contextmanager
def fused_attention() -> Iterator[None]:
    """Inside, attention of the meta device makes its result and nothing else, as fused kernels do."""
    plain = functional.scaled_dot_product_attention

    def fused(query: Tensor, key: Tensor, value: Tensor, *rest: Any, **more: Any) -> Tensor:
        if query.device != META:
            return plain(query, key, value, *rest, **more)
        return query.new_empty(*query.shape[:-1], value.shape[-1])

    functional.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = plain


def peak_bytes(job: Callable[[], Any], relayout: bool = False) -> int:
    """The most bytes that job() holds at one time, beside what was there before."""
    counted = LiveBytes(relayout)
    with torch.no_grad(), fused_attention(), counted:
        job()
    return counted.peak


def denoise_peak(
    unet: Mapping[str, Any],
    control: Mapping[str, Any] | None,
    latent: tuple[int, ...],
    dtype: torch.dtype,
    copies: int,
    relayout: bool,
) -> int:
    """Bytes that a UNet, and a ControlNet before it, take for `copies` pictures of latent shape (C, h, w).

    unet, control: their configs.
    """
    key = json.dumps([_plain(unet), None if control is None else _plain(control)], default=str)
    return _denoise_peak(key, tuple(latent), dtype, copies, relayout)


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if not name.startswith("_")}


@lru_cache(32)
def _denoise_peak(key: str, latent: tuple[int, ...], dtype: torch.dtype, copies: int, relayout: bool) -> int:
    from diffusers import ControlNetModel, UNet2DConditionModel

    unet_config, control_config = json.loads(key)
    unet = _blank(UNet2DConditionModel, unet_config, dtype)
    control = None if control_config is None else _blank(ControlNetModel, control_config, dtype)
    words = unet_config.get("encoder_hid_dim") or unet_config.get("cross_attention_dim", 1280)
    with META:
        x = torch.empty(copies, *latent, dtype=dtype)
        said = torch.empty(copies, TOKENS, words, dtype=dtype)
        t = torch.full((copies,), 500)
        more = _sizes(unet_config, copies, dtype)
        if control is not None:
            control.controlnet_cond_embedding = nn.Identity()
            hint = torch.empty(copies, control.config.block_out_channels[0], *latent[1:], dtype=dtype)

    def job() -> Any:
        residuals: dict[str, Any] = {}
        if control is not None:
            down, middle = control(x, t, said, controlnet_cond=hint, return_dict=False, **more)
            residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        return unet(x, t, said, return_dict=False, **residuals, **more)

    return peak_bytes(job, relayout) + x.nbytes + said.nbytes + (0 if control is None else hint.nbytes)


def _sizes(config: Mapping[str, Any], copies: int, dtype: torch.dtype) -> dict[str, Any]:
    """What SDXL's networks, and those that know classes, are told beside the words."""
    if config.get("num_class_embeds"):
        return {"class_labels": torch.zeros(copies, dtype=torch.long)}
    if config.get("addition_embed_type") != "text_time":
        return {}
    width = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
    pooled = torch.empty(copies, width, dtype=dtype)
    return {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": torch.empty(copies, 6)}}


def decode_peak(vae: Mapping[str, Any], height: int, width: int, dtype: torch.dtype, relayout: bool) -> int:
    """Bytes that an autoencoder takes to decode one picture of height x width pixels.  vae: its config."""
    return _decode_peak(json.dumps(_plain(vae), default=str), height, width, dtype, relayout)


@lru_cache(64)
def _decode_peak(key: str, height: int, width: int, dtype: torch.dtype, relayout: bool) -> int:
    from diffusers import AutoencoderKL

    config = json.loads(key)
    vae = _blank(AutoencoderKL, config, dtype)
    scale = 2 ** (len(config["block_out_channels"]) - 1)
    with META:
        cells = max(1, -(-height // scale)), max(1, -(-width // scale))
        z = torch.empty(1, config.get("latent_channels", 4), *cells, dtype=dtype)
    return peak_bytes(lambda: vae.decode(z).sample, relayout) + z.nbytes


def _blank(cls: Any, config: dict[str, Any], dtype: torch.dtype) -> Any:
    with META, quiet("diffusers"):
        return cls.from_config(config).to(dtype).eval()
