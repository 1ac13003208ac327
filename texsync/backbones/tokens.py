"""Prompts as tokens: with their weights, in pieces of the length that a text encoder reads at once, or cut there."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Refused, TexsyncWarning, about
from ..options.prompt_grammar import parse
from .meta import attempt


@dataclass(frozen=True)
class Token:
    """One token of a prompt.  start, end: characters of the prompt's plain words that it stands for."""

    number: int
    start: int
    end: int
    weight: float = 1.0


def read_tokens(tokenizer: Any, texts: Any, **options: Any) -> Any:
    """What a transformers tokenizer makes of texts; raises InputError for whatever it raises."""
    place = getattr(tokenizer, "name_or_path", "") or "the tokenizer"
    return attempt(Path(place), lambda: tokenizer(texts, **options), f"cannot read {texts!r:.60}")


def spans_of(tokenizer: Any, text: str, start: int = 0, weight: float = 1.0) -> list[Token]:
    """The tokens of a text as it stands, marks excluded.  start: of the text in a longer one."""
    options = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
    read = read_tokens(tokenizer, text, **options)
    return [
        Token(number, start + first, start + last, weight)
        for number, (first, last) in zip(read["input_ids"], read["offset_mapping"], strict=True)
    ]


def chunks_of(tokenizer: Any, prompt: str, room: int) -> list[list[Token]]:
    """A prompt's tokens in chunks of at most `room`, at least one; a new one begins at each BREAK."""
    chunks, start = [], 0
    for part in parse(prompt):
        tokens: list[Token] = []
        for piece in part:
            tokens += spans_of(tokenizer, piece.text, start, piece.weight)
            start += len(piece.text)
        start += 1  # the blank that parts them in the plain words
        chunks += [tokens[k : k + room] for k in range(0, max(len(tokens), 1), room)]
    return chunks


@dataclass(frozen=True)
class TokenFrame:
    """What surrounds a chunk: marks before and after it, and padding up to a length."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    padding: int
    length: int

    @property
    def room(self) -> int:
        """Tokens that a chunk may have."""
        return self.length - len(self.before) - len(self.after)

    def ids(self, tokens: Sequence[Token]) -> tuple[int, ...]:
        inside = (*self.before, *(token.number for token in tokens), *self.after)
        return inside + (self.padding,) * (self.length - len(inside))

    def used(self, tokens: Sequence[Token]) -> int:
        """Places that are not padding."""
        return len(self.before) + len(tokens) + len(self.after)


def frame_of(tokenizer: Any, length: int) -> TokenFrame:
    """As the tokenizer itself marks and pads one text; raises InputError for one that cannot pad."""
    if tokenizer.pad_token_id is None:
        place = getattr(tokenizer, "name_or_path", "") or "the tokenizer"
        raise Refused.model_config(f"{about(place)} has no padding token", "fetch or save the model again")
    read = read_tokens(tokenizer, "a", return_special_tokens_mask=True)
    ids, marks = read["input_ids"], read["special_tokens_mask"]
    first = marks.index(0) if 0 in marks else len(marks)
    last = len(marks) - marks[::-1].index(0) if 0 in marks else len(marks)
    return TokenFrame(tuple(ids[:first]), tuple(ids[last:]), int(tokenizer.pad_token_id), length)


# ---- for encoders that read one chunk only


def shortened(tokenizer: Any, text: str, endings: Sequence[str], room: int) -> str:
    """The first words of `text` that leave room for any of the endings; warns (TexsyncWarning) of the rest."""
    spans = spans_of(tokenizer, text)
    left = max(room - max(len(spans_of(tokenizer, ending)) for ending in endings), 1)
    if len(spans) <= left:
        return text
    words = [word for word in re.finditer(r"\S+", text) if word.end() <= spans[left - 1].end]
    end = words[-1].end() if words else spans[left - 1].end
    warn_of_cut(text[end:].strip(), room)
    return text[:end]


def cut_words(tokenizer: Any, texts: Sequence[str], room: int) -> str:
    """The longest end of a text that does not fit."""
    cut = ""
    for text in dict.fromkeys(texts):
        spans = spans_of(tokenizer, text)
        if len(spans) > room:
            cut = max(cut, text[spans[room].start :].strip(), key=len)
    return cut


def warn_of_cut(cut: str, room: int, what: str = "the prompt") -> None:
    message = f"{what} is longer than the {room} tokens that the model reads; not read: {cut!r}"
    warnings.warn(message, TexsyncWarning, stacklevel=3)
