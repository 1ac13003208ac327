"""What one view hears from others, worked out the slow way."""

from __future__ import annotations

import numpy as np
import torch

from texsync.views import Views


def rebaked(
    views: Views, x: torch.Tensor, i: int, memory: int | None, blend: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """What view i is told and where, the slow way: bake the earlier pictures, then look; dense, cell by cell."""
    pixels = views.shape[1] * views.shape[2]
    columns = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).numpy()
    merge = views.merge.toarray()
    canvas, known = np.zeros((len(merge), x.shape[1])), np.zeros(len(merge))
    for cell, row in enumerate(merge):
        beliefs = [abs(row[j * pixels : (j + 1) * pixels]).sum() for j in range(i)]
        speakers = [j for j in range(i) if beliefs[j]]
        speakers = speakers if memory is None else speakers[-memory:]
        if not speakers:
            continue
        known[cell] = min(1, sum(beliefs[j] for j in speakers)) if views.shares else 1
        if blend == "best-facing":
            best = max(speakers, key=lambda j: beliefs[j])
            row = np.where(np.arange(len(row)) // pixels == best, row, 0)
            row = np.where(np.arange(len(row)) == np.nonzero(row)[0][0], row, 0)
        else:
            row = np.where(np.isin(np.arange(len(row)) // pixels, speakers), row, 0)
        canvas[cell] = row @ columns / abs(row).sum()
    look = views.look[i * pixels : (i + 1) * pixels].toarray()
    told = torch.as_tensor((look @ canvas).reshape(*views.shape[1:], -1)).permute(2, 0, 1)
    return told, torch.as_tensor((abs(look) @ known).reshape(1, *views.shape[1:]))
