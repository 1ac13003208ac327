"""Near words: words that captions never use, read as a mixture of words that they do use.

near.json says which: {word: {known word: weight, ...}}, found once by neighbours.py with a public sentence encoder.
The mixture is made when the weights are saved, so that at run time a near word is an ordinary token.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import CLIPTextModel

TABLE = Path(__file__).with_name("near.json")


@lru_cache
def near_words() -> dict[str, dict[str, float]]:
    """{word: {known word: weight}}; the weights of a word sum to 1."""
    return json.loads(TABLE.read_text()) if TABLE.exists() else {}


@torch.no_grad()
def fill(text_encoder: CLIPTextModel, index: dict[str, int]) -> None:
    """Set every near word's vector to the mixture of those that training has moved.  index: {word: row}."""
    vectors = text_encoder.get_input_embeddings().weight
    for word, mixture in near_words().items():
        rows = torch.tensor([index[known] for known in mixture])
        # in 64 bits, so that no processor's order of adding is seen in what is kept
        weights = torch.tensor(list(mixture.values()), dtype=torch.float64, device=vectors.device)
        vectors[index[word]] = (weights @ vectors[rows].double()).to(vectors.dtype)


@torch.no_grad()
def regrow(
    old: CLIPTextModel, fresh: CLIPTextModel, tokenizer_file: Path, index: dict[str, int]
) -> CLIPTextModel:
    """`fresh`, built for the words of `index`, with everything that `old` knows; its words stand in tokenizer_file."""
    weights = old.state_dict()
    name = next(key for key in weights if key.endswith("token_embedding.weight"))
    table = fresh.state_dict()[name].clone()
    for word, row in Tokenizer.from_file(str(tokenizer_file)).get_vocab().items():
        if word in index:
            table[index[word]] = weights[name][row]
    fresh.load_state_dict(weights | {name: table})
    return fresh
