"""How long each segment of a long motion is, and which prompt it has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Refused, about, got, option
from .features import FPS

USUAL = 120  # frames of a segment (SyncSDE, section 4.2.6)


@dataclass(frozen=True)
class Segment:
    """prompt: the number of its prompt.  length: frames, with those that it shares.
    start, end: its own frames of the result, from the middle of one overlap to the middle of the next."""

    prompt: int
    length: int
    start: int
    end: int


def plan(
    seconds: Sequence[float | None], total: float | None, overlap: int, longest: int
) -> tuple[Segment, ...]:
    """Segments of at most `longest` frames that share `overlap` frames with the one before.

    seconds: of each prompt; None: an equal share of what is left of `total`, or without one, one segment.
    A prompt that lasts longer than a segment gets several.  Raises InputError for one that is shorter than an overlap.
    """
    if not 0 < overlap < longest:
        raise Refused.motion_length(
            f"{about('segments')} of {got(longest)} frames overlap by {overlap}",
            f"use an overlap of 1 to {longest - 1} frames",
        )
    frames = _frames(seconds, total, overlap, longest)
    pieces = [
        (k, piece) for k, one in enumerate(frames) for piece in _split(one, k, len(frames), overlap, longest)
    ]
    found, start = [], 0
    for place, (prompt, piece) in enumerate(pieces):
        length = piece + _shared(place, len(pieces), overlap)
        least = overlap / FPS
        if len(pieces) > 1 and piece < overlap:
            raise Refused.motion_length(
                f"{about('prompt')} {prompt + 1} has {piece / FPS:g} seconds, less than an overlap of {least:g}",
                f"give it more, or lower {option('overlap')}",
            )
        found.append(Segment(prompt, length, start, start + piece))
        start += piece
    return tuple(found)


def _shared(place: int, count: int, overlap: int) -> int:
    """Frames beyond its own that a segment reaches into its neighbours: half an overlap on each side that has one."""
    return (overlap - overlap // 2 if place > 0 else 0) + (overlap // 2 if place < count - 1 else 0)


def _frames(seconds: Sequence[float | None], total: float | None, overlap: int, longest: int) -> list[int]:
    count, usual = len(seconds), min(longest, USUAL)
    if total is None:
        return [usual - _shared(k, count, overlap) if one is None else max(1, round(one * FPS))
                for k, one in enumerate(seconds)]  # fmt: skip
    rest = total - sum(one for one in seconds if one is not None)
    free = sum(one is None for one in seconds)
    ends, at = [0], 0.0
    for one in seconds:
        at += rest / free if one is None else one
        ends.append(max(ends[-1] + 1, round(at * FPS)))
    return [end - start for start, end in zip(ends, ends[1:], strict=False)]


def _split(frames: int, prompt: int, prompts: int, overlap: int, longest: int) -> list[int]:
    """A prompt's frames in as few pieces as fit into segments, as even as can be."""
    outer = (overlap - overlap // 2 if prompt > 0 else 0), (overlap // 2 if prompt < prompts - 1 else 0)
    if frames + sum(outer) <= longest:
        return [frames]
    room = longest - overlap  # of an inner piece; the outer ones of a motion have more, which is left
    if room < 1:
        raise Refused.motion_length(
            f"{about('segments')} of {got(longest)} frames are one overlap of {overlap}",
            f"lower {option('overlap')}",
        )
    count = math.ceil(frames / room)
    ends = [round(frames * k / count) for k in range(count + 1)]
    return [end - start for start, end in zip(ends, ends[1:], strict=False)]
