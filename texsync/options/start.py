"""What tasks take that start from a picture, or change a part of what is there."""

from __future__ import annotations

import re
from typing import Any

from ..errors import Refused, about
from ..errors import option as named
from .declared import declare, option_class, unsaid
from .kinds import PictureOr
from .number_kinds import Real, Whole
from .shared import SharedOptions

OWN, HOLES = "own", "holes"  # the mesh's own base colour; what no view around the mesh sees
PLACES = ("faces", "material", "object")  # what of a mesh a text names, as in material:Glass
START_NOISE = 0.6  # of a run that starts from a picture and is to look new
LEVEL = "How much noise the start is given, as a share: little keeps it, 1 begins anew."


@option_class
class StartOptions(SharedOptions):
    """Where a run begins."""

    start: Any = declare(
        "A picture to start from, of the result's shape.",
        PictureOr(),
        "main",
        default=None,
        file=True,
        sweep=False,
        label="",
        metavar="PICTURE",
    )
    start_noise: float | None = declare(
        LEVEL, Real(0.0, 1.0), "main", default=unsaid(f"{START_NOISE} from a start"), usual=START_NOISE
    )

    def check(self) -> None:
        """A start's noise needs a start, and some noise."""
        super().check()
        check_start_noise(self.start_noise, self.begins_somewhere)

    @property
    def begins_somewhere(self) -> bool:
        """Whether there is a picture to start from."""
        return self.start is not None

    @property
    def level(self) -> float:
        """The share of noise that the run begins at."""
        return START_NOISE if self.start_noise is None else self.start_noise


def check_start_noise(level: float | None, begins: bool) -> None:
    """Raises InputError for no noise at all, and where there is nothing to begin with."""
    if level == 0:
        raise Refused.option_range(
            f"{named('start_noise')} is 0, which leaves all as it is",
            f"give e.g. {named('start_noise', 0.4)}",
        )
    if level is not None and not begins:
        raise Refused.options_together(
            f"{named('start_noise')} without a picture to start from", f"say which with {named('start')}"
        )


@option_class
class InContextOptions(StartOptions):
    """What of a mesh is painted anew, and what it starts from."""

    start: Any = declare(
        "Start from the mesh's own colours, own, or from a picture on its UVs.",
        PictureOr((OWN,)),
        "main",
        default=None,
        file=True,
        sweep=False,
        label="",
        metavar="own|PICTURE",
    )
    repaint: Any = declare(
        "Paint a part only: a picture on the UVs, white there; faces:1-9,12; material:NAME; object:NAME; holes.",
        PictureOr((HOLES,), PLACES),
        "main",
        default=None,
        file=True,
        sweep=False,
        label="",
        metavar="MASK|faces:...|material:NAME|object:NAME|holes",
    )
    feather: int | None = declare(
        "Texels inside the border of a repainted part over which the new fades in.",
        Whole(0, 1024),
        "surface",
        default=unsaid("1/64 of the texture"),
        usual=16,
    )
    refine: int = declare(
        "Paint details over the first result, at so many times its resolution; 1 is off.",
        Whole(1, 8),
        "surface",
        default=1,
    )
    refine_noise: float = declare(
        "How much noise the details start from, as a share.", Real(0.05, 1.0), "surface", default=0.3
    )

    @property
    def begins_somewhere(self) -> bool:
        """The mesh's sender may ask for a part, too; see `check_fits`."""
        return True

    def check_fits(self, starts: bool, part: bool) -> None:
        """Raises InputError for what is said of a start, or of a part, that there is not."""
        check_start_noise(self.start_noise, starts or part)
        if self.feather is not None and not part:
            raise Refused.options_together(
                f"{named('feather')} is of a repainted part, and there is none",
                f"say which with {named('repaint')}",
            )

    @property
    def level(self) -> float:
        """A part is painted from all noise, among what is kept, unless a start is asked for."""
        usual = START_NOISE if self.start is not None else 1.0
        return usual if self.start_noise is None else self.start_noise


def named_place(where: Any) -> tuple[str, str] | None:
    """("material", "Glass") for "material:Glass", ("holes", "") for "holes", None for a picture."""
    text = str(where) if isinstance(where, str) else ""
    found = re.fullmatch(rf"({'|'.join(PLACES)}):(.*)", text, re.DOTALL)
    return (found[1], found[2].strip()) if found else ((HOLES, "") if text == HOLES else None)


def numbers(text: str) -> list[int]:
    """[1, 2, 3, 7] of "1-3, 7"; blanks and lines part numbers too.  Raises InputError for anything else."""
    found: list[int] = []
    for word in re.split(r"[\s,]+", text.strip()):
        ends = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", word)
        if not ends or int(ends[2] or ends[1]) < int(ends[1]):
            raise Refused.option_text(
                f"{about('faces')} are numbers from 0, not {word[:40]!r}", "give e.g. faces:0-11,40"
            )
        found += range(int(ends[1]), int(ends[2] or ends[1]) + 1)
    return found
