"""What a mesh's cameras see, as pictures and numbers for other programs; no model is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import option
from ..options.declared import declare, option_class, takes
from ..options.geometry import (
    cameras_option,
    check_axes,
    extra_views_option,
    framing_option,
    front_option,
    up_option,
)
from ..options.kinds import Thing
from ..options.number_kinds import Whole
from ..options.shared import RunOptions
from ..progress import with_bar
from .stages import Stages
from .standing import Standing

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..files.loaded import Loaded
    from ..surface.cameras import Camera
    from ..surface.pixels import Pixels
    from ..surface.types import Surface

CAMERAS_FILE = "cameras.json"
PIXEL_BYTES = 400  # of one camera's pictures at once
DEEPEST = 65535  # of a depth picture: the nearest point; 0 is the backdrop
OWN_TEXELS = 2048  # a side, where what the mesh shows is brought to one map


@option_class
class ViewsOptions(RunOptions):
    """What is seen of a mesh, and from where."""

    SMALLER = f"lower {option('view_size')}"
    mesh: Any = declare(
        "The mesh.", Thing(), kw_only=False, argument=True, file=True, recorded=False, label=""
    )
    cameras: str | Path | dict[str, Any] = cameras_option("ring", "cover")
    view_size: int = declare("Pixels a side of each picture.", Whole(16, 4096), "main", default=1024)
    up: str = up_option()
    front: str = front_option()
    framing: str = framing_option()
    extra_views: str = extra_views_option()

    def check(self) -> None:
        """Up and front are not along the same line."""
        super().check()
        check_axes(self.up, self.front)

    @property
    def folder(self) -> str:
        """<mesh>_views."""
        return f"{Path(self.mesh).stem}_views"


@takes(ViewsOptions)
@with_bar
def mesh_views(options: ViewsOptions) -> MeshViews:
    """Write what MESH looks like from every camera: depth, normals, mask, positions, its present look to paint over.

    `project_pictures` brings the pictures back.
    Raises InputError on anything that the caller can put right.
    """
    from ..files.load import load
    from ..surface.coverage import seen_shares

    job = Stages("views", options)
    standing = Standing(options.cameras, "alternate", options.framing, options.extra_views)
    job.files += standing.files
    with job.stage("mesh"):
        loaded = load(options.mesh, up=options.up, front=options.front)
        surface, look = present_look(loaded)
        standing.read(loaded, surface)
    with job.stage("geometry"):
        cameras = standing.cameras(surface)
        check_memory(options.view_size)
        seen, well = seen_shares(surface, cameras)
    shares = {"cameras": len(cameras), "seen": round(seen, 4), "well_seen": round(well, 4)}
    report = job.recorded(options.record(), **standing.said, seen=shares)
    return MeshViews(loaded, surface, cameras, options.view_size, look, report)


def present_look(loaded: Loaded) -> tuple[Surface, np.ndarray | None]:
    """A mesh on its own map, or where it has none on a new one, and what it shows there: (S, S, 3) uint8, or None."""
    import warnings

    import numpy as np

    from ..files.own_colour import own_colour
    from ..surface.uv import prepare

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nothing is painted on this map
        surface = prepare(loaded, policy="auto", texture_size=OWN_TEXELS)
        own = own_colour(loaded, surface, OWN_TEXELS)
    return surface, None if own is None else np.array(own.pixels)


def check_memory(size: int, count: int = 1) -> None:
    """Raises InputError if so many views of size x size pixels do not fit."""
    import torch

    from ..backbones.memory import require

    what = f"looking at {count} views of {size} pixels" if count > 1 else f"a view of {size} pixels"
    require(count * PIXEL_BYTES * size**2, torch.device("cpu"), what, f"lower {option('view_size')}")


@dataclass(repr=False)
class MeshViews:
    """What cameras see of a mesh, looked at when it is asked for.

    size: pixels along a side.  look: (S, S, 3) uint8, what the mesh shows on the map of `surface`; None: nothing.
    report: what `run.json` holds.
    """

    loaded: Loaded
    surface: Surface
    cameras: tuple[Camera, ...]
    size: int
    look: np.ndarray | None
    report: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<MeshViews {self.loaded.stem!r}: {len(self.cameras)} of {self.size} x {self.size} pixels>"

    def pixels(self) -> Iterator[Pixels]:
        """Camera by camera."""
        from ..surface.pixels import look

        for camera in self.cameras:
            yield look(self.surface, [camera], self.size)

    def picture(self, pixels: Pixels) -> Tensor:
        """What the mesh shows now, flat; else grey in soft light: (4, S, S), clear beside it."""
        import numpy as np
        import torch

        from ..show.render import render

        grey = np.full((1, 1, 3), 204, np.uint8)
        flat, shade = (grey, 0.6) if self.look is None else (self.look, 0.0)
        seen = render(self.surface, flat, pixels.cameras, self.size, shade, samples=1)[0]
        return torch.cat([seen, pixels.mask.float()])

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write `cameras.json`, `run.json`, and for every camera NN, counted from 00, all or nothing:

        `picture_NN.png`, the present look, clear beside the mesh: to be painted over.  `view_NN_depth.png`, 16 bits,
        the nearest point white, 0 beside the mesh.  `view_NN_control.png`, depth as a ControlNet reads it.
        `view_NN_normal.png`, in camera space: red right, green up, blue to the camera.  `view_NN_mask.png`.
        `view_NN_position.npz`, `position` (S, S, 3) float32 in the file's coordinates, NaN beside the mesh.
        Raises InputError if the folder exists and `overwrite` is False, or cannot be written.
        """
        from ..files.camera_file import PICTURE, cameras_json
        from ..record.atomic import atomic_folder
        from ..record.facts import recorded, write_record

        said = cameras_json(self.cameras, self.loaded)
        with atomic_folder(folder, overwrite=overwrite) as place:
            for k, pixels in enumerate(self.pixels()):
                said["cameras"][k] |= {"picture": PICTURE.format(k), **self._depth_range(pixels)}
                self._write(pixels, place, k)
            (place / CAMERAS_FILE).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
            mesh = {"name": self.loaded.stem, "faces": len(self.surface.faces)}
            write_record(recorded(self.report, Path(folder), mesh=mesh), place)
        return Path(folder)

    def _depth_range(self, pixels: Pixels) -> dict[str, float]:
        """Of a depth picture's 65535 and 1, in the file's units."""
        scale = float((self.loaded.to_world[:3, 0] ** 2).sum() ** 0.5)
        shown = pixels.depth[pixels.mask]
        return {"near": float(shown.min()) * scale, "far": float(shown.max()) * scale} if len(shown) else {}

    def _write(self, pixels: Pixels, place: Path, k: int) -> None:
        import numpy as np
        from PIL import Image

        from ..files.camera_file import PICTURE
        from ..show.png import to_image
        from ..surface.control_pictures import depth, normals

        mask, name = pixels.mask[0], f"view_{k:02d}"
        right = normals(pixels)[0]
        right[0] = 1 - right[0]  # that network's red points left
        to_image(self.picture(pixels)).save(place / PICTURE.format(k))
        Image.fromarray(depth_steps(pixels)).save(place / f"{name}_depth.png")
        to_image(depth(pixels)[0]).save(place / f"{name}_control.png")
        to_image(right).save(place / f"{name}_normal.png")
        Image.fromarray(mask.byte().numpy() * 255).save(place / f"{name}_mask.png")
        turn, centre = self.loaded.to_world[:3, :3], self.loaded.to_world[:3, 3]
        where = pixels.position[0].double().numpy() @ turn.T + centre
        where[~mask.numpy()] = np.nan
        np.savez_compressed(place / f"{name}_position.npz", position=where.astype(np.float32))


def depth_steps(pixels: Pixels) -> np.ndarray:
    """(S, S) uint16: depth evenly between the nearest point, 65535, and the farthest, 1; 0 beside the mesh."""
    import numpy as np

    depth, mask = pixels.depth[0].double().numpy(), pixels.mask[0].numpy()
    if not mask.any():
        return np.zeros(depth.shape, np.uint16)
    near, far = depth[mask].min(), depth[mask].max()
    steps = 1 + (far - np.where(mask, depth, far)) / max(far - near, 1e-12) * (DEEPEST - 1)
    return np.where(mask, steps.round(), 0).astype(np.uint16)
