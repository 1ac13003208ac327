"""What tests of bad input share: wrong meshes, and a shell door that must refuse them and leave all as it was."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import trimesh

from texsync import cli

ROOT = Path(__file__).parents[2]
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
FACE = "f 1 2 3\n"
PROSE = "Dear all,\n\nplease find the mesh attached.\n" * 9


def exported(mesh, ending: str) -> bytes:
    file = BytesIO()
    mesh.export(file, file_type=ending)
    return file.getvalue()


BALL = trimesh.creation.icosphere(subdivisions=1)
GLB = exported(BALL, "glb")
CLOUD = exported(trimesh.PointCloud(np.eye(3)), "ply")
WIRE = exported(trimesh.Scene(trimesh.load_path(np.eye(3))), "glb")
BAD_INDEX = exported(trimesh.Trimesh(np.eye(3), [[0, 1, 2]], process=False), "glb").replace(
    struct.pack("<3I", 0, 1, 2), struct.pack("<3I", 0, 1, 9)
)

# name of the file, what is in it (None: nothing is there), what the line must say
MESHES = {
    "missing": ("gone.obj", None, "gone.obj does not exist", "check the path"),
    "folder": ("done", None, "done is a folder", "name a mesh file"),
    "empty": ("jug.glb", b"", "jug.glb is empty", "export it again"),
    "truncated glb": ("jug.glb", GLB[: len(GLB) // 2], "jug.glb", "export it again"),
    "glb header only": ("jug.glb", GLB[:20], "jug.glb", "export it again"),
    "text named obj": ("jug.obj", PROSE, "jug.obj", "export it"),
    "text named glb": ("jug.glb", PROSE, "jug.glb", "export it again"),
    "bytes named stl": (
        "jug.stl",
        bytes(range(256)),
        "jug.stl is cut short: 3 of",
        "copy or export it again",
    ),
    "unknown ending": ("jug.blend", b"BLENDER", "'.blend'", "glb, gltf, vrm, obj, off, ply, stl"),
    "no ending": ("jug", b"x", "unknown ending ''", "known: glb"),
    "no faces": ("jug.obj", TRIANGLE, "jug.obj has no faces", "as a mesh with triangles"),
    "only points": ("jug.ply", CLOUD, "jug.ply has no faces", "not as points or lines"),
    "only lines": ("jug.obj", TRIANGLE + "l 1 2 3\n", "jug.obj has no faces", "not as points or lines"),
    "only lines, glb": ("jug.glb", WIRE, "jug.glb has no faces", "not as points or lines"),
    "nan": ("jug.obj", TRIANGLE.replace("1", "nan", 1) + FACE, "1 vertices at NaN", "repair or remove"),
    "inf": ("jug.obj", TRIANGLE.replace("1", "inf", 1) + FACE, "NaN or infinity", "repair or remove"),
    "degenerate": (
        "jug.obj",
        TRIANGLE + "f 1 1 2\nf 3 3 3\n",
        "none of the 2 faces of jug.obj",
        "check that",
    ),
    "one place": ("jug.obj", 3 * "v 4 4 4\n" + FACE, "jug.obj has an area", "scaled to zero"),
    "index too high": ("jug.obj", TRIANGLE + "f 1 2 4\n", "vertex 4 of 3", "export it again"),
    "index too low": ("jug.obj", TRIANGLE + "f 1 2 -9\n", "jug.obj", "export it again"),
    "index in glb": ("jug.glb", BAD_INDEX, "vertex 9 of 3", "export it again"),
    "too large": ("jug.obj", TRIANGLE.replace("1", "1e200") + FACE, "1e+200 units", "scale it"),
    "too small": ("jug.obj", TRIANGLE.replace("1", "1e-200") + FACE, "1e-200 units", "scale it"),
}


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, hidden things included."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


def refused(arguments: list[str], capsys, *said: str) -> str:
    """Run the shell door, which must refuse in one line and leave everything as it was; returns the line."""
    before = tree(Path.cwd())
    assert cli.main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    check_line(told.err, *said)
    assert tree(Path.cwd()) == before
    return told.err


def check_line(told: str, *said: str) -> None:
    """One line, with the thing, the value and the remedy in it."""
    assert told.startswith("texsync: ") and told.count("\n") == 1 and told.endswith("\n"), told
    assert "Traceback" not in told and "internal error" not in told
    for words in said:
        assert words in told


def put(folder: Path, name: str, content: bytes | str | None) -> None:
    if content is not None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def small(model, *more: str) -> list[str]:
    """Arguments of a run of a second or two."""
    return ["jug.obj", "red object", "--model", str(model), "--steps", "1", "--view-size", "64"] + [
        "--texture-size",
        "64",
        *more,
    ]
