"""What text encoders make of texts, in the form in which a UNet and its ControlNet take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


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
    """What reads N texts, `TextEncoder.embed` for one; `negative` where they say what is not wanted."""

    def __call__(self, texts: Sequence[str], *, negative: bool = False) -> Embeddings: ...


States = Callable[[Any, Tensor, Tensor | None], Embeddings]
"""(network, ids (N, tokens), mask or None) -> what is read of the network."""


def stacked(negative: Embeddings, positive: Embeddings) -> Embeddings:
    """Both of N views, (2, N, ...)."""
    words = torch.stack([negative.words, positive.words])
    if negative.pooled is None or positive.pooled is None:
        return Embeddings(words)
    return Embeddings(words, torch.stack([negative.pooled, positive.pooled]))


def side_by_side(parts: Sequence[Embeddings]) -> Embeddings:
    """The same texts by several encoders: their channels side by side, and the last one's pooled vectors."""
    return Embeddings(torch.cat([part.words for part in parts], dim=-1), parts[-1].pooled)


def last_states(network: Any, ids: Tensor, mask: Tensor | None = None) -> Embeddings:
    """What Stable Diffusion 1.x and 2.x read: the encoder's output."""
    return Embeddings(network(ids, attention_mask=mask)[0])


def penultimate_states(network: Any, ids: Tensor, mask: Tensor | None = None) -> Embeddings:
    """What SDXL reads: the layer before the last one's, and the projection of a text as a whole (arXiv:2307.01952)."""
    made = network(ids, attention_mask=mask, output_hidden_states=True)
    return Embeddings(made.hidden_states[-2], getattr(made, "text_embeds", None))


def added(pooled: Tensor | None, size: tuple[int, int]) -> dict[str, Any]:
    """How SDXL's networks take pooled words, with the sizes of a picture that is no crop of a larger one.

    size: (height, width) of the picture in pixels, as original and as target size (arXiv:2307.01952, section 2.2).
    """
    if pooled is None:
        return {}
    height, width = size
    sizes = [float(side) for side in (height, width, 0, 0, height, width)]
    ids = torch.tensor(sizes, device=pooled.device).expand(len(pooled), -1)
    return {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": ids}}
