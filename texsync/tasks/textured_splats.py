"""Splats with their new colours, and what is left of them on disk: files, pictures and `run.json`, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..options.declared import SHELL, declare, option_class, unsaid
from ..options.kinds import Names
from ..options.output import SaveOptions
from ..record.facts import recorded, write_record
from .textured import SIDES_DEG, around_sheet

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from torch import Tensor

    from ..splats.gaussians import Splats
    from ..surface.cameras import Camera

FORMATS = {
    "own": "the splats in the format that they came in",
    "ply": "as .ply",
    "spz": "as .spz",
    "splat": "as .splat",
    "sheet": "the contact sheet",
    "turntable": "a picture that turns",
}
USUAL_FORMATS = ("own", "sheet", "turntable")
FRAMES, FRAME_SIZE = 36, 384  # of the turntable; its size in pixels


@option_class
class SplatSaveOptions(SaveOptions):
    """What is written of splats."""

    formats: str | Sequence[str] | None = declare(
        f"What is written: some of {', '.join(FORMATS)}.",
        Names(FORMATS, "format"),
        "output",
        default=unsaid("own, sheet and turntable"),
        doors=SHELL,
        metavar="A,B,...",
    )

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of FORMATS."""
        return USUAL_FORMATS if self.formats is None else tuple(self.formats)


@dataclass(repr=False)
class TexturedSplats:
    """Splats with their new colours.

    stem, ending: of the file that they came from.  splats: as in that file, but for the colours.  inside: the same in
    the render frame.  seen: (K,) bool, those that some view has painted; the others were filled.
    views: (N, 3, s, s) in [0, 1], the pictures that the colours were made from.  condition: (N, 3, s, s), what the
    ControlNet read.  solid: (N, 1, s, s) bool, where views show the splats.  rendered: (N, 3, s, s), what cameras see.
    antialiased: how they are drawn.  report: every option, timings in seconds, versions; what `run.json` holds.
    """

    stem: str
    ending: str
    splats: Splats
    inside: Splats
    seen: np.ndarray
    cameras: tuple[Camera, ...]
    views: Tensor
    condition: Tensor
    solid: Tensor
    rendered: Tensor
    antialiased: bool = False
    report: dict[str, Any] = field(default_factory=dict)
    saving: ClassVar = SplatSaveOptions

    @property
    def colours(self) -> np.ndarray:
        """(K, 3) float32 RGB."""
        return self.splats.colour

    def drawn(self, cameras: Sequence[Camera], size: int) -> Iterator[Tensor]:
        """What each camera sees, (3, size, size) in [0, 1]; cameras are in the render frame."""
        from ..splats.rasterise import contributions

        for camera in cameras:
            yield picture(
                contributions(self.inside, camera, size, antialiased=self.antialiased), self.colours
            )

    def shown(self) -> dict[str, Image]:
        """Two sides, for a sweep."""
        from ..show.png import to_image
        from ..show.sheet import TABLE_SIDE
        from ..surface.cameras import Camera

        sides = self.drawn([Camera(*place) for place in SIDES_DEG.values()], TABLE_SIDE)
        return {title: to_image(side) for title, side in zip(SIDES_DEG, sides, strict=True)}

    def save(
        self, folder: str | Path, *, overwrite: bool = False, formats: str | Sequence[str] | None = None
    ) -> Path:
        """Write `run.json` and what `formats` says into a folder: all of it or nothing.

        formats: some of own, `<stem>_textured` in the format that the splats came in; ply, spz and splat, likewise in
        these; sheet, `views.png`; turntable, `turntable.gif`.  None is own, sheet and turntable.
        Raises InputError if the folder exists and `overwrite` is False, or cannot be written.
        """
        from ..record.atomic import atomic_folder

        chosen = SplatSaveOptions(formats=formats).chosen
        with atomic_folder(folder, overwrite=overwrite) as place:
            self.write(place, chosen, Path(folder))
        return Path(folder)

    def write(self, place: Path, chosen: Sequence[str], folder: Path) -> None:
        """Write into a folder that is there.  chosen: of FORMATS.  folder: where it will be in the end."""
        from ..show.png import to_image
        from ..show.render import turning, write_gif
        from ..splats.splat_files import ENDINGS, splat_bytes

        endings = {self.ending if one == "own" else f".{one}" for one in chosen}
        for ending in sorted(endings & set(ENDINGS)):
            (place / f"{self.stem}_textured{ending}").write_bytes(splat_bytes(self.splats, ending))
        if "sheet" in chosen:
            self.sheet().save(place / "views.png", optimize=True)
        if "turntable" in chosen:
            frames = [to_image(one) for one in self.drawn(turning(FRAMES), FRAME_SIZE)]
            write_gif(frames, place / "turntable.gif")
        facts = {"name": self.stem, "count": len(self.splats)}
        seen = round(float(self.seen.mean()), 4)
        write_record(recorded(self.report, folder, splats=facts, splats_seen=seen), place)

    def sheet(self) -> Image:
        """The contact sheet (PIL): what the model was told, what it painted, and the splats with their colours.

        What is painted beside the splats is left out.
        """
        import torch

        from ..show.render import BACKDROP

        rows = {
            "condition": self.condition,
            "generated": torch.where(self.solid, self.views, BACKDROP),
            "textured": self.rendered,
        }
        return around_sheet(rows, self.cameras, self.report)

    def __repr__(self) -> str:
        prompt, seed = self.report.get("prompt"), self.report.get("seed")
        return f"<TexturedSplats {self.stem!r}: {prompt!r}, seed {seed}, {len(self.splats)} splats>"

    def _repr_png_(self) -> bytes:
        """The contact sheet, for notebooks."""
        from ..show.png import png

        return png(self.sheet())


def picture(seen: Any, colours: np.ndarray) -> Tensor:
    """What a camera sees of splats with colours (K, 3), before a light backdrop: (3, S, S) in [0, 1].

    seen: its `Seen`.
    """
    import numpy as np
    import torch

    from ..show.render import BACKDROP

    colour = np.asarray(seen.weights @ colours.astype(np.float32)).reshape(seen.size, seen.size, 3)
    whole = colour + (1 - seen.alpha[..., None]) * BACKDROP
    return torch.from_numpy(whole.astype(np.float32)).permute(2, 0, 1).clamp(0, 1)
