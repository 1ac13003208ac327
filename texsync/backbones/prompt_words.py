"""Words of a prompt, as a person counts them."""

from __future__ import annotations

import re

from ..errors import Refused, about, got


def words_of(prompt: str) -> list[str]:
    """The words of a prompt, as a person counts them."""
    return re.findall(r"[\w'-]+", prompt)


def find_words(prompt: str, words: str) -> tuple[int, int]:
    """(start, end) of one word or several in a row, in characters of the prompt, whatever their case.

    Raises InputError if they are not in the prompt; it lists the words that are.
    """
    pattern = r"[\W_]+".join(map(re.escape, words_of(words)))
    found = re.search(rf"(?<![\w'-]){pattern}(?![\w'-])", prompt, re.IGNORECASE) if pattern else None
    if found is None:
        raise Refused.prompt_word(
            f"the {about('word')} {got(words)!r} is not in the prompt {prompt!r}",
            f"use one of {', '.join(dict.fromkeys(words_of(prompt)))}",
        )
    return found.span()
