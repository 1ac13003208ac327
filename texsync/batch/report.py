"""What a batch leaves beside its folders: failed.csv, summary.csv and a page to look through."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..options.output import MARK
from .table import JobLine
from .work import JobOutcome

FAILED, SUMMARY, PAGE = "failed.csv", "summary.csv", "index.html"
FAILED_COLUMNS = ("line", "out", "task", "code", "message", "remedy", "fault", "key")
SUMMARY_COLUMNS = (
    "line",
    "out",
    "task",
    "status",
    "seconds",
    "prompt",
    "seed",
    "model",
    "coupling",
    "peak_memory_mb",
)
SHOWN = (  # the first that is there: what was asked for before what it was made of
    "overview.png",
    "picture.png",
    "edit.png",
    "panorama.png",
    "sheet.png",
    "views.png",
)
SIDE = 320  # pixels of a thumbnail's longer side


def failed_before(home: Path) -> dict[str, JobOutcome]:
    """Key to failure, of an earlier start; what is no such table counts as none."""
    try:
        with (home / FAILED).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {
            row["key"]: JobOutcome(int(row["line"]), row["task"], row["out"], row["key"], "failed",
                                code=row["code"], message=row["message"], remedy=row["remedy"], fault=row["fault"])
            for row in rows
        }  # fmt: skip
    except (OSError, KeyError, ValueError, TypeError, csv.Error):
        return {}


def write_failed(home: Path, outcomes: Iterable[JobOutcome]) -> None:
    """All failures in the order of the table; no file where there are none."""
    rows = [one.record() for one in sorted(outcomes, key=lambda one: one.line) if one.status == "failed"]
    if rows:
        _write(home / FAILED, _table(FAILED_COLUMNS, rows))
    else:
        (home / FAILED).unlink(missing_ok=True)


def write_report(home: Path, jobs: Sequence[JobLine], outcomes: Mapping[str, JobOutcome]) -> None:
    """summary.csv and index.html over all jobs; those without an outcome have not been done yet."""
    rows = [_row(home, job, outcomes.get(job.key)) for job in jobs]
    _write(home / SUMMARY, _table(SUMMARY_COLUMNS, rows))
    _write(home / PAGE, _page(home, rows))


def _row(home: Path, job: JobLine, outcome: JobOutcome | None) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if outcome is not None and outcome.status != "failed":
        try:
            said = json.loads((home / job.out / MARK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            said = {}
    prompt = said.get("prompt") or job.options.get("prompt") or job.options.get("prompts") or ""
    seconds = said.get("seconds") or {}
    return {
        **{name: said.get(name, "") for name in SUMMARY_COLUMNS},
        "line": job.line,
        "out": job.out,
        "task": job.task,
        "status": outcome.status if outcome else "waiting",
        "seconds": round(sum(seconds.values()), 2) if isinstance(seconds, dict) else "",
        "prompt": " | ".join(prompt) if isinstance(prompt, (list, tuple)) else prompt,
        "seed": said.get("seed", job.options.get("seed", "")),
        "why": "" if outcome is None else "; ".join(filter(None, (outcome.message, outcome.remedy))),
    }


def _table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    made = io.StringIO(newline="")
    writer = csv.DictWriter(made, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: _harmless(row.get(name, "")) for name in columns} for row in rows)
    return made.getvalue()


def _harmless(value: Any) -> Any:
    """Not a formula to a spreadsheet."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "@") else value


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text, encoding="utf-8", newline="")
    os.replace(draft, path)


STYLE = """
body{font:15px/1.4 system-ui,sans-serif;margin:1.5rem;background:#f4f4f2;color:#222}
.all{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1rem}
.job{background:#fff;border:1px solid #ddd;border-radius:6px;padding:.7rem;overflow-wrap:anywhere}
.job img{width:100%;height:12rem;object-fit:contain;background:#e8e8e6}
.failed{border-color:#b33}.failed p{color:#a11}.small{color:#666;font-size:.85em}
"""


def _page(home: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    done = sum(row["status"] in ("done", "kept") for row in rows)
    failed = sum(row["status"] == "failed" for row in rows)
    left = len(rows) - done - failed
    told = f"{done} of {len(rows)} done, {failed} failed" + (f", {left} waiting" if left else "")
    cards = "\n".join(_card(home, row) for row in rows)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>texsync: {told}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
        f"<body><h1>{html.escape(home.resolve().name)}</h1><p>{told}</p>\n"
        f'<div class="all">\n{cards}\n</div></body></html>\n'
    )


def _card(home: Path, row: Mapping[str, Any]) -> str:
    said = {name: html.escape(str(value)) for name, value in row.items()}
    place, picture = home / str(row["out"]), ""
    if row["status"] in ("done", "kept"):
        picture = _thumbnail(place)
    links = [
        f'<a href="{html.escape(file.relative_to(home).as_posix(), quote=True)}">{html.escape(file.name)}</a>'
        for file in sorted(place.glob("*"))
        if file.suffix in (".glb", ".html", ".bvh", ".png", ".gif") and file.is_file()
    ]
    facts = " · ".join(
        filter(None, (f"line {said['line']}", said["task"], f"seed {said['seed']}", said["status"]))
    )
    why = f"<p>{said['why']}</p>" if row["status"] == "failed" else ""
    return (
        f'<div class="job {said["status"]}">{picture}<div><b>{said["prompt"]}</b></div>'
        f'<div class="small">{said["out"]}: {facts}</div>{why}<div class="small">{" ".join(links)}</div></div>'
    )


def _thumbnail(place: Path) -> str:
    from PIL import Image

    for name in SHOWN:
        if (place / name).is_file():
            with Image.open(place / name) as picture:
                small = picture.convert("RGB")
            small.thumbnail((SIDE, SIDE))
            file = io.BytesIO()
            small.save(file, "JPEG", quality=80)
            data = base64.b64encode(file.getvalue()).decode()
            return f'<img alt="" loading="lazy" src="data:image/jpeg;base64,{data}">'
    return ""
