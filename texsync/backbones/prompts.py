"""Words: one prompt per view, and what the text encoder makes of it."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import Refused, TexsyncWarning, about, got
from ..options.prompt_grammar import plain, without_tags
from .embeddings import Embeddings, States
from .near_words import Near, in_words, read_as
from .prompt_words import find_words
from .tokens import Token, TokenFrame, chunks_of, frame_of, spans_of

ENOUGH = 512  # tokens, for encoders that have no limit of their own
TRIGGER = re.compile(r"<[\w.-]+>|\bembedding:([\w.-]+)")  # how prompts call a textual inversion


def view_prompts(
    prompt: str | Sequence[str],
    names: Sequence[str],
    *,
    prefix: str = "",
    negative: str = "",
    shorten: Callable[[str, Sequence[str]], str] = lambda text, endings: text,
) -> tuple[list[str], list[str]]:
    """(prompts, negatives), one each per view: "{prefix}{prompt}, front view."

    prompt: of all views, or N, one each.  names: N words such as "front", "side", "back"; an empty name adds nothing.
    shorten: (text, endings) -> the start of the text that leaves room for each ending, see `Backbone.shorten`:
    a long prompt must not cost a view its name.
    Views other than the front are told away from it, which keeps faces off the back.
    Source: the authors' mesh code, which follows SyncMVD.
    """
    prompts = [prompt] * len(names) if isinstance(prompt, str) else prompt
    endings = [f", {_with_view('', name)}" for name in names]
    text = {one: shorten(f"{prefix}{one}", endings) for one in dict.fromkeys(prompts)}
    return (
        [_with_view(text[one], name) for one, name in zip(prompts, names, strict=True)],
        [_with_view(negative, "" if name == "front" else "front") for name in names],
    )


def _with_view(text: str, name: str) -> str:
    if not name:
        return text
    text = text.rstrip(" .,")
    return f"{text}, {name} view." if text else f"{name} view."


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and its network, as transformers loads them.

    A prompt longer than the network reads at once is read in chunks of that length, whose vectors follow each other.
    A word of weight w has empty + w (word - empty), where `empty` is what the network says of no text at that place.
    """

    tokenizer: Any
    network: Any
    near: Near = field(default_factory=dict)  # words that the network reads as others
    states: States = States()  # which of the network's layers is read

    @property
    def length(self) -> int:
        """Tokens that are read at once, start and end marks included."""
        longest = getattr(self.network.config, "max_position_embeddings", ENOUGH)
        return int(min(self.tokenizer.model_max_length, longest))

    @property
    def frame(self) -> TokenFrame:
        return frame_of(self.tokenizer, self.length)

    def check(self) -> None:
        """Raises InputError for a tokenizer that cannot read, or that reads what the network does not know."""
        least = self.tokenizer.num_special_tokens_to_add() + 1
        longest = self.tokenizer.model_max_length
        if isinstance(longest, bool) or not isinstance(longest, (int, float)) or not longest >= least:
            raise Refused.model_config(
                f"the {about('tokenizer')} has model_max_length {got(longest):r.60}",
                f"expected at least {least}",
            )
        self(["a"])
        self.unknown_words("a")
        self.close_words("a")

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """N texts to (N, tokens, width), in the network's dtype."""
        return self.embed(texts).words

    @torch.no_grad()
    def embed(
        self, texts: Sequence[str], *, negative: bool = False, tokens: int = 0, clip_skip: int | None = None
    ) -> Embeddings:
        """What the network makes of N texts, in its dtype; equal ones are read once.  See `Embed`."""
        frame, unique = self.frame, list(dict.fromkeys(texts))
        read = [chunks_of(self.tokenizer, self.called(text), frame.room) for text in unique]
        most = max(*map(len, read), -(-tokens // frame.length))
        rows = [chunk for text in read for chunk in text + [[]] * (most - len(text))]
        used = {frame.ids(row): frame.used(row) for row in [[], *rows]}
        said, distinct = self._read(frame, used, clip_skip), list(used)
        words = self._weighed(frame, rows, said.words[[distinct.index(frame.ids(row)) for row in rows]], said)
        made = Embeddings(words.unflatten(0, (len(unique), most)).flatten(1, 2))
        if said.pooled is not None:
            first = [distinct.index(frame.ids(row)) for row in rows[::most]]
            made = Embeddings(made.words, said.pooled[first])
        return made[[unique.index(text) for text in texts]]

    def _read(self, frame: TokenFrame, rows: dict[tuple[int, ...], int], clip_skip: int | None) -> Embeddings:
        """rows: the numbers of a chunk's tokens, and how many of them are no padding; the first is the empty one."""
        ids = torch.tensor(list(rows))
        known = self.network.get_input_embeddings().num_embeddings
        if int(ids.max()) >= known:
            raise Refused.model_config(
                f"the {about('tokenizer')} has token {got(int(ids.max()))}, the text encoder knows {known}",
                "choose a model whose parts belong together",
            )
        mask = None
        if getattr(self.network.config, "use_attention_mask", False):
            used = torch.tensor(list(rows.values()))
            mask = (torch.arange(frame.length) < used[:, None]).long().to(self.network.device)
        return self.states.of_layer(clip_skip)(self.network, ids.to(self.network.device), mask)

    def _weighed(self, frame: TokenFrame, rows: list[list[Token]], words: Tensor, said: Embeddings) -> Tensor:
        """words: (R, tokens, width) of the chunks `rows`, each word as far from no text as its weight says."""
        weights = torch.ones(words.shape[:2])
        for weight, row in zip(weights, rows, strict=True):
            for place, token in enumerate(row, len(frame.before)):
                weight[place] = token.weight
        if (weights == 1).all():
            return words
        empty = said.words[0].float()
        scaled = empty + weights[..., None].to(words.device) * (words.float() - empty)
        return torch.where((weights == 1)[..., None].to(words.device), words, scaled.to(words.dtype))

    def called(self, text: str) -> str:
        """The prompt with the tokens of the embeddings that it calls, and without calls of those that are not there.

        An embedding of several vectors has the tokens name, name_1, name_2, as diffusers adds them.
        """
        added = self.tokenizer.get_added_vocab()
        text = TRIGGER.sub(lambda call: _token_of(call, self.tokenizer.get_vocab()), without_tags(text))
        for name in (name for name in added if f"{name}_1" in added and name in text):
            more = [f"{name}_{k}" for k in range(1, len(added)) if f"{name}_{k}" in added]
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ".join([name, *more]), text)
        return text

    def places(self, prompt: str, words: str) -> list[int]:
        """Where one word, or several in a row, stand among the vectors of a prompt; a split word has several places.

        Raises InputError if they are not in the prompt; it lists those that are.
        """
        prompt = self.called(prompt)
        start, end = find_words(plain(prompt), words)
        frame = self.frame
        return [
            chunk * frame.length + place
            for chunk, row in enumerate(chunks_of(self.tokenizer, prompt, frame.room))
            for place, token in enumerate(row, len(frame.before))
            if token.start < token.end and token.start < end and token.end > start
        ]

    def warn(self, texts: Sequence[str], negatives: Sequence[str] = ()) -> None:
        """Warn about words that are not read as they stand: unknown ones, approximated ones, files that are named."""
        self._warn_of_names(dict.fromkeys([*texts, *negatives]))
        texts = [plain(self.called(text)) for text in dict.fromkeys(texts)]
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

    def _warn_of_names(self, texts: Iterable[str]) -> None:
        """Say which embeddings prompts call that are not there; their names are no words of the prompt."""
        calls = [call for text in texts for call in TRIGGER.finditer(without_tags(text))]
        known = self.tokenizer.get_vocab() if calls else {}  # of 49 thousand words: not asked for nothing
        triggers = dict.fromkeys(call.group() for call in calls if not _token_of(call, known))
        if triggers:
            message = f"the prompt calls {', '.join(triggers)}, which the model has no embedding for"
            warnings.warn(message, TexsyncWarning, stacklevel=3)

    def unknown_words(self, text: str) -> list[str]:
        """Words of the text that have no token of their own, each once."""
        # CLIP's unknown token is its end mark, so the id alone tells nothing: ask only tokens that cover text
        unknown = self.tokenizer.unk_token_id
        spans = spans_of(self.tokenizer, text)
        starts = [token.start for token in spans if unknown is not None and token.number == unknown]
        words = [
            m.group() for m in re.finditer(r"[\w'-]+", text) if any(m.start() <= s < m.end() for s in starts)
        ]
        return list(dict.fromkeys(words))

    def close_words(self, word: str) -> list[str]:
        """Up to two words of the model's own that are spelt much like this one."""
        return difflib.get_close_matches(word.lower(), self.tokenizer.get_vocab(), n=2, cutoff=0.75)


def _token_of(call: re.Match, known: Container[str]) -> str:
    """The token that an embedding's call stands for; "" if there is none."""
    name = call.group(1)
    wanted = [call.group()] if name is None else [name, f"<{name}>"]
    return next((token for token in wanted if token in known), "")
