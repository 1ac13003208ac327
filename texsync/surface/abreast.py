"""Which views stand side by side: who reads whose keys and values in attention between views."""

from __future__ import annotations

from collections.abc import Sequence

from .cameras import Camera

LEVEL_DEG = 10.0  # of elevation; views below it are the ring around the mesh
ABREAST_DEG = 90.0  # of azimuth; those of the front half stand with the front, the rest with the back


def beside(
    cameras: Sequence[Camera], *, earlier: bool = False
) -> tuple[tuple[tuple[int, ...], ...], tuple[int | None, ...]]:
    """(whom each view reads, the front view or None for each), by number; a view always reads itself.

    A view of the ring reads itself and those on its left and right; one from above or below reads itself, and the front
    or the back, whichever is nearer.  earlier: only views that come before it, so that no view depends on a later one.
    Source: SyncMVD (arXiv:2311.12891, section 4.3) and SyncSDE's supplement, A.5.
    """
    ring = sorted(
        (i for i, camera in enumerate(cameras) if abs(camera.elevation_deg) < LEVEL_DEG),
        key=lambda i: cameras[i].azimuth_deg % 360,
    )
    if not ring:
        return tuple((i,) for i in range(len(cameras))), (None,) * len(cameras)
    front, back = (min(ring, key=lambda i: _apart(cameras[i].azimuth_deg, place)) for place in (0, 180))
    read = []
    for i, camera in enumerate(cameras):
        if i in ring:
            place = ring.index(i)
            others = [ring[place - 1], i, ring[(place + 1) % len(ring)]]
        else:
            others = [front if _apart(camera.azimuth_deg, 0) <= ABREAST_DEG else back, i]
        allowed = [j for j in dict.fromkeys(others) if not earlier or j <= i]
        read.append(tuple(allowed))
    fronts = tuple(front if not earlier or front <= i else None for i in range(len(cameras)))
    return tuple(read), fronts


def _apart(one_deg: float, other_deg: float) -> float:
    """The angle between two azimuths, 0 to 180 degrees."""
    return abs((one_deg - other_deg + 180) % 360 - 180)
