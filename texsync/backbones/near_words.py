"""Words that a model reads as a mixture of others: its folder says which, and users are told.

tokenizer/near.json holds {word: {word that it is read as: share, ...}, ...}; a folder without it has no such words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import Refused, about, got

FILE = "near.json"
Near = Mapping[str, Mapping[str, float]]


def near_file(model: Path) -> Path:
    """Where a model's folder has its table."""
    return model / "tokenizer" / FILE


def check_near(table: Mapping, path: Path) -> Near:
    """The table if it is one; raises InputError naming the first word that is wrong."""
    for word, mixture in table.items():
        right = isinstance(mixture, dict) and mixture
        if not right or not all(isinstance(share, (int, float)) for share in mixture.values()):
            raise Refused.model_config(
                f"{about(path)} has {got(word)!r}: {mixture!r}", 'expected e.g. {"crimson": {"red": 1.0}}'
            )
    return table


def read_as(texts: Iterable[str], near: Near) -> dict[str, list[str]]:
    """Each word of the texts that is read as others, and these, the weightiest first."""
    words = dict.fromkeys(word for text in texts for word in re.findall(r"[\w'-]+", text.lower()))
    return {word: sorted(near[word], key=lambda w: -near[word][w]) for word in words if word in near}


def in_words(understood: Mapping[str, list[str]]) -> str:
    """Such as "strawberry as coral and red, crimson as red"."""
    return ", ".join(f"{word} as {' and '.join(others)}" for word, others in understood.items())
