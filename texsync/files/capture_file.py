"""Cameras of a capture, as other programs write them: Blender's and NeRF's `transforms.json`, COLMAP's models.

Sources: the layouts as colmap.github.io/format.html and Mildenhall et al.'s NeRF (2020) code say them.  A lens's
distortion is not followed: pictures are those of a pinhole, as splats are drawn.
"""

from __future__ import annotations

import errno
import math
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import TexsyncWarning
from .json_table import Fields, Number, Row, check

MOST_VIEWS = 24  # of a capture, which may have hundreds; as `cover` takes at most
MOST_FILE = 2**29  # bytes
PLACES = ("transforms.json", "transforms_train.json", "cameras.json")
MODELS = ("", "sparse/0", "sparse", "colmap/sparse/0")  # where in a folder COLMAP's model may be
FRAMES_KEY = "frames"  # by which a transforms.json is told
FLIP = np.diag([1.0, -1.0, -1.0])  # COLMAP's camera looks along +z with +y down
LENSES = {  # COLMAP's number: name, how many values, how many of them are focal lengths
    0: ("SIMPLE_PINHOLE", 3, 1),
    1: ("PINHOLE", 4, 2),
    2: ("SIMPLE_RADIAL", 4, 1),
    3: ("RADIAL", 5, 1),
    4: ("OPENCV", 8, 2),
    5: ("OPENCV_FISHEYE", 8, 2),
    6: ("FULL_OPENCV", 12, 2),
    7: ("FOV", 5, 2),
    8: ("SIMPLE_RADIAL_FISHEYE", 4, 1),
    9: ("RADIAL_FISHEYE", 5, 1),
    10: ("THIN_PRISM_FISHEYE", 12, 2),
}
BY_NAME = {name: (name, values, focals) for name, values, focals in LENSES.values()}
LENGTH, PIXELS, ANGLE = Number(1e-9), Number(1), Number(1e-3, math.pi - 1e-3)
LENS = {
    "camera_angle_x": ANGLE,
    "camera_angle_y": ANGLE,
    "fl_x": LENGTH,
    "fl_y": LENGTH,
    "cx": Number(),
    "cy": Number(),
    "w": PIXELS,
    "h": PIXELS,
}
FRAME = Fields({"transform_matrix": Row(Row(Number(), 4, 4), 3, 4)}, LENS)
NERF = Fields({FRAMES_KEY: Row(FRAME, 1, 100_000)}, LENS)
BENDS = ("k1", "k2", "k3", "k4", "p1", "p2")  # a lens's distortion in a transforms.json


@dataclass(frozen=True)
class Pinhole:
    """A picture of a capture.

    matrix: (4, 4) from the camera, which looks along its -z with +y up, to the capture's world.  focal: pixels.
    size: width and height.  middle: (2,) where the line of sight meets it, from the left and from the top, pixels.
    bent: whether its lens has a distortion.
    """

    name: str
    matrix: np.ndarray
    focal: float
    size: tuple[float, float]
    middle: tuple[float, float]
    bent: bool = False


def their_file(path: Path) -> Path:
    """The file that says where cameras stand: the path itself, or what of it a folder holds; COLMAP's images.

    Raises OSError for a folder that holds none.
    """
    if path.is_dir():
        models = [path / place / f"images.{ending}" for place in MODELS for ending in ("bin", "txt")]
        there = [one for one in (*(path / name for name in PLACES), *models) if one.is_file()]
        if not there:
            what = "no transforms.json, cameras.json or COLMAP model in it"
            raise FileNotFoundError(errno.ENOENT, what)
        return there[0]
    if path.suffix.lower() in (".txt", ".bin"):
        return path.with_name(f"images{path.suffix}")
    return path


def spread(pinholes: Sequence[Pinhole]) -> list[Pinhole]:
    """At most `MOST_VIEWS` of them, evenly by their names; says so, and that a lens is taken for a pinhole."""
    ordered = sorted(pinholes, key=lambda one: one.name)
    chosen = [ordered[k * len(ordered) // MOST_VIEWS] for k in range(MOST_VIEWS)]
    if len(ordered) > MOST_VIEWS:
        message = f"of {len(ordered)} cameras {MOST_VIEWS} are taken, evenly by their names"
        warnings.warn(f"{message}; give a file of fewer for others", TexsyncWarning, stacklevel=3)
    if any(one.bent for one in ordered):
        warnings.warn("the lens's distortion is not followed", TexsyncWarning, stacklevel=3)
    return chosen if len(ordered) > MOST_VIEWS else ordered


def of_nerf(content: Mapping[str, Any]) -> list[Pinhole]:
    """The cameras of a `transforms.json`; raises ValueError for what is none."""
    check(content, NERF)
    return [_frame({**content, **one}, k) for k, one in enumerate(content[FRAMES_KEY])]


def _frame(said: Mapping[str, Any], k: int) -> Pinhole:
    wide, high = (float(said.get(name, 1.0)) for name in ("w", "h"))
    lengths = [float(said[name]) for name in ("fl_x", "fl_y") if name in said]
    if not lengths:
        angles = [(said.get(f"camera_angle_{axis}"), side) for axis, side in (("x", wide), ("y", high))]
        lengths = [side / 2 / math.tan(angle / 2) for angle, side in angles if angle is not None]
    if not lengths:
        raise ValueError(f"frames[{k}] has no camera_angle_x and no fl_x")
    matrix = np.eye(4)
    matrix[: len(said["transform_matrix"])] = said["transform_matrix"]
    name = Path(str(said.get("file_path", ""))).stem or f"frame {k}"
    middle = float(said.get("cx", wide / 2)), float(said.get("cy", high / 2))
    bent = any(said.get(bend) for bend in BENDS)
    return Pinhole(name, matrix, sum(lengths) / len(lengths), (wide, high), middle, bent)


def of_colmap(path: Path) -> list[Pinhole]:
    """The cameras of a COLMAP model.  path: its images.txt or images.bin, beside cameras.txt or cameras.bin.

    Raises ValueError for what is none, OSError for what cannot be read.
    """
    reader = _Binary if path.suffix.lower() == ".bin" else _Text
    try:
        lenses = dict(reader.lenses(_bytes(path.with_name(f"cameras{path.suffix}"))))
        made = [_pictured(*image, lenses) for image in reader.images(_bytes(path))]
    except (struct.error, IndexError, KeyError, UnicodeDecodeError):
        raise ValueError("it is no COLMAP model, or a part of one") from None
    if not made:
        raise ValueError("the COLMAP model has no images")
    return made


Lens = tuple[tuple[str, int, int], int, int, Sequence[float]]  # of LENSES, width, height, values
Image = tuple[
    str, Sequence[float], int
]  # name, quaternion and shift from the world to the camera, its camera's number


class _Binary:
    """COLMAP's .bin files, little endian."""

    @staticmethod
    def lenses(data: bytes) -> Iterator[tuple[int, Lens]]:
        place = 8
        for _ in range(*struct.unpack_from("<Q", data)):
            number, model, wide, high = struct.unpack_from("<iiQQ", data, place)
            count = LENSES[model][1]
            values = struct.unpack_from(f"<{count}d", data, place + 24)
            yield number, (LENSES[model], wide, high, values)
            place += 24 + 8 * count

    @staticmethod
    def images(data: bytes) -> Iterator[Image]:
        place = 8
        for _ in range(*struct.unpack_from("<Q", data)):
            pose = struct.unpack_from("<7d", data, place + 4)
            (camera,) = struct.unpack_from("<i", data, place + 60)
            end = data.index(b"\0", place + 64)
            name = data[place + 64 : end].decode()
            (points,) = struct.unpack_from("<Q", data, end + 1)
            place = end + 9 + 24 * points
            yield name, pose, camera


class _Text:
    """COLMAP's .txt files."""

    @staticmethod
    def lenses(data: bytes) -> Iterator[tuple[int, Lens]]:
        for line in data.decode().splitlines():
            if line.strip() and not line.startswith("#"):
                number, model, wide, high, *values = line.split()
                kind = BY_NAME[model]
                yield int(number), (kind, int(wide), int(high), [float(v) for v in values[: kind[1]]])

    @staticmethod
    def images(data: bytes) -> Iterator[Image]:
        lines = [line for line in data.decode().splitlines() if not line.startswith("#")]
        for line in lines[::2]:  # each is followed by its points, perhaps none
            if line.strip():
                _, *pose, camera, name = line.split(maxsplit=9)
                yield name.strip(), [float(value) for value in pose], int(camera)


def _pictured(name: str, pose: Sequence[float], camera: int, lenses: Mapping[int, Lens]) -> Pinhole:
    (_, count, focals), wide, high, values = lenses[camera]
    if len(values) < count or not np.isfinite([*pose, *values]).all() or not any(pose[:4]):
        raise ValueError(f"{name} has values that are missing or no numbers")
    turn = Rotation.from_quat(pose[:4], scalar_first=True).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = turn.T @ FLIP
    matrix[:3, 3] = -turn.T @ np.asarray(pose[4:])
    focal, (x, y) = sum(values[:focals]) / focals, values[focals : focals + 2]
    if not (focal > 0 and wide > 0 and high > 0):
        raise ValueError(f"{name} has no picture")
    return Pinhole(Path(name).stem, matrix, focal, (wide, high), (x, y), any(values[focals + 2 :]))


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > MOST_FILE:
        raise ValueError(f"{path.name} is larger than {MOST_FILE >> 20} MB")
    return path.read_bytes()
