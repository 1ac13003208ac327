"""From results to figures: every measure of a table, for every row, on as many pictures of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import measures
from ..errors import InputError, Refused, about, got, option
from ..measures.errorbars import unfair
from ..options.output import MARK
from .looked_at import PromptedPicture, Result, known_pictures, read
from .planned import Plan
from .specification import TableRow

SECONDS_OF = ("denoise", "decode")  # stages of run.json that are a method's own; loading a model is not


@dataclass(frozen=True)
class MeasureKind:
    """A measure as papers call it.  better: "low" or "high".  scale: of the number that is printed.  digits: of it."""

    better: str
    scale: float = 1.0
    digits: int = 3

    @property
    def arrow(self) -> str:
        return "↓" if self.better == "low" else "↑"

    @property
    def unit(self) -> str:
        """What stands behind the name where the number is not the measure's own."""
        return f" x{self.scale:g}" if self.scale != 1 else ""


MEASURES = {
    "KID": MeasureKind("low", 1000, 2),
    "FID": MeasureKind("low", digits=2),
    "CLIP-S": MeasureKind("high"),
    "LPIPS": MeasureKind("low"),
    "BG-LPIPS": MeasureKind("low"),
    "Intra-LPIPS": MeasureKind("low"),
    "Intra-Style-L": MeasureKind("low", 1000),
    "Mean-GIQA": MeasureKind("high", 1000),
    "seconds": MeasureKind("low", digits=2),
    "GB": MeasureKind("low", digits=2),
}


@dataclass(frozen=True)
class WeightFiles:
    """Files and folders of the networks that measure; None: what stands in."""

    inception: Path | None = None
    lpips: Path | None = None
    vgg19: Path | None = None
    clip: Path | None = None


@dataclass
class Figure:
    """value, error: in the unit that is printed; None: there is none.  count: of pictures that it is of.

    redraws: over halves of the pictures, the same halves in every row; None: there are too few.
    """

    value: float | None
    error: float | None = None
    count: int = 0
    note: str = ""
    redraws: np.ndarray | None = field(default=None, compare=False, repr=False)

    def record(self) -> dict[str, Any]:
        """As plain data, without the redraws."""
        return {name: getattr(self, name) for name in ("value", "error", "count", "note")}


@dataclass
class Measured:
    """All figures of a table.

    names: measure as the paper calls it to what was computed in its place.  figures: row to measure to figure.
    notes: what makes them unfair, or what is missing.
    """

    names: dict[str, str]
    figures: dict[str, dict[str, Figure]]
    notes: list[str] = field(default_factory=list)


class Bench:
    """Networks and references of a table, loaded when they are first asked for."""

    def __init__(self, plan: Plan, weights: WeightFiles, device: str = "auto"):
        self.plan, self.weights, self.device = plan, weights, device
        self._seen: dict[tuple[Path, ...], tuple[np.ndarray, list[str]]] = {}

    @cached_property
    def extractor(self) -> measures.Extractor:
        return measures.features_by(self.weights.inception)

    @cached_property
    def alike(self) -> measures.Alike:
        return measures.alike_by(self.weights.lpips)

    @cached_property
    def style(self) -> tuple[str, Callable]:
        return measures.style_by(self.weights.vgg19)

    @cached_property
    def known(self) -> tuple[np.ndarray, list[str]]:
        """(features (M, D) of what results are compared with, their prompts)."""
        return self._features(known_pictures(self.plan))

    def seen(self, results: Sequence[Result]) -> tuple[np.ndarray, list[str]]:
        """(features (N, D) of what a row's results show, what each should show)."""
        key = tuple(result.folder for result in results)
        if key not in self._seen:
            self._seen = {key: self._features(shown_by(results))}  # one row's
        return self._seen[key]

    def _features(self, pictures: Iterable[PromptedPicture]) -> tuple[np.ndarray, list[str]]:
        """Of pictures that are read one after the other, and what each should show."""
        prompts = []

        def noted() -> Iterator[torch.Tensor]:
            for one in pictures:
                prompts.append(one.prompt)
                yield one.picture

        return self.extractor(noted()), prompts

    @cached_property
    def words(self) -> measures.ClipSimilarity | measures.ModelJudge:
        """CLIP, or the model itself as a judge."""
        if self.weights.clip is not None:
            return measures.ClipSimilarity(self.weights.clip)
        from ..backbones.by_name import load_model

        asked = [prompt for subject in self.plan.extent.subjects for prompt in subject.known]
        model = load_model(self.plan.model, "none", device=self.device)
        return measures.ModelJudge(model, [*asked, *self.plan.extent.others])

    def name(self, measure: str) -> str:
        """What is computed in a measure's place."""
        if measure in ("KID", "FID", "Mean-GIQA"):
            frechet, kernel, giqa = self.extractor.names
            return {"KID": kernel, "FID": frechet, "Mean-GIQA": f"Mean-{giqa}"}[measure]
        if measure.endswith("LPIPS"):
            return measure.removesuffix("LPIPS") + self.alike.name
        if measure == "Intra-Style-L":
            return f"Intra-{self.style[0]}"
        if measure == "CLIP-S":
            return measures.ModelJudge.name if self.weights.clip is None else self.words.name
        return measure

    def names(self) -> dict[str, str]:
        """Of every measure of the table.  Raises InputError for weights or packages that are not there."""
        return {measure: self.name(measure) for measure in self.plan.said.measures}


def check_counts(plan: Plan) -> None:
    """Raises InputError if there will be fewer pictures than a measure of the table needs."""
    prompts = [prompt for subject in plan.extent.subjects for prompt in subject.known]
    results, known = plan.extent.count * len(prompts), plan.extent.references * len(set(prompts))
    for measure, least, count in (
        ("KID", 2, min(results, known)),
        ("FID", 2, min(results, known)),
        ("Mean-GIQA", measures.NEIGHBOURS, known),
    ):
        if measure in plan.said.measures and count < least:
            raise Refused.measure_pictures(
                f"{about(measure)} would be of {got(count)} pictures, and needs {least}",
                f"give a larger {option('scale')}",
            )


def measured(plan: Plan, bench: Bench, told: Callable[[str], None] = lambda _: None) -> Measured:
    """Every figure of every row, over those results that all rows have."""
    rows = plan.said.run_rows
    there = {row.name: {(k, n) for k, _, n in plan.cells() if _is_there(plan, row, k, n)} for row in rows}
    common = set.intersection(*there.values()) if there else set()
    notes = _missing(plan, there, common)
    names, found = bench.names(), {}
    for row in rows:
        told(row.name)
        results = [Result(plan, row, n, k, s) for k, s, n in plan.cells() if (k, n) in common]
        found[row.name] = _figures(plan, bench, row, results)
    return Measured(names, found, notes)


def _is_there(plan: Plan, row: TableRow, k: int, number: int) -> bool:
    return (plan.result(row, k, number) / MARK).is_file()


def _missing(plan: Plan, there: Mapping[str, set], common: set) -> list[str]:
    """Rows that lack results: all are then measured on those that every row has, since counts change distances."""
    whole = len(list(plan.cells()))
    if len(common) == whole:
        return []
    short = [f"{name} {len(done)}" for name, done in there.items() if len(done) < whole]
    reason = unfair([len(done) for done in there.values()]) or "some failed"
    return [
        f"{', '.join(short)} of {whole} results are there; all rows are measured on {len(common)}: {reason}"
    ]


def _figures(plan: Plan, bench: Bench, row: TableRow, results: Sequence[Result]) -> dict[str, Figure]:
    if not results:
        return {one: Figure(None, note="no results") for one in plan.said.measures}
    made: dict[str, Figure] = {}
    for one in plan.said.measures:
        try:
            of_sets = one in ("KID", "FID")
            figure = (
                _of_sets(one, bench, results) if of_sets else _of_samples(SAMPLES[one](bench, row, results))
            )
        except InputError as error:  # some jobs failed, the rest is worth its table
            if error.code != "measure-pictures":
                raise
            figure = Figure(None, note=str(error))
        made[one] = _in_unit(figure, MEASURES[one].scale)
    return made


def _in_unit(figure: Figure, scale: float) -> Figure:
    known = {name: getattr(figure, name) for name in ("value", "error", "redraws")}
    scaled: dict[str, Any] = {name: None if x is None else x * scale for name, x in known.items()}
    return replace(figure, **scaled)


def _of_sets(measure: str, bench: Bench, results: Sequence[Result]) -> Figure:
    (seen, prompts), (known, asked) = bench.seen(results), bench.known
    distance = measures.kernel if measure == "KID" else measures.frechet
    redraws = measures.redrawn(distance, seen, known, strata=(prompts, asked))
    return _figure(distance(seen, known), redraws, len(seen))


def _of_samples(values: Iterable[float]) -> Figure:
    found = np.asarray(list(values), float)
    found = found[np.isfinite(found)]
    if not len(found):
        return Figure(None, note="nothing to measure")
    redraws = measures.redrawn(lambda one: float(one.mean()), found)
    return _figure(float(found.mean()), redraws, len(found))


def _figure(value: float, redraws: np.ndarray | None, count: int) -> Figure:
    error = None if redraws is None else float(redraws.std(ddof=1))
    return Figure(value, error, count, redraws=redraws)


def shown_by(results: Sequence[Result]) -> Iterator[PromptedPicture]:
    """What all of a row's results show, read one after the other."""
    for result in results:
        yield from result.shown()


# ---- measures of single results, each (bench, row, results) -> numbers


def _words(bench: Bench, row: TableRow, results: Sequence[Result]) -> Iterable[float]:
    words = bench.words
    if isinstance(words, measures.ModelJudge):
        return [100.0 * words.prefers(one.picture, one.prompt) for one in shown_by(results)]
    return [float(words([one.picture], [one.prompt])[0]) for one in shown_by(results)]


def _source(result: Result) -> torch.Tensor:
    """The picture that was edited, in the edit's size."""
    options = result.plan.options(result.row, result.subject, result.k, result.number)
    original = read(Path(options.get("image") or options["start"]))
    size = result.main.shape[-2:]
    return torch.nn.functional.interpolate(original[None], size, mode="bicubic", antialias=True)[0].clamp(
        0, 1
    )


def _unlike(bench: Bench, row: TableRow, results: Sequence[Result]) -> Iterable[float]:
    return [float(bench.alike(result.main[None], _source(result)[None])) for result in results]


def _unlike_outside(bench: Bench, row: TableRow, results: Sequence[Result]) -> Iterable[float]:
    """Outside of what the leading row changes, whose mask all rows share."""
    (lead,) = [one for one in bench.plan.said.rows if one.name == bench.plan.said.lead]
    for result in results:
        mask = read(bench.plan.result(lead, result.k, result.number) / "mask.png")[0]
        size = result.main.shape[-2:]
        outside = torch.nn.functional.interpolate((mask < 0.5).float()[None, None], size)[0]
        yield float(bench.alike.within(result.main[None], _source(result)[None], outside))


def _ends_unlike(bench: Bench, row: TableRow, results: Sequence[Result]) -> Iterable[float]:
    return [measures.intra(result.main, bench.alike) for result in results]


def _ends_style(bench: Bench, row: TableRow, results: Sequence[Result]) -> Iterable[float]:
    return [measures.intra(result.main, bench.style[1], add=True) for result in results]


def _giqa(bench: Bench, row: TableRow, results: Sequence[Result]) -> Iterable[float]:
    return measures.giqa(bench.seen(results)[0], bench.known[0])


def _records(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Of all but the first, which warms up, where there are several."""
    said = [json.loads((result.folder / MARK).read_text(encoding="utf-8")) for result in results]
    return said[1:] or said


def _seconds(bench: Bench, row: TableRow, results: Sequence[Result]) -> Iterable[float]:
    return [sum(said["seconds"].get(stage, 0.0) for stage in SECONDS_OF) for said in _records(results)]


def _gigabytes(bench: Bench, row: TableRow, results: Sequence[Result]) -> Iterable[float]:
    """The most that the row's process has held: of the GPU, or where there is none of the machine."""
    held = [said.get("peak_gpu_memory_mb") or said["peak_memory_mb"] for said in _records(results)]
    return [max((one or float("nan")) for one in held) * 2**20 / 1e9]


SAMPLES: dict[str, Callable[[Bench, TableRow, Sequence[Result]], Iterable[float]]] = {
    "CLIP-S": _words,
    "LPIPS": _unlike,
    "BG-LPIPS": _unlike_outside,
    "Intra-LPIPS": _ends_unlike,
    "Intra-Style-L": _ends_style,
    "Mean-GIQA": _giqa,
    "seconds": _seconds,
    "GB": _gigabytes,
}
