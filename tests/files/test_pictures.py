"""Pictures from outside: six formats, every damage one line, in bounded time; textures of meshes read the same way."""

from __future__ import annotations

import io
import os
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from texsync import TexsyncWarning, picture_files
from texsync.errors import InputError
from texsync.files.pbr import readable
from texsync.tasks.reading import read_picture

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import fuzz_pictures

RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 255, (48, 32, 3), np.uint8))


def saved(kind: str, picture=NOISE, **more) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **more)
    return file.getvalue()


@pytest.mark.parametrize("kind", picture_files.FORMATS)
def test_six_formats_are_read_upright(kind, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    sunset = Image.fromarray(np.repeat(np.arange(48, dtype=np.uint8)[:, None] * 5, 32, 1)).convert("RGB")
    turned = {} if kind == "BMP" else {"exif": exif}  # which has no EXIF
    (tmp_path / "p").write_bytes(saved(kind, sunset, **turned))
    seen = np.asarray(read_picture(tmp_path / "p"))[..., 0].astype(int)
    seen = seen if kind == "BMP" else np.rot90(seen)
    assert seen.shape == (48, 32) and abs(seen - np.asarray(sunset)[..., 0]).max() < 12


@pytest.mark.parametrize("kind", fuzz_pictures.OTHERS)
def test_other_formats_are_not_opened_at_all(kind, tmp_path):
    """Whatever the file's name: their decoders raise all kinds of errors, and some run other programs."""
    (tmp_path / "p.png").write_bytes(fuzz_pictures.originals(RNG)[kind][0])
    with refused("picture-kind"):
        read_picture(tmp_path / "p.png")


def test_damaged_pictures_end_in_one_line(tmp_path, capfd):
    """A few hundred of the fuzz in benchmarks/, AVIF and TIFF seldom since each starts a process."""
    answers = {}
    for k, (kind, data) in enumerate(fuzz_pictures.cases(600, seed=1)):
        if kind not in picture_files.APART or k % 5 == 0:
            answers[k, kind] = fuzz_pictures.outcome(data, tmp_path / "p")
    assert set(answers.values()) == {"read", "refused"}
    assert capfd.readouterr() == ("", "")


def hidden_scans(count: int) -> bytes:
    """A progressive JPEG of 12 million pixels, nearly all of it many empty scans."""
    whole = saved("JPEG", Image.new("L", (4000, 3000)), progressive=True)
    at = whole.rindex(picture_files.SCAN)
    return whole[:at] + whole[at:-2] * count + whole[-2:]


def bomb(kind: str) -> bytes:
    """A tiny file that claims 60,000 x 60,000 pixels."""
    small, size = saved(kind), (60000).to_bytes(4, "big")
    if kind == "PNG":
        return fuzz_pictures.resealed(small[:16] + size * 2 + small[24:])
    return small[:18] + size[::-1] * 2 + small[26:]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (saved("PNG", Image.new("1", (20000, 7000))), "has 20000 x 7000 pixels; shrink it below 120,000,000"),
        (bomb("PNG"), "pixels; shrink it"),
        (bomb("BMP"), "pixels; shrink it"),
        (hidden_scans(300), r"has 3\d\d scans; save it again"),
        (saved("AVIF")[:-200], "cannot be read"),
        (saved("TIFF", save_all=True, append_images=[NOISE]), "several pages; save one"),
        (saved("PNG", save_all=True, append_images=[NOISE.rotate(180)]), "animation"),
    ],
    ids=["large", "bomb.png", "bomb.bmp", "scans", "cut.avif", "pages", "animation"],
)
def test_size_and_work_are_checked_before_pixels_are_decoded(data, said, monkeypatch):
    if "cannot" not in said:
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError, match=said) as told:
        picture_files.decoded(data, "p.png")
    assert str(told.value).startswith("p.png ") and "\n" not in str(told.value)


def test_a_decoder_that_hangs_or_dies_is_left(monkeypatch):
    monkeypatch.setattr(picture_files, "SECONDS", 0.5)
    for script, said in {
        "while True: pass": "longer than 0.5 s",
        "import os; os.abort()": "broke off",
    }.items():
        monkeypatch.setattr(picture_files, "ALONE", script)
        with pytest.raises(InputError, match=said):
            picture_files.decoded(saved("AVIF"))


@pytest.mark.parametrize(
    "source", [7, None, b"PNG", "a\0b", "\ud800", "~nobody_here/p.png", "p" * 5000, os.devnull]
)
def test_what_cannot_be_a_picture_is_named(source):
    with pytest.raises(InputError) as told:
        read_picture(source)
    assert len(str(told.value)) < 250


@pytest.mark.parametrize(
    "array", [np.zeros((20, 20), complex), np.zeros((2, 2, 2, 2, 2)), np.zeros((20, 20, 7), "u1")]
)
def test_arrays_that_are_no_pictures_are_named(array):
    with refused("picture-kind", thing="array"):
        read_picture(array)


# PIL refuses half a WEBP or AVIF when it is opened, so there is no lazy one
@pytest.mark.parametrize(
    ("kind", "lazily"),
    [(kind, False) for kind in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")]
    + [(kind, True) for kind in ("PNG", "JPEG", "TIFF")],
)
def test_a_damaged_texture_is_left_out_with_a_word(kind, lazily):
    """A file's normal map cut in half: known when it is asked for, not when the result is written."""
    half = saved(kind)[: len(saved(kind)) // 2]
    source = Image.open(io.BytesIO(half)) if lazily else half
    with pytest.warns(TexsyncWarning, match="normal map .*; the result goes without it"):
        assert readable(source, "normal map") is None


def test_a_texture_that_would_fill_the_memory_is_left_out_with_a_word():
    """A normal map of a few hundred bytes that says it is 60,000 pixels a side."""
    picture = bytearray(saved("PNG", Image.new("L", (4, 4))))
    picture[16:24] = (60_000).to_bytes(4, "big") * 2
    picture[29:33] = zlib.crc32(bytes(picture[12:29])).to_bytes(4, "big")
    with pytest.warns(TexsyncWarning, match="normal map .*; the result goes without it"):
        assert readable(bytes(picture), "normal map") is None


@pytest.mark.parametrize("mode", ["CMYK", "I;16", "F", "LAB", "P", "1"])
def test_textures_of_any_kind_can_be_written(mode):
    kind = {"CMYK": "JPEG"}.get(mode, "TIFF")
    picture = Image.new(mode, (4, 4)) if mode == "LAB" else Image.new("L", (4, 4)).convert(mode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        readable(saved(kind, picture), "map").save(io.BytesIO(), "PNG")
