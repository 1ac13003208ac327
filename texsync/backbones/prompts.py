"""Words: one prompt per view, and what the text encoder makes of it."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import Refused, TexsyncWarning, about, got
from .embeddings import Embeddings, States, last_states
from .meta import attempt
from .near_words import Near, in_words, read_as

ENOUGH = 512  # tokens, for encoders that have no limit of their own


def view_prompts(
    prompt: str,
    names: Sequence[str],
    *,
    prefix: str = "",
    negative: str = "",
    shorten: Callable[[str, Sequence[str]], str] = lambda text, endings: text,
) -> tuple[list[str], list[str]]:
    """(prompts, negatives), one each per view: "{prefix}{prompt}, front view."

    names: N words such as "front", "side", "back"; an empty name adds nothing.
    shorten: (text, endings) -> the start of the text that leaves room for each ending, see `TextEncoder.shorten`:
    a long prompt must not cost a view its name.
    Views other than the front are told away from it, which keeps faces off the back.
    Source: the authors' mesh code, which follows SyncMVD.
    """
    text = shorten(f"{prefix}{prompt}", [f", {_with_view('', name)}" for name in names])
    return (
        [_with_view(text, name) for name in names],
        [_with_view(negative, "" if name == "front" else "front") for name in names],
    )


def _with_view(text: str, name: str) -> str:
    if not name:
        return text
    text = text.rstrip(" .,")
    return f"{text}, {name} view." if text else f"{name} view."


def read_tokens(tokenizer: Any, texts: Any, **options: Any) -> Any:
    """What a transformers tokenizer makes of texts; raises InputError for whatever it raises."""
    place = getattr(tokenizer, "name_or_path", "") or "the tokenizer"
    return attempt(Path(place), lambda: tokenizer(texts, **options), f"cannot read {texts!r:.60}")


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and its network, as transformers loads them."""

    tokenizer: Any
    network: Any
    near: Near = field(default_factory=dict)  # words that the network reads as others
    states: States = last_states  # which of the network's layers is read

    @property
    def length(self) -> int:
        """Tokens that are read of a text, start and end marks included."""
        longest = getattr(self.network.config, "max_position_embeddings", ENOUGH)
        return min(self.tokenizer.model_max_length, longest)

    def check(self) -> None:
        """Raises InputError for a tokenizer that cannot read, or that reads what the network does not know."""
        least = self.tokenizer.num_special_tokens_to_add() + 1
        longest = self.tokenizer.model_max_length
        if isinstance(longest, bool) or not isinstance(longest, (int, float)) or not longest >= least:
            raise Refused.model_config(
                f"the {about('tokenizer')} has model_max_length {got(longest)!r:.60}",
                f"expected at least {least}",
            )
        self(["a"])
        self._spans("a")
        self.unknown_words("a")
        self.close_words("a")

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """N texts to (N, tokens, width), in the network's dtype."""
        return self.embed(texts).words

    @torch.no_grad()
    def embed(self, texts: Sequence[str], *, negative: bool = False) -> Embeddings:
        """What the network makes of N texts, in its dtype; equal texts are read once."""
        unique = list(dict.fromkeys(texts))
        options = {"padding": "max_length", "max_length": int(self.length), "truncation": True}
        tokens = read_tokens(self.tokenizer, unique, return_tensors="pt", **options)
        known = self.network.get_input_embeddings().num_embeddings
        if int(tokens.input_ids.max()) >= known:
            raise Refused.model_config(
                f"the {about('tokenizer')} has token {int(tokens.input_ids.max())}, the text encoder knows {known}",
                "choose a model whose parts belong together",
            )
        device = self.network.device
        masked = getattr(self.network.config, "use_attention_mask", False)
        mask = tokens.attention_mask.to(device) if masked else None
        said = self.states(self.network, tokens.input_ids.to(device), mask)
        return said[[unique.index(text) for text in texts]]

    def shorten(self, text: str, endings: Sequence[str]) -> str:
        """The first words of `text` that leave room for any of the endings; warns (TexsyncWarning) of the rest."""
        spans = self._spans(text)
        taken = max(len(self._spans(ending)) for ending in endings)
        room = max(self.length - self.tokenizer.num_special_tokens_to_add() - taken, 1)
        if len(spans) <= room:
            return text
        words = [word for word in re.finditer(r"\S+", text) if word.end() <= spans[room - 1][2]]
        end = words[-1].end() if words else spans[room - 1][2]
        self._warn_of_cut(text[end:].strip())
        return text[:end]

    def warn(self, texts: Sequence[str]) -> None:
        """Warn about words that are not read as they stand: those past the length, unknown ones, approximated ones."""
        cut = max((self.cut_words(text) for text in dict.fromkeys(texts)), key=len, default="")
        if cut:
            self._warn_of_cut(cut)
        if understood := read_as(texts, self.near):
            message = f"words that the model reads as the nearest that it knows: {in_words(understood)}"
            warnings.warn(message, TexsyncWarning, stacklevel=2)
        unknown = dict.fromkeys(word for text in texts for word in self.unknown_words(text))
        if unknown:
            near = [
                f"{word} (perhaps {' or '.join(close)})"
                for word in unknown
                if (close := self.close_words(word))
            ]
            message = f"words the model does not know: {', '.join(unknown)}; use others"
            message += f"; spelt alike: {', '.join(near)}" if near else ""
            warnings.warn(message, TexsyncWarning, stacklevel=2)

    def _warn_of_cut(self, cut: str) -> None:
        message = f"the prompt is longer than the {self.length} tokens the model reads; not read: {cut!r}"
        warnings.warn(message, TexsyncWarning, stacklevel=3)

    def cut_words(self, text: str) -> str:
        """The end of the text that does not fit."""
        room = self.length - self.tokenizer.num_special_tokens_to_add()
        spans = self._spans(text)
        return text[spans[room][1] :].strip() if len(spans) > room else ""

    def unknown_words(self, text: str) -> list[str]:
        """Words of the text that have no token of their own, each once."""
        # CLIP's unknown token is its end mark, so the id alone tells nothing: ask only tokens that cover text
        unknown = self.tokenizer.unk_token_id
        starts = [start for token, start, _ in self._spans(text) if unknown is not None and token == unknown]
        words = [
            m.group() for m in re.finditer(r"[\w'-]+", text) if any(m.start() <= s < m.end() for s in starts)
        ]
        return list(dict.fromkeys(words))

    def close_words(self, word: str) -> list[str]:
        """Up to two words of the model's own that are spelt much like this one."""
        return difflib.get_close_matches(word.lower(), self.tokenizer.get_vocab(), n=2, cutoff=0.75)

    def _spans(self, text: str) -> list[tuple[int, int, int]]:
        """(token id, first character, character after the last) of every token, marks excluded."""
        options = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
        tokens = read_tokens(self.tokenizer, text, **options)
        return [(i, *span) for i, span in zip(tokens["input_ids"], tokens["offset_mapping"], strict=True)]
