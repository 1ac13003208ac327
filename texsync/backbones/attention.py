"""Where a word is in a picture, read from a diffusion model's attention while it denoises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..moved import moved
from ..schedule import Span
from .base import Predictor

COARSE = 16  # cells a side: cross-attention of layers up to this size, or a quarter of the latent, is heard


class AttentionRecorder:
    """Averages attention over a run, so that one map of each kind is all that is kept.

    unet: a diffusers UNet2DConditionModel.  tokens: places of the word.  latent: (h, w) of the pictures.
    Cross-attention of all coarse layers is averaged over layers and heads, divided by its largest value in each
    step and averaged over steps; self-attention is that of the last layer of the decoder, averaged likewise.
    Source: SyncSDE (CVPR 2025), Eq. 24, as its code and CSG's have it.
    """

    def __init__(self, unet: Any, tokens: Sequence[int], latent: tuple[int, int]):
        self.unet, self.tokens, self.latent = unet, torch.tensor(list(tokens)), latent
        self.steps = 0
        self._heard: list[Tensor] = []
        self._cross: Tensor | None = None  # both stay where the network is, so that no step waits for a copy
        self._self: Tensor | None = None

    @contextmanager
    def recording(self) -> Iterator[None]:
        """While inside, the network's attention is recorded; afterwards it is as it was."""
        plain = dict(self.unet.attn_processors)
        last = [name for name in plain if name.startswith("up_blocks") and ".attn1." in name][-1]
        watched = {
            name: Beside(processor, self._hear_self if name == last else self._hear_cross)
            if name == last or ".attn2." in name
            else processor
            for name, processor in plain.items()
        }
        self.unet.set_attn_processor(watched)
        try:
            yield
        finally:
            self.unet.set_attn_processor(plain)

    def through(self, predict: Predictor) -> Predictor:
        """The same predictor; every call of it counts as a step."""

        def heard(x: Tensor, span: Span) -> Tensor:
            eps = predict(x, span)
            self._end_step()
            return eps

        return heard

    def foreground(self) -> Tensor:
        """How much each latent cell belongs to the word, (h, w) in [0, 1] (SyncSDE Eq. 25)."""
        assert self._self is not None and self._cross is not None, "nothing was heard"
        return spread_by_self(self._cross / self.steps, self._self / self.steps).cpu()

    def side(self, queries: int) -> tuple[int, int]:
        """(h, w) of a layer with this many queries."""
        height, width = self.latent
        shrink = round((height * width / queries) ** 0.5)
        return -(-height // shrink), -(-width // shrink)

    def _hear_cross(self, weights: Tensor) -> None:
        """weights: (heads, queries, tokens), rows add up to 1."""
        shape = self.side(weights.shape[1])
        if max(shape) <= max(COARSE, max(self.latent) // 4):
            words = weights.index_select(-1, moved(self.tokens, weights.device))
            self._heard.append(words.mean(dim=(0, 2)).float().view(1, 1, *shape))

    def _hear_self(self, weights: Tensor) -> None:
        mean = weights.float().mean(dim=0)
        self._self = mean if self._self is None else self._self + mean

    def _end_step(self) -> None:
        finest = max((tuple(one.shape[-2:]) for one in self._heard), default=(1, 1))
        maps = [functional.interpolate(one, finest, mode="bicubic") for one in self._heard]
        mean = torch.cat(maps).mean(dim=0, keepdim=True)
        mean = mean / mean.max().clamp(min=1e-12)
        step = functional.interpolate(mean, self.latent, mode="bicubic")[0, 0]
        self._cross = step if self._cross is None else self._cross + step
        self._heard.clear()
        self.steps += 1


def spread_by_self(cross: Tensor, self_attention: Tensor) -> Tensor:
    """M_fg: each cell takes the mean of `cross` (h, w) over the cells that it attends to, clamped to [0, 1].

    self_attention: (Q, Q), rows add up to 1, Q cells in the shape of `cross` or a whole number of times coarser.
    """
    height, width = cross.shape
    shrink = round((height * width / len(self_attention)) ** 0.5)
    coarse = functional.avg_pool2d(cross.clamp(0, 1)[None, None], shrink) if shrink > 1 else cross.clamp(0, 1)
    spread = (self_attention @ coarse.flatten()).view(1, 1, -(-height // shrink), -(-width // shrink))
    if shrink > 1:
        spread = functional.interpolate(spread, (height, width), mode="bilinear")
    return spread[0, 0].clamp(0, 1)


def is_fine(unet: Any) -> bool:
    """Does the network attend at its latents' full size, as Eq. 24 wants it?"""
    return "Attn" in unet.config.up_block_types[-1]


class Beside:
    """A diffusers attention processor that lets the plain one work and tells a recorder the weights.

    tell: (heads, queries, keys) of the last picture in the batch, which is the one with the prompt.
    """

    def __init__(self, plain: Any, tell: Any):
        self.plain, self.tell = plain, tell

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states=None, *rest: Any, **more: Any):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        context = (
            context[0] if isinstance(context, tuple) else context
        )  # words, and what is told of a picture
        query = attn.head_to_batch_dim(attn.to_q(hidden_states[-1:]))
        key = attn.head_to_batch_dim(attn.to_k(context[-1:]))
        self.tell(attn.get_attention_scores(query, key))
        return self.plain(attn, hidden_states, encoder_hidden_states, *rest, **more)
