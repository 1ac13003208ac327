"""Files of splats: read whole or refused in one line, given back with other colours and nothing else changed."""

from __future__ import annotations

import gzip
import re
import struct
import sys
from dataclasses import replace
from pathlib import Path

import gsply
import numpy as np
import plyfile
import pytest
import trimesh
from refusals import refused
from splat_scenes import some_splats

from texsync.splats.gaussians import DEGREE_0, Splats
from texsync.splats.splat_files import ENDINGS, is_splats, read_splats, splat_bytes

COUNT = 40
FIELDS = [
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", *(f"f_rest_{k}" for k in range(45))),
    *("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
]


def inria(path: Path, kind: str = "little", changes: dict | None = None, without: tuple = ()) -> np.ndarray:
    """A file as INRIA's training writes it, by plyfile; its table.  kind: "text", "little" or "big"."""
    rng = np.random.default_rng(7)
    table = np.zeros(COUNT, [(name, "<f4") for name in FIELDS if name not in without])
    for name in table.dtype.names:
        table[name] = rng.normal(size=COUNT)
    for name, value in (changes or {}).items():
        table[name] = value
    order = {"text": "=", "little": "<", "big": ">"}[kind]
    element = plyfile.PlyElement.describe(table, "vertex", comments=["one of a kind"])
    plyfile.PlyData([element], text=kind == "text", byte_order=order).write(str(path))
    return table


def new_colours() -> np.ndarray:
    return np.random.default_rng(8).uniform(0, 1, (COUNT, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", ["text", "little", "big"])
def test_ply_is_read_and_given_back_with_other_colours_and_nothing_else(tmp_path, kind):
    path, other = tmp_path / "scene.ply", tmp_path / "painted.ply"
    table = inria(path, kind)
    splats = read_splats(path)
    assert is_splats(path) and len(splats) == COUNT
    assert np.allclose(splats.scales[:, 1], np.exp(table["scale_1"]), rtol=1e-6)
    assert np.allclose(splats.opacity, 1 / (1 + np.exp(-table["opacity"])), rtol=1e-6)
    assert np.allclose(splats.colour[:, 2], 0.5 + DEGREE_0 * table["f_dc_2"], atol=1e-6)
    quaternions = np.stack([table[f"rot_{k}"] for k in range(4)], axis=1)
    assert np.allclose(
        splats.rotations, quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True), atol=1e-6
    )

    colour = new_colours()
    other.write_bytes(splat_bytes(splats.coloured(colour), ".ply"))
    found = plyfile.PlyData.read(str(other))
    assert found.header == plyfile.PlyData.read(str(path)).header
    vertex = found["vertex"].data
    for name in FIELDS:
        if name.startswith("f_dc_"):
            assert np.allclose(0.5 + DEGREE_0 * vertex[name], colour[:, int(name[-1])], atol=1e-6)
        elif name.startswith("f_rest_"):
            assert (vertex[name] == 0).all()
        else:
            assert np.array_equal(vertex[name], table[name]), name
    assert other.stat().st_size == path.stat().st_size or kind == "text"
    if kind == "text":  # tokens that are kept are the same, not only the same numbers
        one, two = (file.read_text().split("end_header\n")[1].splitlines() for file in (path, other))
        assert [line.split()[:6] for line in one] == [line.split()[:6] for line in two]


def test_another_reader_sees_the_colours(tmp_path):
    """gsply, which has its own reader of .ply and of .spz."""
    colour = new_colours()
    inria(tmp_path / "scene.ply")
    path = tmp_path / "painted.ply"
    path.write_bytes(splat_bytes(read_splats(tmp_path / "scene.ply").coloured(colour), ".ply"))
    found = gsply.plyread(str(path))
    assert np.allclose(gsply.sh2rgb(found.sh0), colour, atol=1e-6) and not found.shN.any()


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("degree", [0, 3])
def test_spz_keeps_all_but_the_colours_to_the_bit(tmp_path, version, degree):
    rng = np.random.default_rng(3)
    each, higher = 19 + (version == 3), {0: 0, 3: 45}[degree]
    body = rng.integers(0, 256, COUNT * (each + higher), np.uint8)
    if version == 3:  # three numbers of at most 1/2 make a unit quaternion
        body[16 * COUNT : 20 * COUNT] = 0b00110011
    data = struct.pack("<4sIIBBBB", b"NGSP", version, COUNT, degree, 9, 1, 0) + body.tobytes()
    path, other = tmp_path / "scene.spz", tmp_path / "painted.spz"
    path.write_bytes(gzip.compress(data))
    splats = read_splats(path)
    colour = new_colours()
    other.write_bytes(splat_bytes(splats.coloured(colour), ".spz"))
    written = np.frombuffer(gzip.decompress(other.read_bytes()), np.uint8)
    whole = np.frombuffer(data, np.uint8)
    changed = np.nonzero(written != whole)[0] - 16
    assert ((changed // COUNT >= 10) & (changed // COUNT < 13) | (changed >= each * COUNT)).all()
    assert (written[16 + each * COUNT :] == 128).all()
    assert abs(read_splats(other).colour - colour).max() < 0.5 * DEGREE_0 / 0.15 / 255 + 1e-6
    assert np.array_equal(read_splats(other).means, splats.means)


def test_splat_rows_keep_all_but_the_colours(tmp_path):
    path, other = tmp_path / "scene.splat", tmp_path / "painted.splat"
    path.write_bytes(splat_bytes(some_splats(COUNT), ".splat"))
    colour = new_colours()
    other.write_bytes(splat_bytes(read_splats(path).coloured(colour), ".splat"))
    one, two = (np.frombuffer(file.read_bytes(), np.uint8).reshape(-1, 32) for file in (path, other))
    kept = np.delete(np.arange(32), [24, 25, 26])
    assert np.array_equal(one[:, kept], two[:, kept])
    assert abs(read_splats(other).colour - colour).max() < 0.51 / 255


@pytest.mark.parametrize("ending", ENDINGS)
def test_splats_made_here_become_any_kind_of_file(tmp_path, ending):
    """As exact as the kind is; from another kind of file, too."""
    splats = some_splats(COUNT)
    path = tmp_path / f"scene{ending.upper()}"
    path.write_bytes(splat_bytes(splats, ending))
    found = read_splats(path)
    close = {".ply": 1e-6, ".spz": 0.035, ".splat": 0.01}[ending]
    for part in ("means", "opacity", "colour"):
        assert abs(getattr(found, part) - getattr(splats, part)).max() < close
    assert abs(np.log(found.scales / splats.scales)).max() < close
    assert abs(found.axes - splats.axes).max() < max(close, 1e-5) * 2
    from_ply = replace(splats, source=read_ply(tmp_path, splats).source)
    assert splat_bytes(from_ply, ".splat") == splat_bytes(splats, ".splat")


def read_ply(folder: Path, splats: Splats) -> Splats:
    path = folder / "other.ply"
    path.write_bytes(splat_bytes(splats, ".ply"))
    return read_splats(path)


def test_meshes_and_points_stay_what_they_are(tmp_path):
    mesh, points = tmp_path / "mesh.ply", tmp_path / "points.ply"
    trimesh.creation.box().export(mesh)
    trimesh.PointCloud(np.eye(3)).export(points)
    assert not is_splats(mesh) and not is_splats(points) and not is_splats(tmp_path / "none.ply")
    vertex = np.zeros(3, [(name, "f4") for name in ("x", "y", "z", "scale_0")])
    face = np.array([([0, 1, 2],)], [("vertex_indices", "i4", (3,))])
    elements = [plyfile.PlyElement.describe(vertex, "vertex"), plyfile.PlyElement.describe(face, "face")]
    plyfile.PlyData(elements).write(str(mesh))
    assert not is_splats(mesh) and is_splats("scene.SPZ") and not is_splats("jug.obj")


def nan(path: Path) -> None:
    inria(path, changes={"scale_1": [np.nan, np.inf] + [0] * (COUNT - 2)})


def cut(path: Path) -> None:
    inria(path)
    path.write_bytes(path.read_bytes()[:-7])


def no_splats(path: Path) -> None:
    inria(path)
    head = path.read_bytes().partition(b"end_header\n")
    path.write_bytes(head[0].replace(b"vertex %d" % COUNT, b"vertex 0") + head[1])


def compressed(path: Path) -> None:
    fields = "\n".join(f"property uint packed_{name}" for name in ("position", "rotation", "scale", "color"))
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {COUNT}\n{fields}\nend_header\n"
    path.write_bytes(head.encode() + bytes(16 * COUNT))


BAD = {
    "fields": (
        ".ply",
        lambda path: inria(path, without=("rot_2", "scale_0")),
        "splats-damaged",
        "scale_0, rot_2",
    ),
    "nan": (".ply", nan, "splats-damaged", 2),
    "far": (".ply", lambda path: inria(path, changes={"x": np.inf}), "splats-damaged", COUNT),
    "unturned": (
        ".ply",
        lambda path: inria(path, changes={f"rot_{k}": 0 for k in range(4)}),
        "splats-damaged",
        COUNT,
    ),
    "cut": (".ply", cut, "splats-damaged", None),
    "none": (".ply", no_splats, "splats-empty", None),
    "clear": (
        ".ply",
        lambda path: inria(path, changes={"opacity": -20}),
        "splats-empty",
        pytest.approx(2e-9, rel=0.1),
    ),
    "compressed": (".ply", compressed, "splats-kind", None),
    "no gzip": (".spz", lambda path: path.write_bytes(b"no such thing"), "splats-damaged", None),
    "empty spz": (".spz", lambda path: path.write_bytes(b""), "splats-damaged", None),
    "cut spz": (
        ".spz",
        lambda path: path.write_bytes(gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", 3, 9, 0, 9, 0, 0))),
        "splats-damaged",
        9,
    ),
    "later spz": (".spz", lambda path: path.write_bytes(b"NGSP\4\0\0\0" + bytes(40)), "splats-kind", 4),
    "cut rows": (".splat", lambda path: path.write_bytes(bytes(33)), "splats-damaged", 33),
    "no rows": (".splat", lambda path: path.write_bytes(b""), "splats-empty", None),
    "blank rows": (".splat", lambda path: path.write_bytes(bytes(64)), "splats-damaged", 2),
    "not there": (".ply", lambda path: None, "mesh-missing", None),
    "ending": (".sog", lambda path: path.write_bytes(b"PK"), "splats-kind", ".sog"),
}


@pytest.mark.parametrize(("ending", "make", "code", "value"), BAD.values(), ids=BAD)
def test_bad_files_are_refused_in_one_line(tmp_path, ending, make, code, value):
    path = tmp_path / f"scene{ending}"
    make(path)
    with refused(code, **({} if value is None else {"value": value})) as caught:
        read_splats(path)
    assert "scene" in caught.value.thing
    if code != "mesh-missing" and ending == ".ply":
        assert is_splats(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_too_many_splats_for_memory_say_how_many_fit(tmp_path, ending):
    path = tmp_path / f"scene{ending}"
    path.write_bytes(splat_bytes(some_splats(COUNT), ending))
    with refused("memory", value=COUNT) as caught:
        read_splats(path, room=7000)
    assert re.search(r"holds about 1[0-4];", str(caught.value))
    assert len(read_splats(path, room=10**6)) == COUNT


@pytest.mark.parametrize(("ending", "package"), [(".spz", "gsply")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, ending, package):
    path = tmp_path / f"scene{ending}"
    path.write_bytes(splat_bytes(some_splats(COUNT), ending))
    monkeypatch.setitem(sys.modules, package, None)
    with refused("package-missing", thing=package) as caught:
        read_splats(path)
    assert 'pip install "texsync[splats]"' in str(caught.value)
