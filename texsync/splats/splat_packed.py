"""Splats in small files: .splat (32 bytes each), and .spz (gzip, by gsply).

Sources: antimatter15's splat viewer; Niantic's spz.
"""

from __future__ import annotations

import gzip
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Refused, about, got
from .gaussians import DEGREE_0, Splats
from .splat_ply import logit

ROW = np.dtype([("means", "<f4", 3), ("scales", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
HEADER = struct.Struct("<4sIIBBBB")  # NGSP, version, count, degree of colours, bits, flags, nothing
CODED = {
    1: 19,
    2: 19,
    3: 20,
}  # version: bytes of a splat before its higher degrees; version 4 is another container
HIGHER = {0: 0, 1: 9, 2: 24, 3: 45}  # degree: bytes of them
COLOURS_AT, SPREAD = 10, 0.15  # bytes of a splat before its colour; how a coefficient lies in 0..1
NOTHING = 128  # a coefficient of zero


@dataclass(frozen=True)
class SplatRows:
    """A .splat file, see `SplatFile`."""

    data: bytes

    def painted(self, colour: np.ndarray) -> bytes:
        """Bytes of RGB as said."""
        table = np.frombuffer(bytearray(self.data), ROW)
        table["rgba"][:, :3] = np.rint(255 * np.clip(colour, 0, 1))
        return table.tobytes()


def read_rows(data: bytes, name: str) -> Splats:
    """The splats of a .splat file."""
    if len(data) % ROW.itemsize:
        raise Refused.splats_damaged(
            f"{about(name)} has {got(len(data)):,} bytes, not a multiple of {ROW.itemsize}", "export it again"
        )
    table = np.frombuffer(data, ROW)
    rgba = table["rgba"].astype(np.float32) / 255
    rotations = (table["rotation"].astype(np.float32) - 128) / 128
    return Splats(
        table["means"].copy(), table["scales"].copy(), rotations, rgba[:, 3], rgba[:, :3], SplatRows(data)
    )


def rows_bytes(splats: Splats) -> bytes:
    """Splats as a .splat file."""
    table = np.zeros(len(splats), ROW)
    table["means"], table["scales"] = splats.means, splats.scales
    rgba = np.concatenate([splats.colour, splats.opacity[:, None]], axis=1)
    table["rgba"] = np.rint(255 * np.clip(rgba, 0, 1))
    table["rotation"] = np.clip(np.rint(128 * splats.rotations + 128), 0, 255)
    return table.tobytes()


@dataclass(frozen=True)
class SplatSpz:
    """A .spz file, see `SplatFile`.  data: unzipped."""

    data: bytes

    def painted(self, colour: np.ndarray) -> bytes:
        """Bytes of colour as said, higher degrees zero."""
        _, version, count, *_ = HEADER.unpack_from(self.data)
        data = np.frombuffer(bytearray(self.data), np.uint8)
        coded = np.rint(255 * (SPREAD * (colour - 0.5) / DEGREE_0 + 0.5))
        start = HEADER.size + COLOURS_AT * count
        data[start : start + 3 * count] = np.clip(coded, 0, 255).astype(np.uint8).ravel()
        end = HEADER.size + spz_bytes_each(self.data) * count
        data[HEADER.size + CODED[version] * count : end] = NOTHING
        return gzip.compress(data.tobytes(), mtime=0)


def unzipped(data: bytes, name: str, room: int | None) -> bytes:
    """A .spz file's contents; raises InputError for what is none, is damaged or is larger than `room` bytes."""
    if data[:4] == b"NGSP":
        raise Refused.splats_kind(
            f"{about(name)} is a .spz of version {got(int.from_bytes(data[4:8], 'little'))}",
            "save it as version 3 or as .ply",
        )
    most = 2**40 if room is None else room
    try:
        opened = zlib.decompressobj(31)
        head = opened.decompress(data, HEADER.size)
        magic, version, count, degree, *_ = HEADER.unpack(head)
        if magic != b"NGSP" or version not in CODED or degree not in HIGHER:
            raise ValueError(f"version {version}")
        needed = (CODED[version] + HIGHER[degree]) * count  # bytes that follow may be a bomb
        body = opened.decompress(opened.unconsumed_tail, min(needed + 2**16, most))
    except (zlib.error, struct.error, ValueError) as error:
        raise Refused.splats_damaged(
            f"{about(name)} is damaged: {' '.join(str(error).split())[:80]}", "export it again"
        ) from None
    return head + body


def spz_bytes_each(data: bytes) -> int:
    """Bytes that each splat has in an unzipped file."""
    _, version, _, degree, *_ = HEADER.unpack_from(data)
    return CODED[version] + HIGHER[degree]


def read_spz(data: bytes, name: str) -> Splats:
    """The splats of an unzipped .spz file, as gsply reads them."""
    count = HEADER.unpack_from(data)[2]
    if len(data) < HEADER.size + count * spz_bytes_each(data):
        raise Refused.splats_damaged(
            f"{about(name)} is truncated: {got(count):,} splats are announced", "export it again"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scene.spz")
        path.write_bytes(gzip.compress(data, 1))
        read = _gsply().read_spz(path)
    scales, opacity = np.exp(read.scales), 1 / (1 + np.exp(-read.opacities))
    return Splats(
        read.means, scales, read.quats, opacity, 0.5 + np.float32(DEGREE_0) * read.sh0, SplatSpz(data)
    )


def spz_bytes(splats: Splats) -> bytes:
    """Splats as a .spz file, as gsply writes it: positions to 1/4096, colours to 1/200."""
    library = _gsply()
    data = library.GSData.from_arrays(
        means=splats.means,
        scales=np.log(splats.scales),
        quats=splats.rotations,
        opacities=logit(splats.opacity).astype(np.float32),
        sh0=((splats.colour - 0.5) / DEGREE_0).astype(np.float32),
        shN=None,
        format="ply",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scene.spz")
        library.write_spz(path, data)
        return path.read_bytes()


def _gsply() -> Any:
    try:
        import gsply
    except ImportError:
        raise Refused.package_missing(
            f".spz files need the package {about('gsply')}", 'pip install "texsync[splats]"'
        ) from None
    gsply.use_backend(
        "auto"
    )  # its compiled part, where it has one: the other is compiled at the first call, 25 s
    return gsply
