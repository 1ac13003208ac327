"""From a table to jobs of a batch: what has to be there first, what results are compared with, and every row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import Refused, about, got, option
from ..options.shared import slug
from .specification import Extent, Specification, Subject, TableRow

KNOWN_SEED, PAINTED_SEED = 10_000, 20_000  # from here on; no row has them
PHOTOGRAPHS = (".png", ".jpg", ".jpeg", ".webp")
SIDE = 512  # pixels of a mask that is drawn
FIRST, PICTURES = "first", "pictures"  # folders of one batch each
KNOWN, ROWS = f"{PICTURES}/known", f"{PICTURES}/rows"


@dataclass(frozen=True)
class Plan:
    """Jobs as data, and where their results will lie; a job's `out` is as seen from `home`.

    home: of the whole table.  files: where the user's meshes and photographs are.  more: options of every job, such
    as the device.
    """

    said: Specification
    extent: Extent
    home: Path
    model: str
    files: Path
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Pixels of a view."""
        return int(self.extent.options["view_size"])

    def cells(self) -> Iterator[tuple[int, Subject, int]]:
        """(subject's number, subject, number of the result), of each row."""
        for k, subject in enumerate(self.extent.subjects):
            for number in range(self.extent.count):
                yield k, subject, number

    # ---- what has to be there first

    def first(self) -> list[dict[str, Any]]:
        """Pictures to be edited that the model makes, and what the one camera sees of each mesh."""
        jobs = {}
        for k, subject, number in self.cells():
            for value in subject.options.values():
                if isinstance(value, Mapping) and "painted" in value:
                    jobs[self._painted(k, number)] = self._single(
                        value["painted"], PAINTED_SEED + number, FIRST, f"{k:02d}_{number:04d}"
                    )
            if "mesh" in subject.options:
                jobs[self.seen(k)] = {
                    "task": "views",
                    "mesh": str(self._file(subject.options["mesh"])),
                    "cameras": str(self.camera_file),
                    "view_size": self.size,
                    "out": f"{FIRST}/{k:02d}",
                }
        return list(jobs.values())

    def _painted(self, k: int, number: int) -> Path:
        return self.home / FIRST / f"{k:02d}_{number:04d}" / "picture.png"

    def seen(self, k: int) -> Path:
        """The folder of what the camera sees of a subject's mesh."""
        return self.home / FIRST / f"{k:02d}"

    @property
    def camera_file(self) -> Path:
        """The one camera's, for meshes."""
        return self.home / "inputs" / "camera.json"

    # ---- what results are compared with

    def known(self) -> list[dict[str, Any]]:
        """Uncoupled single pictures of every prompt."""
        made = []
        for k, subject in enumerate(self.extent.subjects):
            for prompt in subject.known:
                for number in range(self.extent.references):
                    out = self.known_folder(k, prompt, number).name
                    job = self._single(prompt, KNOWN_SEED + number, KNOWN, out)
                    if "mesh" in subject.options:
                        depth = str(self.seen(k) / "view_00_control.png")
                        job |= {"control": "plain", "control_image": depth}
                    made.append(job | dict(self.extent.known))
        return list({job["out"]: job for job in made}.values())

    def known_folder(self, k: int, prompt: str, number: int) -> Path:
        """Where one of them lies."""
        return self.home / KNOWN / f"{k:02d}_{slug(prompt)}_{number:04d}"

    def _single(self, prompt: str, seed: int, folder: str, name: str) -> dict[str, Any]:
        keep = ("steps", "guidance", "view_size", "like_paper", "sampler")
        options = {key: value for key, value in self.extent.options.items() if key in keep}
        side = {"width": self.size, "height": self.size, "coupling": "none"}
        job = {"task": "wide", "prompt": prompt, "seed": seed, "out": f"{folder}/{name}"}
        return job | options | side | {"model": self.model} | dict(self.more)

    # ---- rows

    def row(self, row: TableRow) -> list[dict[str, Any]]:
        """The jobs of one row."""
        return [
            {"task": row.task or self.said.task, "seed": number, "out": self._out(row, k, number)}
            | dict(self.extent.options)
            | self.options(row, subject, k, number)
            | dict(row.options)
            | {"model": self.model}
            | dict(self.more)
            for k, subject, number in self.cells()
        ]

    def options(self, row: TableRow, subject: Subject, k: int, number: int) -> dict[str, Any]:
        """A subject's, as the row's task calls them."""
        made = {name: self._made(value, k, number) for name, value in subject.options.items()}
        if not row.task:
            return made
        told = {row.renamed[name]: value for name, value in made.items() if name in row.renamed}
        return told | {"width": self.size, "height": self.size}

    def _made(self, value: Any, k: int, number: int) -> Any:
        """A subject's option, files by their path."""
        if isinstance(value, list):
            return [self._made(one, k, number) for one in value]
        if not isinstance(value, Mapping):
            return value
        if "painted" in value:
            return str(self._painted(k, number))
        if "photographs" in value:
            return str(self._photograph(value["photographs"], number))
        if "file" in value:
            return str(self._file(value))
        return str(drawn(value, self.home / "inputs"))

    def _out(self, row: TableRow, k: int, number: int) -> str:
        return f"{ROWS}/{slug(row.name)}/{k:02d}_{number:04d}"

    def result(self, row: TableRow, k: int, number: int) -> Path:
        """The folder of one result."""
        return self.home / self._out(row, k, number)

    # ---- the user's files

    def _file(self, value: Mapping[str, Any]) -> Path:
        path = self.files / value["file"]
        if not path.exists():
            raise Refused.table_files(
                f"table {self.said.name} needs {about(path)}, which is not there",
                f"say with {option('files')} where its files are",
            )
        return path.absolute()

    def _photograph(self, folder: str, number: int) -> Path:
        found = sorted(p for p in self._file({"file": folder}).iterdir() if p.suffix.lower() in PHOTOGRAPHS)
        if number >= len(found):
            raise Refused.table_files(
                f"table {self.said.name} needs {self.extent.count} pictures in {about(self.files / folder)}, "
                f"which has {got(len(found))}",
                f"add some, or give a smaller {option('scale')}",
            )
        return squared(found[number], self.size, self.home / "inputs" / folder)


def squared(photograph: Path, side: int, folder: Path) -> Path:
    """A copy of a photograph cut to a square of `side` pixels, which every method can take."""
    from PIL import ImageOps

    from ..tasks.reading import read_picture

    path = folder / f"{photograph.stem}.png"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        ImageOps.fit(read_picture(photograph), (side, side)).save(path)
    return path.absolute()


def drawn(shape: Mapping[str, Any], folder: Path) -> Path:
    """A mask as a picture, white inside: {disc: [x, y, radius]} or {square: [left, top, right, bottom]}, in shares."""
    import numpy as np
    from PIL import Image

    ((kind, numbers),) = shape.items()
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    if kind == "disc":
        inside = (x - numbers[0]) ** 2 + (y - numbers[1]) ** 2 < numbers[2] ** 2
    else:
        left, top, right, bottom = numbers
        inside = (left <= x) & (x < right) & (top <= y) & (y < bottom)
    path = folder / f"{kind}_{'_'.join(f'{one:g}' for one in numbers)}.png"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(inside.astype(np.uint8) * 255).save(path)
    return path.absolute()
