"""Errors carry data: every error has a code that docs/worker.md explains, and the panel has words for all of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import texsync
from blender_addon import build, offered
from blender_addon import wording as words
from texsync.errors import InputError, Refused, about, got, option
from texsync.flags import flag
from texsync.tasks import FUNCTIONS, options_of
from texsync.worker.service import told

build.describe()
ROOT = Path(texsync.__file__).parent
DOCS = (ROOT.parent / "docs" / "worker.md").read_text(encoding="utf-8")
WITHOUT_CODE = ("mini", "motion/train")  # training, which no door leads to


def raised() -> list[tuple[str, ast.Call]]:
    """Where errors are made, and how."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        if not any(str(path.relative_to(ROOT)).startswith(one) for one in WITHOUT_CODE):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                makers = (
                    "InputError",
                    "Refused",
                    *(["wrong"] if path.name in ("kinds.py", "number_kinds.py") else []),
                )
                if isinstance(node, ast.Call) and maker(node) in makers:
                    found.append((f"{path.relative_to(ROOT)}:{node.lineno}", node))
    return found


def maker(call: ast.Call) -> str:
    """What makes the error: a function, or the class that an attribute is of."""
    of = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    return getattr(of, "id", "")


def code_of(call: ast.Call) -> str | None:
    """The code as it stands there; None if it is handed on."""
    if maker(call) == "Refused":
        return getattr(Refused, call.func.attr)("").code
    if maker(call) == "wrong":
        return call.args[0].value
    given = [one.value for one in call.keywords if one.arg == "code"]
    assert given, "an InputError without a code"
    return given[0].value if isinstance(given[0], ast.Constant) else None


def named(call: ast.Call) -> list[tuple[str, object]]:
    """The options that its texts name, with the values that are written there."""
    found = []
    for node in ast.walk(call):
        is_option = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("option", "named")
        if is_option and isinstance(node.args[0], ast.Constant):
            value = node.args[1] if len(node.args) > 1 else None
            found.append((node.args[0].value, getattr(value, "value", None)))
    return found


def test_every_error_has_a_code_and_the_docs_explain_it():
    codes = set()
    for place, call in raised():
        try:
            codes.add(code_of(call))
        except AssertionError:
            pytest.fail(f"{place}: {ast.unparse(call)[:80]} has no code")
    explained = set(re.findall(r"^\| `([a-z-]+)` \|", DOCS.partition("## Codes")[2], re.MULTILINE))
    assert codes - {None} == explained


def test_every_error_that_the_worker_can_send_has_the_panels_words():
    """No flag of the shell's, no name of Python's: what the panel shows it names as it does, and offers values."""
    buttons = set()
    for place, call in raised():
        texts = "".join(f" {option(*one)}" for one in named(call))
        code = code_of(call) or "input"
        said = told("input", InputError(f"{code}:{texts}", f"use{texts}", code=code))
        problem = words.problem_of(said)
        assert "--" not in problem.text() and "{" not in problem.text(), place
        for name, value in named(call):
            shown = offered.options().get(name)
            words_of = shown["label"] if shown else words.ELSEWHERE.get(name, name.replace("_", " "))
            assert words_of in problem.text(), (place, name)
            if offered.takes(name, value) and code not in words.FIXES:
                assert problem.button(), (place, name, value)
        buttons.add(problem.button())
    assert {"Use UVs: New Map", "Halve the Texture Size", ""} <= buttons


def test_each_door_words_the_remedy_itself():
    """The shell by flags, Python by keywords, the panel by its fields; the data are the same."""
    error = InputError("jug cannot keep its UVs", f"use {option('uvs', 'unwrap')}", code="uvs-unusable")
    assert error.line(flag) == "jug cannot keep its UVs; use --unwrap"
    assert str(error) == 'jug cannot keep its UVs; use uvs="unwrap"'
    sent = told("input", error)
    assert sent["remedy"] == ["use ", {"option": "uvs", "value": "unwrap"}] and sent["code"] == "uvs-unusable"
    assert words.problem_of(sent).text() == "jug cannot keep its UVs.\nUse UVs: New Map."
    assert [(one.option, one.value) for one in error.fixes] == [("uvs", "unwrap")]


def says_what(call: ast.Call) -> bool:
    """Whether an error's `thing` is said: in the message, as an argument, or in a message made before."""
    inside = {getattr(node.func, "id", "") for node in ast.walk(call.args[0]) if isinstance(node, ast.Call)}
    said = bool(inside & {"about", "option", "named"}) or isinstance(call.args[0], ast.Name)
    return said or any(one.arg == "thing" for one in call.keywords)


def test_every_error_says_what_it_is_about():
    silent = [place for place, call in raised() if maker(call) == "Refused" and not says_what(call)]
    assert [place.partition(":")[0] for place in silent] == ["errors.py"]  # want of memory is about nothing


def test_a_message_carries_its_data():
    """What it is about and what was got, as they are; in the text they read as usual.  Else it is about an option."""
    many = Refused.mesh_extreme(
        f"{about('jug')} has {got(np.int64(5000)):,} faces, {got('x')!r}", "decimate it"
    )
    assert many.message == "jug has 5,000 faces, 'x'" and (many.thing, many.value) == ("jug", 5000)
    said = Refused.steps(f"{option('steps')} is {got(0)}", "use 1 to 9", value=-1)
    assert (said.thing, said.value, said.code, said.line()) == (
        "steps",
        -1,
        "steps",
        "steps is 0; use 1 to 9",
    )
    long = Refused.model_config(f"{about('jug')} says {got('x' * 99):r.9}")
    assert (
        long.message == f"jug says {'x' * 99!r:.9}" and long.value == "x" * 99
    )  # cut, and no mark of it left
    huge = Refused.steps(f"{about('steps')} is {got(10**5000):r.60}", "use 1 to 9")
    assert huge.message == "steps is a int" and huge.value is None
    assert Refused.memory("no room").thing == "" and not hasattr(Refused, "__wrapped__")


def test_the_panel_offers_what_the_declaration_says():
    from texsync.options.declared import declared

    labelled = {name for name, said in declared(options_of("mesh")).items() if said.title(name)}
    assert set(offered.options()) == labelled and len(labelled) > 20
    for name, one in offered.options().items():
        said = declared(options_of("mesh"))[name]
        assert one["help"] == said.help and (one["default"] == said.default or name == "prompt")
        if offered.has_switch(one):
            assert one["usual"] is not None, f"{name}: a panel's field has to start somewhere"
        if one["kind"] == "Choice":
            assert (one["default"] or one["usual"]) in [value for value, _, _ in one["choices"]]


def test_flags_are_the_declarations():
    assert (
        flag("faithful", False) == "--resampled"
        and flag("masks") == "--mask"
        and flag("nothing") == "--nothing"
    )
    assert flag("uvs", "keep") == "--keep-uvs" and set(FUNCTIONS) >= {"mesh", "wide", "motion"}
