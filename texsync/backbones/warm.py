"""Keep the last model in memory from one job to the next; off unless a long-lived door turns it on."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

Model = TypeVar("Model")

_on = False
_held: dict[Hashable, object] = {}


def keep(on: bool) -> None:
    """Whether `remembered` remembers; False also lets go of what is held."""
    global _on
    _on = on
    if not on:
        release()


@contextmanager
def warm_model() -> Iterator[None]:
    """Inside it the model stays in memory from one call to the next, for scripts that paint many things.

    One model at most; another `model`, `controlnet`, `device` or `dtype` takes its place.  At the end it is let go of.
    """
    before = _on
    keep(True)
    try:
        yield
    finally:
        keep(before)


def remembered(key: Hashable, make: Callable[[], Model]) -> Model:
    """What `make()` returns, or returned the last time for the same key.

    One model at most: another key lets go of the old model before the new one is made, so that both need not fit.
    """
    if not _on:
        return make()
    if key not in _held:
        release()
        _held[key] = make()
    return _held[key]  # type: ignore[return-value]


def release() -> None:
    """Let go of the model and give its memory back, on the GPU too."""
    import torch

    _held.clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":  # glibc keeps what is freed for later unless told
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
