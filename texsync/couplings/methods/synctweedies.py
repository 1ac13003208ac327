"""SyncTweedies: agree on the clean guesses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base import Coupling, free, rests
from ..cases import CASES


@dataclass(frozen=True)
class SyncTweedies(Coupling):
    """Average the clean guesses x0 and step towards the average (Kim et al. 2024, arXiv:2403.14370, case 2).

    x stays as it is, as in the paper's code, and what in it is not the agreed picture counts as noise.
    until: no coupling once span.frac <= until, in [0, 1]; 0: in every step.
    case: any other of the paper's sixty ways to agree, 0 ... 59, by its authors' numbers; see `cases.CASES`.
    Of cases 57-59 the canvas z is the result, not the pictures.  Raises InputError on other values.
    """

    composition: ClassVar[str] = "mean"

    until: float = 0.2
    case: int = 2

    def __post_init__(self) -> None:
        self.check_until()
        self.must("case", self.case in range(len(CASES)), f"one of 0 to {len(CASES) - 1}")

    def step(self, x, z, predict, views, span):
        if rests(span, self.until):
            return free(x, predict, span), z
        return CASES[self.case].step(x, z, predict, views, span)
