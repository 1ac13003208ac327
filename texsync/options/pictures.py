"""What every 2D task takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import Refused, about
from ..errors import option as named
from .control_kinds import KNOWN, check_known, check_read, said_kinds, shared_out
from .declared import declare, option_class, unsaid
from .kinds import Choice, Texts, Thing
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
    control: str | Sequence[str] | None = declare(
        "What the ControlNet follows in the control image, e.g. canny, depth, plain; repeated for several.",
        Texts(1, Choice(CONTROLS), remedy="e.g. canny", alone=True),
        "model",
        default=None,
        metavar="NAME",
    )
    control_image: Any = declare(
        "A picture of yours that the result is laid out like; one for all, or one for each ControlNet.",
        Thing(many=True),
        "model",
        default=None,
        file=True,
    )
    fade: str | None = declare(
        "1/lambda weakens with the noise level, as that from the first step on, or not.",
        Choice(FADES),
        default=unsaid("level; edits, with the exact integrator: none"),
        paper="first",
    )

    def check(self) -> None:
        """Control and its picture belong together, and there is one for each ControlNet."""
        super().check()
        if (self.control is None) != (self.control_image is None):
            raise Refused.options_together(
                f"{named('control')} and {named('control_image')} belong together",
                f"give both, e.g. {named('control', 'canny')} and {named('control_image', 'house.jpg')}",
            )
        names, pictures = self.control or (), self.control_image or ()
        if len({1, len(names), len(pictures)}) > 2:
            raise Refused.option_count(
                f"{len(names)} {named('control')}s for {len(pictures)} {about('control images')}",
                "give one for all, or one for each",
            )
        check_read(self.controlnet)
        if not isinstance(self.model, str):
            return  # what it follows, the run asks the model
        kinds = said_kinds(self.controlnet)
        if self.follows(kinds):
            self.shared(kinds)
        elif self.controlnet is not None:
            raise Refused.options_together(
                f"{named('controlnet')} without {named('control')}",
                f"say what it follows, e.g. {named('control', 'canny')}",
            )

    def shared(self, kinds: Sequence[str | None]) -> list[int | None]:
        """Which of the pictures followed each ControlNet has, see `shared_out`; raises InputError where one has none.

        kinds: what each follows.
        """
        which = shared_out(kinds, self.pictures_followed)
        if None in which and not self.begins_somewhere:
            remedy = f"give one with {named('control', 'plain')} and {named('control_image', 'house.jpg')}"
            start = (
                f", or start from one with {named('start', 'house.jpg')}" if hasattr(self, "start") else ""
            )
            check_known([("", kind) for kind in kinds], remedy + start)
        return which

    def follows(self, kinds: Sequence[str | None]) -> bool:
        """Whether ControlNets that follow such kinds are asked for at all."""
        return self.control is not None or any(kind in KNOWN for kind in kinds)

    @property
    def pictures_followed(self) -> int:
        """How many pictures of the user's own ControlNets follow."""
        return max(len(self.control or ()), len(self.control_image or ()))

    @property
    def begins_somewhere(self) -> bool:
        """Whether there is a picture before there is a result."""
        return False

    @property
    def words(self) -> str:
        """What the default folder is named after."""
        return "picture"

    @property
    def folder(self) -> str:
        """<task>_<words of the prompt>."""
        return f"{type(self).__name__.removesuffix('Options').lower()}_{slug(self.words)}"
