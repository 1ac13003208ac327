"""Stable Diffusion 3's words: two of CLIP's text encoders and T5, which may be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .embeddings import Embeddings
from .prompts import TextEncoder
from .tokens import read_tokens

T5_TOKENS = 256  # of a prompt that T5 reads, as diffusers' pipeline has it


@dataclass(frozen=True)
class ThreeEncoders:
    """CLIP's layers before the last side by side, filled up with zeros to T5's width; T5's tokens follow them.

    first, second: see `embeddings.PENULTIMATE`; both pooled vectors go side by side.  tokenizer_3, t5: None for models
    that were saved without; zeros stand for what it would say.  width: of T5's vectors.
    Source: SD3 (arXiv:2403.03206, appendix B.1).
    """

    first: TextEncoder
    second: TextEncoder
    tokenizer_3: Any
    t5: Any
    width: int

    def embed(
        self, texts: Sequence[str], *, negative: bool = False, tokens: int = 0, clip_skip: int | None = None
    ) -> Embeddings:
        """N texts.  See `embeddings.Embed`."""
        how: dict[str, Any] = {"tokens": max(tokens - T5_TOKENS, 0), "clip_skip": clip_skip}
        one, other = self.first.embed(texts, **how), self.second.embed(texts, **how)
        assert one.pooled is not None and other.pooled is not None
        clip = torch.cat([one.words, other.words], dim=-1)
        clip = functional.pad(clip, (0, self.width - clip.shape[-1]))
        words = torch.cat([clip, self._read_by_t5(texts).to(clip)], dim=1)
        return Embeddings(words, torch.cat([one.pooled, other.pooled], dim=-1))

    @torch.no_grad()
    def _read_by_t5(self, texts: Sequence[str]) -> Tensor:
        if self.t5 is None:
            return torch.zeros(len(texts), T5_TOKENS, self.width)
        unique = list(dict.fromkeys(texts))
        how = {"padding": "max_length", "max_length": T5_TOKENS, "truncation": True}
        ids = read_tokens(self.tokenizer_3, unique, return_tensors="pt", **how).input_ids
        said = self.t5(ids.to(self.t5.device))[0]
        return said[[unique.index(text) for text in texts]]

    def check(self) -> None:
        """See `TextEncoder.check`, of CLIP's."""
        self.first.check()
        self.second.check()

    def warn(self, texts: Sequence[str], negatives: Sequence[str] = ()) -> None:
        self.first.warn(texts, negatives)
