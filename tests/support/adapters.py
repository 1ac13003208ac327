"""Image prompts' adapters under their authors' names: shapes as diffusers' own classes have them."""

from __future__ import annotations

import re
from typing import Any

import torch
from diffusers.models.embeddings import ImageProjection, IPAdapterPlusImageProjection

Shapes = dict[str, tuple[int, ...]]


def adapter_shapes(
    unet: Any, seen: int, *, tokens: int = 4, width: int | None = None, heads: int = 1
) -> Shapes:
    """Of every tensor in an adapter's file.

    unet: the model's, on any device.  seen: channels that CLIP gives.  tokens: that a picture becomes.
    width: of a "plus" adapter's resampler, of 64 channels a head; None: it reads CLIP's summary.
    """
    words = unet.config.cross_attention_dim
    with torch.device("meta"):
        if width is None:
            head: Any = ImageProjection(seen, words, tokens)
            names = {name: name.replace("image_embeds", "proj") for name in head.state_dict()}
        else:
            head = IPAdapterPlusImageProjection(seen, words, width, heads=heads, num_queries=tokens)
            names = {name: _original(name) for name in head.state_dict()}
    found = {f"image_proj.{names[name]}": tuple(one.shape) for name, one in head.state_dict().items()}
    for name in [name for name in found if name.endswith(".to_k.weight")]:  # one matrix for keys and values
        rows, columns = found.pop(name)
        del found[name.replace("to_k", "to_v")]
        found[name.replace("to_k", "to_kv")] = (2 * rows, columns)
    for number, name in enumerate(unet.attn_processors):
        if ".attn2." in name:
            rows = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
            found |= {f"ip_adapter.{number}.{kind}_ip.weight": (rows, words) for kind in ("to_k", "to_v")}
    return found


def _original(name: str) -> str:
    """A resampler's weight as its authors call it; a layer is attention, 0, and what feeds forward, 1."""
    for theirs, ours in (("ln0", "0.norm1"), ("ln1", "0.norm2"), ("attn", "0"), ("ff.0", "1.0"),
                         ("ff.1.net.0.proj", "1.1"), ("ff.1.net.2", "1.3")):  # fmt: skip
        name = re.sub(rf"^(layers\.\d+)\.{re.escape(theirs)}\.", rf"\1.{ours}.", name)
    return name.replace("to_out.0", "to_out")
