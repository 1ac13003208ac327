"""Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): momentum whose matrices are made orthogonal.

Torch's own takes matrices only, one after the other; a convolution is one too, and all of one shape go
together here, since a few hundred small ones would keep a GPU waiting.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

STEPS = ((3.4445, -4.7750, 2.0315),) * 5


class Muon(torch.optim.Optimizer):
    """lr: as for AdamW, whose usual size of a step (RMS 0.2) the steps get (Liu et al. 2025, arXiv:2502.16982).  A
    number, or a tensor that a CUDA graph reads anew."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float | Tensor,
        momentum: float = 0.95,
        decay: float = 0.01,
    ):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure=None) -> None:  # type: ignore[override]
        """Parameters without a gradient stay."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault((len(p), p[0].numel()), []).append(p)
            for some in shapes.values():
                self._step(some, group["lr"], group["momentum"], group["decay"])

    def _step(self, some: list[nn.Parameter], lr: float | Tensor, momentum: float, decay: float) -> None:
        grads = [p.grad for p in some]
        moving = [self._moving(p) for p in some]
        torch._foreach_lerp_(moving, grads, 1 - momentum)
        ahead = torch._foreach_lerp(grads, moving, momentum)
        matrices = torch.stack([as_matrix(each) for each in ahead])
        update = orthogonal(matrices) * (lr * 0.2 * max(matrices.shape[1:]) ** 0.5)
        torch._foreach_mul_(some, 1 - lr * decay)
        torch._foreach_add_(some, [as_weight(u, p) for u, p in zip(update, some, strict=True)], alpha=-1)

    def _moving(self, p: nn.Parameter) -> Tensor:
        """The mean of its gradients, later ones more."""
        state = self.state[p]
        if "moving" not in state:
            state["moving"] = torch.zeros_like(p)
        return state["moving"]


def as_matrix(weight: Tensor) -> Tensor:
    """(O, I, h, w) to (O, h w I), as it lies in memory where channels are last; any order of columns would do."""
    return (weight.movedim(1, -1) if weight.ndim == 4 else weight).reshape(len(weight), -1)


def as_weight(matrix: Tensor, like: Tensor) -> Tensor:
    """A matrix as a weight of that shape again."""
    if like.ndim != 4:
        return matrix.view_as(like)
    return matrix.view(len(like), *like.shape[2:], like.shape[1]).movedim(-1, 1)


def orthogonal(matrices: Tensor) -> Tensor:
    """(N, r, c) to the nearest matrices with singular values near 1, by five Newton-Schulz steps."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x = (matrices if wide else matrices.mT).to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for a, b, c in STEPS:
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.mT).to(matrices.dtype)
