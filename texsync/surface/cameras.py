"""Where the views stand.

Axes: +y up, +z towards the front view, +x to the right of somebody who looks at the front from the camera.
Azimuth 0 is the front, 90 the side that lies along +x. Degrees here and at every door, radians inside libraries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytorch3d.renderer import FoVPerspectiveCameras

PAPER_AZIMUTHS = (180, 225, 270, 315, 0, 45, 90, 135)
ALTERNATE_AZIMUTHS = (0, 45, 315, 90, 270, 135, 225, 180)


@dataclass(frozen=True)
class Camera:
    """A perspective camera on a sphere around the origin, looking at it.

    azimuth_deg, elevation_deg: degrees.  distance: render-frame units.  fov_deg: vertical and horizontal.
    The defaults make the unit sphere touch the frame (asin(1/2) = 30 degrees), so nothing is cropped.
    """

    azimuth_deg: float
    elevation_deg: float = 0.0
    distance: float = 2.0
    fov_deg: float = 60.0

    @property
    def direction(self) -> np.ndarray:
        """Unit vector (3,) from the origin to the camera."""
        azimuth, elevation = np.radians([self.azimuth_deg, self.elevation_deg])
        return np.array(
            [np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)]
        )

    @property
    def position(self) -> np.ndarray:
        """Camera centre (3,), render frame."""
        return self.distance * self.direction


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
        raise InputError(f"view order {order!r} is unknown", f"choose one of {', '.join(orders)}")
    flat, raised = orders[order]
    return tuple(Camera(a) for a in flat) + tuple(Camera(a, e) for a, e in raised)


def view_name(camera: Camera) -> str:
    """What an artist calls this view: front, side, back, top or bottom.

    Thresholds as in SyncTweedies: within 30 degrees of the front, from 120 on the back, above 30 the top.
    """
    if abs(camera.elevation_deg) > 30:
        return "top" if camera.elevation_deg > 0 else "bottom"
    turn = abs((camera.azimuth_deg + 180) % 360 - 180)
    return "front" if turn <= 30 else "back" if turn >= 120 else "side"


def to_pytorch3d(cameras: Sequence[Camera], device: str = "cpu") -> FoVPerspectiveCameras:
    """The same cameras as one PyTorch3D batch (N)."""
    from pytorch3d.renderer import FoVPerspectiveCameras, look_at_view_transform

    rotation, translation = look_at_view_transform(
        dist=[c.distance for c in cameras],
        elev=[c.elevation_deg for c in cameras],
        azim=[c.azimuth_deg for c in cameras],
    )
    return FoVPerspectiveCameras(
        R=rotation, T=translation, fov=[c.fov_deg for c in cameras], znear=0.1, device=device
    )
