"""From a file's coordinates, or Blender's, to the render frame and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..surface.cameras import Camera
from .axes import rotation
from .formats import Z_UP


class Placed(Protocol):
    """What stands somewhere in a file: a mesh that is loaded, splats.

    to_world: (4, 4), from the render frame to the file's.  axes: which of the file's point up and to the front.
    """

    @property
    def to_world(self) -> np.ndarray: ...
    @property
    def axes(self) -> tuple[str, str]: ...


@dataclass(frozen=True)
class WorldFrame:
    """From coordinates of a file, or of Blender's world, to the render frame.

    turn: (3, 3) rotation.  centre: (3,) what becomes the origin.  scale: how long one unit of the render frame is.
    """

    turn: np.ndarray
    centre: np.ndarray
    scale: float

    @classmethod
    def of(cls, placed: Placed, blender: bool = False) -> WorldFrame:
        """blender: of Blender's world, in which its importers have put the file: +z up, -y front."""
        scale = float(np.linalg.norm(placed.to_world[:3, 0]))
        turn, centre = (placed.to_world[:3, :3] / scale).T, placed.to_world[:3, 3]
        if blender:
            moved = rotation(*Z_UP).T @ rotation(*placed.axes)
            turn, centre = turn @ moved.T, moved @ centre
        return cls(turn, centre, scale)

    def place(self, point: Sequence[float] | np.ndarray) -> np.ndarray:
        """A place (3,) in the render frame."""
        return self.turn @ (np.asarray(point, float) - self.centre) / self.scale

    def matrix(self, camera: Camera) -> np.ndarray:
        """(4, 4) from the camera, which looks along its -z with +y up, to this frame's world."""
        made = np.eye(4)
        axes = np.stack([camera.right, camera.up, camera.direction], axis=1)
        made[:3, :3] = self.turn.T @ axes
        made[:3, 3] = self.turn.T @ camera.position * self.scale + self.centre
        return made


RENDER = WorldFrame(np.eye(3), np.zeros(3), 1.0)
