"""A picture wider or higher than the model sees at once: overlapping windows, denoised in step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import Refused, about, got, option
from ..options.declared import declare, option_class, takes, unsaid
from ..options.kinds import Choice, Prompt
from ..options.number_kinds import Flag, Whole
from ..options.pictures import ASSEMBLIES, LONGEST_SIDE, ImageOptions
from ..options.start import StartOptions
from ..progress import with_bar
from .images import Run
from .made import Made, Pictures

if TYPE_CHECKING:
    from torch import Tensor

    from ..views import Views

VIEWS_WIDE = 4  # of the default picture
MOST_SHOWN = 8  # windows on the contact sheet


@dataclass(frozen=True)
class Stretches(Prompt):
    """Prompts from one end of the picture to the other, parted by |."""

    def __call__(self, name: str, value: Any) -> str:
        for part in value.split("|") if isinstance(value, str) else ():
            super().__call__(name, part)
        return super().__call__(name, value)


@option_class
class WideOptions(StartOptions, ImageOptions):
    """A picture larger than the model sees at once; sizes in pixels."""

    prompt: str = declare(
        "What the picture shows; 'forest | beach' has one beside the other.",
        Stretches(),
        kw_only=False,
        argument=True,
    )
    width: int | None = declare(
        "Pixels; any from one view up.", Whole(16, LONGEST_SIDE), "main", default=unsaid("four views")
    )
    height: int | None = declare(
        "Pixels; higher than one view works too.", Whole(16, LONGEST_SIDE), "main", default=unsaid("one view")
    )
    overlap: int | None = declare(
        "Pixels that neighbouring windows share.",
        Whole(1, LONGEST_SIDE),
        "main",
        default=unsaid("3/4 of a view"),
    )
    loop: bool = declare(
        "Close the picture on itself along its longer side, without a seam.", Flag(), "main", default=False
    )
    assemble: str = declare(
        "Windows fade into each other, or later ones lie on top as in the paper.",
        Choice(ASSEMBLIES, "assembly"),
        "main",
        default="blend",
        paper="paste",
    )

    @property
    def words(self) -> str:
        return self.prompt


@takes(WideOptions)
@with_bar
def wide_image(asked: WideOptions) -> Pictures:
    """Paint a picture that is wider or higher than the model sees at once.

    Each window is drawn towards the one before it.  Raises InputError on anything that the caller can put right.
    Source: SyncSDE (CVPR 2025), Eq. 13-15, where the region that is pulled is the overlap.
    """
    from ..backbones.tiled import decode_tiled

    run = Run("wide", asked)
    backbone = run.backbone()
    frame = Frame.of(asked, run.view_size(backbone), backbone.scale)
    views = frame.views()
    shown = frame.shown(views)
    size = frame.width * frame.scale, frame.height * frame.scale
    hints = run.control(backbone, size, partial(frame.crops, views))
    predict = run.predictor(backbone, frame.prompts(views, asked.prompt), control=hints)
    coupling = run.couplings(backbone, views, memory=1)
    known = run.known(backbone, size, partial(frame.crops, views))
    finals = run.denoise_all(backbone, predict, views, coupling, known=known)
    made = []
    with run.stage("decode", asked.count):
        for seed, x in zip(asked.seeds, finals, strict=True):
            picture = decode_tiled(backbone, assembled(views, x, asked.assemble), frame.window, frame.loops)
            made.append(Made(seed, {"picture": picture}, backbone.decode(x[shown]).cpu()))
    return run.result(backbone, made, [frame.title(views, i) for i in shown], **frame.sizes())


@dataclass(frozen=True)
class Frame:
    """The canvas and its windows, in latent cells of `scale` pixels.

    step: from one window to the next.  loops: (down, across), axes along which the canvas closes on itself.
    """

    width: int
    height: int
    window: int
    step: int
    scale: int
    loops: tuple[bool, bool]

    @classmethod
    def of(cls, options: WideOptions, view_size: int, scale: int) -> Frame:
        """Raises InputError for sizes that this model cannot do, with the nearest that it can."""
        width = side("width", options.width or VIEWS_WIDE * view_size, view_size, scale)
        height = side("height", options.height or view_size, view_size, scale)
        overlap = view_size * 3 // 4 // scale * scale if options.overlap is None else options.overlap
        if not 0 < overlap < view_size or overlap % scale:
            near = min(max(scale, round(overlap / scale) * scale), view_size - scale)
            raise Refused.size_unfit(
                f"{about('overlap')} {got(overlap)} does not fit windows of {view_size} pixels, of cells of {scale}",
                f"the nearest that does is {near}",
            )
        across = options.loop and width >= height
        step = (view_size - overlap) // scale
        loops = (options.loop and not across, across)
        return cls(width // scale, height // scale, view_size // scale, step, scale, loops)

    def views(self) -> Views:
        from ..views import windows

        return windows(self.width, self.height, self.window, self.step, loop=any(self.loops))

    def corner(self, views: Views, i: int) -> tuple[int, int]:
        """(top, left) cell of window i."""
        return divmod(int(views.look.indices[i * self.window**2]), self.width)

    def prompts(self, views: Views, prompt: str) -> list[str]:
        """Each window's, of those parted by |: the one in whose stretch of the longer side its middle lies."""
        said = [part.strip() for part in prompt.split("|")]
        axis, length = (1, self.width) if self.width >= self.height else (0, self.height)
        corners = [self.corner(views, i)[axis] for i in range(views.shape[0])]
        middles = [(corner + self.window / 2) % length for corner in corners]
        return [said[int(len(said) * middle / length)] for middle in middles]

    def crops(self, views: Views, picture: Tensor) -> Tensor:
        """What the windows show of a picture of the canvas (3, H, W) in pixels: (N, 3, s, s)."""
        import torch

        size, seen = self.window * self.scale, []
        for i in range(views.shape[0]):
            top, left = (cell * self.scale for cell in self.corner(views, i))
            seen.append(picture.roll((-top, -left), (-2, -1))[:, :size, :size])
        return torch.stack(seen)

    def shown(self, views: Views) -> list[int]:
        """The windows that the contact sheet shows: evenly spread, first and last among them."""
        last = views.shape[0] - 1
        count = min(last + 1, MOST_SHOWN)
        return [round(i * last / max(count - 1, 1)) for i in range(count)]

    def title(self, views: Views, i: int) -> str:
        top, left = self.corner(views, i)
        return f"at {left * self.scale}, {top * self.scale}"

    def sizes(self) -> dict[str, int]:
        """Options as they were used, in pixels."""
        return {
            "width": self.width * self.scale,
            "height": self.height * self.scale,
            "overlap": (self.window - self.step) * self.scale,
        }


def side(name: str, pixels: int, view_size: int, scale: int) -> int:
    """`pixels` if a canvas may be that wide or high; raises InputError with the nearest size otherwise."""
    if pixels < view_size:
        raise Refused.size_unfit(
            f"{about(name)} {got(pixels)} is less than one view of {view_size} pixels",
            f"use at least {view_size}, or a smaller {option('view_size')}",
        )
    if pixels % scale:
        raise Refused.size_unfit(
            f"{about(name)} {got(pixels)} is not reachable, the model paints in steps of {scale} pixels",
            f"the nearest is {round(pixels / scale) * scale}",
        )
    return pixels


def assembled(views: Views, x: Tensor, how: str) -> Tensor:
    """Clean windows x (N, C, h, w) as one canvas (C, H, W).

    how: "paste" lays later windows on top (SyncSDE's phi), "blend" fades between those that overlap.
    """
    from ..views.plane import feathered, latest

    return (latest if how == "paste" else feathered)(views).f_inv(x)
