"""Where the views stand.

Axes: +y up, +z towards the front view, +x to the right of somebody who looks at the front from the camera.
Azimuth 0 is the front, 90 the side that lies along +x. Degrees here and at every door, radians inside libraries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Refused, about, got

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytorch3d.renderer import PerspectiveCameras

PAPER_AZIMUTHS = (180, 225, 270, 315, 0, 45, 90, 135)
ALTERNATE_AZIMUTHS = (0, 45, 315, 90, 270, 135, 225, 180)
STEEP = 1e-9  # sine of an angle that counts as none
ROUNDING_DEG = 1e-9


@dataclass(frozen=True)
class Camera:
    """A perspective camera that looks at `target`, and the square that its picture shows.

    azimuth_deg, elevation_deg: of the way from the target to the camera, degrees.  distance: between the two,
    render-frame units.  fov_deg: vertical and horizontal, of the whole frame.  centre: what the middle of the picture
    shows, in half widths of the whole frame, +x right, +y up.
    zoom: how many times larger than in the whole frame things are in the picture.
    target: (3,) render frame.  roll_deg: how far the camera is turned clockwise, as who holds it sees it.
    prompt: of this view alone; `{prompt}` in it stands for the mesh's.  name: for people.
    The defaults make the unit sphere touch the frame (asin(1/2) = 30 degrees), so nothing is cropped.
    """

    azimuth_deg: float
    elevation_deg: float = 0.0
    distance: float = 2.0
    fov_deg: float = 60.0
    centre: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)
    roll_deg: float = 0.0
    prompt: str | None = None
    name: str | None = None

    @classmethod
    def looking(cls, position: Any, look_at: Any, up: Any = None, **more: Any) -> Camera:
        """The camera at `position` (3,) that looks at `look_at` (3,).

        up: (3,) what points up in its picture, of any length; None: +y, or where it looks along that, what the front is
        below or above of.  more: the other fields.
        Raises InputError where the two places are one, or `up` lies along the line of sight.
        """
        away = np.subtract(position, look_at).astype(float)
        distance = float(np.linalg.norm(away))
        if not distance > 0:
            raise Refused.camera_wrong(f"a {about('camera')} stands where it looks", "move one of the two")
        back, level = away / distance, float(np.hypot(away[0], away[2]) / distance)
        elevation = math.degrees(math.atan2(back[1], level))
        azimuth = math.degrees(math.atan2(back[0], back[2])) if level > STEEP else 0.0
        x, y, z = (float(value) for value in look_at)
        camera = cls(azimuth, elevation, distance, target=(x, y, z), **more)
        return camera if up is None else replace(camera, roll_deg=_roll_deg(camera, up))

    @property
    def extent(self) -> float:
        """How wide the picture is at depth 1, render-frame units."""
        return 2 * math.tan(math.radians(self.fov_deg) / 2) / self.zoom

    @property
    def direction(self) -> np.ndarray:
        """Unit vector (3,) from the target to the camera."""
        azimuth, elevation = np.radians([self.azimuth_deg, self.elevation_deg])
        return np.array(
            [np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)]
        )

    @property
    def up(self) -> np.ndarray:
        """Unit vector (3,) that points up in the picture; from straight above the front is below."""
        azimuth, elevation = np.radians([self.azimuth_deg, self.elevation_deg])
        level = np.array(
            [-np.sin(elevation) * np.sin(azimuth), np.cos(elevation), -np.sin(elevation) * np.cos(azimuth)]
        )
        if not self.roll_deg:
            return level
        roll = math.radians(self.roll_deg)
        return math.cos(roll) * level + math.sin(roll) * np.cross(level, self.direction)

    @property
    def right(self) -> np.ndarray:
        """Unit vector (3,) that points right in the picture."""
        return np.cross(self.up, self.direction)

    @property
    def position(self) -> np.ndarray:
        """Camera centre (3,), render frame."""
        return np.array(self.target) + self.distance * self.direction


def _roll_deg(camera: Camera, up: Any) -> float:
    """How far a camera without roll is to be turned for `up` (3,) to point up in its picture."""
    up = np.asarray(up, float)
    across, along = up @ camera.right, up @ camera.up
    if math.hypot(across, along) <= STEEP * np.linalg.norm(up):
        raise Refused.camera_wrong(
            f"a {about('camera')} looks along its own up, {got(up.tolist())}", "give another up"
        )
    roll = math.degrees(math.atan2(across, along))
    return roll if abs(roll) > ROUNDING_DEG else 0.0


def ring(order: str = "alternate") -> tuple[Camera, ...]:
    """The paper's ten views: eight azimuths at elevation 0, two at elevation 30 (SyncSDE, section 4.2.5).

    order: "alternate" leads with the front and alternates sides, so that a view's neighbours are known before
    it is told about them; "paper" is the reference's order, which leads with the back.
    Raises InputError on another order.
    """
    orders = {
        "alternate": (ALTERNATE_AZIMUTHS, ((0, 30), (180, 30))),
        "paper": (PAPER_AZIMUTHS, ((0, 30), (180, 30))),
    }
    if order not in orders:
        raise Refused.option_choice(
            f"{about('view order')} {got(order)!r} is unknown", f"choose one of {', '.join(orders)}"
        )
    flat, raised = orders[order]
    return tuple(Camera(a) for a in flat) + tuple(Camera(a, e) for a, e in raised)


def rays(camera: Camera, size: int) -> np.ndarray:
    """(S, S, 3): where the line of sight of each pixel is at depth 1, from the camera, render frame."""
    along = (np.arange(size) + 0.5) / size - 0.5
    x = camera.extent * along + camera.extent * camera.zoom / 2 * camera.centre[0]
    y = -camera.extent * along + camera.extent * camera.zoom / 2 * camera.centre[1]
    return x[:, None] * camera.right + y[:, None, None] * camera.up - camera.direction


def view_name(camera: Camera) -> str:
    """What an artist calls this view: front, side, back, top or bottom.

    Thresholds as in SyncTweedies: within 30 degrees of the front, from 120 on the back, above 30 the top.
    """
    if abs(camera.elevation_deg) > 30:
        return "top" if camera.elevation_deg > 0 else "bottom"
    turn = abs((camera.azimuth_deg + 180) % 360 - 180)
    return "front" if turn <= 30 else "back" if turn >= 120 else "side"


def framed(
    cameras: Sequence[Camera], points: np.ndarray, margin: float = 0.03, spread: float = 1.3
) -> tuple[Camera, ...]:
    """The same cameras, each picture moved and enlarged until the points fill it.

    Position and perspective stay.
    points: (P, 3), in front of every camera.  margin: share of a side that stays free on each side, in [0, 0.5).
    spread: how many times larger one picture may be than another, >= 1: a model draws a pattern so many pixels wide,
    and views that share a surface should not disagree about its scale.
    """
    whole = [replace(camera, centre=(0.0, 0.0), zoom=1.0) for camera in cameras]
    boxes = np.stack([_box(camera, points) for camera in whole])
    zoom = (2 - 4 * margin) / np.ptp(boxes, axis=1).max(axis=1).clip(1e-6)
    zoom = np.minimum(zoom, spread * zoom.min())
    return tuple(
        replace(camera, centre=(float(x), float(y)), zoom=float(own))
        for camera, (x, y), own in zip(whole, boxes.mean(axis=1), zoom, strict=True)
    )


def _box(camera: Camera, points: np.ndarray) -> np.ndarray:
    """(2, 2): the least and the greatest x and y of points in the picture, in half widths, +x right, +y up."""
    import torch

    ndc = to_pytorch3d([camera]).transform_points_ndc(torch.as_tensor(points, dtype=torch.float32))
    flat = ndc[:, :2].double().numpy() * [-1, 1]
    return np.stack([flat.min(axis=0), flat.max(axis=0)])


def to_pytorch3d(cameras: Sequence[Camera], device: str = "cpu") -> PerspectiveCameras:
    """The same cameras as one PyTorch3D batch (N)."""
    import torch
    from pytorch3d.renderer import PerspectiveCameras, look_at_view_transform

    rotation, translation = look_at_view_transform(
        dist=[c.distance for c in cameras],
        elev=[c.elevation_deg for c in cameras],
        azim=[c.azimuth_deg for c in cameras],
        at=torch.tensor([c.target for c in cameras], dtype=torch.float32),
        up=torch.as_tensor(np.stack([c.up for c in cameras]), dtype=torch.float32),
    )
    # PyTorch3D's x goes to the left
    return PerspectiveCameras(
        R=rotation,
        T=translation,
        focal_length=[2 / c.extent for c in cameras],
        principal_point=[(c.zoom * c.centre[0], -c.zoom * c.centre[1]) for c in cameras],
        device=device,
    )
