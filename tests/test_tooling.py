"""Style, types, declared dependencies and the wheel: part of the one test command."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import texsync

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text()
DATA_LIMIT = 30 * 2**20  # bytes of mini's weights


@pytest.mark.parametrize(
    "tool",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=["style", "format", "types"],
)
def test_tools_are_content(tool):
    done = subprocess.run([sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


USERS = """
import texsync
from texsync.backbones.base import Backbone
from texsync.couplings import Coupling, SyncSDE

def right(model: Backbone, coupling: Coupling) -> None:
    texsync.wide_image("a", model=model, coupling=coupling, strength=3)
    texsync.texture_mesh("a.obj", "b", coupling=SyncSDE(), steps=3).save("x")
    texsync.masked_image("a", ["b"], ["c.png"]).image.size
    texsync.long_motion(["a", "b"], seconds=3.5)

texsync.wide_image("a", model=3)  # wrong
texsync.wide_image("a", stesp=3)  # wrong
texsync.texture_mesh("a", "b", texture_size="big")  # wrong
texsync.texture_mesh("a")  # wrong
"""


def test_a_users_script_is_type_checked(tmp_path):
    """Keywords, types and results of the public functions, from the declaration of their options."""
    script = tmp_path / "users.py"
    script.write_text(USERS)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", str(script)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    wrong = {number for number, line in enumerate(USERS.splitlines(), 1) if line.endswith("# wrong")}
    assert found == wrong, done.stdout + done.stderr
    assert "did you mean" in done.stdout


def imported(path: Path) -> set[str]:
    """The top names of every absolute import in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def declared(section: str) -> set[str]:
    """Distribution names in a list of pyproject.toml."""
    (body,) = re.findall(rf"^{section} = \[(.*?)\]\n", PROJECT, re.MULTILINE | re.DOTALL)
    return {normal(name) for name in re.findall(r"\"([A-Za-z][\w.-]*)", body)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


ELSEWHERE = {"skimage": "scikit-image"}  # packages by another name, where they are not installed


def test_every_import_is_a_declared_dependency():
    """What a fresh environment gets is what the package imports, neither less nor more; some are extras."""
    wanted = set().union(*(imported(path) for path in (ROOT / "texsync").rglob("*.py")))
    outside = wanted - set(sys.stdlib_module_names) - {"texsync"}
    homes = packages_distributions()
    homes |= {name: [home] for name, home in ELSEWHERE.items() if name not in homes}
    providers = {name: {normal(home) for home in homes.get(name, [name])} for name in outside}
    dependencies = declared("dependencies")
    allowed = dependencies.union(
        *map(declared, ("train", "annotators", "perceptual", "upscale", "ray", "measures"))
    )
    missing = {name for name, home in providers.items() if not home & allowed}
    assert not missing, f"add to pyproject.toml: {missing}"
    indirect = {"safetensors"}  # diffusers reads weights with it
    unused = dependencies - set().union(*providers.values()) - indirect
    assert not unused, f"nothing imports {unused}"


def test_the_wheel_holds_everything(tmp_path):
    """Every source file and the embedded model, at most 30 MB of it; no caches."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = {entry.filename: entry.file_size for entry in zipfile.ZipFile(wheel).infolist()}
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "texsync").rglob("*") if path.is_file()}
    assert {name for name in there if "__pycache__" not in name} <= set(packed)
    assert not [name for name in packed if "__pycache__" in name]
    assert (
        sum(size for name, size in packed.items() if name.startswith("texsync/mini/weights/")) <= DATA_LIMIT
    )
    assert any(name.endswith("licenses/LICENSE") for name in packed)


def test_the_changelog_knows_this_version():
    assert f"## [{texsync.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_ci_runs_what_the_readme_says():
    """CI and a newcomer run the same two steps."""
    script, readme = (ROOT / ".ci" / "run").read_text(), (ROOT / "README.md").read_text()
    for step in ('/bin/pip install -q -e ".[test]"', "/bin/pytest"):
        assert step in script and step in readme
