"""Help that helps: every command and option once, errors that point to the right page, remedies in the door's words."""

from __future__ import annotations

import ast
import re
import warnings
from inspect import signature
from pathlib import Path

import click
import pytest
from refusals import refused

import texsync
from texsync import cli, grouped
from texsync.errors import InputError, TexsyncWarning, option, worded
from texsync.flags import flag
from texsync.paper.reproduce import PaperOptions
from texsync.tasks import FUNCTIONS, options_of

ROOT = Path(texsync.__file__).parent
COMMANDS = cli.texsync.commands
DOORS = {"cli.py", "flags.py", "grouped.py", "doctor.py"}  # they speak the shell's words


def told(capsys, *arguments: str) -> tuple[int, str, str]:
    code = cli.main(list(arguments))
    return code, *capsys.readouterr()


def test_bare_texsync_shows_its_help(capsys):
    """As click's convention has it: on stderr, exit code 2; and not as an error line."""
    code, out, err = told(capsys)
    assert (code, out) == (2, "") and err == told(capsys, "--help")[1] and err.startswith("Usage: texsync")


def test_help_shows_every_command_with_a_line(capsys):
    _, out, _ = told(capsys, "--help")
    listed = out.split("Commands")[1].split("\nMain:")[0]
    for name, command in COMMANDS.items():
        first = " ".join(command.help.split())[:40].split(".")[0]
        assert re.search(rf"^  {name} +{re.escape(first[:25])}", listed, re.MULTILINE), name


@pytest.mark.parametrize("name", ["mesh", "wide", "ambiguous", "mask", "edit"])
def test_every_option_stands_once_under_a_heading(name, capsys):
    """Of the mesh command in the front page too."""
    flags = {p.opts[0] for p in COMMANDS[name].params if isinstance(p, click.Option) and not p.hidden}
    for arguments in [(name, "--help")] + ([("--help",)] if name == "mesh" else []):
        _, out, _ = told(capsys, *arguments)
        rows = re.findall(r"^  (?:-h, )?(--[a-z-]+)", out, re.MULTILINE)
        assert set(rows) >= flags | {"--help"} and len(rows) == len(set(rows))
        headings = re.findall(r"^(\w+):$", out, re.MULTILINE)
        assert headings == [h for h in grouped.HEADINGS.values() if h in headings] and len(headings) >= 4


WRONG = {
    "mesh": (["jug.obj"], "see texsync --help"),
    "mesh by name": (["mesh", "jug.obj", "rust", "--bogus"], "see texsync --help"),
    "wide": (["wide"], "see texsync wide --help"),
    "mask": (["mask", "desert", "--bogus"], "see texsync mask --help"),
    "edit": (["edit", "a.png", "b", "--seed", "x"], "see texsync edit --help"),
    "ambiguous": (["ambiguous"], "see texsync ambiguous --help"),
    "doctor": (["doctor", "now"], "see texsync doctor --help"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_points_to_its_own_help(case, capsys):
    arguments, said = WRONG[case]
    code, out, err = told(capsys, *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and err.endswith(f"({said})\n")


WORDS = {
    ("uvs", "unwrap"): ("--unwrap", 'uvs="unwrap"'),
    ("overwrite", True): ("--overwrite", "overwrite=True"),
    ("texture_size", None): ("--texture-size", "texture_size"),
    ("out", None): ("--out", "folder"),
    ("views", None): ("--view", "views"),
    ("source", "a “white” cat"): ('--source "a “white” cat"', 'source="a “white” cat"'),
    ("model", "mini"): ("--model mini", 'model="mini"'),
}


@pytest.mark.parametrize("case", WORDS, ids=str)
def test_each_door_has_its_words(case):
    shell, python = WORDS[case]
    text = f"use {option(*case)} or {{not}} --this"
    assert worded(text, flag) == f"use {shell} or {{not}} --this"
    assert str(InputError("wrong", text)) == f"wrong; use {python} or {{not}} --this"
    assert InputError("wrong", text).line(flag) == f"wrong; use {shell} or {{not}} --this"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn(text, TexsyncWarning, stacklevel=1)
    assert str(caught[0].message) == f"use {python} or {{not}} --this"
    assert caught[0].message.line(flag) == f"use {shell} or {{not}} --this"


def test_python_is_told_pythons_words(tmp_path, capsys, monkeypatch):
    """The same mistake at both doors."""
    (tmp_path / "jug.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    monkeypatch.chdir(tmp_path)
    with refused("uvs-unusable", thing="jug"):
        texsync.texture_mesh("jug.obj", "rust", uvs="keep")
    _, _, err = told(capsys, "jug.obj", "rust", "--keep-uvs")
    assert err.endswith("use --unwrap or mend the map\n")


def constants(path: Path) -> list[str]:
    """Texts in a file that are no docstrings."""
    tree = ast.parse(path.read_text())
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return [node.value for node in texts if id(node) not in documents]


def named_options() -> set[str]:
    """Every name that a message names an option by."""
    names = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "option":
                names |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    return names


def test_below_the_doors_nobody_speaks_of_flags():
    """They call `option`, or Python users read of flags that they do not have."""
    for path in ROOT.rglob("*.py"):
        if path.name not in DOORS and path.parent.name != "mini" and path.name != "train.py":
            wrong = [text for text in constants(path) if re.search(r"(?<![\w-])--[a-z]", text)]
            assert not [text for text in wrong if not text.startswith("texsync --help")], path


def test_options_that_messages_name_exist_at_both_doors():
    flags = {flag for c in COMMANDS.values() for p in c.params for flag in p.opts}
    keywords = {"folder", "overwrite", "sweep"}  # of `save`, and of the shell alone
    for asked in (PaperOptions, *map(options_of, FUNCTIONS)):
        keywords |= set(signature(asked).parameters)
    for name in named_options():
        assert worded(option(name), flag) in flags or name == "uvs", name
        assert worded(option(name)) in keywords, name
