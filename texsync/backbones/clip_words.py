"""CLIP's vocabulary, which every Stable Diffusion reads words with, for models that come without its files."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

MERGES = Path(__file__).parent / "layouts" / "clip_merges.txt.gz"
START, END, SUFFIX = "<|startoftext|>", "<|endoftext|>", "</w>"


def clip_tokenizer(config: Mapping[str, Any]) -> Any:
    """transformers' CLIPTokenizer, made of the shipped merges.  config: a tokenizer_config.json."""
    from transformers import CLIPTokenizer

    merges = clip_merges()
    options = {
        "pad_token": config.get("pad_token", END),
        "model_max_length": config.get("model_max_length", 77),
    }
    return CLIPTokenizer(vocab=clip_vocabulary(), merges=list(merges), **options)


@cache
def clip_merges() -> tuple[tuple[str, str], ...]:
    """Pairs of tokens that are read as one, the most frequent first."""
    lines = gzip.decompress(MERGES.read_bytes()).decode("utf-8").splitlines()
    return tuple((first, second) for first, _, second in (line.partition(" ") for line in lines))


def clip_vocabulary() -> dict[str, int]:
    """Token to number: every byte, every byte at a word's end, every merge, the two marks."""
    letters = byte_letters()
    tokens = [*letters, *(letter + SUFFIX for letter in letters), *map("".join, clip_merges()), START, END]
    return {token: number for number, token in enumerate(tokens)}


def byte_letters() -> list[str]:
    """A printable letter for each byte, in the order in which GPT-2's and CLIP's vocabularies have them."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [*map(chr, plain), *(chr(256 + n) for n in range(256 - len(plain)))]
