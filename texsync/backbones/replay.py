"""A picture whose way is known: it is led along a stored path, and only the others ask the model."""

from __future__ import annotations

import torch
from torch import Tensor

from ..schedule import Span
from .base import Predictor


class Replay:
    """A noise predictor for N views of which the first retraces a stored path, such as a source picture's inversion.

    path: (steps + 1, C, h, w), where the picture is before each step of the run, noisiest first, and at its end.
    predict: the predictor of the other N - 1 views.
    The first view answers with the noise that takes a DDIM step exactly to the next place, so every coupling that
    leaves the first picture alone, as SyncSDE and CSG do, keeps it on its path; and it costs no call of the model.
    """

    def __init__(self, path: Tensor, predict: Predictor):
        self.path = path
        self.predict = predict

    def __call__(self, x: Tensor, span: Span) -> Tensor:
        """See `Predictor`."""
        eps = span.eps_to(x[:1], self.path[span.index + 1].to(x))
        return torch.cat([eps, self.predict(x[1:], span)]) if len(x) > 1 else eps
