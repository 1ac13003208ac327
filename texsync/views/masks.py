"""Views of one picture that is made of parts: its background, the things in front of it, and the whole."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from torch import Tensor

from ..errors import Refused, about, got
from .base import Views

COMPOSITIONS = ("whole", "parts", "mean")


def masks(foregrounds: Tensor, composition: str = "whole") -> Views:
    """Background, one view per foreground and, in a "whole", that one; M + 1 or M + 2 views of an (h, w) canvas.

    foregrounds: (M, h, w) in [0, 1] in latent cells, 1 where the thing is; soft edges are shares.  Where things
    overlap, later ones lie in front.  Every cell is divided among background and things, see `shares`.

    composition: the blend weights of the views, which differ from method to method (`Coupling.composition`).
    "whole": their shares, and the whole has weight 1 everywhere.  So a thing is drawn towards the background, and
    towards things behind it, as much as it does not own the cell, which is Eq. 8-9 of SyncSDE with B the background's
    share; and the whole is drawn with full force to the mixture of all parts, which is Eq. 10-11: its two Gaussians
    have precisions B and 1 - B, which add up to 1.  For editing, views 0, 1 and 2 are the source picture, the new thing
    alone, and the edited picture (Eq. 12).
    "parts": their shares, and nothing else; the canvas is the result (MultiDiffusion, arXiv:2302.08113, section 4.2).
    "mean": the background counts everywhere, a thing beside it where its mask is, so that what is inside is the mean of
    both (SyncSDE's Eq. 23, its SyncTweedies; the half that makes a mean of its sum is missing there).
    Raises InputError if there is no mask, or a value outside [0, 1].
    """
    assert composition in COMPOSITIONS
    held = shares(foregrounds)
    if composition == "whole":
        held = np.concatenate([held, np.ones_like(held[:1])])
    if composition == "mean":
        held[0] = 1.0
    count, height, width = held.shape
    cells = np.tile(np.arange(height * width), count)
    pixels = np.arange(held.size)
    look = sparse.csr_array((np.ones(held.size), cells, np.arange(held.size + 1)))
    merge = sparse.csr_array((held.ravel(), (cells, pixels)))
    return Views(look, merge, held.shape, (height, width), shares=True)


def shares(foregrounds: Tensor) -> np.ndarray:
    """How much of each cell is background and each thing, (1 + M, h, w) float64, adding up to 1.

    Things are laid over each other as in a drawing program: each takes its mask's share of what was there.
    """
    things = np.asarray(foregrounds.detach().cpu().numpy(), np.float64)
    if things.ndim != 3 or not len(things):
        raise Refused.views_wrong(
            f"{about('masks')} have shape {things.shape}", "give (M, h, w), at least one mask"
        )
    if not ((things >= 0) & (things <= 1)).all():
        raise Refused.views_wrong(
            f"{about('mask')} values run from {got(things.min()):g} to {things.max():g}",
            "give shares in [0, 1], 1 inside",
        )
    left = np.cumprod(1 - things[::-1], axis=0)[::-1]  # what the things from this one on leave free
    return np.concatenate([left[:1], things * np.concatenate([left[1:], np.ones_like(left[:1])])])
