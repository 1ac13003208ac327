"""How prompts weigh their words, as users of other programs write it: (copper:1.4), [less], BREAK, <lora:...>.

No library reads this grammar without a tokenizer of its own (compel, the best kept, has another: it takes
"(copper:1.4)" for letters, and weighs the word before a final "+" or "-").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from ..errors import Refused, about, got

STRESS = 1.1  # what one pair of round brackets multiplies by, and square ones divide by
MOST = 5.0  # the largest weight, either way
TAG = re.compile(r"<\s*(lora|lyco|hypernet)\s*:\s*([^:<>]+?)\s*(?::\s*([^<>]*?))?\s*>", re.IGNORECASE)
TOKEN = re.compile(
    r"\\(?P<escaped>[()\[\]\\])|(?P<open>[(\[])|:\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)"
    r"|(?P<close>[)\]])|(?P<break>\bBREAK\b)|(?P<text>[^\\()\[\]:B]+|.)",
    re.DOTALL,
)
EDITING = re.compile(r"\[[^\[\]]*:\s*[\d.]+\s*\]|\[[^\[\]]*\|[^\[\]]*\]")
PAIRS = {")": "(", "]": "["}


@dataclass(frozen=True)
class Piece:
    """Some of a text, all of it of one weight."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Tag:
    """What a prompt names by <kind:name:weight>; weight as written, "" where none is."""

    kind: str
    name: str
    weight: str = ""

    def __str__(self) -> str:
        return f"<{self.kind}:{self.name}{':' * bool(self.weight)}{self.weight}>"


def tags_of(text: str) -> list[Tag]:
    """The files that a prompt names; raises InputError for a weight that is none."""
    found = [Tag(kind.lower(), name, weight.partition(":")[0]) for kind, name, weight in TAG.findall(text)]
    for tag in found:
        if tag.weight and not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", tag.weight):
            raise Refused.prompt_syntax(
                f"the {about('prompt')} has {str(tag)!r}, whose weight is no number",
                "write e.g. <lora:name:0.8>",
            )
    return found


def without_tags(text: str) -> str:
    """The prompt, less the files that it names."""
    return re.sub(r"\s{2,}", " ", TAG.sub(" ", text)).strip() if TAG.search(text) else text


def plain(text: str) -> str:
    """The words alone."""
    return " ".join(joined(pieces) for pieces in parse(text))


def joined(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def parse(text: str) -> list[list[Piece]]:
    """The pieces of a prompt with their weights; a new list begins at each BREAK.

    Brackets nest and multiply; a backslash makes a bracket a letter, and one without its partner is a letter.
    Raises InputError for a weight beyond 5 and for prompts that change during a run.
    """
    tags_of(text)
    text = without_tags(text)
    if editing := EDITING.search(text):
        raise Refused.prompt_syntax(
            f"the {about('prompt')} has {got(editing.group())!r}, which stands for words that change during a run",
            "write the words that are wanted from the start to the end",
        )
    return [_merged(part) for part in _parts(text)]


def _parts(text: str) -> Iterator[list[Piece]]:
    pieces: list[Piece | None] = []
    opened: list[tuple[str, int]] = []
    for found in TOKEN.finditer(text):
        kind, said = found.lastgroup, found.group()
        if kind == "open":
            opened.append((said, len(pieces)))
        elif kind == "break":
            pieces.append(None)
        elif kind in ("weight", "close") and opened and opened[-1][0] == PAIRS[said[-1]]:
            bracket, start = opened.pop()
            weight = float(found["weight"]) if kind == "weight" else STRESS if bracket == "(" else 1 / STRESS
            pieces[start:] = [_weighed(piece, weight) for piece in pieces[start:]]
        else:
            pieces.append(Piece(found["escaped"] or said))
    for bracket, start in reversed(opened):  # no partner
        pieces.insert(start, Piece(bracket))
    for stays, group in groupby(pieces, key=lambda piece: piece is not None):
        if stays:
            yield [piece for piece in group if piece is not None]
    if not any(pieces):
        yield []


def _weighed(piece: Piece | None, by: float) -> Piece | None:
    if piece is None:
        return None
    weight = piece.weight * by
    if abs(weight) > MOST:
        raise Refused.prompt_syntax(
            f"the {about('prompt')} weighs {got(piece.text.strip())!r} by {weight:g}",
            f"use -{MOST:g} to {MOST:g}",
        )
    return Piece(piece.text, weight)


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of one weight in one piece, without blanks at the ends of the whole."""
    made = [Piece(joined(list(same)), weight) for weight, same in groupby(pieces, key=lambda p: p.weight)]
    if made:
        made[0] = Piece(made[0].text.lstrip(), made[0].weight)
        made[-1] = Piece(made[-1].text.rstrip(), made[-1].weight)
    return [piece for piece in made if piece.text]
