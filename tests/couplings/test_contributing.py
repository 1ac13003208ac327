"""The coupling that CONTRIBUTING writes as an example is a coupling: every law already runs on it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import test_couplings as laws
from zoo import ALL_VIEWS, AVERAGING

from texsync.couplings import base

GUIDE = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def example(monkeypatch) -> str:
    """The example among the couplings, as its step 3 asks for; returns its name there."""
    section = GUIDE.read_text(encoding="utf-8").split("## Add a coupling")[1].split("## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names = vars(base) | {"dataclass": dataclasses.dataclass}
    exec(code, names)
    (made,) = [
        value
        for value in names.values()
        if isinstance(value, type) and issubclass(value, base.Coupling) and value is not base.Coupling
    ]
    for couplings in (laws.ALL_COUPLINGS, AVERAGING):
        monkeypatch.setitem(couplings, "example", made())
    return "example"


def test_the_example_in_contributing_keeps_the_laws(example):
    coupling = laws.ALL_COUPLINGS[example]
    for view in ALL_VIEWS:
        if view != "surface-coarse":  # texels coarser than pixels: averaging within a view
            laws.test_one_view_alone_is_plain_ddim(view, example)
        laws.test_chunks_do_not_matter(view, example)
    laws.test_same_seed_same_pictures(coupling)
    laws.test_half_precision_is_widened(coupling)
    laws.test_everyone_with_one_prompt_and_one_start_stays_one()


def test_the_example_in_contributing_couples(example):
    views, coupling = ALL_VIEWS["windows"], laws.ALL_COUPLINGS[example]
    free, coupled = (
        laws.disagreement(views, laws.run(views, c)) for c in (laws.ALL_COUPLINGS["none"], coupling)
    )
    assert coupled < 0.8 * free
