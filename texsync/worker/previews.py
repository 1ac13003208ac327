"""Previews: small PNG files of what a few views show, as often as they cost little; and what they make of the mesh."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..tasks.preview import Preview, SmallBake

SHOWN = 4  # views, in two rows
SIDE = 192  # pixels of each
SHARE = 0.25  # of the time since the last preview, at most, may go into the next one
FIRST = 0.15  # of the steps; before that there is only fog


class Previews:
    """Writes previews of one job into a folder; the latest replaces the one before.

    textures: the mesh's texture too, for which all views are decoded.
    """

    def __init__(self, folder: Path, textures: bool = False):
        self._folder, self._textures = folder, textures
        self._latest: list[Path] = []
        self._uvs: str | None = None
        self._count = 0
        self._after = 0.0

    def due(self, step: int, total: int) -> bool:
        """Whether step `step` of `total` is worth a picture now."""
        return FIRST * total <= step < total and time.monotonic() >= self._after

    def write(self, preview: Preview) -> dict[str, Any]:
        """Decode, write, and say where (see docs/worker.md); the previous files are removed."""
        from ..show.sheet import grid, some

        start = time.monotonic()
        self._count += 1
        bake = getattr(preview, "bake", None) if self._textures else None
        # decoding every view costs as much as several steps, so a few are asked for
        views = preview(None if bake else SHOWN)
        path = self._folder / f"preview_{self._count}.png"
        grid(views[some(len(views), SHOWN)], SIDE, SHOWN).save(path)
        made = [path]
        said: dict[str, Any] = {"path": str(path)}
        if bake:
            said["texture"], flat = self._texture(bake, views)
            made.append(flat)
        self.clear()
        self._latest = made
        end = time.monotonic()
        self._after = end + (end - start) * (1 / SHARE - 1)
        return said

    def _texture(self, bake: SmallBake, views: Tensor) -> tuple[dict[str, Any], Path]:
        """Written as the picture of a .texmesh is; the new map, if there is one, once."""
        if self._uvs is None:
            self._uvs = self._map(bake)
        image, path = bake(views), self._folder / f"texture_{self._count}.bin"
        path.write_bytes(flat_picture(image))
        size = {"width": image.shape[1], "height": image.shape[0]}
        return {"path": str(path), **size, "uvs": self._uvs or None}, path

    def _map(self, bake: SmallBake) -> str:
        """The file of the map that the mesh's sender does not have; "" if there is none."""
        from ..files.formats.texmesh import HandedSource, new_uvs

        source = bake.loaded.source
        uvs = new_uvs(source.handed, bake.loaded, bake.surface) if isinstance(source, HandedSource) else None
        if uvs is None:
            return ""
        (self._folder / "uvs.bin").write_bytes(uvs)
        return str(self._folder / "uvs.bin")

    def clear(self) -> None:
        """Remove the files."""
        for path in self._latest:
            path.unlink(missing_ok=True)


def flat_picture(image: np.ndarray) -> bytes:
    """(H, W, 3) uint8 as float32 RGBA, 0 to 1, from the bottom row on."""
    import numpy as np

    values = np.ones((*image.shape[:2], 4), "<f4")
    values[..., :3] = image[::-1] / np.float32(255)
    return values.tobytes()
