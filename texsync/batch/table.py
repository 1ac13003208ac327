"""A table of jobs, CSV or YAML: one job a line, any task, any option a column."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Refused, about, got
from ..options.declared import Declared, declared, nearest
from ..options.kinds import ControlNames, Texts, Thing
from ..options.number_kinds import Flag, Real, Reals, Whole
from ..options.shared import plain, slug
from ..tasks import FUNCTIONS, options_of

KINDS = (".csv", ".tsv", ".yaml", ".yml")
SPLIT = "|"  # between the values of a list in one cell
OWN = ("task", "out", "formats")  # columns that are no options of a task
MOST_BYTES = 64 * 2**20
MOST_JOBS = 100_000


@dataclass(frozen=True)
class JobLine:
    """One line.

    line: where it stands in the table, from 1.  options: what the task is given, files by absolute path.
    out: folder of the result, below that of the batch.  formats: what is written, None is the usual.
    """

    line: int
    task: str
    options: Mapping[str, Any]
    out: str
    formats: str | None = None

    @property
    def key(self) -> str:
        """The same for the same job in the same folder, whatever its line."""
        said = json.dumps([self.task, self.options, self.formats, self.out], sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def read_jobs(path: Path) -> list[JobLine]:
    """All jobs of a table; raises InputError, with file and line, for what no job can be made of.

    Values are not checked here: a wrong one costs its own line, not the batch.
    """
    ending = path.suffix.lower()
    if ending not in KINDS:
        raise Refused.jobs_file(f"{about(path)} is no table of jobs", f"use {', '.join(KINDS)}")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Refused.jobs_file(f"{about(path)} is larger than {MOST_BYTES >> 20} MB", "split it")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        message = f"{about(path)} cannot be read ({error.strerror or error})"
        raise Refused.jobs_file(message, "name a .csv or .yaml file") from None
    except UnicodeDecodeError:
        raise Refused.jobs_file(f"{about(path)} is not UTF-8", "save it as UTF-8") from None
    rows = _csv_rows(path, text) if ending in (".csv", ".tsv") else _yaml_rows(path, text)
    jobs = [_job(path, line, number, row) for number, (line, row) in enumerate(rows, 1)]
    if not jobs or len(jobs) > MOST_JOBS:
        raise Refused.jobs_file(
            f"{about(path)} has {got(len(jobs)):,} jobs", f"give 1 to {MOST_JOBS:,}, one a line"
        )
    _check_folders(path, jobs)
    return jobs


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, column to text) of every line that is not empty."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [name.strip().lower().replace("-", "_").replace(" ", "_") for name in next(reader, [])]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise Refused.jobs_file(
                f"{about(f'{path}:1')} has two columns {got(twice)!r}", "keep one of them"
            )
        for cells in reader:
            if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
                raise Refused.jobs_file(
                    f"{about(f'{path}:{reader.line_num}')} has {got(len(cells))} cells for {len(names)} columns",
                    "put quotes around a text with a comma",
                )
            row = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise Refused.jobs_file(f"{about(f'{path}:{reader.line_num}')}: {error}", "mend that line") from None


def _yaml_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same of a list of mappings, or of {defaults: mapping, jobs: list}."""
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        usual: dict[str, Any] = {}
        if isinstance(root, yaml.MappingNode):
            parts = {key.value: value for key, value in root.value}
            if "defaults" in parts:
                usual = loader.construct_document(parts["defaults"])
            root = parts.get("jobs")
        if not isinstance(root, yaml.SequenceNode) or not isinstance(usual, dict):
            raise Refused.jobs_file(
                f"{about(path)} holds no list of jobs", 'write "jobs:" and a list below it'
            )
        for node in root.value:
            row = loader.construct_document(node)
            line = node.start_mark.line + 1
            if not isinstance(row, dict):
                raise Refused.jobs_file(
                    f"{about(f'{path}:{line}')} is {got(row):r.40}, not options with values",
                    "write e.g. - {mesh: chair.obj, prompt: oak wood}",
                )
            yield line, {str(name).replace("-", "_"): value for name, value in {**usual, **row}.items()}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        what = getattr(error, "problem", None) or "it is no YAML"
        raise Refused.jobs_file(f"{about(where)}: {what}", "mend that line") from None
    except RecursionError:
        raise Refused.jobs_file(f"{about(path)} is nested too deep", "give a list of jobs") from None


def _job(path: Path, line: int, number: int, row: dict[str, Any]) -> JobLine:
    where = f"{path}:{line}"
    task = row.pop("task", "mesh") or "mesh"
    if not isinstance(task, str) or task not in FUNCTIONS:
        raise Refused.jobs_file(
            f"{about(where)} has the task {got(task)!r:.60}", f"use one of {', '.join(FUNCTIONS)}"
        )
    known = {name: said for name, said in declared(options_of(task)).items() if "worker" in said.doors}
    for name in [name for name in row if name not in known and name not in OWN]:
        raise Refused.jobs_file(
            f"{about(where)} has {got(name)!r:.60}, which the task {task} does not take{nearest(name, known)}",
            f"known: {', '.join(known)}",
        )
    said = row.pop("out", None)
    formats = row.pop("formats", None)
    if formats is not None and "formats" not in declared(options_of(task).saving):
        raise Refused.jobs_file(f"{about(where)}: {task} has no formats to choose", "leave that cell empty")
    options = {name: _value(known[name], value, path.parent) for name, value in row.items()}
    words = str(options.get("prompt") or options.get("prompts") or "")
    out = str(said) if said else f"{number:04d}_{slug(words)}"
    if Path(out).is_absolute() or ".." in Path(out).parts or not Path(out).parts:
        raise Refused.jobs_file(
            f"{about(where)} has the folder {got(out)!r:.80}", "name one below that of the batch"
        )
    return JobLine(line, task, options, Path(out).as_posix(), None if formats is None else str(formats))


def _value(said: Declared, value: Any, home: Path) -> Any:
    """A cell's text as what the option takes; what cannot be converted stays, and its check says so."""
    kind = said.kind
    many = isinstance(kind, (Texts, ControlNames)) or (isinstance(kind, Thing) and kind.many)
    if isinstance(value, str):
        if many:
            value = [one.strip() for one in value.split(SPLIT)]
        elif isinstance(kind, Reals):
            value = [plain(one) for one in value.replace(",", " ").split()]
        elif isinstance(kind, (Whole, Real, Flag)):
            value = plain(value)
    if said.file:
        return [_beside(one, home) for one in value] if isinstance(value, list) else _beside(value, home)
    return value


def _beside(value: Any, home: Path) -> Any:
    """A file's path: as seen from the table's folder."""
    return str((home / Path(value).expanduser()).absolute()) if isinstance(value, str) and value else value


def _check_folders(path: Path, jobs: list[JobLine]) -> None:
    """Raises InputError for two jobs that would write one folder, or one into the other's."""
    lines: dict[str, int] = {}
    for job in jobs:
        name = job.out.casefold()  # file systems of Windows and macOS tell no case
        if name in lines:
            raise Refused.jobs_file(
                f"{about(f'{path}:{job.line}')} writes the folder {got(job.out)!r}, as line {lines[name]} does",
                "give each job a folder of its own",
            )
        lines[name] = job.line
    for job in jobs:
        for above in Path(job.out.casefold()).parents:
            if above.as_posix() in lines:
                raise Refused.jobs_file(
                    f"{about(f'{path}:{job.line}')} writes into the folder of line {lines[above.as_posix()]}",
                    "give each job a folder of its own",
                )
