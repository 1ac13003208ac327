"""What is known stays; the rest is made anew around it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ..moved import moved
from .base import Coupling, free


@dataclass(frozen=True)
class Kept(Coupling):
    """Inpainting: outside of `open`, each picture is the known one at the noise of the step.

    known: clean pictures (N, C, h, w).  noise: theirs, same shape.  open: (N, 1, h, w) in [0, 1], 1 where it is made
    anew; between, both are mixed.  So transitions of motions are refined, the second take of DoubleTake
    (Shafir et al. 2023, arXiv:2303.01418, section 3.1).
    """

    known: Tensor = field(compare=False, repr=False)
    noise: Tensor = field(compare=False, repr=False)
    open: Tensor = field(compare=False, repr=False)

    def step(self, x, z, predict, views, span):
        there = span.ddim(self.known, self.noise).to(x)
        share = moved(self.open, x.device, x.dtype)
        return share * free(x, predict, span) + (1 - share) * there, z
