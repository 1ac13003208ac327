"""Cameras as JSON: what an artist, or another program, says about where the views stand.

    {"cameras": [{"position": [0, 1.6, 4], "look_at": [0, 1, 0], "fov_deg": 40, "prompt": "{prompt}, a red door"}]}

Each camera is an orbit (`azimuth_deg`), a place that looks at another (`position`), or a matrix (`transform_matrix`).
Coordinates are those of the mesh's file, or with "frame": "render" texsync's own, see `surface.cameras`.
Files of other programs, made of a capture, are read too: see `capture_file`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, Refused, about, option
from ..options.kinds import Prompt
from ..surface.cameras import Camera
from .capture_file import FRAMES_KEY, Pinhole, of_colmap, of_nerf, spread, their_file
from .json_table import Fields, Is, Number, OneOf, Row, Wrong, check, read_json
from .world_frame import RENDER, Placed
from .world_frame import WorldFrame as WorldFrame

MOST_CAMERAS, MOST_BYTES = 1000, 10 * 2**20
PICTURE = "picture_{:02d}.png"  # of each camera, by its number
REMEDY = "see docs/cameras.md for what a file of cameras holds"
POINT = Row(Number(), 3, 3)
LENGTH = Number(1e-30)
SQUARE = {  # what every camera may say
    "fov_deg": Number(1, 170),
    "centre": Row(Number(-10, 10), 2, 2),
    "zoom": Number(0.01, 1000),
    "prompt": Is(str),
    "name": Is(str),
    "picture": Is(str),
}
TURN = Number(-36000, 36000)
FORMS = {  # the field that tells a camera's form, and what else is of that form
    "azimuth_deg": Fields(
        {"azimuth_deg": TURN},
        {"elevation_deg": Number(-90, 90), "distance": LENGTH, "target": POINT, "roll_deg": TURN, **SQUARE},
    ),
    "position": Fields({"position": POINT, "look_at": POINT}, {"up": POINT, **SQUARE}),
    "transform_matrix": Fields(
        {"transform_matrix": Row(Row(Number(), 4, 4), 4, 4), "convention": OneOf(("blender", "opengl"))},
        SQUARE,
    ),
}
FRAMES = ("mesh", "render")
FOR_OTHERS = ("opengl_matrix", "blender_matrix", "focal", "middle", "near", "far")  # written, and not read
FILE = Fields({"cameras": Row(Fields(), 1, MOST_CAMERAS)}, {"frame": OneOf(FRAMES)})


def read_cameras(said: str | Path | Mapping[str, Any], placed: Placed) -> tuple[Camera, ...]:
    """The cameras of a file or folder, or of what a JSON file of them holds, in the render frame of what is placed.

    said: JSON as above; a `transforms.json` of Blender or NeRF; a COLMAP model; or a folder with one of these in it.
    Raises InputError, in one line, for whatever cannot be read or says too little or too much.
    """
    name = "cameras" if isinstance(said, Mapping) else Path(said).name
    try:
        if not isinstance(said, Mapping):
            path = their_file(Path(said))
            if path.suffix.lower() in (".txt", ".bin"):
                return _captured(of_colmap(path), placed)
        content = dict(said) if isinstance(said, Mapping) else _content(path)
        if isinstance(content, dict) and FRAMES_KEY in content and "cameras" not in content:
            return _captured(of_nerf(content), placed)
        check(content, FILE)
        _known(content, FILE, "", FOR_OTHERS)
        frame = RENDER if content.get("frame") == "render" else WorldFrame.of(placed)
        return tuple(_camera(one, f"cameras[{k}]", frame, placed) for k, one in enumerate(content["cameras"]))
    except OSError as error:
        raise Refused.cameras_file(
            f"{about(said)} cannot be read ({error.strerror or error})",
            f"give a file or folder of cameras, or {option('cameras', 'ring')}",
        ) from None
    except ValueError as error:  # Wrong, and what is no JSON
        raise Refused.cameras_file(f"{about(name)}: {str(error)[:200]}", REMEDY) from None


def _captured(pinholes: Sequence[Pinhole], placed: Placed) -> tuple[Camera, ...]:
    """The cameras that a capture's pictures were taken with, or as many of them as a run takes."""
    frame = WorldFrame.of(placed)
    return tuple(_pinhole(one, frame) for one in spread(pinholes))


def _pinhole(one: Pinhole, frame: WorldFrame) -> Camera:
    """Its picture is the square in the middle of the capture's."""
    (wide, high), (x, y), side = one.size, one.middle, min(one.size)
    fov = math.degrees(2 * math.atan(side / one.focal / 2))
    if not 1 <= fov <= 170:
        raise ValueError(f"{one.name} sees {fov:.3g} degrees, not 1 to 170")
    centre = ((wide / 2 - x) * 2 / side, (y - high / 2) * 2 / side)
    try:
        return _standing(one.matrix, frame, {"fov_deg": fov, "centre": centre, "name": one.name})
    except InputError as error:
        raise Refused.cameras_file(f"{about(one.name)}: {error.message}", error.remedy) from None


def _content(path: Path) -> Any:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MB")
    try:
        return read_json(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error})") from None


def _known(value: Mapping[str, Any], kind: Fields, where: str, more: Sequence[str] = ()) -> None:
    """Raises ValueError for a field that is not known: a misspelt one would have no effect."""
    for name in value:
        if name not in {*kind.needed, *kind.may, *more}:
            known = ", ".join([*kind.needed, *kind.may])
            raise ValueError(f"{where or 'the file'} has {str(name)[:40]!r}, which is not one of {known}")


def _camera(said: Any, where: str, frame: WorldFrame, placed: Placed) -> Camera:
    form = [name for name in FORMS if name in said]
    if len(form) != 1:
        what = " and ".join(form) or "none of them"
        raise ValueError(f"{where} needs one of {', '.join(FORMS)}, and has {what}")
    kind = FORMS[form[0]]
    try:
        check(said, kind)
    except Wrong as error:
        raise ValueError(f"{where}: {error}") from None
    _known(said, kind, where, FOR_OTHERS)
    square = {name: said[name] for name in SQUARE if name in said and name != "picture"}
    if "centre" in square:
        square["centre"] = tuple(square["centre"])
    try:
        if "prompt" in square:
            Prompt()(f"{where}.prompt", square["prompt"])
        return MAKERS[form[0]](said, frame, placed, square)
    except InputError as error:
        raise Refused.cameras_file(f"{about(where)}: {error.message}", error.remedy) from None


def _orbit(said: Mapping[str, Any], frame: WorldFrame, placed: Placed, square: dict[str, Any]) -> Camera:
    plain = {name: said[name] for name in ("elevation_deg", "roll_deg") if name in said}
    if "distance" in said:
        plain["distance"] = said["distance"] / frame.scale if frame is not RENDER else said["distance"]
    if "target" in said:
        plain["target"] = tuple(said["target"] if frame is RENDER else frame.place(said["target"]).tolist())
    return Camera(said["azimuth_deg"], **plain, **square)


def _look(said: Mapping[str, Any], frame: WorldFrame, placed: Placed, square: dict[str, Any]) -> Camera:
    up = frame.turn @ said["up"] if "up" in said else None
    return Camera.looking(frame.place(said["position"]), frame.place(said["look_at"]), up, **square)


def _matrix(said: Mapping[str, Any], frame: WorldFrame, placed: Placed, square: dict[str, Any]) -> Camera:
    if said["convention"] == "blender":
        frame = WorldFrame.of(placed, blender=True)
    return _standing(np.array(said["transform_matrix"], float), frame, square)


def _standing(matrix: np.ndarray, frame: WorldFrame, square: dict[str, Any]) -> Camera:
    """A camera of a matrix (4, 4), see `WorldFrame.matrix`; how far away it looks no picture depends on."""
    length = np.linalg.norm(matrix[:3, :3], axis=0)
    axes = matrix[:3, :3] / np.where(length > 0, length, 1)
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3 or np.linalg.det(axes) < 0:
        raise Refused.camera_wrong(
            f"its {about('transform_matrix')} does not turn alone",
            "give three columns of length 1 at right angles",
        )
    position = frame.place(matrix[:3, 3])
    back, up = frame.turn @ axes[:, 2], frame.turn @ axes[:, 1]
    away = float(np.linalg.norm(position)) or 1.0
    return Camera.looking(position, position - away * back, up, **square)


MAKERS = {"azimuth_deg": _orbit, "position": _look, "transform_matrix": _matrix}


def cameras_json(cameras: Sequence[Camera], placed: Placed | None = None) -> dict[str, Any]:
    """What a file of these cameras holds; read again, it gives them to the bit.

    placed: the mesh; with it every camera is also told as other programs have it: matrices from the camera, which looks
    along its -z with +y up, to the file's coordinates (`opengl_matrix`) and to Blender's world (`blender_matrix`), and
    the pinhole of its square picture in shares of a side, `focal` and `middle` (from the left, from the top).
    """
    return {"frame": "render", "cameras": [_told(camera, placed) for camera in cameras]}


def picture_names(path: Path) -> list[str]:
    """What the picture of each camera of a file, which can be read, is called: as it says, else `picture_00.png` ..."""
    said = _content(path)["cameras"]
    return [one.get("picture", PICTURE.format(k)) for k, one in enumerate(said)]


def _told(camera: Camera, placed: Placed | None) -> dict[str, Any]:
    names = {**FORMS["azimuth_deg"].needed, **FORMS["azimuth_deg"].may}
    made: dict[str, Any] = {name: getattr(camera, name) for name in names if name != "picture"}
    made = {name: list(value) if isinstance(value, tuple) else value for name, value in made.items()}
    if placed is not None:
        x, y = camera.centre
        made |= {
            "opengl_matrix": WorldFrame.of(placed).matrix(camera).tolist(),
            "blender_matrix": WorldFrame.of(placed, blender=True).matrix(camera).tolist(),
            "focal": 1 / camera.extent,
            "middle": [0.5 - x * camera.zoom / 2, 0.5 + y * camera.zoom / 2],
        }
    return {name: value for name, value in made.items() if value is not None}
