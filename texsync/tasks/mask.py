"""A picture with things where masks say: a background, things in front of it, and the whole."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Refused, TexsyncWarning, about, got, option
from ..options.declared import declare, option_class, takes, unsaid
from ..options.kinds import Choice, Prompt, Texts, Thing
from ..options.number_kinds import Flag
from ..options.pictures import CELLS, MASK_CELLS, ImageOptions
from ..options.start import StartOptions
from ..progress import with_bar
from .images import Run
from .made import Made, Pictures

if TYPE_CHECKING:
    from torch import Tensor

    from ..views import Views


@option_class
class MaskOptions(StartOptions, ImageOptions):
    """A picture with things in front of a background.

    masks: files, PIL images or arrays, white where the thing is; later ones lie in front.
    """

    background: str = declare("What is outside the masks.", Prompt(), kw_only=False, argument=True)
    foregrounds: str | Sequence[str] = declare(
        "What is inside the mask; one per mask.",
        Texts(1, Prompt(), "prompt", "say what is inside the mask", alone=True),
        "main",
        kw_only=False,
        flag="foreground",
    )
    masks: Any = declare(
        "A picture, white where the foreground is.  Repeat both for more; later ones lie in front.",
        Thing(many=True),
        "main",
        kw_only=False,
        flag="mask",
        file=True,
    )
    whole: str | None = declare(
        "The whole picture in words.", Prompt(), "main", default=unsaid("BACKGROUND with the foregrounds")
    )
    soft: bool = declare(
        "Greys of the masks are shares; without it they are rounded.", Flag(), "main", default=False
    )
    mask_cells: str = declare(CELLS, Choice(MASK_CELLS), default="mean", paper="nearest")

    def check(self) -> None:
        """A prompt for each mask."""
        super().check()
        if len(self.foregrounds) != len(self.masks):
            raise Refused.option_count(
                f"{len(self.foregrounds)} foreground prompts for {len(self.masks)} masks",
                "give each mask one prompt",
                thing="foregrounds",
            )

    @property
    def everything(self) -> str:
        """The prompt of the whole picture."""
        return self.whole or f"{self.background} with {' and '.join(self.foregrounds)}"

    @property
    def words(self) -> str:
        return self.background


@takes(MaskOptions)
@with_bar
def masked_image(asked: MaskOptions) -> Pictures:
    """Paint BACKGROUND and, inside each mask, a thing of its own.

    Raises InputError on anything that the caller can put right, such as a mask that is empty.
    Source: SyncSDE (CVPR 2025), Eq. 8-11; the baselines have their own composition of views, see `views.masks`.
    """
    import numpy as np
    import torch

    from ..views.masks import masks as mask_views
    from .reading import check_shape, mask_cells, read_mask

    things, files = asked.foregrounds, asked.masks
    run = Run("mask", asked)
    with run.stage("picture"):
        read = [read_mask(file, asked.soft) for file in files]
        check_one_size(read)
    backbone = run.backbone()
    size = run.view_size(backbone)
    side, cells = size // backbone.scale, []
    for mask, file in zip(read, files, strict=True):
        check_shape(mask, size, size, name_of(file))
        cells.append(mask_cells(mask, side, side, name_of(file), soft=asked.soft, pick=asked.mask_cells))
    composition = run.coupling().composition
    whole = composition == "whole"
    if asked.whole and not whole:
        _note_whole(asked.coupling if isinstance(asked.coupling, str) else type(asked.coupling).__name__)
    views = mask_views(torch.as_tensor(np.stack(cells)), composition)
    prompts = [asked.background, *things, *([asked.everything] if whole else [])]

    def everywhere(picture: Tensor) -> Tensor:
        return picture.expand(len(prompts), -1, -1, -1)

    predict = run.predictor(backbone, prompts, control=run.control(backbone, (size, size), everywhere))
    known = run.known(backbone, (size, size), everywhere)
    finals = run.denoise_all(backbone, predict, views, run.couplings(backbone, views), known=known)
    with run.stage("decode", asked.count):
        decoded = [backbone.decode(with_result(views, x, whole)).cpu() for x in finals]
    made = [
        Made(seed, {"picture": shown[-1]}, shown) for seed, shown in zip(asked.seeds, decoded, strict=True)
    ]
    said = asked.everything if whole else None
    return run.result(backbone, made, ["background", *things, "whole"], whole=said, composition=composition)


def with_result(views: Views, x: Tensor, whole: bool) -> Tensor:
    """Clean views (N, C, h, w) with the picture that they make last: the view of the whole, or else the canvas."""
    import torch

    return x if whole else torch.cat([x, views.f_inv(x)[None]])


def _note_whole(coupling: str) -> None:
    warnings.warn(
        f"{coupling} puts a picture together from its parts, so {option('whole')} is not used",
        TexsyncWarning,
        stacklevel=3,
    )


def check_one_size(masks: Sequence[Any]) -> None:
    """Raises InputError if masks (H, W) differ in size."""
    sizes = {(wide, tall) for tall, wide in (mask.shape for mask in masks)}
    if len(sizes) > 1:
        told = ", ".join(f"{wide} x {tall}" for wide, tall in sorted(sizes))
        raise Refused.mask_size(
            f"the {about('masks')} have different sizes ({got(told)})", "make them all of one size"
        )


def name_of(source: Any) -> str:
    """What to call a mask in a message."""
    return (
        f"mask {source}" if isinstance(source, (str, bytes)) or hasattr(source, "__fspath__") else "the mask"
    )
