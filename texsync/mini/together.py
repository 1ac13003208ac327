"""Several processes that train one model: each a core of its own, under torchrun."""

from __future__ import annotations

import os

import torch
from torch import distributed, nn


def join() -> int:
    """This process's number among those that torchrun started, 0 if none did."""
    if "RANK" in os.environ:
        distributed.init_process_group("gloo")
    return int(os.environ.get("RANK", 0))


def furthest(done: float) -> float:
    """The largest of all processes' `done`, so that they end at the same step."""
    clock = torch.tensor(done)
    if distributed.is_initialized():
        distributed.all_reduce(clock, distributed.ReduceOp.MAX)
    return clock.item()


def share_gradients(parameters: list[nn.Parameter]) -> None:
    """Every process's gradients become their mean; what nobody used keeps none."""
    if not distributed.is_initialized():
        return
    used = torch.tensor([p.grad is not None for p in parameters], dtype=torch.int32)
    distributed.all_reduce(used)
    parameters = [p for p, count in zip(parameters, used.tolist(), strict=True) if count]
    for p in parameters:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    grads = torch.cat([p.grad.view(-1) for p in parameters])
    distributed.all_reduce(grads)
    grads /= distributed.get_world_size()
    for p, grad in zip(parameters, grads.split([p.numel() for p in parameters]), strict=True):
        p.grad.copy_(grad.view_as(p))
