"""PLY and OFF files as they stand: polygons of any size, UVs of corners, strips, in text and in bytes."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest
from jobs import TEXTURE
from test_triangulate import FLAT

from texsync.errors import InputError, TexsyncWarning
from texsync.files.load import load
from texsync.files.save import save_model
from texsync.surface.uv import prepare

HOLE, TRIANGLE = FLAT["hole on a bridge"][0], [[5, 0], [6, 0], [6, 1]]
POINTS = [*HOLE, *TRIANGLE]
FACES = [list(range(10)), [10, 11, 12]]


def ply(order: str, *, uv: str = "", faces=FACES, points=POINTS, extra: str = "") -> bytes:
    """A PLY file; uv: "vertex", "corner" or none.  order: "", "<" or ">"."""
    vertex_uv, corner_uv = uv == "vertex", uv == "corner"
    form = {"": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}[order]
    head = f"ply\nformat {form} 1.0\ncomment TextureFile gone.png\nelement vertex {len(points)}\n"
    head += "".join(f"property float {name}\n" for name in ("xyzst" if vertex_uv else "xyz")) + extra
    head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\n"
    head += "property list uchar float texcoord\n" if corner_uv else ""
    rows = [[("f", x) for x in (*p, 0, *(np.array(p) / 8 if vertex_uv else ()))] for p in points]
    for face in faces:
        row = [("B", len(face)), *(("i", k) for k in face)]
        uvs = np.array([points[k % len(points)] for k in face]).ravel() / 8
        rows.append(row + ([("B", len(uvs)), *(("f", x) for x in uvs)] if corner_uv else []))
    if order:
        body = b"".join(struct.pack(order + kind, x) for row in rows for kind, x in row)
    else:
        body = "\n".join(" ".join(str(x) for _, x in row) for row in rows).encode()
    return head.encode() + b"end_header\n" + body


def off(head: str = "OFF\n# a comment\n13 2 0\n") -> bytes:
    rows = [f"{x} {y} 0" for x, y in POINTS] + [f"{len(f)} {' '.join(map(str, f))} 1 0 0" for f in FACES]
    return (head + "\n".join(rows)).encode()


FILES = {
    **{
        f"{name} {uv}.ply": ply(order, uv=uv)
        for name, order in (("text", ""), ("little", "<"), ("big", ">"))
        for uv in ("", "vertex", "corner")
    },
    "windows.ply": ply("").replace(b"\n", b"\r\n"),
    "plain.off": off(),
    "counts beside the word.off": off("OFF 13 2 0\n"),
    "coloured.off": off("COFF\n13 2 0\n"),
}


def area(loaded) -> float:
    a, b, c = (loaded.vertices[loaded.faces[:, k]] for k in range(3))
    return float(
        np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 * np.linalg.norm(loaded.to_world[:3, 0]) ** 2
    )


@pytest.mark.parametrize("name", FILES)
def test_polygons_of_any_size_are_read_and_come_back(tmp_path, name, capfd, caplog):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    loaded = load(path, up="y", front="z")
    assert capfd.readouterr() == ("", "") and not caplog.records  # whose texture is not there
    assert area(loaded) == pytest.approx(12.5, rel=1e-5)
    assert len(loaded.shapes[path.stem].vertices) == len(POINTS)  # none torn, in the file's order
    assert np.allclose(loaded.shapes[path.stem].vertices[:, :2], POINTS)
    assert (loaded.uv is not None) == ("vertex" in name or "corner" in name)
    if loaded.uv is not None:
        assert np.allclose(
            loaded.uv[loaded.uv_faces], loaded.shapes[path.stem].vertices[loaded.faces][..., :2] / 8
        )
        _, out, *_ = save_model(loaded, prepare(loaded, "keep"), TEXTURE, tmp_path, "out")
        sizes = [len(x.split()) - 1 for x in out.read_text().splitlines() if x[0] == "f"]
        assert sizes == [10, 3]


def test_strips_are_taken_apart(tmp_path):
    head = (
        ply("", faces=[])
        .decode()
        .replace("element face 0\nproperty list uchar", "element tristrips 1\nproperty list int")
    )
    (tmp_path / "strip.ply").write_text(head + "\n10 0 1 3 2 -1 10 11 12 -1 7")
    loaded = load(tmp_path / "strip.ply", up="y", front="z")
    assert loaded.shapes["strip"].faces.tolist() == [[0, 1, 3], [1, 2, 3], [10, 11, 12]]
    assert area(loaded) == pytest.approx(16.5)


@pytest.mark.parametrize("kind", ["vertex", "face"])
def test_colours_are_missed_aloud(tmp_path, kind):
    extra = "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    text = ply("", faces=[FACES[1]]).decode()
    head, body = text.split("end_header\n")
    rows = [
        row + " 255 0 9" if (k < 13) == (kind == "vertex") else row for k, row in enumerate(body.split("\n"))
    ]
    head = head.replace("element face", extra + "element face") if kind == "vertex" else head + extra
    (tmp_path / "red.ply").write_text(head + "end_header\n" + "\n".join(rows))
    loaded = load(tmp_path / "red.ply")
    with pytest.warns(TexsyncWarning, match="loses its vertex colours"):
        save_model(loaded, prepare(loaded, "unwrap", 64), TEXTURE, tmp_path, "out")


BROKEN = {
    "cut.ply": ply("<")[:-8],
    "cut text.ply": ply("")[:-8],
    "endless.ply": ply("<").replace(b"vertex 13", b"vertex 99999999999"),
    "negative.ply": ply("<").replace(b"vertex 13", b"vertex -1"),
    "wild list.ply": ply("<").replace(b"list uchar int", b"list uint int"),
    "no places.ply": ply("").replace(b"float x", b"float a"),
    "beyond.ply": ply("", faces=[[0, 1, 99]]),
    "before.ply": ply("", faces=[[0, 1, -4]]),
    "words.ply": ply("").replace(b"0 0 0", b"0 b 0"),
    "cut.off": off()[:40],
    "beyond.off": off().replace(b"10 11 12", b"10 11 13"),
    "binary.off": off("OFF BINARY\n13 2 0\n"),
    "no count.off": b"OFF\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_damage_is_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(BROKEN[name])
    with pytest.raises(InputError) as refusal:
        load(tmp_path / name)
    assert "\n" not in str(refusal.value) and "export it again" in str(refusal.value)


def test_a_large_mixed_file_takes_seconds(tmp_path):
    count = 100_000
    corners = (
        np.tile(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float), (count, 1))
        + np.repeat(np.arange(count), 4)[:, None]
    )
    points = np.column_stack([corners, 0 * corners[:, 0]]).astype("<f4").tobytes()
    rings = b"".join(
        struct.pack(f"<B{n}i", n, *range(4 * k, 4 * k + n))
        for k, n in zip(range(count), [3, 4] * count, strict=False)
    )
    head = (
        ply("<", faces=[], points=[])
        .replace(b"vertex 0", b"vertex %d" % (4 * count))
        .replace(b"face 0", b"face %d" % count)
    )
    (tmp_path / "large.ply").write_bytes(head + points + rings)
    start = time.perf_counter()
    assert len(load(tmp_path / "large.ply").faces) == 3 * count // 2
    assert time.perf_counter() - start < 30
