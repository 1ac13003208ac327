"""How well cameras see a surface, and the few out of many that see almost all of it well."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import Refused, TexsyncWarning, about
from .cameras import Camera, framed, ring
from .extra import PIXELS, WELL_DEG, samples
from .pixels import look, visible
from .types import Surface

ENOUGH = 0.98  # share of what can be seen at all that is to be seen well
MOST = 24  # cameras
LEAST_GAIN = 0.002  # share of the surface for which one more camera is worth its time
AROUND = 100  # directions from which whole pictures are tried
BADLY_SEEN = 24  # places to which close cameras are tried
AWAY = {0.0: (0.35, 0.9), 35.0: (0.8,)}  # where these stand: the tilt of the way there against the normal, in
# degrees, and shares of its free length
FARTHEST = 1.5  # render-frame units that such a way may have
CLOSE_FOV_DEG = 75.0
LEAST_FRONT = 0.03  # share of what can be seen for which the front is taken as people see it
CLOSE_UPS_WORTH = (
    0.6  # of what whole pictures are worth: they disagree with these about the scale of patterns
)
OFF = 1e-3  # how far from a surface rays begin, render-frame units
LEAST_ROOM, FAR_AWAY = 0.02, 1e3  # the same units
PROBES = ((0.31, 0.87, 0.39), (-0.74, 0.21, 0.64), (0.52, -0.33, -0.79))  # ways that tell inside from outside
MOST_WALLS = 16  # on such a way
BATCH = 16  # cameras looked from at once, for memory


@dataclass(frozen=True)
class Coverage:
    """Cameras, and shares of the area that some camera of all that were tried sees at all.

    before, after: how much of it is seen better than 60 degrees, by other cameras and by these.
    reachable: how much of the whole surface that area is.
    """

    cameras: tuple[Camera, ...]
    before: float
    after: float
    reachable: float

    def __str__(self) -> str:
        text = (
            f"{len(self.cameras)} cameras see {100 * self.after:.0f} % of the visible surface better than "
            f"{WELL_DEG:.0f} degrees; the views around it see {100 * self.before:.0f} %"
        )
        hidden = round(100 * (1 - self.reachable))
        return text + (f"; {hidden} % of the surface cannot be seen at all" if hidden else "")

    def report(self) -> dict[str, Any]:
        """What `run.json` keeps of it."""
        return {
            "cameras": len(self.cameras),
            "well_seen_by_ring": round(self.before, 4),
            "well_seen": round(self.after, 4),
            "visible": round(self.reachable, 4),
        }


def cover(surface: Surface, before: Sequence[Camera] = (), most: int | None = None) -> Coverage:
    """At most `most` cameras (None: `MOST`), chosen one after another, until `ENOUGH` of what can be seen is seen well.

    Candidates are whole pictures from all around, and close ones of places that those see badly, which stand wherever
    there is room, inside of things too.  The front leads; each next camera is the one that shares most with those
    before it, since earlier views tell later ones.  None stands inside of a solid.  before: cameras to compare with.
    Raises InputError if no candidate sees anything.
    """
    points = samples(surface)
    whole = _whole(surface)
    facing = seen_from(surface, whole, points)
    close = _close(surface, points, facing)
    other = seen_from(surface, before, points) if before else np.zeros((1, len(points[0])))
    facing = np.concatenate([facing, seen_from(surface, close, points)])
    seen: np.ndarray = np.concatenate([facing, other]).max(axis=0) > 0
    limit = math.cos(math.radians(WELL_DEG))
    if not seen.any():
        raise Refused.mesh_unseen(f"no camera sees anything of the {about('surface')}", "check the mesh")
    well = facing >= limit
    worth = np.where(np.arange(len(well)) < len(whole), 1.0, CLOSE_UPS_WORTH)
    chosen = _chosen(well, worth, seen, MOST if most is None else most) or [int(facing.sum(axis=1).argmax())]
    chosen = _in_order(chosen, well, [*whole, *close])
    cameras = _reframed(
        surface, [whole[i] if i < len(whole) else close[i - len(whole)] for i in chosen], whole
    )
    return Coverage(
        cameras,
        _share(other >= limit, seen),
        _share(well[chosen], seen),
        float(seen.mean()),
    )


def _share(well: np.ndarray, seen: np.ndarray) -> float:
    """Of the places `seen` (P,), how many some camera sees well (N, P)."""
    return float(well[:, seen].any(axis=0).mean())


def seen_from(surface: Surface, cameras: Sequence[Camera], points: tuple[np.ndarray, ...]) -> np.ndarray:
    """(N, P) cosine between each line of sight and the normal of the place that it meets, 0 where it meets none.

    points: see `extra.samples`.
    """
    place, normal = (torch.as_tensor(a, dtype=torch.float32) for a in points[:2])
    face, found = torch.as_tensor(points[2]), []
    for start in range(0, len(cameras), BATCH):
        batch = cameras[start : start + BATCH]
        pixels = look(surface, batch, PIXELS)
        seen, facing, _ = visible(pixels, place, normal, face)
        found.append((seen * facing).numpy())
    return np.concatenate(found) if found else np.zeros((0, len(face)), np.float32)


def seen_shares(surface: Surface, cameras: Sequence[Camera]) -> tuple[float, float]:
    """Shares of a surface's area: what some camera sees at all, and what one sees better than `WELL_DEG`."""
    facing = seen_from(surface, cameras, samples(surface)).max(axis=0)
    return float((facing > 0).mean()), float((facing >= math.cos(math.radians(WELL_DEG))).mean())


def check_sight(surface: Surface, cameras: Sequence[Camera]) -> None:
    """Raises InputError for a camera that sees nothing; warns (TexsyncWarning) of one that sees inner sides alone."""
    for start in range(0, len(cameras), BATCH):
        batch = cameras[start : start + BATCH]
        pixels = look(surface, batch, PIXELS)
        for k, camera in enumerate(batch):
            name = f"cameras[{start + k}]" + (f" ({camera.name})" if camera.name else "")
            if not pixels.mask[k].any():
                raise Refused.camera_blind(
                    f"{about(name)} sees nothing of the mesh", "move it, or turn it to the mesh"
                )
            if pixels.behind[k][pixels.mask[k]].all():
                message = f"{name} sees the surface from its inner side alone; it may stand inside the mesh"
                warnings.warn(message, TexsyncWarning, stacklevel=2)


def _whole(surface: Surface) -> list[Camera]:
    """The paper's, those from the top and from below, and directions spread evenly; all show the whole mesh."""
    k = np.arange(AROUND)
    elevation = np.degrees(np.arcsin(1 - (2 * k + 1) / AROUND))
    azimuth = np.degrees(k * math.pi * (3 - math.sqrt(5))) % 360
    even = [Camera(float(a), float(e)) for a, e in zip(azimuth.round(3), elevation.round(3), strict=True)]
    points = surface.vertices[np.unique(surface.faces)]
    return list(framed([*ring(), Camera(0, 90), Camera(0, -90), *even], points))


def _reframed(surface: Surface, chosen: Sequence[Camera], whole: Sequence[Camera]) -> tuple[Camera, ...]:
    """The chosen ones; whole pictures are framed again among themselves."""
    far = [camera for camera in chosen if camera in whole]
    if not far:
        return tuple(chosen)
    tight = dict(zip(far, framed(far, surface.vertices[np.unique(surface.faces)]), strict=True))
    return tuple(tight.get(camera, camera) for camera in chosen)


def _close(surface: Surface, points: tuple[np.ndarray, ...], facing: np.ndarray) -> list[Camera]:
    """Cameras near places that `facing` (N, P) shows badly, where a ray says that there is room for them."""
    from .raster import embree_of

    place, normal, _ = points
    (bad,) = np.nonzero(facing.max(axis=0) < math.cos(math.radians(WELL_DEG)))
    if not len(bad):
        return []
    spread = bad[_far_apart(np.concatenate([place[bad], 0.3 * normal[bad]], axis=1), BADLY_SEEN)]
    looks = [(place[i], *way) for i in spread for side in (1, -1) for way in _ways(side * normal[i])]
    start, way, share = (np.array(column) for column in zip(*looks, strict=True))
    scene = embree_of(surface.vertices, surface.faces)
    free = np.minimum(_free_way(scene, start, way), FARTHEST)
    stand = start + (share * free)[:, None] * way
    good = (free > LEAST_ROOM) & ~_in_solid(scene, stand)
    return [Camera.looking(stand[i], start[i], fov_deg=CLOSE_FOV_DEG) for i in np.flatnonzero(good)]


def _ways(normal: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Where to stand: unit vectors (3,), which are the normal, and it tilted to four sides, and shares of the way."""
    across = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    across /= np.linalg.norm(across)
    sides = (across, -across, np.cross(normal, across), -np.cross(normal, across))
    return [
        (math.cos(math.radians(tilt)) * normal + math.sin(math.radians(tilt)) * side, share)
        for tilt, shares in AWAY.items()
        for side in (sides if tilt else sides[:1])
        for share in shares
    ]


def _free_way(scene: Any, start: np.ndarray, way: np.ndarray) -> np.ndarray:
    """(P,) how far rays (P, 3) get before they meet the surface; infinite where they do not."""
    hits = scene.run((start + OFF * way).astype(np.float32), way.astype(np.float32), output=1)
    return np.where(hits["primID"] >= 0, hits["tfar"] + OFF, np.inf)


def _in_solid(scene: Any, places: np.ndarray) -> np.ndarray:
    """(P,) bool: whether most rays from there meet the surface an odd number of times."""
    inside = np.zeros(len(places), np.int64)
    for probe in PROBES:
        way = np.tile(probe, (len(places), 1)) / np.linalg.norm(probe)
        at, walls = places.copy(), np.zeros(len(places), np.int64)
        for _ in range(MOST_WALLS):
            free = _free_way(scene, at, way)
            walls += np.isfinite(free)
            at = at + np.where(np.isfinite(free), free, FAR_AWAY)[:, None] * way
        inside += walls % 2
    return 2 * inside > len(PROBES)


def _far_apart(places: np.ndarray, count: int) -> np.ndarray:
    """Numbers of at most `count` places (P, D), each the farthest from those before it."""
    chosen = [0]
    gap = np.linalg.norm(places - places[0], axis=1)
    while len(chosen) < min(count, len(places)) and gap.max() > 0.02:
        chosen.append(int(gap.argmax()))
        gap = np.minimum(gap, np.linalg.norm(places - places[chosen[-1]], axis=1))
    return np.array(chosen)


def _chosen(well: np.ndarray, worth: np.ndarray, seen: np.ndarray, most: int) -> list[int]:
    """Which candidates: each time the one that shows most that none before it shows well.

    well: (N, P) bool.  worth: (N,) of what a candidate shows.  seen: (P,) bool, what counts.
    """
    left, chosen = seen.copy(), list[int]()
    while len(chosen) < most and left.sum() > (1 - ENOUGH) * seen.sum():
        gain = (well & left).sum(axis=1) * worth
        if not chosen and gain[0] > LEAST_FRONT * seen.sum():
            gain[0] = np.inf
        best = int(gain.argmax())
        if (well[best] & left).sum() < LEAST_GAIN * len(left):
            break
        chosen.append(best)
        left &= ~well[best]
    return chosen


def _in_order(chosen: list[int], well: np.ndarray, cameras: Sequence[Camera]) -> list[int]:
    """The front-most first, then each time the one of which most is known."""
    left = sorted(chosen, key=lambda i: (-round(float(cameras[i].direction[2]), 6), i))
    order, known = [], np.zeros(well.shape[1], bool)
    while left:
        share = [(well[i] & known).sum() / max(well[i].sum(), 1) for i in left]
        order.append(left.pop(int(np.argmax(share))))
        known |= well[order[-1]]
    return order
