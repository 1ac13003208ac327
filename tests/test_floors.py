"""A room imports only from the floors below it, or itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "texsync"
FLOOR = dict(
    errors=0,
    glb_chunks=1,
    moved=1,
    picture_files=1,
    plugins=1,
    ply_tables=1,
    schedule=1,
    signals=1,
    options=2,
    samplers=2,
    image_options=3,
    progress=3,
    record=3,
    surface=3,
    motion=3,
    splats=4,
    show=4,
    views=4,
    backbones=4,
    couplings=5,
    files=5,
    known=5,
    loop=6,
    mini=6,
    measures=6,
    tasks=7,
)
FLOOR |= dict(flags=8, doctor=8, grouped=9, worker=9, batch=9, paper=10, cli=11)  # the doors
HEAVY = {"torch", "diffusers", "transformers", "pytorch3d", "trimesh", "xatlas", "embreex"}


def rooms(path: Path, root: Path) -> list[str]:
    """The rooms a file imports from, in the package at root."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].relative_to(root).parts
            module = (*base, *(node.module or "").split(".")) if node.module else base
            found += [module[0]] if module else [a.name for a in node.names if a.name != "__version__"]
    return found


def complaints(root: Path) -> list[str]:
    found = []
    for path in sorted(root.rglob("*.py")):
        room = path.relative_to(root).parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):
            continue
        for other in rooms(path, root):
            if room not in FLOOR:
                found.append(f"{path.relative_to(root)}: {room} has no floor")
            elif other != room and not FLOOR.get(other, 99) < FLOOR[room]:
                found.append(f"{path.relative_to(root)}: {room} must not import {other}")
    return found


def test_imports_only_point_down():
    assert complaints(ROOT) == []


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("views/plane.py", "from ..couplings import make", "views must not import couplings"),
        ("views/plane.py", "from .. import loop", "views must not import loop"),
        (
            "couplings/base.py",
            "def f():\n    from ..tasks.mesh import Job",
            "couplings must not import tasks",
        ),
        ("attic.py", "from .errors import InputError", "attic has no floor"),
    ],
)
def test_the_rule_names_the_culprit(tmp_path, path, line, complaint):
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(line)
    assert complaints(tmp_path) == [f"{path}: {complaint}"]


def modules(root: Path) -> dict[str, Path]:
    """Dotted name in the package at root -> file, of all but the package itself."""
    named = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: path for name, path in named.items() if name not in ("", "__main__")}


def imported(path: Path, root: Path, known: dict[str, Path]) -> set[str]:
    """The modules of the package that a file imports anywhere, in functions and for types only, too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*path.parents[node.level - 1].relative_to(root).parts, *filter(None, [node.module]))
            dotted = ".".join(base)
            below = {f"{dotted}.{name.name}".lstrip(".") for name in node.names} & set(known)
            found |= below or ({dotted} & set(known))
    return found


def circle(root: Path) -> list[str]:
    """Some modules that import each other in a ring, [] if there are none."""
    known = modules(root)
    left = {name: imported(path, root, known) - {name} for name, path in known.items()}
    while free := {name for name, others in left.items() if not others & set(left)}:
        left = {name: others for name, others in left.items() if name not in free}
    ring = sorted(left)[:1]
    while ring and ring[-1] not in ring[:-1]:
        ring.append(min(left[ring[-1]] & set(left)))
    return ring[ring.index(ring[-1]) :] if ring else []


def test_no_two_modules_import_each_other():
    """Nor three in a ring, not even where only a type is meant."""
    assert circle(ROOT) == []


def test_a_ring_is_found(tmp_path):
    for name, line in (
        ("a", "from .b import x"),
        ("b", "def f():\n    from .c import x"),
        ("c", "from . import a"),
    ):
        (tmp_path / f"{name}.py").write_text(line)
    assert circle(tmp_path) == ["a", "b", "c", "a"]


# every room has a table of contents, and some an interface that all in it follow
SHARED = {"__init__", "base"}
TWINS = {"mini", "motion"}  # two embedded models, trained by the same steps


def namesakes() -> dict[str, list[str]]:
    """Modules and classes of one name, in the package and the add-on together."""
    places: dict[str, set[str]] = {}
    for path in (*ROOT.rglob("*.py"), *(ROOT.parent / "blender_addon").rglob("*.py")):
        classes = [
            node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)
        ]
        for name in {path.stem, *(f"class {name}" for name in classes)} - SHARED:
            places.setdefault(name, set()).add(str(path.relative_to(ROOT.parent)))
    shared = {name for name, where in places.items() if {place.split("/")[1] for place in where} <= TWINS}
    return {name: sorted(where) for name, where in places.items() if len(where) > 1 and name not in shared}


def test_no_two_modules_or_classes_have_one_name():
    assert namesakes() == {}


def test_absolute_imports_do_not_sneak_past():
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not any(name.split(".")[0] == "texsync" for name in names), path


@pytest.mark.parametrize("door", ["texsync", "texsync.cli"])
def test_doors_open_without_heavy_imports(door):
    code = f"import sys, {door}; print(*sorted({HEAVY} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr) == ("", "")
