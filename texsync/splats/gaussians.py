"""Splats as every part of a job shares them.

Source: Kerbl et al., 3D Gaussian Splatting for Real-Time Radiance Field Rendering (2023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.spatial.transform import Rotation

DEGREE_0 = 0.28209479177387814  # the constant spherical harmonic, 1 / sqrt(4 pi)


class SplatFile(Protocol):
    """The file that splats come from, which is given back with nothing but other colours."""

    def painted(self, colour: np.ndarray) -> bytes:
        """The file with colours (K, 3) RGB, the same from everywhere; all else is as it was, to the bit."""


@dataclass(frozen=True)
class Splats:
    """K Gaussians.

    means: (K, 3) float32, centres.  scales: (K, 3) float32, standard deviations along their own axes, > 0.
    rotations: (K, 4) float32, unit quaternions w, x, y, z, of their own axes.  opacity: (K,) float32 in [0, 1].
    colour: (K, 3) float32 RGB, what all directions have in common (degree 0), mostly in [0, 1].
    source: the file, in whose own coordinates it stays; None: made here.
    """

    means: np.ndarray
    scales: np.ndarray
    rotations: np.ndarray
    opacity: np.ndarray
    colour: np.ndarray
    source: SplatFile | None = None

    def __len__(self) -> int:
        return len(self.means)

    @cached_property
    def axes(self) -> np.ndarray:
        """(K, 3, 3) float64, in its columns the unit axes of each."""
        return Rotation.from_quat(self.rotations.astype(np.float64), scalar_first=True).as_matrix()

    @cached_property
    def half_covariance(self) -> np.ndarray:
        """(K, 3, 3) float64, axes times scales: L of the covariance L L^T."""
        return self.axes * self.scales[:, None].astype(np.float64)

    @cached_property
    def normals(self) -> np.ndarray:
        """(K, 3) float64, the shortest axis of each, unit; which of its two ways it points says nothing."""
        shortest = self.scales.argmin(axis=1)
        return self.axes[np.arange(len(self)), :, shortest]

    @cached_property
    def flatness(self) -> np.ndarray:
        """(K,) float64 in [0, 1]: 0 where no axis is shorter than the others, 1 from half as long on."""
        short, middle, _ = np.sort(self.scales.astype(np.float64), axis=1).T
        return np.clip(2.0 * (1.0 - short / middle), 0.0, 1.0)

    def moved(self, turn: Any, scale: float = 1.0, shift: Any = (0.0, 0.0, 0.0)) -> Splats:
        """The same splats elsewhere: a point p goes to scale * turn @ p + shift.

        turn: (3, 3) rotation.  scale: > 0.  shift: (3,).
        """
        turn = np.asarray(turn, np.float64)
        means = scale * (self.means.astype(np.float64) @ turn.T) + np.asarray(shift, np.float64)
        own = Rotation.from_quat(self.rotations.astype(np.float64), scalar_first=True)
        rotations = (Rotation.from_matrix(turn) * own).as_quat(scalar_first=True)
        return replace(
            self,
            means=means.astype(np.float32),
            scales=(scale * self.scales.astype(np.float64)).astype(np.float32),
            rotations=rotations.astype(np.float32),
        )

    def coloured(self, colour: np.ndarray) -> Splats:
        """The same splats with colours (K, 3)."""
        return replace(self, colour=np.asarray(colour, np.float32))
