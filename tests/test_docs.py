"""README and docs can be pasted: every block runs in order, with a tiny model where the text has mini or a hub's.

A block of ```sh is run by bash, with stand-ins for texsync, pip and python that note how they were called; those calls
of texsync are then made, in this process.  A block of ```python is run as it is.  Code within the text is read by the
shell's parser.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import warnings
from pathlib import Path

import click
import pytest
import tiny
import tiny_motion
from painted import ball
from splat_scenes import splats_on_mesh

import texsync
from texsync import cli
from texsync.backbones import download, hub, locate, motion_model, presets
from texsync.show import render as preview
from texsync.splats.splat_files import splat_bytes
from texsync.tasks import mesh, textured_splats

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
END = "\036"
NOTE = f"""#!/bin/sh
printf '%s\\0' "${{0##*/}}" "$@" >> "$CALLS"; printf '{END}\\0' >> "$CALLS"
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin"; cp "$STANDINS"/* "$3/bin"; echo "PATH='$PWD/$3/bin':\\$PATH" > "$3/bin/activate"
fi
"""
BALL = ball()
HUB_MODELS = {
    "benjamin-paine/stable-diffusion-v1-5": "",
    presets.PRESETS["sd15"].model: "",
    locate.USUAL_DEPTH[768]: "controlnet",
    "lllyasviel/control_v11p_sd15_normalbae": "controlnet",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Random weights that stand for every model: one step, views of 64 pixels, and so a second or two a line."""
    advice = {"view_size": 64, "steps": 1, "prompt_prefix": "", "guidance": 1.0}
    return tiny.write_model(tmp_path_factory.mktemp("docs") / "model", advice=advice)


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """The same for motions."""
    return tiny_motion.write_motion_model(tmp_path_factory.mktemp("docs") / "moving")


@pytest.fixture
def clone(tmp_path, monkeypatch, model, moving):
    """A folder like a fresh clone, where names of models lead to the tiny one."""
    for name in ("meshes", "docs", "benchmarks", "blender_addon", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "scene.ply").write_bytes(splat_bytes(splats_on_mesh(BALL.vertices, BALL.faces, 99), ".ply"))
    monkeypatch.setattr(textured_splats, "FRAMES", 1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(locate.EMBEDDED, "mini", model)
    monkeypatch.setattr(download, "fetch", lambda repo, **_: model / HUB_MODELS[repo])
    monkeypatch.setattr(
        hub, "cached", lambda repo, *_: model / HUB_MODELS[repo] if repo in HUB_MODELS else None
    )
    monkeypatch.setitem(motion_model.EMBEDDED, "mini", moving)
    job = mesh.Job
    monkeypatch.setattr(mesh, "Job", lambda asked: job(dataclasses.replace(asked, texture_size=64)))
    turntable = preview.turntable
    monkeypatch.setattr(preview, "turntable", lambda *made: turntable(*made, frames=1, size=32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", texsync.TexsyncWarning)  # the tiny model knows few words
        with texsync.warm_model():
            yield tmp_path


def blocks(page: str) -> list[tuple[str, str]]:
    """(language, code) of every block, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(language, code) for _, language, code in BLOCK.findall(text)]


def calls(script: str, place: Path) -> list[list[str]]:
    """How bash would call texsync, pip and the like, globs and loops and all."""
    standins, noted = place / ".standins", place / ".calls"
    standins.mkdir(exist_ok=True)
    for name in ("texsync", "pip", "python", "python3", "pytest"):
        (standins / name).write_text(NOTE)
        (standins / name).chmod(0o755)
    noted.write_text("")
    path = f"{standins}:{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "CALLS": str(noted),
        "STANDINS": str(standins),
        "HOME": str(place),
    }
    done = subprocess.run(
        ["bash", "-euc", script], cwd=place, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    words: list[list[str]] = [[]]
    for word in noted.read_text().split("\0")[:-1]:
        if word == END:
            words.append([])
        else:
            words[-1].append(word)
    return words[:-1]


def make(call: list[str], place: Path) -> None:
    """What a call asks for, as far as it needs neither a network nor another program."""
    name, *rest = call
    if name == "texsync":
        assert cli.main([*rest]) in (0, None), call
    elif name == "pip":
        project = (ROOT / "pyproject.toml").read_text()
        assert all(
            f"\n{extra} = [" in project for word in rest for extra in re.findall(r"\[(\w+)\]", word)
        ), call
    else:
        assert all((place / word).is_file() for word in rest if word.endswith(".py")), call


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_pasted_from_top_to_bottom(page, clone, capsys):
    names = {"__name__": "__main__"}
    for language, code in blocks(page):
        if language == "sh":
            for call in calls(code, clone):
                make(call, clone)
        elif language == "python":
            exec(compile(code, page, "exec"), names)
        else:
            assert language in ("", "bat", "toml"), f"{page}: who runs {language}?"


def parsed(arguments: list[str]) -> None:
    """Read as the shell door does, up to the start of work; raises click.UsageError."""
    name = arguments[0] if arguments[0] in cli.texsync.commands else "mesh"
    rest = arguments[1:] if arguments[0] == name else arguments
    if rest not in (["--help"], ["--version"]):
        cli.texsync.commands[name].make_context(name, list(rest))


@pytest.mark.parametrize("page", PAGES)
def test_commands_within_the_text_are_right(page, clone):
    flags = {flag for command in cli.texsync.commands.values() for p in command.params for flag in p.opts}
    text = BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for span in SPAN.findall(text):
        if re.match(r"(texsync|python3?|pip) ", span) and not re.search(r"<\w|\.\.\.", span):
            for call in calls(span, clone):
                if call[0] != "texsync":
                    make(call, clone)
                elif call[1:] != ["--help"]:
                    parsed(call[1:])
        elif flag := re.match(r"--[a-z][\w-]*", span):
            assert flag[0] in flags | {"--help", "--version"}, f"{page}: {span}"


def test_windows_lines_are_the_others_in_windows_words():
    (code,) = [code for language, code in blocks("README.md") if language == "bat"]
    (line,) = [line for line in code.splitlines() if line.startswith("texsync ")]
    assert line.replace("\\", "/") in (ROOT / "README.md").read_text()
    assert re.search(r'"(torch\S+)"', code)[1] in (ROOT / "pyproject.toml").read_text()


def test_a_wrong_line_would_be_found(clone):
    with pytest.raises(click.UsageError):
        parsed(["wide", "meadow", "--widht", "9"])
    with pytest.raises(AssertionError):
        make(["texsync", "mask", "desert", "--foreground", "red ball", "--mask", "ball.png"], clone)
    with pytest.raises(AssertionError):
        make(["pip", "install", ".[nothing]"], clone)
    with pytest.raises(AssertionError):
        calls("nosuchprogram x", clone)
