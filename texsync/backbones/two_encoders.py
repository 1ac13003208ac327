"""Stable Diffusion XL's words: two text encoders that read the same prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .embeddings import PENULTIMATE, Embeddings, side_by_side
from .prompts import TextEncoder


@dataclass(frozen=True)
class TwoEncoders:
    """Both read a text's layer before the last; their channels go side by side, the second one's pooled vector beside.

    zero_empty: an empty negative prompt is no text but zeros, as the model's index may say of how it was trained.
    Source: SDXL (arXiv:2307.01952, section 2.1).
    """

    first: TextEncoder
    second: TextEncoder
    zero_empty: bool = True

    @property
    def tokenizer(self) -> Any:
        """The first one's; both know the same words."""
        return self.first.tokenizer

    def embed(
        self, texts: Sequence[str], *, negative: bool = False, tokens: int = 0, clip_skip: int | None = None
    ) -> Embeddings:
        """N texts; equal ones are read once.  See `Embed`."""
        how: dict[str, Any] = {"tokens": tokens, "clip_skip": clip_skip}
        said = side_by_side([self.first.embed(texts, **how), self.second.embed(texts, **how)])
        if not (negative and self.zero_empty):
            return said
        empty = [i for i, text in enumerate(texts) if not text]
        for one in (said.words, said.pooled):
            if one is not None:
                one[empty] = 0
        return said

    def check(self) -> None:
        """See `TextEncoder.check`, of both."""
        self.first.check()
        self.second.check()

    def places(self, prompt: str, words: str) -> list[int]:
        return self.first.places(prompt, words)

    def warn(self, texts: Sequence[str], negatives: Sequence[str] = ()) -> None:
        self.first.warn(texts, negatives)


def two_encoders(first: TextEncoder, second: TextEncoder, *, zero_empty: bool) -> TwoEncoders:
    """Both, reading what SDXL reads of them."""
    one, other = (replace(encoder, states=PENULTIMATE) for encoder in (first, second))
    return TwoEncoders(one, other, zero_empty)
