"""What a table of a paper is, as data: rows, subjects, settings, measures, the paper's own numbers.

One YAML file a table, in `tables`; what each field holds stands in the classes below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import Refused, about, got

HOME = Path(__file__).parent / "tables"
SMALL = "small"
NAMES = {
    "1": "things in masks",
    "2": "edits of pictures",
    "3": "wide pictures",
    "4": "ambiguous pictures",
    "5": "textures of meshes",
    "6": "seconds and memory",
    "s2": "SyncDiffusion's weights",
    "s3": "SyncDiffusion's steps",
}


@dataclass(frozen=True)
class TableRow:
    """A method.

    task: where it is another than the table's; `renamed` says then what a subject's options are called there.
    options: of its jobs.  paper: measure to the paper's number.  why_not: why it is not run; "": it is.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    paper: Mapping[str, float] = field(default_factory=dict)
    task: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class Subject:
    """What every row paints.

    options: of the task; a file is {disc: [x, y, radius]} or {square: [left, top, right, bottom]}, a mask in shares
    of its side, {painted: prompt}, a picture that the model makes first, {photographs: folder}, one a seed, or
    {file: name}.  known: the prompts of the pictures that results are compared with, one for each that is looked at.
    """

    options: Mapping[str, Any]
    known: Sequence[str]


@dataclass(frozen=True)
class Extent:
    """How much of a table is run.

    count: results a row and subject.  references: pictures a prompt that they are compared with.  options: of all
    jobs.  known: further options of the references.  crops: of wide pictures, "one" at a random place or "all" that
    do not overlap.  others: prompts that none of the pictures shows, for the model as a judge.
    """

    count: int
    subjects: Sequence[Subject]
    options: Mapping[str, Any] = field(default_factory=dict)
    references: int = 0
    known: Mapping[str, Any] = field(default_factory=dict)
    crops: str = "one"
    others: Sequence[str] = ()


@dataclass(frozen=True)
class Specification:
    """A table.

    measures: as the paper calls them, see `figures.MEASURES`.  lead: the row whose order against the others is
    asked.  camera: of the one view of a mesh.  alone: each row in a process of its own, for its time and memory.
    settings: where each is from; "ours" is what the paper leaves unsaid.
    """

    name: str
    title: str
    source: str
    task: str
    model: str
    measures: Sequence[str]
    lead: str
    rows: Sequence[TableRow]
    paper: Extent
    small: Extent
    settings: Mapping[str, str]
    camera: Mapping[str, float] = field(default_factory=dict)
    alone: bool = False
    notes: Sequence[str] = ()

    @property
    def run_rows(self) -> list[TableRow]:
        """Those that are run."""
        return [row for row in self.rows if not row.why_not]

    def extent(self, scale: str) -> Extent:
        """Of `small`, or of a share of the paper's counts: 1 is all.  Raises InputError for another scale."""
        if scale == SMALL:
            return self.small
        share = number(scale)
        return replace(
            self.paper,
            count=max(1, round(self.paper.count * share)),
            references=max(min(1, self.paper.references), round(self.paper.references * share)),
        )


def number(scale: str) -> float:
    """A share above 0, at most 1.  Raises InputError for anything else."""
    try:
        share = float(scale)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise Refused.option_range(
            f"{about('scale')} {got(scale)!r:.40} is no share of the paper's counts",
            f"use {SMALL}, or a number above 0 and at most 1",
        )
    return share


def specification(name: str) -> Specification:
    """The table of that name, of `NAMES`."""
    import yaml

    said = yaml.safe_load((HOME / f"{name}.yaml").read_text(encoding="utf-8"))
    rows = [TableRow(**row) for row in said.pop("rows")]
    extents: dict[str, Any] = {size: _extent(said.pop(size)) for size in ("paper", "small")}
    return Specification(name=name, rows=rows, **extents, **said)


def _extent(said: dict[str, Any]) -> Extent:
    return Extent(subjects=[Subject(**one) for one in said.pop("subjects")], **said)
