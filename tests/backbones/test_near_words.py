"""Approximated words are said, once, with what was understood; the table is the model folder's own."""

from __future__ import annotations

import json
import shutil
import warnings

import pytest
from refusals import refused

from texsync.backbones import near_words
from texsync.backbones.by_name import load_model
from texsync.backbones.folder import read_model
from texsync.backbones.locate import find_model
from texsync.errors import TexsyncWarning
from texsync.mini.near import TABLE


def notes(backbone, *texts: str) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        backbone.text.warn(texts)
    return [str(warning.message) for warning in caught if warning.category is TexsyncWarning]


@pytest.fixture
def own(tiny_model, tmp_path):
    """A model of somebody's with such words: nothing here is special to mini."""
    folder = tmp_path / "own"
    shutil.copytree(tiny_model, folder)

    def write(table):
        near_words.near_file(folder).write_text(json.dumps(table))
        return folder

    return write


def test_any_models_table_is_read_and_said(own):
    folder = own({"crimson": {"scarlet": 0.3, "red": 0.7}, "unsaid": {"red": 1.0}})
    said = notes(load_model(str(folder)), "a Crimson ball", "Crimson")
    near = [line for line in said if "nearest" in line]
    assert near == ["words that the model reads as the nearest that it knows: crimson as red and scarlet"]


def test_a_model_without_a_table_says_nothing(tiny_model):
    assert read_model(tiny_model).near == {}
    assert not [line for line in notes(load_model(str(tiny_model)), "strawberry") if "nearest" in line]


def test_mini_ships_what_it_was_made_with():
    near = read_model(find_model("mini")).near
    assert near == json.loads(TABLE.read_text())
    text = near_words.in_words(near_words.read_as(["strawberry jam, front view."], near))
    assert text.startswith("strawberry as coral and red") and "view" not in text


@pytest.mark.parametrize("table", [{"a": "b"}, {"a": {}}, {"a": {"b": "c"}}, {"a": None}], ids=str)
def test_a_table_that_is_none_is_refused(table, own):
    with refused("model-config", value="a"):
        read_model(own(table))
