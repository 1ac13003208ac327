"""One picture that shows something else when it is turned, mirrored or seen in another way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Refused, about, got, option
from ..options.declared import declare, option_class, takes
from ..options.kinds import Choice, ModelName, Prompt, Text, Texts
from ..options.pictures import ASSEMBLIES, ImageOptions
from ..progress import with_bar
from .images import Run
from .made import Made, Pictures

if TYPE_CHECKING:
    from torch import Tensor

    from ..backbones.base import Backbone
    from ..views import Views


@option_class
class AmbiguousOptions(ImageOptions):
    """One picture that is something else seen another way.

    views: for each prompt how the picture is turned or mirrored, several joined by "+"; one fewer than prompts means
    that the first prompt is of the picture as it is.
    """

    prompts: Sequence[str] = declare(
        "What the picture shows, seen in each way.",
        Texts(2, Prompt(), "prompt", "give two or more, one per view"),
        kw_only=False,
        argument=True,
    )
    views: Sequence[str] = declare(
        "How the picture is seen for the next prompt: identity, rotate90, rotate180, rotate270, flip, mirror "
        "and, for models that work on pixels, negate, skew, inner_circle, patches, pixels, jigsaw; or several "
        "joined by +.  Repeat it for more prompts.",
        Texts(1, Text(), remedy="name one or more, e.g. flip or rotate90"),
        "main",
        default=("flip",),
        flag="view",
        metavar="NAME",
        sweep=False,
    )
    assemble: str = declare(
        "Keep the last view's picture, as in the paper, or the mean of all.",
        Choice(ASSEMBLIES, "assembly"),
        "main",
        default="paste",
        paper="paste",
    )
    upscaler: Sequence[str | Path] = declare(
        "What enlarges the picture: stage II of DeepFloyd IF, if the model is its stage I; Stable Diffusion's x4 "
        "upscaler, which is stage III, after it or after any model.  Repeat it for one after the other.",
        Texts(each=ModelName(), remedy='e.g. "stabilityai/stable-diffusion-x4-upscaler"', alone=True),
        "main",
        default=(),
        metavar="PATH|HUB_ID",
    )

    def check(self) -> None:
        """A prompt for each view, or one more."""
        super().check()
        if not 0 <= len(self.prompts) - len(self.views) <= 1:
            raise Refused.option_count(
                f"{len(self.prompts)} prompts for {got(len(self.views))} {about('views')} ({', '.join(self.views)})",
                "give each view one prompt, or one prompt more for the picture as it is",
            )

    @property
    def all_views(self) -> tuple[str, ...]:
        """One per prompt."""
        views = tuple(self.views)
        return views if len(views) == len(self.prompts) else ("identity", *views)

    @property
    def words(self) -> str:
        return " ".join(self.prompts)


@takes(AmbiguousOptions)
@with_bar
def ambiguous_image(asked: AmbiguousOptions) -> Pictures:
    """Paint one picture that is the first PROMPT as it is and the second when seen another way.

    The pictures are the canvas and what each view shows of it.
    Raises InputError on anything that the caller can put right, such as a view that the model cannot do.
    Source: SyncSDE (CVPR 2025), Eq. 16-17.
    """
    import torch

    from ..views.shuffle import ambiguous

    check_different(asked.all_views, asked.seed)
    run = Run("ambiguous", asked)
    fetch_upscalers(run, asked)
    backbone = run.backbone()
    check_possible(asked.all_views, backbone)
    size = run.view_size(backbone)
    views = ambiguous(asked.all_views, size // backbone.scale, asked.seed)
    decode = decoder(run, backbone, asked, views)

    def look(picture: Tensor) -> Tensor:
        return torch.stack(list(looks(picture, asked.all_views, views.canvas[0], asked.seed).values()))

    predict = run.predictor(backbone, asked.prompts, control=run.control(backbone, (size, size), look))
    finals = run.denoise_all(backbone, predict, views, run.couplings(backbone, views, memory=1))
    made = []
    with run.stage("decode", asked.count):
        for seed, x in zip(asked.seeds, finals, strict=True):
            canvas = decode(x, seed)
            seen = looks(canvas, asked.all_views, views.canvas[0], asked.seed)
            made.append(Made(seed, {"picture": canvas, **seen}, backbone.decode(x).cpu()))
    return run.result(backbone, made, list(asked.all_views), views=asked.all_views)


def fetch_upscalers(run: Run, asked: AmbiguousOptions) -> None:
    """Download those of a hub that are not there, before anything loads; raises InputError."""
    if not asked.upscaler:
        return
    import torch

    from ..backbones.download import in_megabytes
    from ..backbones.latent_upscaler import fetch_upscaler
    from ..backbones.memory import choose_device, choose_dtype

    half = choose_dtype(asked.dtype, choose_device(asked.device)) != torch.float32
    for source in asked.upscaler:
        fetch_upscaler(str(source), half=half, on_bytes=in_megabytes(run.on_progress))


def decoder(
    run: Run, backbone: Backbone, asked: AmbiguousOptions, views: Views
) -> Callable[[Tensor, int], Tensor]:
    """(clean latents of all views, seed) to the canvas as a picture, (3, H, H) in [0, 1].

    With upscalers the last view's picture is enlarged as that view shows it and with its prompt, then turned back.
    """
    from ..views.base import lookup
    from ..views.shuffle import table
    from .wide import assembled

    if not asked.upscaler:
        return lambda x, seed: backbone.decode(assembled(views, x, asked.assemble)[None])[0].cpu()
    import numpy as np

    from ..backbones.latent_upscaler import upscaler_of

    stages = [upscaler_of(backbone, str(source)) for source in asked.upscaler]
    size = views.shape[1] * backbone.scale
    for stage in stages:
        size = stage.size_from(size)
    seen, sign = table(asked.all_views[-1], size, asked.seed, views.canvas[0])
    last = lookup(seen[None], (size, size), np.full_like(seen, sign)[None])
    how: dict[str, Any] = {"steps": run.steps(backbone), "guidance": run.guidance(backbone)}

    def enlarge(x: Tensor, seed: int) -> Tensor:
        pictures = x[-1:] if backbone.scale == 1 else backbone.decode(x[-1:]) * 2 - 1
        for stage in stages:
            pictures = stage(pictures, asked.prompts[-1:], **how, seed=seed) * 2 - 1
        return (last.f_inv(pictures) / 2 + 0.5).cpu()

    return enlarge


def looks(picture: Tensor, names: Sequence[str], cells: int, seed: int) -> dict[str, Tensor]:
    """What each view shows of a picture (3, H, H) in [0, 1], by file name."""
    from ..views.shuffle import shown

    return {
        f"view_{i}_{name.replace('+', '_')}": shown(picture, name, cells=cells, seed=seed)
        for i, name in enumerate(names, 1)
    }


def check_possible(names: Sequence[str], backbone: Backbone) -> None:
    """Raises InputError for views that the model's autoencoder would not survive."""
    from ..views.shuffle import NAMES, commutes

    wrong = [name for name in names if backbone.scale > 1 and not commutes(name)]
    if wrong:
        able = ", ".join(name for name in NAMES if commutes(name))
        raise Refused.view_unfit(
            f"{about('view')} {got(wrong[0])!r} cannot be done in this model's latents",
            f"use {able} or compositions of them, or a {option('model')} that works on pixels",
        )


def check_different(names: Sequence[str], seed: int) -> None:
    """Raises InputError if two of the views are one, or a name is unknown."""
    from ..views.shuffle import table

    tables: dict[tuple[int, bytes], str] = {}
    for name in names:
        seen, sign = table(name, 8 * 16, seed)
        first = tables.setdefault((sign, seen.tobytes()), name)
        if first is not name or list(names).count(name) > 1:
            raise Refused.views_same(
                f"two prompts for one view: {about(first)} and {name} are the same", "choose different views"
            )
