"""Model folders with one value or some bytes changed: they work or are refused in one line, whatever was changed."""

from __future__ import annotations

import sys
from pathlib import Path

import tiny

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from fuzz_models import fuzz

ADVICE = {
    "guidance": 4.0,
    "steps": 30,
    "prompt_prefix": "a ",
    "negative_prompt": "",
    "view_size": 32,
    "control_scale": [1.0, 1.0],
    "control_until": 1.0,
    "strength": {"ambiguous": 2.0},
}


def test_changed_folders_work_or_are_refused_in_one_line(tmp_path):
    """More of them, and what they take, are in benchmarks/fuzz_models.py."""
    model = tiny.write_model(tmp_path / "model", advice=ADVICE)
    told, faults = fuzz(model, 100, seed=1)
    assert not faults
    assert told["worked"] > 15 and told["refused"] > 40  # it does change things, and not everything
