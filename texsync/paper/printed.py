"""A table as Markdown, CSV and JSON, the paper's numbers beside ours, and a strip of pictures for each row."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..measures.errorbars import FEWEST
from ..options.shared import slug
from ..record.atomic import atomic_folder
from .figures import MEASURES, Figure, Measured
from .looked_at import Result
from .planned import Plan
from .specification import TableRow

DATA = "table.json"
STRIPS, SHOWN, HIGH, QUALITY = "strips", 6, 112, 82  # pictures a strip, pixels, JPEG's quality
ERRORS = (
    "Ours ± standard error by bootstrap over pictures; the paper's numbers are of its models and pictures."
)
ORDER = ["| against | measure | in the paper | ours |", "| --- | --- | --- | --- |"]
SINGLE = ("GB",)  # one number a row, without an error
SURE = 2.0  # standard errors beyond which two rows differ


def write_table(plan: Plan, found: Measured, folder: Path, scale: str) -> Path:
    """`table.md`, `table.csv`, `table.json` and `strips/`, all or nothing; an older one is replaced."""
    if (folder / DATA).is_file():
        shutil.rmtree(folder)  # it can be made again from the results at any time
    with atomic_folder(folder) as place:
        strips = write_strips(plan, place)
        (place / "table.md").write_text(markdown(plan, found, scale, strips), encoding="utf-8")
        (place / "table.csv").write_text(as_csv(plan, found), encoding="utf-8", newline="")
        said = as_data(plan, found, scale)
        (place / DATA).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return folder


def markdown(plan: Plan, found: Measured, scale: str, strips: dict[str, str]) -> str:
    """What a person reads."""
    said = plan.said
    notes = [*_stand_ins(found), *found.notes, *said.notes, *_row_notes(plan)]
    lines = [f"# Table {said.name.upper()}: {said.title}", "", f"{said.source}. {_extent(plan, scale)}", ""]
    lines += [*_grid(plan, found), "", ERRORS, "", *(f"- {note}" for note in notes), ""]
    verdicts = list(order(plan, found))
    if verdicts:
        lines += [f"## The paper's order: {said.lead} against the others", "", *ORDER]
        lines += [*(f"| {' | '.join(one)} |" for one in verdicts), ""]
    if strips:
        lines += ["## Pictures", ""]
        lines += [line for row, file in strips.items() for line in (row, "", f"![{row}]({file})", "")]
    lines += ["## Settings", "", "| what | where from |", "| --- | --- |"]
    lines += [f"| {what} | {source} |" for what, source in said.settings.items()]
    return "\n".join(lines).rstrip() + "\n"


def _extent(plan: Plan, scale: str) -> str:
    extent = plan.extent
    options = ", ".join(f"{name} {value}" for name, value in extent.options.items())
    known = f", {extent.references} references a prompt" if extent.references else ""
    return (
        f"Run with `{plan.model}` at scale {scale}: {len(extent.subjects)} subjects x {extent.count} "
        f"results a row{known}; {options}."
    )


def _grid(plan: Plan, found: Measured) -> Iterator[str]:
    """Ours and the paper's beside each other."""
    heads = ["method"]
    for one in plan.said.measures:
        kind = MEASURES[one]
        heads += [f"{found.names[one]}{_unit(found, one)} {kind.arrow}", f"paper: {one}{kind.unit}"]
    yield f"| {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * (len(heads) - 1)}"
    for row in plan.said.rows:
        cells = [row.name]
        for one in plan.said.measures:
            cells += [_ours(row, found, one), _papers(row, one)]
        yield f"| {' | '.join(cells)} |"


def _unit(found: Measured, measure: str) -> str:
    return MEASURES[measure].unit


def _ours(row: TableRow, found: Measured, measure: str) -> str:
    if row.why_not:
        return "not run"
    figure, digits = found.figures[row.name][measure], MEASURES[measure].digits
    if figure.value is None:
        return "-"
    if "%" in found.names[measure]:
        digits = 0
    value = f"{figure.value:.{digits}f}"
    return value if figure.error is None else f"{value} ± {figure.error:.{digits}f}"


def _papers(row: TableRow, measure: str) -> str:
    return f"{row.paper[measure]:g}" if measure in row.paper else ""


def _stand_ins(found: Measured) -> list[str]:
    """What was computed where weights were not named."""
    other = {one: name for one, name in found.names.items() if "lite0" in name or "%" in name}
    if not other:
        return []
    told = ", ".join(f"{name} for {one}" for one, name in other.items())
    return [
        f"No weights were named for some measures, so others stand in: {told}. They rank rows of one run; "
        "they are not the paper's and not on its scale."
    ]


def _row_notes(plan: Plan) -> list[str]:
    return [f"{row.name}: {row.why_not or row.note}" for row in plan.said.rows if row.why_not or row.note]


def order(plan: Plan, found: Measured) -> Iterator[tuple[str, str, str, str]]:
    """(row, measure, who is better in the paper, whether it is so here), for the leading row against each other."""
    said = plan.said
    (lead,) = [row for row in said.rows if row.name == said.lead]
    for row in said.run_rows:
        for one in said.measures:
            if row is lead or one not in row.paper or one not in lead.paper:
                continue
            better = _gain(one, lead.paper[one], row.paper[one])
            papers = "the same" if better == 0 else f"{lead.name if better > 0 else row.name} better"
            ours = [found.figures[each.name][one] for each in (lead, row)]
            yield row.name, one, papers, verdict(better, one, *ours)


def verdict(better: float, measure: str, lead: Figure, other: Figure) -> str:
    """Whether two figures stand as the paper has them.  better: above 0 where the leading row is better there."""
    if lead.value is None or other.value is None:
        return "not measured"
    if min(lead.count, other.count) < FEWEST and measure not in SINGLE:
        return "too few pictures"
    gain = _gain(measure, lead.value, other.value)
    if abs(gain) <= SURE * _spread(lead, other) or gain == 0:
        return "too close to tell"
    if better == 0:
        return "differs"
    return "the same" if gain * better > 0 else "the other way round"


def _spread(lead: Figure, other: Figure) -> float:
    """The standard error of the difference of two rows: draw by draw, since both have the same seeds and references."""
    if lead.redraws is not None and other.redraws is not None and len(lead.redraws) == len(other.redraws):
        return float((lead.redraws - other.redraws).std(ddof=1))
    return ((lead.error or 0.0) ** 2 + (other.error or 0.0) ** 2) ** 0.5


def _gain(measure: str, lead: float, other: float) -> float:
    return (other - lead) if MEASURES[measure].better == "low" else lead - other


def as_csv(plan: Plan, found: Measured) -> str:
    """A line for each row and measure."""
    made = io.StringIO(newline="")
    writer = csv.writer(made)
    writer.writerow(
        ["method", "measure", "computed", "value", "standard_error", "pictures", "paper", "why_not"]
    )
    for row in plan.said.rows:
        for one in plan.said.measures:
            figure = found.figures.get(row.name, {}).get(one, Figure(None))
            numbers = ["" if n is None else f"{n:.6g}" for n in (figure.value, figure.error)]
            paper = row.paper.get(one, "")
            writer.writerow([row.name, one, found.names[one], *numbers, figure.count, paper, row.why_not])
    return made.getvalue()


def as_data(plan: Plan, found: Measured, scale: str) -> dict[str, Any]:
    """Everything, for programs."""
    said = plan.said
    return {
        "table": said.name,
        "source": said.source,
        "model": plan.model,
        "scale": scale,
        "count": plan.extent.count,
        "references": plan.extent.references,
        "options": dict(plan.extent.options),
        "computed": found.names,
        "rows": [
            {
                "method": row.name,
                "options": dict(row.options),
                "paper": dict(row.paper),
                "ours": {k: v.record() for k, v in found.figures.get(row.name, {}).items()},
                "why_not": row.why_not,
            }
            for row in said.rows
        ],
        "order": [list(one) for one in order(plan, found)],
        "notes": found.notes,
        "settings": dict(said.settings),
    }


def write_strips(plan: Plan, place: Path) -> dict[str, str]:
    """Row to its strip: the first results of every subject beside each other."""
    made = {}
    for row in plan.said.run_rows:
        cells = sorted(plan.cells(), key=lambda cell: cell[2])
        results = [Result(plan, row, n, k, s) for k, s, n in cells]
        there = [one for one in results if one.folder.exists()][:SHOWN]
        if there:
            (place / STRIPS).mkdir(exist_ok=True)
            file = f"{STRIPS}/{slug(row.name)}.jpg"
            strip(there).save(place / file, quality=QUALITY)
            made[row.name] = file
    return made


def strip(results: list[Result]) -> Any:
    """Pictures (PIL) of one height in a row; of ambiguous ones each view."""
    from PIL import Image

    from ..show.png import to_image

    pictures = []
    for result in results:
        shown = (
            [one.picture for one in result.shown()] if result.plan.said.task == "ambiguous" else [result.main]
        )
        pictures += [to_image(one) for one in shown]
    small = [one.resize((max(1, round(one.width * HIGH / one.height)), HIGH)) for one in pictures]
    row = Image.new("RGB", (sum(one.width + 3 for one in small) - 3, HIGH), "white")
    left = 0
    for one in small:
        row.paste(one, (left, 0))
        left += one.width + 3
    return row
