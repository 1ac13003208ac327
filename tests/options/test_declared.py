"""One declaration of an option: the checks, the signature, the presets and the panel's data that come from it."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace

import pytest
from refusals import refused

from texsync.errors import InputError
from texsync.options.declared import Options, declare, declared, described, option_class, takes, unsaid
from texsync.options.kinds import Choice, Texts
from texsync.options.number_kinds import Flag, Real, Reals, Whole


@option_class
class Base(Options):
    steps: int | None = declare("Steps.", Whole(1, 9), default=unsaid("the model's"), paper=5)
    like_paper: bool = declare("As published.", Flag(), default=False, sweep=False, label="")
    ends: tuple[float, float] | None = declare(
        "Both ends.",
        Reals(Real(0, 1), ("start", "end"), "e.g. 0 1"),
        default=None,
        usual=(0, 1),
    )


@option_class
class Asked(Base):
    words: tuple[str, ...] = declare("Words.", Texts(1, alone=True), kw_only=False)
    pick: str = declare(
        "Which.",
        Choice({"best": "the best one", "mean": "all"}, labels={"best": "Best One"}),
        default="best",
        paper="mean",
        label="Heard",
        section="surface",
    )

    def check(self):
        if self.pick == "mean" and self.steps == 1:
            raise InputError("one step, all heard", "take two", code="options-together")


@takes(Asked)
def paint(options: Asked) -> list[str]:
    """Paints."""
    return [*options.words, options.pick, str(options.steps)]


def test_values_are_checked_and_converted():
    made = Asked("moss", steps=3, ends=[0, 1])
    assert made.words == ("moss",) and made.ends == (0.0, 1.0) and made.pick == "best"
    assert replace(made, steps=4).steps == 4 and Asked(**made.arguments()) == made
    for wrong, code in (
        (dict(steps=0), "option-range"),
        (dict(steps="3"), "option-type"),
        (dict(steps=True), "option-type"),
        (dict(pick="worst"), "option-choice"),
        (dict(pick=None), "option-choice"),
        (dict(ends=(0, 2)), "option-range"),
        (dict(words=[]), "option-count"),
        (dict(pick="mean", steps=1), "options-together"),
    ):
        with pytest.raises(InputError) as told:
            Asked(**{"words": ["a"], **wrong})
        assert told.value.code == code and told.value.remedy, wrong
    assert (told.value.thing, told.value.value) == ("", None)
    with pytest.raises(InputError) as told:
        Asked("a", steps=77)
    assert (told.value.thing, told.value.value) == ("steps", 77)


def test_the_function_has_the_classes_keywords():
    """Names, order, defaults, doc and result; a wrong or missing name is Python's own error, with the nearest name."""
    said = inspect.signature(paint)
    assert str(said).startswith("(words: 'tuple[str, ...]', *, steps: 'int | None' = None, like_paper")
    assert (
        said.return_annotation == "list[str]"
        and paint.__doc__.startswith("Paints.\n\n    words: Words.\n    steps: Steps.  None: the model's.\n")
        and paint.takes is Asked
    )
    assert paint("a", pick="mean") == paint(words=["a"], pick="mean") == ["a", "mean", "None"]
    for call, message in (
        (lambda: paint("a", stesp=3), r"paint\(\) has no option 'stesp'; did you mean 'steps'\?"),
        (lambda: paint("a", zzz=3), r"paint\(\) has no option 'zzz'$"),
        (lambda: paint(), r"paint\(\): missing a required argument: 'words'"),
        (lambda: paint("a", 3), r"paint\(\): too many positional arguments"),
        (lambda: Asked("a", stesp=3), r"Asked\(\) has no option 'stesp'; did you mean 'steps'\?"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_a_preset_fills_what_is_not_given():
    assert Asked("a", like_paper=True).arguments() == {
        "words": ("a",), "steps": 5, "like_paper": True, "ends": None, "pick": "mean",
    }  # fmt: skip
    given = Asked("a", like_paper=True, steps=7, pick="best")
    assert (given.steps, given.pick) == (7, "best") and Asked(**given.arguments()) == given
    assert Asked("a", like_paper=True, steps=None).steps == 5
    with refused("option-type", thing="like paper"):
        Asked("a", like_paper="yes")


def test_a_panel_is_told_in_plain_data():
    """What is not kept out, with limits, choices and words; and it is JSON."""
    shown = json.loads(json.dumps(described(Asked)))
    assert [(one["name"], one["kind"]) for one in shown] == [
        ("steps", "Whole"), ("ends", "Reals"), ("pick", "Choice"),
    ]  # fmt: skip
    steps, ends, pick = shown
    assert (steps["low"], steps["high"], steps["default"], steps["unsaid"]) == (1, 9, None, "the model's")
    assert ends["names"] == ["start", "end"] and ends["usual"] == [0, 1] and ends["high"] == 1
    assert pick["choices"] == [["best", "Best One", "the best one"], ["mean", "Mean", "all"]]
    assert pick["section"] == "surface" and list(declared(Asked))[0] == "words"
