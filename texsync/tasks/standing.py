"""Where views stand: around the object, as a file says, or wherever it takes to see almost all of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TexsyncWarning
from ..record.inputs import input_files

if TYPE_CHECKING:
    from ..files.loaded import Loaded
    from ..files.splat_place import PlacedSplats
    from ..surface.cameras import Camera
    from ..surface.types import Surface


class Standing:
    """The cameras that options ask for.  said: what `run.json` keeps of the choice, once it is made."""

    def __init__(
        self, asked: str | Path | Mapping[str, Any], view_order: str, framing: str, extra_views: str
    ):
        self.asked, self.view_order, self.framing, self.extra_views = asked, view_order, framing, extra_views
        self.said: dict[str, Any] = {}
        self.own: tuple[Camera, ...] = ()

    @property
    def files(self) -> list[dict[str, str]]:
        """The file that they come from, for `run.json`."""
        from ..files.capture_file import their_file

        try:
            return input_files(cameras=their_file(self.asked)) if isinstance(self.asked, Path) else []
        except OSError:  # which `read` says
            return []

    @property
    def most(self) -> int:
        """How many there may be."""
        from ..surface.cameras import ring
        from ..surface.coverage import MOST

        if self.own:
            return len(self.own)
        return MOST if self.asked == "cover" else len(ring()) + 2 * (self.extra_views == "auto")

    def read(self, loaded: Loaded, surface: Surface) -> None:
        """Read them from their file, if it is one; raises InputError for a wrong one, or a camera that sees nothing."""
        from ..files.camera_file import cameras_json, read_cameras
        from ..surface.coverage import check_sight

        if self.asked in ("ring", "cover"):
            return
        self.own = read_cameras(self.asked, loaded)
        check_sight(surface, self.own)
        self.said = {"cameras_read": cameras_json(self.own)}

    def cameras(self, surface: Surface, device: str = "cpu") -> tuple[Camera, ...]:
        """All of them, in the order in which they lead; tells (TexsyncWarning) what was chosen."""
        if self.own:
            return self.own
        return self._cover(surface) if self.asked == "cover" else self._ring(surface, device)

    def around_splats(self, placed: PlacedSplats) -> tuple[Camera, ...]:
        """Those of splats: the ring around what is not stray, or those of a file."""
        from ..files.camera_file import cameras_json, read_cameras
        from ..surface.cameras import framed, ring

        if self.asked == "ring":
            cameras = ring(self.view_order)
            kept = placed.splats.means[placed.kept]
            return framed(cameras, kept) if self.framing == "tight" else cameras
        self.own = read_cameras(self.asked, placed)
        self.said = {"cameras_read": cameras_json(self.own)}
        return self.own

    def _ring(self, surface: Surface, device: str) -> tuple[Camera, ...]:
        """The ring, and where it sees too little a view from the top or from below."""
        from ..surface.cameras import ring
        from ..surface.extra import extra_views

        cameras = ring(self.view_order)
        if self.extra_views != "none":
            extra = extra_views(surface, cameras, device)
            self.said = {"views_added": extra.report()}
            if extra.cameras:
                warnings.warn(str(extra), TexsyncWarning, stacklevel=2)
            cameras = (*cameras, *extra.cameras)
        return self._framed(cameras, surface)

    def _framed(self, cameras: tuple[Camera, ...], surface: Surface) -> tuple[Camera, ...]:
        import numpy as np

        from ..surface.cameras import framed

        if self.framing != "tight":
            return cameras
        return framed(cameras, surface.vertices[np.unique(surface.faces)])

    def _cover(self, surface: Surface) -> tuple[Camera, ...]:
        """Chosen on the CPU, so that every device takes the same ones."""
        from ..files.camera_file import cameras_json
        from ..surface.cameras import ring
        from ..surface.coverage import cover
        from ..surface.extra import extra_views

        around = ring()
        found = cover(surface, (*around, *extra_views(surface, around).cameras))
        warnings.warn(str(found), TexsyncWarning, stacklevel=2)
        self.said = {"coverage": found.report(), "cameras_chosen": cameras_json(found.cameras)}
        return found.cameras
