"""Textual inversions put into a tokenizer and its text encoder: a word that is read as vectors of its own.

Several vectors get the tokens word, word_1, word_2, as diffusers adds them; `TextEncoder.called` puts them in.
Source: textual inversion (arXiv:2208.01618).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import Refused, about
from .tensors import read_tensors


def vectors_of(path: Any, name: str) -> Tensor:
    """(N, width) of a textual inversion's file.  name: of the tensor, see `additions.Inversion`."""
    found = read_tensors(path)
    nested, _, inner = name.partition("string_to_param.")
    tensor = found["string_to_param"][inner] if inner and not nested else found[name]
    return tensor.detach().float().reshape(-1, tensor.shape[-1])


@torch.no_grad()
def add_word(word: str, vectors: Tensor, tokenizer: Any, network: Any) -> None:
    """Teach a tokenizer and its network a word.  vectors: (N, width), read one after the other where it stands."""
    from tokenizers import AddedToken

    first = len(tokenizer)
    names = [word, *(f"{word}_{number}" for number in range(1, len(vectors)))]
    tokenizer.add_tokens([AddedToken(name, single_word=True) for name in names])
    if len(tokenizer) < first + len(names):
        raise Refused.model_config(
            f"the {about('tokenizer')} has a word '{about(word)}' already",
            "give the textual inversion's file another name",
        )
    network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = network.get_input_embeddings().weight
    table[first : first + len(vectors)] = vectors.to(table.device, table.dtype)
    network.requires_grad_(False)
    _mark_end(tokenizer, network)


def _mark_end(tokenizer: Any, network: Any) -> None:
    """CLIP's oldest configs take the largest token for a text's end, which the new words would be."""
    for part in network.modules():
        if getattr(part, "eos_token_id", None) == 2:
            part.eos_token_id = tokenizer.eos_token_id
