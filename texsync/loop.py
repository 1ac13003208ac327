"""The loop.  It knows no method, no mesh and no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from .couplings import Coupling
from .errors import check_finite, option
from .schedule import Span
from .views import Views

LOWER = f"lower {option('guidance')}, {option('strength')} or {option('control_scale')}"
OVERFLOW = f"use {option('dtype', 'fp32')}, or {LOWER}"


def sample(
    predict: Callable[[Tensor, Span], Tensor],
    views: Views,
    coupling: Coupling,
    spans: Iterable[Span],
    x: Tensor,
) -> Iterator[tuple[Span, Tensor, Tensor]]:
    """Denoise N coupled pictures; yields (span, x, z) after each step.

    x: (N, C, h, w) pictures of unit normal noise, see `views.noise`; taken to float32 if narrower.
    z: (C, *canvas) the canvas for couplings that denoise it; it starts as what x shows.
    A generator, so progress, previews and stopping are the caller's business.
    Raises InputError before the first step if the coupling is not defined on these views, and after the step that
    leaves NaN or infinity.
    """
    coupling.check(views)
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    z = views.f_inv(x)
    for span in spans:
        x, z = coupling.step(x, z, predict, views, span)
        check_finite(x, f"painting step {span.index + 1}", OVERFLOW)
        yield span, x, z
