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
    renew: Callable[[int], Tensor] | None = None,
) -> Iterator[tuple[Span, Tensor, Tensor]]:
    """Denoise N coupled pictures; yields (span, x, z) after each step.

    x: (N, C, h, w) pictures of unit normal noise, see `views.noise`; taken to float32 if narrower.
    z: (C, *canvas) the canvas for couplings that denoise it; it starts as what x shows.
    renew: index of a step to the new noise that follows it, as x, for samplers that draw some, see `Span.fresh`.
    A generator, so progress, previews and stopping are the caller's business.
    Raises InputError before the first step if the coupling is not defined on these views, and after the step that
    leaves NaN or infinity.
    """
    coupling.check(views)
    usual = torch.promote_types(x.dtype, torch.float32)
    z = views.f_inv(x.to(usual))
    for span in spans:
        dtype = (
            torch.float64 if span.faint else usual
        )  # float32 loses what faint signals say of the clean picture
        x, z = coupling.step(x.to(dtype), z.to(dtype), predict, views, span)
        if span.fresh:
            assert renew is not None, "this sampler draws new noise; say where from with `renew`"
            new = span.fresh * renew(span.index).to(x)
            x, z = x + new, z + views.f_inv(new)
        x, z = x.to(usual), z.to(usual)
        check_finite(x, f"painting step {span.index + 1}", OVERFLOW)
        yield span, x, z
