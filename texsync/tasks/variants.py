"""One thing, several seeds: what `count` above 1 gives, and how it is saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..errors import option
from ..record.facts import recorded, write_record
from .textured import TexturedMesh
from .textured_splats import TexturedSplats

if TYPE_CHECKING:
    from PIL.Image import Image

OVERVIEW = "overview.png"
PIXEL_BYTES, TEXEL_BYTES = 12, 5  # of one variant that waits to be saved: three floats; colours and two masks


def check_room(count: int, pixels: int, texels: int) -> None:
    """Raises InputError where so many variants do not fit into the memory.

    pixels: of all views.  texels: of the texture.
    """
    import torch

    from ..backbones.memory import require

    need = (count - 1) * (pixels * PIXEL_BYTES + texels * TEXEL_BYTES)
    require(need, torch.device("cpu"), f"{count} variants of a texture", f"lower {option('count')}")


One = TypeVar("One", TexturedMesh, TexturedSplats)


@dataclass(repr=False)
class Variants(Sequence[One], Generic[One]):
    """What several seeds made, a sequence of `TexturedMesh` or `TexturedSplats`.

    report: of the whole run, as `run.json` holds it; each variant has its own, from which it alone can be repeated.
    """

    made: list[One]
    report: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, made: Sequence[One], seeds: Sequence[int]) -> Variants[One]:
        """Results of one run, whose reports are that of the run still.  seeds: one each."""
        report = made[0].report
        own = [{"seed": seed, "count": 1} for seed in seeds]
        reports = [{**report, **one, "options": {**report["options"], **one}} for one in own]
        return cls([replace(one, report=said) for one, said in zip(made, reports, strict=True)], report)

    @overload
    def __getitem__(self, index: int) -> One: ...
    @overload
    def __getitem__(self, index: slice) -> list[One]: ...
    def __getitem__(self, index: int | slice) -> One | list[One]:
        return self.made[index]

    def __len__(self) -> int:
        return len(self.made)

    def __iter__(self) -> Iterator[One]:
        return iter(self.made)

    @property
    def seeds(self) -> list[int]:
        return [one.report["seed"] for one in self.made]

    def shown(self) -> dict[str, Image]:
        """Two sides of each, for a sweep."""
        titled = [(f"seed {seed}", one.shown()) for seed, one in zip(self.seeds, self.made, strict=True)]
        return {f"{title} {side}": picture for title, sides in titled for side, picture in sides.items()}

    def sheet(self) -> Image:
        """All of them side by side (PIL), from the front and from the back."""
        from ..show.sheet import labelled

        shown = [one.shown() for one in self.made]
        rows = [[one[side] for one in shown] for side in shown[0]]
        return labelled(rows, list(shown[0]), [f"seed {seed}" for seed in self.seeds])

    def save(self, folder: str | Path, *, overwrite: bool = False, **what: Any) -> Path:
        """Write `overview.png`, `run.json` and, as its own `save` does, a folder `seed_<seed>` for each.

        what: what else that takes.
        All or nothing.  Raises InputError if the folder exists and `overwrite` is False, or cannot be written.
        """
        from ..record.atomic import atomic_folder

        chosen = self.made[0].saving(**what).chosen
        with atomic_folder(folder, overwrite=overwrite) as place:
            for seed, one in zip(self.seeds, self.made, strict=True):
                (place / f"seed_{seed}").mkdir()
                one.write(place / f"seed_{seed}", chosen, Path(folder) / f"seed_{seed}")
            self.sheet().save(place / OVERVIEW, optimize=True)
            write_record(recorded(self.report, Path(folder)), place)
        return Path(folder)

    def __repr__(self) -> str:
        seeds = ", ".join(map(str, self.seeds))
        return f"<Variants of {self.made[0].stem!r}: {self.report.get('prompt')!r}, seeds {seeds}>"

    def _repr_png_(self) -> bytes:
        """The overview, for notebooks."""
        from ..show.png import png

        return png(self.sheet())
