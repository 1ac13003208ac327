"""One option, several values: what each makes of the same seeds, on one labelled sheet (SyncSDE, Fig. 9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..progress import Progress
from .made import Pictures

if TYPE_CHECKING:
    from PIL.Image import Image

    from .textured import TexturedMesh
    from .variants import Variants

WIDE = 2.0  # times as wide as high; from there on, values go down the sheet instead of across


@dataclass(repr=False)
class Sweep:
    """What each value of an option made.  name: the option.  values: one per run.

    pictures: per value, title (a seed, or a side of a mesh) to picture (PIL).  reports: per value, as in `run.json`.
    """

    name: str
    values: list[Any]
    pictures: list[dict[str, Image]]
    reports: list[dict[str, Any]]

    def sheet(self) -> Image:
        """Every value's pictures side by side (PIL), labelled."""
        from ..show.sheet import labelled

        table = [list(one.values()) for one in self.pictures]
        values, titles = [f"{self.name} = {value}" for value in self.values], list(self.pictures[0])
        if table[0][0].width >= WIDE * table[0][0].height:
            return labelled(table, values, titles)
        return labelled(list(zip(*table, strict=True)), titles, values)

    def __repr__(self) -> str:
        return f"<Sweep of {self.name}: {', '.join(map(str, self.values))}>"

    def _repr_png_(self) -> bytes:
        """The sheet, for notebooks."""
        from ..show.png import png

        return png(self.sheet())

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write `sweep.png`, every picture by value and title, and `run.json`: all or nothing."""
        from ..record.atomic import atomic_folder
        from ..record.facts import versions, write_record
        from ..show.png import save_png

        records = [{**report, "versions": versions()} for report in self.reports]
        with atomic_folder(folder, overwrite=overwrite) as place:
            self.sheet().save(place / "sweep.png", optimize=True)
            for value, pictures, record in zip(self.values, self.pictures, records, strict=True):
                for title, picture in pictures.items():
                    name = f"{self.name}_{value}_{title.replace(' ', '')}.png".replace("/", "_")
                    save_png(picture, place / name, {**record, "picture": title})
            write_record({"sweep": {self.name: self.values}, "runs": records}, place)
        return Path(folder)


def sweep(
    task: Callable[..., Pictures | TexturedMesh | Variants],
    name: str,
    values: Sequence[Any],
    *,
    on_progress: Progress | None = None,
    **options: Any,
) -> Sweep:
    """Run a task once per value of one of its options.

    task: `texture_mesh`, `wide_image` or another; options: all it takes.  Seeds are the same for every value, so what
    differs is the value's doing.  Raises InputError as the task does.
    """
    made = Sweep(name, list(values), [], [])
    for value in values:
        result = task(on_progress=on_progress, **{**options, name: value})
        made.pictures.append(result.shown())
        made.reports.append(result.report)
    return made
