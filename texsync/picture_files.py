"""Picture files from outside, read safely: six formats, sizes checked before decoding, one line for whatever is wrong.

How long a decoder may take is bounded by what is checked first.  PNG, BMP, WebP and baseline JPEG do a fixed amount
of work for each pixel and byte; a progressive JPEG once for each scan, so scans times pixels are limited.  An AVIF
file may hide frames that its header does not count, a TIFF holds whatever another format does, and its library writes
to stderr: those two are decoded in a process of their own, with a time limit.  Starting it takes a tenth of a second.
"""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import InputError, Refused, about, got

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF")
KNOWN = "PNG, JPEG, WebP, TIFF, BMP or AVIF"
SAVE_AGAIN = "save it again as PNG or JPEG"
MOST_PIXELS = 120_000_000  # 20,000 x 6,000
MOST_BYTES = 2**30
MOST_PASSES = 2_400_000_000  # pixels times scans: 20 scans of the largest picture
SECONDS = 60.0  # for an AVIF or TIFF; one of the largest took 29 on two busy cores
SCAN = b"\xff\xda"  # begins a JPEG's scan, and stands nowhere else in one
APART = ("AVIF", "TIFF")
ALONE = """
import io, sys
from PIL import Image
picture = Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=sys.argv[1:])
if picture.mode == "P":
    picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
pixels = picture.tobytes()
sys.stdout.buffer.write(picture.mode.encode() + b" " + pixels)
"""


def opened(source: bytes | str | Path, name: str = "the picture") -> Image.Image:
    """A picture file, or the bytes of one, as PIL has it, its header checked and its pixels not yet decoded.

    name: what to call bytes.  Raises InputError for what is missing, no picture, an animation or too large.
    """
    data, name = (source, name) if isinstance(source, bytes) else (_content(Path(source)), str(source))
    try:
        with _one_line(name):
            picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise Refused.picture_kind(f"{about(name)} is not a picture", f"give a {KNOWN}") from None
    except Image.DecompressionBombError:
        raise Refused.picture_size(
            f"{about(name)} has too many pixels", f"shrink it below {MOST_PIXELS:,}"
        ) from None
    with _one_line(name):
        _check(picture, data, name)
    return picture


def decoded(source: bytes | str | Path | Image.Image, name: str = "the picture") -> Image.Image:
    """A picture with its pixels, which lie as the file has them (see `upright`).  `format` and `info` are kept.

    Raises InputError as `opened` does, and for pixels that cannot be decoded.
    """
    if not isinstance(source, Image.Image):
        name = name if isinstance(source, bytes) else str(source)
        source = opened(source, name)
    with _one_line(name):
        _check(source, b"", name)
        if source.format in APART and isinstance(getattr(source, "fp", None), io.BytesIO):
            return _decoded_apart(source, name)
        source.load()
    return source


def upright(picture: Image.Image) -> Image.Image:
    """A decoded picture turned as its EXIF says; one whose EXIF is damaged stays as it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise Refused.picture_missing(f"there is no file {about(path)}", "give the path of a picture")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Refused.picture_size(f"{about(path)} has more than {MOST_BYTES >> 20} MB", SAVE_AGAIN)
        return path.read_bytes()
    except OSError as error:
        raise Refused.picture_unreadable(
            f"{about(path)} cannot be read ({error.strerror or error})", "check the file"
        ) from None


@contextmanager
def _one_line(name: str) -> Iterator[None]:
    """Whatever a decoder raises on damaged data becomes an InputError; its warnings are nobody's concern."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, UnidentifiedImageError, Image.DecompressionBombError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise Refused.picture_unreadable(f"{about(name)} cannot be read ({reason})", SAVE_AGAIN) from None


def _check(picture: Image.Image, data: bytes, name: str) -> None:
    """Raises InputError for animations, and for more work than a decoder should be given."""
    width, height = picture.size
    if getattr(picture, "is_animated", False) and picture.format != "MPO":  # a camera's JPEG and its previews
        raise Refused.picture_kind(
            f"{about(name)} is an animation or has several pages", "save one of them as PNG"
        )
    if width * height > MOST_PIXELS:
        raise Refused.picture_size(
            f"{about(name)} has {got(width)} x {height} pixels", f"shrink it below {MOST_PIXELS:,} pixels"
        )
    if picture.format in ("JPEG", "MPO") and width * height * data.count(SCAN) > MOST_PASSES:
        raise Refused.picture_size(f"{about(name)} has {got(data.count(SCAN))} scans", SAVE_AGAIN)


def _decoded_apart(picture: Image.Image, name: str) -> Image.Image:
    data = picture.fp.getvalue()  # type: ignore[attr-defined]
    command = [sys.executable, "-c", ALONE, str(picture.format)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Refused.picture_size(
            f"{about(name)} takes longer than {SECONDS:g} s to decode", SAVE_AGAIN
        ) from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2].partition(": ")[2]
        raise ValueError(reason or "its decoder broke off")
    mode, _, pixels = done.stdout.partition(b" ")
    whole = Image.frombytes(mode.decode(), picture.size, pixels)
    whole.format, whole.info = picture.format, dict(picture.info)
    return whole
