"""What text encoders make of texts, in the form in which a UNet and its ControlNet take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor

from ..moved import moved
from .layout import check_layer

OPENCLIP = 1024, 24  # width and layers of ViT-H's text encoder


@dataclass(frozen=True)
class Embeddings:
    """N texts.  words: (N, tokens, width).  pooled: (N, width) of each text as a whole, for models that read it."""

    words: Tensor
    pooled: Tensor | None = None

    def __getitem__(self, which: Any) -> Embeddings:
        return Embeddings(self.words[which], None if self.pooled is None else self.pooled[which])

    def flat(self) -> Embeddings:
        """Of (2, N, ...) the 2 N ones."""
        return Embeddings(
            self.words.flatten(0, 1), None if self.pooled is None else self.pooled.flatten(0, 1)
        )


class Embed(Protocol):
    """What reads N texts, `TextEncoder.embed` for one.

    negative: they say what is not wanted.  tokens: at least so many for each text, where a text may have more of them.
    clip_skip: which layer is read, 1 the last one, 2 the one before; None: the one that the model was trained with.
    """

    def __call__(
        self, texts: Sequence[str], *, negative: bool = False, tokens: int = 0, clip_skip: int | None = None
    ) -> Embeddings: ...


@dataclass(frozen=True)
class States:
    """(network, ids (N, tokens), mask or None) -> what is read of a text encoder.

    layer: 1 the last one, 2 the one before.  norm: whether the network's final norm comes after it.
    Stable Diffusion 1.x reads the last layer's, 2.x the one before the last; XL that one without norm, and the
    projection of a text as a whole (arXiv:2307.01952).
    """

    layer: int = 1
    norm: bool = True

    def of_layer(self, layer: int | None) -> States:
        return self if layer is None else States(layer, self.norm)

    def __call__(self, network: Any, ids: Tensor, mask: Tensor | None = None) -> Embeddings:
        if self.layer == 1 and self.norm:
            return Embeddings(network(ids, attention_mask=mask)[0])
        check_layer(self.layer, network.config.num_hidden_layers)
        made = network(ids, attention_mask=mask, output_hidden_states=True)
        said = made.hidden_states[-self.layer]
        inside = getattr(network, "text_model", network)
        if self.norm and hasattr(inside, "final_layer_norm"):
            said = inside.final_layer_norm(said)
        return Embeddings(said, getattr(made, "text_embeds", None))


def usual_layer(config: Mapping[str, Any]) -> int:
    """The layer that a Stable Diffusion 1.x or 2.x reads of its only text encoder, by the encoder's config.

    2.x reads the one before the last of OpenCLIP's 24; most folders have it saved without the last.
    """
    return 2 if (config.get("hidden_size"), config.get("num_hidden_layers")) == OPENCLIP else 1


PENULTIMATE = States(2, norm=False)
"""What SDXL reads."""


def both(embed: Embed, prompts: Sequence[str], negatives: Sequence[str], **how: Any) -> Embeddings:
    """Negatives and prompts of N views, (2, N, ...), as many tokens each."""
    positive = embed(prompts, **how)
    negative = embed(negatives, negative=True, tokens=positive.words.shape[1], **how)
    if negative.words.shape[1] > positive.words.shape[1]:
        positive = embed(prompts, tokens=negative.words.shape[1], **how)
    return stacked(negative, positive)


def stacked(negative: Embeddings, positive: Embeddings) -> Embeddings:
    """Both of N views, (2, N, ...)."""
    words = torch.stack([negative.words, positive.words])
    if negative.pooled is None or positive.pooled is None:
        return Embeddings(words)
    return Embeddings(words, torch.stack([negative.pooled, positive.pooled]))


def side_by_side(parts: Sequence[Embeddings]) -> Embeddings:
    """The same texts by several encoders: their channels side by side, and the last one's pooled vectors."""
    return Embeddings(torch.cat([part.words for part in parts], dim=-1), parts[-1].pooled)


def added(pooled: Tensor | None, size: tuple[int, int]) -> dict[str, Any]:
    """How SDXL's networks take pooled words, with the sizes of a picture that is no crop of a larger one.

    size: (height, width) of the picture in pixels, as original and as target size (arXiv:2307.01952, section 2.2).
    """
    if pooled is None:
        return {}
    ids = moved(_sizes(*size), pooled.device).expand(len(pooled), -1)
    return {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": ids}}


@lru_cache(16)
def _sizes(height: int, width: int) -> Tensor:
    return torch.tensor([float(side) for side in (height, width, 0, 0, height, width)])
