"""Tensors that do not change, copied once to where they are needed: a step of a run copies nothing to a GPU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_copies: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # tensor -> {(device, dtype): copy}


def moved(fixed: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """The same as `fixed.to(device, dtype)`, made once; dtype None: its own.

    fixed must not be written to.  The copy lives as long as it does.
    """
    kind = device, fixed.dtype if dtype is None else dtype
    if kind == (fixed.device, fixed.dtype):
        return fixed
    there = _copies.setdefault(fixed, {})
    if kind not in there:
        there[kind] = fixed.to(*kind)
    return there[kind]
