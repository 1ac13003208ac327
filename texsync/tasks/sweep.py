"""One option, several values: what each makes of the same seeds, on one labelled sheet (SyncSDE, Fig. 9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .images import Pictures, Progress, write_png

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 256  # pixels a side that a square picture has on the sheet; others have its area
WIDE = 2.0  # times as wide as high; from there on, values go down the sheet instead of across


@dataclass
class Sweep:
    """Results of one option's values.  name: the option.  values: one per result."""

    name: str
    values: list[Any]
    results: list[Pictures] = field(default_factory=list)

    def sheet(self) -> Image:
        """Every value's pictures (PIL), one per seed; labelled with value and seed."""
        pictures = [result.images for result in self.results]
        values = [f"{self.name} = {value}" for value in self.values]
        seeds = [f"seed {made.seed}" for made in self.results[0].made]
        if pictures[0][0].width >= WIDE * pictures[0][0].height:
            return labelled(pictures, values, seeds)
        return labelled(list(zip(*pictures, strict=True)), seeds, values)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write `sweep.png`, a picture per value and seed, and `run.json`: all or nothing."""
        from ..surface.folder import atomic_folder
        from .outputs import dump, versions

        records = [{**result.report, "versions": versions()} for result in self.results]
        with atomic_folder(folder, overwrite=overwrite) as place:
            self.sheet().save(place / "sweep.png", optimize=True)
            for value, result, record in zip(self.values, self.results, records, strict=True):
                for made in result.made:
                    name = f"{self.name}_{value}_seed{made.seed}.png"
                    parameters = {**record, "seed": made.seed, "count": 1}
                    write_png(next(iter(made.images.values())), place / name.replace("/", "_"), parameters)
            (place / "run.json").write_text(
                dump({"sweep": {self.name: self.values}, "runs": records}, indent=2) + "\n"
            )
        return Path(folder)


def sweep(
    task: Callable[..., Pictures],
    name: str,
    values: Sequence[Any],
    *,
    on_progress: Progress | None = None,
    **options: Any,
) -> Sweep:
    """Run a 2D task once per value of one of its options.

    task: `wide_image`, `ambiguous_image`, `masked_image` or `edit_image`; options: all it takes.  Seeds are the same
    for every value, so what differs is the value's doing.  Raises InputError as the task does.
    """
    results = [task(on_progress=on_progress, **{**options, name: value}) for value in values]
    return Sweep(name, list(values), results)


def labelled(pictures: Sequence[Sequence[Image]], rows: Sequence[str], columns: Sequence[str]) -> Image:
    """Pictures of one size in rows, with a title on each row and column."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=15)
    width, height = pictures[0][0].size
    shrink = SIDE / (width * height) ** 0.5
    width, height = round(width * shrink), round(height * shrink)
    left, top = 16 + max(int(font.getlength(title)) for title in rows), 26
    size = (left + len(columns) * (width + 4), top + len(rows) * (height + 4))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for j, title in enumerate(columns):
        draw.text((left + j * (width + 4) + width // 2, top // 2), title, "black", font, "mm")
    for i, (title, row) in enumerate(zip(rows, pictures, strict=True)):
        y = top + i * (height + 4)
        draw.text((8, y + height // 2), title, "black", font, "lm")
        for j, picture in enumerate(row):
            small = picture.resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(small, (left + j * (width + 4), y))
    return sheet
