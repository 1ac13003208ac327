"""A picture with things where masks say: a background, things in front of it, and the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from ..image_options import MaskOptions
from .images import Made, Pictures, Progress, Run


def masked_image(
    background: str,
    foregrounds: str | Sequence[str],
    masks: Any,
    *,
    on_progress: Progress | None = None,
    **options: Any,
) -> Pictures:
    """Paint a background and, inside each mask, a thing.

    background: a prompt.  foregrounds: one prompt per mask.  masks: files, PIL images or arrays, white where the thing
    is; later ones lie in front.  options: whole, soft, and what every 2D task takes; see `image_options.MaskOptions`.
    Raises InputError on anything that the caller can put right, such as a mask that is empty.
    Source: SyncSDE (CVPR 2025), Eq. 8-11.
    """
    import numpy as np
    import torch

    from ..views.masks import masks as mask_views
    from .reading import check_shape, mask_cells, read_mask

    things = (foregrounds,) if isinstance(foregrounds, str) else tuple(foregrounds)
    files = tuple(masks) if isinstance(masks, (list, tuple)) else (masks,)
    asked = MaskOptions(background, things, files, **options)
    run = Run("mask", asked, on_progress)
    with run.stage("picture"):
        read = [read_mask(file, asked.soft) for file in files]
        check_one_size(read)
    backbone = run.backbone()
    size = run.view_size(backbone)
    side, cells = size // backbone.scale, []
    for mask, file in zip(read, files, strict=True):
        check_shape(mask, size, size, name_of(file))
        cells.append(mask_cells(mask, side, side, name_of(file), soft=asked.soft))
    views = mask_views(torch.as_tensor(np.stack(cells)))
    prompts, followed = [background, *things, asked.everything], run.control(size, size)
    hints = None if followed is None else followed.expand(len(prompts), -1, -1, -1)
    predict = run.predictor(backbone, prompts, control=hints)
    finals = run.denoise_all(backbone, predict, views, run.couplings(backbone, views))
    with run.stage("decode", asked.count):
        decoded = [backbone.decode(x).cpu() for x in finals]
    made = [
        Made(seed, {"picture": shown[-1]}, shown) for seed, shown in zip(asked.seeds, decoded, strict=True)
    ]
    return run.result(backbone, made, ["background", *things, "whole"], whole=asked.everything)


def check_one_size(masks: Sequence[Any]) -> None:
    """Raises InputError if masks (H, W) differ in size."""
    sizes = {(wide, tall) for tall, wide in (mask.shape for mask in masks)}
    if len(sizes) > 1:
        told = ", ".join(f"{wide} x {tall}" for wide, tall in sorted(sizes))
        raise InputError(f"the masks have different sizes ({told})", "make them all of one size")


def name_of(source: Any) -> str:
    """What to call a mask in a message."""
    return (
        f"mask {source}" if isinstance(source, (str, bytes)) or hasattr(source, "__fspath__") else "the mask"
    )
