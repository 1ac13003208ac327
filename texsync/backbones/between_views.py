"""Attention between views: each view's self-attention also reads the keys and values of others.

Keys of a layer are made of what the layers before made of all views, so where views run in chunks, the chunks take
turns: each stops in front of a layer's queries until all have left their keys there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import Refused, about, option
from ..moved import moved
from ..schedule import Span

PLAIN = ("AttnProcessor", "AttnProcessor2_0")


@dataclass(frozen=True)
class Attends:
    """Who reads whom.

    keys: for each view the views, itself among them, whose keys and values it reads in one softmax.
    reference: for each view one that it reads in a second softmax, whose result counts half, or None.
    above: only while span.frac is greater than this, 0..1.
    Source: SyncMVD (arXiv:2311.12891, section 4.3).
    """

    keys: Sequence[Sequence[int]]
    reference: Sequence[int | None]
    above: float = 0.8


def self_attentions(unet: Any) -> dict[str, Any]:
    """The self-attention layers of a UNet, by name; raises InputError if there are none of the usual kind."""
    found = {name: module for name, module in unet.named_modules() if name.endswith(".attn1")}
    if not found or any(type(one.processor).__name__ not in PLAIN for one in found.values()):
        raise Refused.model_lacks(
            f"the {about('model')} has no self-attention that views could share",
            f"use {option('attention', 'none')}",
        )
    return found


class Sharing:
    """One call of a network for all views, whose chunks hand each other keys and values.

    attends: see there.  span: the step.  count: how many views there are.
    """

    def __init__(self, attends: Attends, span: Span, count: int):
        self.attends, self.count = attends, count
        self.refers = span.frac > attends.above
        self._chunks: list[slice] = []
        self._left: dict[str, dict[int, tuple[Tensor, Tensor]]] = {}
        self._mine = threading.local()
        self._turns: list[threading.Semaphore] = []
        self._failed: BaseException | None = None

    @contextmanager
    def inside(self, unet: Any) -> Iterator[None]:
        """While inside, the network's self-attention is shared; afterwards it is as it was."""
        layers = self_attentions(unet)
        before = {name: layer.processor for name, layer in layers.items()}
        for name, layer in layers.items():
            layer.processor = _Shared(self, name)
        try:
            yield
        finally:
            for name, layer in layers.items():
                layer.processor = before[name]

    def run(self, job: Callable[[slice], Tensor], chunks: Sequence[slice]) -> Tensor:
        """job(slice of views) -> (views, ...) for every chunk; returns (count, ...).  Raises what a job raises."""
        self._chunks, self._left, self._failed = list(chunks), {}, None
        if len(chunks) == 1:
            self._mine.place = 0
            return job(chunks[0])
        self._turns = [threading.Semaphore(0) for _ in chunks]
        made: list[Any] = [None] * len(chunks)
        grad = torch.is_grad_enabled()

        def work(place: int) -> None:
            self._mine.place = place
            self._turns[place].acquire()
            try:
                with torch.set_grad_enabled(grad):
                    if self._failed is None:
                        made[place] = job(chunks[place])
            except BaseException as error:
                self._failed = self._failed or error
            self._pass_on(place)

        threads = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(len(chunks))]
        for thread in threads:
            thread.start()
        self._turns[0].release()
        for thread in threads:
            thread.join()
        self._left = {}
        if self._failed is not None:
            raise self._failed
        return torch.cat(made)

    def gather(self, layer: str, keys: Tensor, values: Tensor) -> tuple[slice, Tensor, Tensor]:
        """This chunk's views, and keys and values of all views, (copies, count, tokens, channels) each.

        keys, values: of this chunk, (copies * views, tokens, channels); copies are without and with the prompt.
        """
        place = self._mine.place
        which = self._chunks[place]
        views = len(range(*which.indices(self.count)))
        left = self._left.setdefault(layer, {})
        left[place] = keys.unflatten(0, (-1, views)), values.unflatten(0, (-1, views))
        if len(self._chunks) > 1:
            self._pass_on(place)
            self._turns[place].acquire()
            if self._failed is not None:
                raise _Stopped
        all_keys, all_values = (torch.cat([left[k][part] for k in sorted(left)], dim=1) for part in (0, 1))
        if place == len(self._chunks) - 1:  # every other chunk has been here
            del self._left[layer]
        return which, all_keys, all_values

    def _pass_on(self, place: int) -> None:
        self._turns[(place + 1) % len(self._turns)].release()


class _Stopped(Exception):
    """Another chunk failed."""


class _Shared:
    """A self-attention layer's processor."""

    def __init__(self, sharing: Sharing, name: str):
        self.sharing, self.name = sharing, name

    def __call__(self, attn: Any, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        query, key, value = (layer(hidden_states) for layer in (attn.to_q, attn.to_k, attn.to_v))
        which, keys, values = self.sharing.gather(self.name, key, value)
        views = list(range(*which.indices(self.sharing.count)))
        query = query.unflatten(0, (-1, len(views)))
        told = self.sharing.attends
        out = read(query, keys, values, [told.keys[i] for i in views], attn.heads)
        referring = tuple(n for n, i in enumerate(views) if told.reference[i] is not None)
        if self.sharing.refers and referring:
            fronts = [(told.reference[views[n]],) for n in referring]
            rows = moved(_numbers(referring), query.device)
            second = read(query[:, rows], keys, values, fronts, attn.heads)  # type: ignore[arg-type]
            out[:, rows] = (out[:, rows] + second) / 2
        return attn.to_out[1](attn.to_out[0](out.flatten(0, 1)))


def read(query: Tensor, keys: Tensor, values: Tensor, whom: Sequence[Sequence[int]], heads: int) -> Tensor:
    """What each of V views finds in the views that it reads, (copies, V, tokens, channels), as `query`.

    keys, values: (copies, views, tokens, channels).  whom: for each of the V the numbers of views.
    """
    out = torch.empty_like(query)
    for pair in _alike(tuple(map(tuple, whom))):
        rows, places = (moved(one, query.device) for one in pair)
        read_keys, read_values = (_by_head(all_[:, places].flatten(2, 3), heads) for all_ in (keys, values))
        found = functional.scaled_dot_product_attention(
            _by_head(query[:, rows], heads), read_keys, read_values
        )
        out[:, rows] = found.transpose(2, 3).flatten(3)
    return out


@lru_cache(64)
def _alike(whom: tuple[tuple[int, ...], ...]) -> list[tuple[Tensor, Tensor]]:
    """Views that read as many others: their numbers, and whom each of them reads; made once, not for every layer."""
    found = []
    for count in dict.fromkeys(map(len, whom)):
        rows = tuple(n for n, one in enumerate(whom) if len(one) == count)
        found.append((_numbers(rows), torch.tensor([whom[n] for n in rows])))
    return found


@lru_cache(64)
def _numbers(numbers: tuple[int, ...]) -> Tensor:
    return torch.tensor(numbers)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """(copies, views, tokens, channels) to (copies, views, heads, tokens, channels / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(2, 3)
