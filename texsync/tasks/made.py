"""What a 2D task returns: the pictures of every seed, and how they are saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor


@dataclass
class Made:
    """The pictures of one seed.

    images: name to (3, H, W) in [0, 1], or (4, H, W) with alpha, the task's main picture first.  views: (N, 3, s, s)
    in [0, 1], some of what the single trajectories show.  profile: ICC, of the pictures' values; None: sRGB.
    xmp: what other programs are told of the pictures, XML.
    """

    seed: int
    images: dict[str, Tensor]
    views: Tensor
    profile: bytes | None = None
    xmp: str = ""


@dataclass(repr=False)
class Pictures:
    """What a 2D task returns.

    made: one entry per seed.  titles: of the views.  report: every option as it was used, timings in seconds; what
    `run.json` holds.  image: the first seed's main picture (PIL); images: the main picture of every seed.
    """

    task: str
    made: list[Made]
    titles: list[str]
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def image(self) -> Image:
        return self.images[0]

    @property
    def images(self) -> list[Image]:
        from ..show.png import to_image

        return [to_image(next(iter(made.images.values()))) for made in self.made]

    def __repr__(self) -> str:
        count, (wide, high) = len(self.made), self.image.size
        pictures = "1 picture" if count == 1 else f"{count} pictures"
        return f"<Pictures {self.task}: {pictures} of {wide} x {high} pixels, from seed {self.made[0].seed}>"

    def _repr_png_(self) -> bytes:
        """Every seed's main picture, for notebooks."""
        from ..show.png import png
        from ..show.sheet import in_a_row

        return png(in_a_row(self.images))

    def shown(self) -> dict[str, Image]:
        """One picture per seed, for a sweep."""
        return {f"seed {one.seed}": image for one, image in zip(self.made, self.images, strict=True)}

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the pictures as PNG with the parameters inside, `views.png` and `run.json`: all or nothing.

        Raises InputError if the folder exists and `overwrite` is False, or cannot be written.
        """
        from ..record.atomic import atomic_folder
        from ..record.facts import recorded, write_record
        from ..show.png import write_png

        record = recorded(self.report, Path(folder))
        with atomic_folder(folder, overwrite=overwrite) as place:
            for made in self.made:
                end = f"_seed{made.seed}" if len(self.made) > 1 else ""
                for name, picture in made.images.items():
                    parameters = {**record, "seed": made.seed, "count": 1}
                    write_png(picture, place / f"{name}{end}.png", parameters, made.profile, made.xmp)
            self.sheet().save(place / "views.png", optimize=True)
            write_record(record, place)
        return Path(folder)

    def sheet(self) -> Image:
        """The contact sheet (PIL): one row of views per seed."""
        from ..show.sheet import contact_sheet

        return contact_sheet({f"seed {made.seed}": made.views for made in self.made}, self.titles)
