"""A paper's tables: declared, planned as jobs that a batch takes, measured fairly, printed beside its numbers."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from refusals import refused

import texsync
from texsync import cli, measures
from texsync.batch.processes import Processes
from texsync.batch.table import read_jobs
from texsync.batch.work import perform
from texsync.paper import reproduce
from texsync.paper.figures import MEASURES, Bench, Figure, WeightFiles, check_counts, measured
from texsync.paper.looked_at import Result
from texsync.paper.planned import PHOTOGRAPHS, Plan, drawn
from texsync.paper.printed import verdict
from texsync.paper.reproduce import paper_table
from texsync.paper.specification import NAMES, specification
from texsync.show.png import write_png
from texsync.tasks import options_of

pytestmark = pytest.mark.filterwarnings("ignore::texsync.TexsyncWarning")
MESHES = Path(__file__).parents[2] / "meshes"


def plan_of(name: str, scale: str, home: Path, files: Path = MESHES, **change) -> Plan:
    said = specification(name)
    return Plan(said, replace(said.extent(scale), **change), home, "mini", files)


# ---- what is declared


@pytest.mark.parametrize("name", NAMES)
def test_every_table_is_jobs_that_its_tasks_take(name, tmp_path):
    """At both extents: no unknown option, none out of range, no two results in one folder."""
    for number in range(3):
        for animal in ("cat", "dog", "horse", "zebra"):
            (tmp_path / "photos" / animal).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (90, 60)).save(tmp_path / "photos" / animal / f"{number}{PHOTOGRAPHS[0]}")
    for scale in ("small", "0.012"):
        plan = plan_of(name, scale, tmp_path / scale, tmp_path / "photos" if name == "2" else MESHES)
        jobs = [*plan.first(), *plan.known(), *(job for row in plan.said.run_rows for job in plan.row(row))]
        (tmp_path / "jobs.yaml").write_text(yaml.safe_dump({"jobs": jobs}))
        for job in read_jobs(tmp_path / "jobs.yaml"):
            options_of(job.task)(**job.options)
        rows = [[Path(job["out"]).name for job in plan.row(row)] for row in plan.said.run_rows]
        assert all(row == rows[0] for row in rows)  # as many of each, of the same subjects


@pytest.mark.parametrize("name", NAMES)
def test_every_table_says_where_it_is_from(name):
    said = specification(name)
    assert {one for row in said.rows for one in row.paper} <= set(said.measures) <= set(MEASURES)
    assert said.lead in [row.name for row in said.run_rows]
    assert any("ours" in source for source in said.settings.values())
    assert all(row.paper for row in said.rows if "not in the paper" not in row.note)
    assert all(len({len(one.known) for one in extent.subjects}) == 1 for extent in (said.paper, said.small))


def test_masks_are_drawn_as_declared(tmp_path):
    square, disc = (
        drawn(shape, tmp_path) for shape in ({"square": [0.25, 0.5, 0.75, 1]}, {"disc": [0.5, 0.5, 0.25]})
    )
    assert np.asarray(Image.open(square)).mean() / 255 == pytest.approx(0.25)
    assert np.asarray(Image.open(disc)).mean() / 255 == pytest.approx(np.pi / 16, rel=0.01)


# ---- what is refused


@pytest.mark.parametrize("scale", ["0", "2", "-1", "tiny", "nan"])
def test_a_scale_is_a_share(scale, tmp_path):
    with refused("option-range", thing="scale", value=scale):
        paper_table("1", scale=scale, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_not_there_is_told_before_any_job(tmp_path, capsys):
    asked = dict(scale="small", out=tmp_path / "out")
    with refused("table-files", thing=str(tmp_path / "crate.glb")):
        paper_table("5", files=tmp_path, **asked)
    with refused("table-files"):
        paper_table("2", files=tmp_path, **(asked | {"scale": "0.01"}))
    (tmp_path / "cat").mkdir()
    with refused("table-files", thing=str(tmp_path / "cat"), value=0):
        paper_table("2", files=tmp_path, **(asked | {"scale": "0.01"}))
    for name, table in {"inception": "1", "lpips": "s2", "vgg19": "s2", "clip": "1"}.items():
        with refused("measure-weights", thing=str(tmp_path / "gone.pth")):
            paper_table(table, **asked, **{name: tmp_path / "gone.pth"})
    assert not list((tmp_path / "out").rglob("run.json"))
    assert (
        cli.main(["paper", "--table", "5", "--scale", "small", "--files", str(tmp_path), "--out", "x"]) == 2
    )
    err = capsys.readouterr().err
    assert "crate.glb" in err and "--files" in err and err.count("\n") == 1


@pytest.mark.parametrize(("table", "scale", "thing"), [("3", "0.0001", None), ("s2", "0.001", "Mean-GIQA")])
def test_too_few_pictures_are_told_before_any_job(table, scale, thing, tmp_path):
    plan = plan_of(table, scale, tmp_path)
    if thing is None:
        return check_counts(plan)  # four pictures, one a prompt
    with refused("measure-pictures", thing=thing, value=6):
        paper_table(table, scale=scale, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- what is measured


@pytest.mark.parametrize(
    ("better", "measure", "lead", "other", "said"),
    [
        (1, "KID", (10, 1), (20, 1), "the same"),
        (1, "KID", (20, 1), (10, 1), "the other way round"),
        (-1, "KID", (20, 1), (10, 1), "the same"),
        (1, "CLIP-S", (0.3, 0.01), (0.2, 0.01), "the same"),
        (1, "KID", (10, 4), (20, 4), "too close to tell"),
        (1, "KID", (10, None), (20, None), "the same"),
        (1, "GB", (1, None), (1, None), "too close to tell"),
        (0, "CLIP-S", (0.3, 0.01), (0.2, 0.01), "differs"),
        (1, "KID", (None, None), (20, 1), "not measured"),
    ],
)
def test_the_papers_order_holds_or_not(better, measure, lead, other, said):
    assert verdict(better, measure, Figure(*lead, count=9), Figure(*other, count=9)) == said
    if said == "the same":
        assert verdict(better, measure, Figure(*lead, count=3), Figure(*other, count=9)) == "too few pictures"


def test_rows_are_compared_draw_by_draw():
    """Rows that move together with the seeds differ surely by what they differ each time."""
    moves = np.random.default_rng(0).normal(size=100)
    lead, other = (Figure(value, 1.0, 9, redraws=value + moves) for value in (10.0, 10.5))
    assert verdict(1, "KID", lead, other) == "the same"
    assert verdict(1, "KID", replace(lead, redraws=None), other) == "too close to tell"


def painted(plan: Plan, skip: tuple = ()) -> None:
    """Results of grey noise for every job of a plan but those of `skip`, (row's number, subject, number)."""
    draw = torch.Generator().manual_seed(0)
    folders = [plan.home / job["out"] for job in plan.known()]
    for r, row in enumerate(plan.said.run_rows):
        folders += [plan.result(row, k, n) for k, _, n in plan.cells() if (r, k, n) not in skip]
    for folder in folders:
        folder.mkdir(parents=True)
        wide = 128 if plan.said.task == "wide" and "known" not in folder.parts else 64
        write_png(torch.rand(3, 64, wide, generator=draw), folder / "picture.png", {})
        said = {"seconds": {"model": 9.0, "denoise": 1.0, "decode": 0.5}, "peak_memory_mb": 2000.0}
        (folder / "run.json").write_text(json.dumps(said))


@pytest.fixture
def quick(monkeypatch):
    """Colours in place of a network's features, a judge that finds every other picture right in place of a model."""

    class EveryOther(measures.ModelJudge):
        def __init__(self):
            self.asked = 0

        def prefers(self, *_):
            self.asked += 1
            return self.asked % 2 == 0

    def colours(pictures: torch.Tensor) -> torch.Tensor:
        return torch.cat([pictures.mean((2, 3)), pictures.std((2, 3))], dim=1)

    def apart(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return (one - other).abs().mean((1, 2, 3))

    names = ("FD-lite0", "KD-lite0", "GIQA-lite0")
    monkeypatch.setattr(Bench, "extractor", measures.Extractor(names, colours))
    monkeypatch.setattr(Bench, "alike", measures.Alike("PS-lite0", lambda *_: None, apart))
    monkeypatch.setattr(Bench, "style", ("Style-lite0", apart))
    monkeypatch.setattr(Bench, "words", EveryOther())


def test_rows_are_measured_on_the_results_that_all_have(tmp_path, quick):
    plan = plan_of("1", "small", tmp_path, count=3)
    painted(plan, skip=((1, 0, 2),))
    found = measured(plan, Bench(plan, WeightFiles()))
    counts = {figure.count for row in found.figures.values() for figure in row.values()}
    assert counts == {5} and "SyncTweedies 5 of 6" in found.notes[0] and "measured on 5" in found.notes[0]
    assert found.names == {"KID": "KD-lite0", "FID": "FD-lite0", "CLIP-S": "own prompt %"}
    assert all(row["KID"].error > 0 for row in found.figures.values())


def test_a_row_of_which_most_failed_has_no_figure_and_the_table_is_written(tmp_path, quick):
    plan = plan_of("1", "small", tmp_path, count=1)
    painted(plan, skip=((0, 1, 0),))
    found = measured(plan, Bench(plan, WeightFiles()))
    assert {row["KID"].value for row in found.figures.values()} == {None}
    assert "the Frechet distance of 1 samples" in found.figures["SyncTweedies"]["FID"].note


def test_wide_pictures_time_and_memory(tmp_path, monkeypatch, quick):
    wide = plan_of("s3", "small", tmp_path / "s3", count=2)
    painted(wide)
    found = measured(wide, Bench(wide, WeightFiles()))
    row = found.figures["every step"]
    assert (row["KID"].count, row["Intra-LPIPS"].count, row["Mean-GIQA"].count) == (8, 4, 8)
    assert row["seconds"].value == 1.5 and row["Intra-Style-L"].value > 0
    assert row["CLIP-S"].value == 50
    one = plan_of("3", "0.012", tmp_path / "3")
    result = Result(one, one.said.run_rows[0], 0, 0, one.extent.subjects[0])
    monkeypatch.setattr(Result, "main", torch.rand(3, 32, 128))
    (crop,) = result.shown()
    assert crop.picture.shape == (3, 32, 32)  # one, at a random place, the same each time
    assert torch.equal(crop.picture, result.shown()[0].picture)


# ---- end to end


def test_a_table_from_its_pictures_to_its_report(tmp_path, tiny_model, monkeypatch):
    """Edits: pictures made first, two tasks, masks shared; started again it paints nothing and says the same."""
    said = specification("2")
    options = {"steps": 1, "view_size": 64, "like_paper": True}
    small = replace(said.small, count=1, options=options, subjects=said.small.subjects[:1])
    rows = [replace(row, options={**row.options, **masked(row)}) for row in said.rows]
    monkeypatch.setattr(reproduce, "specification", lambda _: replace(said, small=small, rows=rows))
    monkeypatch.setattr(Processes, "outcomes", here)  # texsync.batch's own tests have processes
    asked = dict(model=tiny_model, scale="small", out=tmp_path / "out", jobs=1, threads=1)
    heard = []
    with texsync.warm_model():
        made = paper_table("2", on_job=lambda *one: heard.append(one[-1].status), **asked)
        again = paper_table("2", on_job=lambda *one: heard.append(one[-1].status), **asked)
    assert made.failed == 0 and heard == ["done"] * (1 + 4)
    assert again.found.figures == made.found.figures
    text = (made.report / "table.md").read_text()
    assert "| MasaCtrl | not run | 0.285 |" in text and "PS-lite0" in text and "## The paper's order" in text
    table = list(csv.DictReader((made.report / "table.csv").read_text().splitlines()))
    assert len(table) == len(said.rows) * 3 and table[0]["paper"] == "0.294"
    data = json.loads((made.report / "table.json").read_text())
    assert [row["method"] for row in data["rows"]] == [row.name for row in said.rows]
    assert len(list((made.report / "strips").glob("*.jpg"))) == len(said.run_rows)


def here(self, jobs):
    """Jobs done in this process."""
    for job in jobs:
        yield perform(job, self.home, self.overwrite)


def masked(row) -> dict:
    """A random model finds nothing to change, so it is told where, where the row's task can be told."""
    return {} if row.task else {"find": "difference", "mask_threshold": 0.3}


def test_it_is_public():
    assert texsync.paper_table is paper_table
