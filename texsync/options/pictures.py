"""What every 2D task takes."""

from __future__ import annotations

from pathlib import Path

from ..errors import Refused
from ..errors import option as named
from .declared import declare, option_class, unsaid
from .kinds import Choice, Thing
from .shared import FADES, SharedOptions, slug

ASSEMBLIES = {
    "paste": "later views lie on top, as in the paper",
    "blend": "views fade into each other",
}
CONTROLS = {
    "plain": "the picture as it is",
    **{
        name: f"what controlnet_aux's {name} finds in it"
        for name in ("canny", "depth", "hed", "lineart", "mlsd", "normal", "openpose", "shuffle", "softedge")
    },
}
MASK_CELLS = {
    "mean": "a latent cell takes the mean of the mask's pixels",
    "nearest": "it takes the nearest one, as the authors' code does",
}
CELLS = "A latent cell takes the mean of the mask's pixels, or the nearest one."
STEPS = 50  # the paper's (SyncSDE, supplement A)
LONGEST_SIDE = 65536  # pixels


@option_class
class ImageOptions(SharedOptions):
    """What every 2D task takes, in pixels where it is a size; None stands for what `unsaid` says."""

    SMALLER = f"ask for a smaller picture, or use {named('chunk', 1)}"
    PAPER = {"steps": STEPS}
    control: str | None = declare(
        "What the ControlNet follows in the control image, e.g. canny, depth, plain.",
        Choice(CONTROLS),
        "model",
        default=None,
        metavar="NAME",
    )
    control_image: str | Path | None = declare(
        "A picture of yours that the result is laid out like.", Thing(), "model", default=None, file=True
    )
    fade: str | None = declare(
        "1/lambda weakens with the noise level, as that from the first step on, or not.",
        Choice(FADES),
        default=unsaid("level; edits, with the exact integrator: none"),
        paper="first",
    )

    def check(self) -> None:
        """Control and its picture belong together."""
        super().check()
        if (self.control is None) != (self.control_image is None):
            raise Refused.options_together(
                f"{named('control')} and {named('control_image')} belong together",
                f"give both, e.g. {named('control', 'canny')} and {named('control_image', 'house.jpg')}",
            )
        if self.control is None and self.controlnet is not None:
            raise Refused.options_together(
                f"{named('controlnet')} without {named('control')}",
                f"say what it follows, e.g. {named('control', 'canny')}",
            )

    @property
    def words(self) -> str:
        """What the default folder is named after."""
        return "picture"

    @property
    def folder(self) -> str:
        """<task>_<words of the prompt>."""
        return f"{type(self).__name__.removesuffix('Options').lower()}_{slug(self.words)}"
