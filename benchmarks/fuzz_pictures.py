"""Thousands of damaged pictures: each is read, or refused in one line, in bounded time.

python benchmarks/fuzz_pictures.py [--count 2000] [--seed 0]
Prints, per format: files, how many were read and refused, faults (anything but an InputError of one line, or a warning
that leaked), and the longest time in seconds.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from texsync.errors import InputError
from texsync.tasks.reading import read_picture

SIDE = 48
OTHERS = ("BLP", "DDS", "EPS", "GIF", "ICO", "JPEG2000", "PCX", "PPM", "SGI", "TGA", "XBM")


def originals(rng: np.random.Generator) -> dict[str, list[bytes]]:
    """Small pictures by format: those that are read in several flavours, and of kinds that are not read."""
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = Image.fromarray(rng.integers(0, 255, (SIDE, SIDE, 4), np.uint8))
    rgb = noise.convert("RGB")
    deep = Image.fromarray(rng.integers(0, 65535, (SIDE, SIDE), np.uint16))
    palette = rgb.convert("P")
    said = {
        "PNG": [(noise, {}), (deep, {}), (palette, {"transparency": 0}), (rgb, {"exif": exif})],
        "JPEG": [(rgb, {"exif": exif}), (rgb, {"progressive": True}), (rgb.convert("CMYK"), {})],
        "WEBP": [(rgb, {"exif": exif}), (noise, {"lossless": True})],
        "TIFF": [(rgb, {}), (deep, {}), (palette, {})]
        + [(rgb, {"compression": way}) for way in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")],
        "BMP": [(rgb, {}), (palette, {}), (rgb.convert("1"), {})],
        "AVIF": [(rgb, {"exif": exif}), (noise, {})],
    }
    made = {
        kind: [_bytes(picture, kind, **more) for picture, more in flavours] for kind, flavours in said.items()
    }
    modes = {"EPS": "RGB", "BLP": "P", "XBM": "1", "GIF": "P"}
    return made | {kind: [_bytes(rgb.convert(modes.get(kind, "RGB")), kind)] for kind in OTHERS}


def _bytes(picture: Image.Image, kind: str, **more) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **more)
    return file.getvalue()


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage of one kind: flipped bytes (most often in the header), odd numbers, cuts, repeats."""
    array = bytearray(data)
    reach = len(array) if rng.random() < 0.3 else min(len(array), 200)
    kind = rng.integers(5)
    if kind == 0:
        return bytes(array[: rng.integers(len(array))])
    if kind == 1:
        at = int(rng.integers(reach))
        return bytes(array[:at] + array[at // 2 :])
    if kind == 2:
        at = int(rng.integers(max(reach - 4, 1)))
        array[at : at + 4] = [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x00\x00\x40\x00"][
            rng.integers(4)
        ]
        return bytes(array)
    for at in rng.integers(reach, size=int(rng.integers(1, 8))):
        array[at] = rng.integers(256)
    return bytes(array)


def resealed(data: bytes) -> bytes:
    """A PNG's checksums put right, so that damage is not all found by them."""
    made, at = data[:8], 8
    while at + 12 <= len(data):
        length = min(int.from_bytes(data[at : at + 4], "big"), len(data) - at - 12)
        chunk = data[at + 4 : at + 8 + length]
        made += data[at : at + 4] + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        at += 12 + length
    return made + data[at:]


def cases(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(format, damaged bytes)."""
    rng = np.random.default_rng(seed)
    made = originals(rng)
    kinds = list(made)
    for k in range(count):
        kind = kinds[k % len(kinds)]
        flavours = made[kind]
        data = mutated(flavours[rng.integers(len(flavours))], rng)
        yield kind, resealed(data) if kind == "PNG" and rng.random() < 0.8 else data


def outcome(data: bytes, place) -> str:
    """Its fate: "read", "refused", or what went wrong."""
    place.write_bytes(data)
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        try:
            answer = "read" if read_picture(place).mode == "RGB" else "not RGB"
        except InputError as error:
            answer = "refused" if "\n" not in str(error) and error.remedy else f"message {error}"
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
    return f"warning {leaked[0].message}" if leaked else answer


def main() -> None:
    import tempfile
    from pathlib import Path

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    table: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, data in cases(asked.count, asked.seed):
            row = table.setdefault(kind, dict(files=0, read=0, refused=0, faults=0, longest=0.0))
            start = time.perf_counter()
            answer = outcome(data, Path(folder) / "picture.png")
            row["longest"] = max(row["longest"], time.perf_counter() - start)
            row["files"] += 1
            row[answer if answer in row else "faults"] += 1
            if answer not in ("read", "refused"):
                print(kind, answer)
    print(f"{'format':10}{'files':>7}{'read':>7}{'refused':>9}{'faults':>8}{'longest s':>11}")
    for kind, row in table.items():
        print(
            f"{kind:10}{row['files']:7}{row['read']:7}{row['refused']:9}{row['faults']:8}{row['longest']:11.2f}"
        )


if __name__ == "__main__":
    main()
