"""Previews: small PNG files of what a few views show, as often as they cost little."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SHOWN = 4  # views, in two rows
SIDE = 192  # pixels of each
SHARE = 0.25  # of the time since the last preview, at most, may go into the next one
FIRST = 0.15  # of the steps; before that there is only fog


class Previews:
    """Writes previews of one job into a folder; the latest replaces the one before."""

    def __init__(self, folder: Path):
        self._folder, self._latest = folder, None  # type: Path, Path | None
        self._count = 0
        self._after = 0.0

    def due(self, step: int, total: int) -> bool:
        """Whether step `step` of `total` is worth a picture now."""
        return FIRST * total <= step < total and time.monotonic() >= self._after

    def write(self, preview: Callable[..., Tensor]) -> Path:
        """Decode, write and return the file; the previous one is removed."""
        from ..show.sheet import grid

        start = time.monotonic()
        self._count += 1
        path = self._folder / f"preview_{self._count}.png"
        # decoding every view costs as much as several steps, so a few are asked for
        grid(preview(SHOWN), SIDE, SHOWN).save(path)
        self.clear()
        self._latest = path
        end = time.monotonic()
        self._after = end + (end - start) * (1 / SHARE - 1)
        return path

    def clear(self) -> None:
        """Remove the file."""
        if self._latest:
            self._latest.unlink(missing_ok=True)
