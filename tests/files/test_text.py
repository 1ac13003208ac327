"""Names in any encoding: read right or at least apart, found on the disk, written as UTF-8."""

from __future__ import annotations

import codecs
import os
import unicodedata

import pytest
from jobs import TEXTURE, own_uvs

from texsync.errors import TexsyncWarning
from texsync.files.encoding import find_file, lines_of_text, read_text, shown_name
from texsync.files.load import load
from texsync.files.save import save_model

FACES = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
TEXT = FACES + "mtllib {0}.mtl\no {1}\nusemtl {2}\nf 1/1 2/2 3/3\nusemtl {3}\nf 1/1 3/3 4/4\n"
MTL = "newmtl {2}\nPm 0.25\nnewmtl {3}\nPm 0.75\nnorm {0}.png\n"
NAMES = {
    "ascii": (("box", "wheel", "red", "green"), ["ascii"]),
    "German": (("straße", "Räder", "grün", "grön"), ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]),
    "French": (("forêt", "chêne", "écorce", "écorcé"), ["utf-8", "latin-1"]),
    "one letter": (("café", "o", "a", "b"), ["latin-1"]),
    "Western marks": (("Škoda", "Œuvre", "Bob’s", "Bob‘s"), ["cp1252"]),
    "Japanese": (("車", "車輪", "赤", "青"), ["utf-8", "utf-8-sig", "cp932", "utf-16"]),
    "a backslash in it": (("表", "表", "ソ", "構"), ["cp932"]),
    "kana": (("くるま", "クルマ", "あか", "アオ"), ["cp932"]),
    "both": (("car_車", "wheel 輪 4", "red-赤", "Blau-青"), ["cp932"]),
    "odd spaces": (("a\u2028b", "a\x0bc", "d\u0085e", "d\u0085f"), ["utf-8"]),
}
OTHERS = {  # read as something else, and still kept apart
    "Chinese": (("车", "车轮", "红", "绿"), ["gbk"]),
    "Taiwanese": (("盒", "車輪", "紅", "綠"), ["big5"]),
    "Korean": (("차", "바퀴", "빨강", "파랑"), ["euc_kr"]),
    "Russian": (("куб", "колесо", "красный", "синий"), ["cp1251"]),
    "Polish": (("łódź", "koło", "żółty", "zółty"), ["cp1250"]),
}


def cases(table):
    return [pytest.param(n, e, id=f"{k} {e}") for k, (n, encodings) in table.items() for e in encodings]


def written(folder, names, encoding, mtl_name=None, mtl_encoding=None):
    def put(name, text, encoding):
        name.write_bytes(text.format(*names).encode(encoding, "ignore"))

    put(folder / "in.obj", TEXT, encoding)
    put(folder / f"{mtl_name or names[0]}.mtl", MTL, mtl_encoding or encoding)
    return load(folder / "in.obj")


@pytest.mark.parametrize(("names", "encoding"), cases(NAMES))
def test_names_are_read_and_written_in_utf_8(tmp_path, names, encoding):
    loaded = written(tmp_path, names, encoding)
    assert list(loaded.shapes) == [names[1]] and list(loaded.source.materials) == list(names[2:])
    assert [loaded.source.materials[name].numbers("Pm") for name in names[2:]] == [[0.25], [0.75]]
    (tmp_path / "out").mkdir()
    with pytest.warns(TexsyncWarning, match="other MTL pictures"):
        _, obj, mtl, _ = save_model(loaded, own_uvs(loaded), TEXTURE, tmp_path / "out", "out")
    for text in (obj.read_bytes().decode(), mtl.read_bytes().decode()):
        assert all(word in text for name in names[2:] for word in name.split())
    assert f"o {names[1]}" in lines_of_text(obj.read_bytes().decode())


@pytest.mark.parametrize(("names", "encoding"), cases(OTHERS))
def test_other_encodings_keep_names_apart_and_find_their_files(tmp_path, names, encoding):
    loaded = written(tmp_path, names, encoding)
    assert [m.numbers("Pm") for m in loaded.source.materials.values()] == [[0.25], [0.75]]
    used = loaded.shapes[loaded.parts[0].shape].materials[0]
    assert used == list(loaded.source.materials) and len(set(used)) == 2


@pytest.mark.parametrize(
    ("encoding", "mtl"), [("utf-8", "latin-1"), ("latin-1", "utf-8"), ("utf-8-sig", "utf-8")]
)
def test_a_library_may_be_encoded_in_another_way(tmp_path, encoding, mtl):
    loaded = written(tmp_path, NAMES["German"][0], encoding, mtl_encoding=mtl)
    assert list(loaded.source.materials) == ["grün", "grön"]


def test_a_library_is_read_like_its_obj_file(tmp_path):
    """Alone, each would be taken for Western: what is one name stays one name."""
    (tmp_path / "m.mtl").write_bytes("newmtl 角\nPm 1\n".encode("cp932"))
    (tmp_path / "in.obj").write_bytes(
        (FACES + "mtllib m.mtl\no 車輪\nusemtl 角\nf 1/1 2/2 3/3\n").encode("cp932")
    )
    assert list(load(tmp_path / "in.obj").source.materials) == ["角"]


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, b""])
def test_a_byte_order_mark_hides_no_vertex(tmp_path, mark):
    (tmp_path / "in.obj").write_bytes(mark + FACES.encode() + b"f 1/1 2/2 3/3\n")
    assert len(load(tmp_path / "in.obj").vertices) == 4
    (tmp_path / "in.off").write_bytes(mark + b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    assert len(load(tmp_path / "in.off").vertices) == 3


@pytest.mark.parametrize(
    ("asked", "disk"),
    [
        ("Größe.mtl", b"gr\xc3\xb6\xc3\x9fe.MTL"),
        ("café.mtl", unicodedata.normalize("NFD", "café.mtl").encode()),
        ("straße.mtl", "straße.mtl".encode("latin-1")),
        ("表.mtl", "表.mtl".encode("cp932")),
        ("maps\\Ziegel.png", b"Maps/ziegel.png"),
        (".\\a b.png", b"a b.png"),
        ("³µ.mtl", "车.mtl".encode()),
    ],
)
def test_files_are_found_by_other_spellings(tmp_path, asked, disk):
    path = os.path.join(os.fsencode(tmp_path), disk)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"1")
    found = find_file(tmp_path, asked)
    assert found and (tmp_path / found).read_bytes() == b"1"
    assert find_file(tmp_path, "other.mtl") is None and find_file(tmp_path, "") is None


def test_names_on_the_disk_are_readable_in_any_encoding():
    assert shown_name(os.fsdecode("Würfel.obj".encode("latin-1"))) == shown_name("Würfel.obj") == "Würfel.obj"


def test_no_two_western_bytes_are_alike_and_a_letter_cut_in_half_spoils_nothing():
    assert len({read_text(bytes([0xE9, i])) for i in range(128, 256)}) == 128
    assert read_text("Räder, Größe".encode() + b"\xc3") == "Räder, Größe\xc3"
    assert lines_of_text("a\r\nb\rc\nd\u2028\x85e") == ["a", "b", "c", "d\u2028\x85e"]


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("mtllib gone.mtl", "gone.mtl"),
        ("mtllib there.mtl gone too.mtl", "gone, too.mtl"),
        ("mtllib ../there.mtl", "../there.mtl"),
    ],
)
def test_a_missing_library_is_said_once(tmp_path, line, missing):
    (tmp_path / "there.mtl").write_text("newmtl a\n")
    (tmp_path / "sub").mkdir()
    folder = tmp_path / "sub" if ".." in line else tmp_path
    (folder / "in.obj").write_text(f"{line}\n{line}\n{FACES}usemtl a\nf 1/1 2/2 3/3\n")
    with pytest.warns(TexsyncWarning, match="in.obj: the material library") as said:
        load(folder / "in.obj")
    assert len(said) == 1 and missing in str(said[0].message)
