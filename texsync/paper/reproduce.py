"""A paper's table in one command: its jobs, resumed; its measures; the paper's numbers beside ours."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batch.run import BatchResult, run_batch
from ..errors import TexsyncWarning
from ..options.declared import PYTHON, Options, declare, option_class, takes, unsaid
from ..options.kinds import Call, Choice, Device, ModelName, PathName, Text
from ..options.number_kinds import Flag, Whole
from .specification import NAMES, SMALL, number, specification

if TYPE_CHECKING:
    from .figures import Bench, Measured
    from .planned import Plan

REPORT = "report"


@option_class
class PaperOptions(Options):
    """Which table, how much of it, and what measures it."""

    table: str = declare(
        f"Which: {', '.join(f'{name} {what}' for name, what in NAMES.items())}.",
        Choice(NAMES, "table"),
        "main",
        kw_only=False,
    )
    model: str | Path | None = declare(
        "The model: mini, a folder, a short name or a hub id.",
        ModelName(),
        "main",
        default=unsaid("the paper's"),
    )
    scale: str = declare(
        "How much of it: 1, a share of the paper's counts such as 0.01, or small: few small pictures, "
        "with words that small models know.",
        Text(),
        "main",
        default="1",
        metavar="small|SHARE",
    )
    out: Path | None = declare(
        "Folder for jobs, results and the report.",
        PathName(),
        "output",
        default=unsaid("table_<name>_<scale>"),
    )
    files: Path = declare(
        "Folder of the meshes and photographs that the table names.",
        PathName(),
        "main",
        default=Path("meshes"),
    )
    inception: Path | None = declare(
        "torch-fidelity's file of InceptionV3, for FID and KID.",
        PathName(),
        "main",
        default=unsaid("FD-lite0"),
    )
    lpips: Path | None = declare(
        "torchvision's file of VGG-16 or AlexNet, for LPIPS.", PathName(), "main", default=unsaid("PS-lite0")
    )
    vgg19: Path | None = declare(
        "torchvision's file of VGG-19, for Style-L.", PathName(), "main", default=unsaid("Style-lite0")
    )
    clip: Path | None = declare(
        "A CLIP folder, for CLIP-S.", PathName(), "main", default=unsaid("the model judges its own pictures")
    )
    device: str = declare("auto, cpu, cuda, cuda:N or mps.", Device(), "model", default="auto")
    jobs: int | None = declare(
        "Processes that work side by side.", Whole(1, 256), "advanced", default=unsaid("as batch has it")
    )
    threads: int | None = declare(
        "Processor threads of each process.", Whole(1, 1024), default=unsaid("the cores, shared evenly")
    )
    ray: str | None = declare(
        "Do the jobs on a Ray cluster: its address, or auto.",
        Text(),
        "advanced",
        default=None,
        metavar="ADDRESS",
    )
    retry_failed: bool = declare("Do those jobs again that failed.", Flag(), "advanced", default=False)
    on_job: Callable[..., None] | None = declare(
        "Called with (done, all, outcome).", Call(), default=None, doors=PYTHON
    )

    on_row: Callable[[str], None] | None = declare(
        "Called with the name of each row before it is measured.", Call(), default=None, doors=PYTHON
    )

    def check(self) -> None:
        """The scale is one."""
        if self.scale != SMALL:
            number(self.scale)

    @property
    def folder(self) -> str:
        """table_<name>_<scale>."""
        return f"table_{self.table}_{self.scale}"


@dataclass(repr=False)
class PaperTable:
    """A table that was run.  report: the folder of `table.md`, `.csv`, `.json` and strips.  failed: jobs that did."""

    report: Path
    found: Measured
    batches: list[BatchResult] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return sum(len(one.failed) for one in self.batches)

    def __repr__(self) -> str:
        return f"<PaperTable {str(self.report)!r}: {self.failed} jobs failed>"


@takes(PaperOptions)
def paper_table(asked: PaperOptions) -> PaperTable:
    """Run a table of SyncSDE's or SyncDiffusion's paper, and write it with the paper's numbers beside ours.

    What was done in an earlier start is kept.  Raises InputError, before any job, for weights, meshes or photographs
    that are not there.
    """
    from .figures import check_counts, measured
    from .printed import write_table

    plan = _plan(asked)
    check_counts(plan)
    bench = _bench(asked, plan)
    bench.names()  # what is wrong with weights is told before hours of painting
    batches = [_batch(asked, plan.home, folder, jobs) for folder, jobs in _stages(plan).items() if jobs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TexsyncWarning)  # the judge's of words; jobs have theirs in run.json
        found = measured(plan, bench, asked.on_row or (lambda _: None))
    made = PaperTable(plan.home / REPORT, found, batches)
    if made.failed:
        found.notes.append(f"{made.failed} jobs failed; failed.csv in the folders of the batches says why")
    write_table(plan, found, made.report, asked.scale)
    return made


def _plan(asked: PaperOptions) -> Plan:
    from .planned import Plan

    said = specification(asked.table)
    home = asked.out or Path(asked.folder)
    model = str(asked.model or said.model)
    return Plan(said, said.extent(asked.scale), home.absolute(), model, asked.files, {"device": asked.device})


def _bench(asked: PaperOptions, plan: Plan) -> Bench:
    from .figures import Bench, WeightFiles

    named = {name: getattr(asked, name) for name in ("inception", "lpips", "vgg19", "clip")}
    return Bench(plan, WeightFiles(**named), asked.device)


def _stages(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Folder to jobs, one batch after the other, each with one load of the model a process."""
    from .planned import FIRST, PICTURES

    first, rows = plan.first(), [plan.row(row) for row in plan.said.run_rows]
    if plan.said.camera:
        plan.camera_file.parent.mkdir(parents=True, exist_ok=True)
        plan.camera_file.write_text(json.dumps({"cameras": [dict(plan.said.camera)]}))
    if plan.said.alone:
        return {FIRST: first, **{str(Path(jobs[0]["out"]).parent): jobs for jobs in rows}}
    return {FIRST: first, PICTURES: [*plan.known(), *(job for jobs in rows for job in jobs)]}


def _batch(asked: PaperOptions, home: Path, folder: str, jobs: list[dict[str, Any]]) -> BatchResult:
    import yaml

    said = [job | {"out": Path(job["out"]).relative_to(folder).as_posix()} for job in jobs]
    table = home / "jobs" / f"{folder.replace('/', '_')}.yaml"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(yaml.safe_dump({"jobs": said}, sort_keys=False, allow_unicode=True), encoding="utf-8")
    more = {name: getattr(asked, name) for name in ("jobs", "threads", "ray", "retry_failed", "on_job")}
    return run_batch(table, out=home / folder, **more)
