"""Pictures of a mesh, painted or made anywhere, baked into its texture; no model is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Refused, about, got, option
from ..options.declared import declare, option_class, takes, unsaid
from ..options.geometry import FRONT, UP, check_axes, uvs_option
from ..options.kinds import PathName, Thing
from ..options.number_kinds import TextureSize, shape_of
from ..options.output import MARK
from ..options.shared import RunOptions
from ..progress import with_bar
from ..record.inputs import input_files
from .mesh_views import CAMERAS_FILE, check_memory
from .stages import Stages
from .textured import MeshSaveOptions, TexturedMesh

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..files.loaded import Loaded
    from ..surface.types import Surface

FINEST = 1024  # pixels a side at which is looked what hides what; pictures may have more
USUAL_TEXELS = 1024
HALF = 0.5  # how opaque pictures must be where there is nothing to shine through
AS_VIEWED = "as the views were made"


@option_class
class ProjectOptions(RunOptions):
    """What is baked into a mesh's texture, sizes in texels a side."""

    saving = MeshSaveOptions
    SMALLER = f"lower {option('texture_size')}, or use smaller pictures"
    mesh: Any = declare(
        "The mesh.", Thing(), kw_only=False, argument=True, file=True, recorded=False, label=""
    )
    pictures: Path = declare(
        "Folder of texsync views: cameras.json, and a picture for each camera.",
        PathName(),
        kw_only=False,
        argument=True,
        sweep=False,
    )
    texture_size: int | tuple[int, int] | None = declare(
        "Texels along a side, or WIDTHxHEIGHT.",
        TextureSize(64, 8192),
        "surface",
        default=unsaid("the mesh's own, else 1024"),
    )
    uvs: str = uvs_option()
    up: str | None = declare("Up axis of the file.", UP, "surface", default=unsaid(AS_VIEWED), metavar="AXIS")
    front: str | None = declare(
        "Axis that the front looks along.", FRONT, "surface", default=unsaid(AS_VIEWED), metavar="AXIS"
    )

    def check(self) -> None:
        """Up and front are not along the same line."""
        super().check()
        check_axes(self.up or "auto", self.front or "auto")

    @property
    def folder(self) -> str:
        """<mesh>_textured."""
        return f"{Path(self.mesh).stem}_textured"


@takes(ProjectOptions)
@with_bar
def project_pictures(options: ProjectOptions) -> TexturedMesh:
    """Bake PICTURES, a folder of `texsync views` whose pictures were painted over or replaced, into MESH's texture.

    Where several show a place, those that face it best count most.  What no picture shows, or where they are clear,
    keeps the mesh's own texture to the last bit, and shines through where they are half clear; where it has none it is
    filled.
    Raises InputError on anything that the caller can put right.
    """
    return Projection(options).run()


@dataclass(frozen=True)
class Shown:
    """images: (N, 3, S, S) in [0, 1], square.  alpha: (N, S, S) in [0, 1], 0 where they are clear."""

    images: Tensor
    alpha: Tensor

    def known(self, size: int, least: float) -> Tensor:
        """(N, size, size) bool: pixels all of which are at least so opaque."""
        from torch.nn import functional

        there = (self.alpha >= least)[:, None].float()
        return functional.interpolate(there, size=size, mode="area")[:, 0] > 1 - 1e-6


class Projection(Stages):
    """One run."""

    def __init__(self, options: ProjectOptions):
        super().__init__("project", options)
        self.file = options.pictures / CAMERAS_FILE

    def run(self) -> TexturedMesh:
        from ..files.camera_file import read_cameras
        from ..files.load import load
        from ..files.own_colour import resized
        from ..files.save import rehearse
        from ..surface.control_pictures import depth
        from ..surface.coverage import check_sight
        from ..surface.over import laid_over
        from ..surface.pixels import look
        from ..surface.texture import bake_tables, chunks

        with self.stage("mesh"):
            loaded = load(self.options.mesh, **self.axes())
            cameras = read_cameras(self.file, loaded)
            shown = self.read(len(cameras))
            surface, own = self.surface(loaded)
            check_sight(surface, cameras)
            rehearse(loaded, surface)
        size, view = self.size(own), min(shown.images.shape[-1], FINEST)
        check_memory(view, len(cameras))
        with self.stage("geometry", chunks(size)):
            pixels = look(surface, cameras, view)
            known = shown.known(view, HALF if own is None else 1 / 255)
            if not (known & pixels.mask).any():
                raise Refused.pictures_blank(
                    f"the {about('pictures')} are clear wherever the mesh is",
                    "paint on them, not beside the mesh",
                )
            told = self.told("geometry", chunks(size))
            tables = bake_tables(surface, pixels, size, on_chunk=told, known=known if own is None else None)
        with self.stage("texture"):
            if own is None:  # what is clear is filled from beside it
                baked = tables.apply(shown.images)
            else:
                baked = laid_over(tables, shown.images, shown.alpha, resized(own, tables.shape))
        used = {
            **self.options.record(),
            "texture_size": size[1] if size[0] == size[1] else size[::-1],
            "pictures": str(self.options.pictures.absolute()),
        }
        report = self.recorded(used | self.axes())
        return TexturedMesh(loaded, surface, baked, shown.images, depth(pixels), pixels, report)

    def axes(self) -> dict[str, str]:
        """Up and front: as asked for, else as the views were made."""
        import json

        said: dict[str, Any] = {}
        try:
            record = json.loads((self.options.pictures / MARK).read_text(encoding="utf-8"))
            said = record["options"] if record["task"] == "views" else {}
        except (OSError, ValueError, KeyError, TypeError):  # another program's folder
            pass
        return {name: getattr(self.options, name) or str(said.get(name, "auto")) for name in ("up", "front")}

    def surface(self, loaded: Loaded) -> tuple[Surface, np.ndarray | None]:
        """What is painted on, and what the mesh shows there already: (H, W, 3) uint8; None: nothing."""
        from ..files.own_colour import own_colour
        from ..surface.uv import prepare

        size = shape_of(self.options.texture_size or USUAL_TEXELS)
        surface = prepare(loaded, policy=self.options.uvs, texture_size=max(size))
        own = own_colour(loaded, surface, size)
        return surface, None if own is None else own.pixels

    def size(self, own: np.ndarray | None) -> tuple[int, int]:
        """(height, width) of the texture."""
        asked = self.options.texture_size
        if asked is None and own is not None and min(own.shape[:2]) >= 64 and max(own.shape[:2]) <= 8192:
            return own.shape[0], own.shape[1]
        return shape_of(asked or USUAL_TEXELS)

    def read(self, count: int) -> Shown:
        """The cameras' pictures, put into the middle of their squares; raises InputError for those that do not fit."""
        import numpy as np
        import torch

        from .reading import read_picture

        names = self.names(count)
        pictures = [read_picture(self.options.pictures / name, backdrop=None) for name in names]
        self.files += input_files(**{f"picture {name}": self.options.pictures / name for name in names})
        for name, picture in zip(names, pictures, strict=True):
            if picture.size != pictures[0].size:
                (wide, high), (w, h) = picture.size, pictures[0].size
                raise Refused.pictures_size(
                    f"{about(name)} has {got(wide)} x {high} pixels, {names[0]} {w} x {h}",
                    "make all pictures of one size",
                )
        squares = np.stack([_square(np.asarray(picture.convert("RGBA"))) for picture in pictures])
        values = torch.from_numpy(squares).permute(0, 3, 1, 2).float() / 255
        return Shown(values[:, :3], values[:, 3])

    def names(self, count: int) -> list[str]:
        """Of the pictures; raises InputError where there are more or fewer than cameras."""
        from ..files.camera_file import picture_names

        folder, names = self.options.pictures, picture_names(self.file)
        for k, name in enumerate(names):
            if not name or Path(name).name != name or "\\" in name:
                raise Refused.cameras_file(
                    f"{about(self.file.name)}: cameras[{k}].picture is {got(name[:60])!r}",
                    "name a file beside it",
                )
            if names.index(name) != k:
                raise Refused.cameras_file(
                    f"{about(self.file.name)}: two cameras have the picture {got(name)!r}",
                    "give each its own",
                )
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise Refused.pictures_count(
                f"{got(count)} cameras, but no {about(missing[0])} in {folder}",
                f"put it there, or take its camera out of {CAMERAS_FILE}",
            )
        more = sorted({one.name for one in folder.glob("picture_*")} - set(names))
        if more:
            raise Refused.pictures_count(
                f"no camera of {CAMERAS_FILE} has the picture {about(more[0])}",
                "take it away, or add its camera",
            )
        return names


def _square(picture: np.ndarray) -> np.ndarray:
    """(H, W, 4) in the middle of a clear square of its longer side."""
    import numpy as np

    high, wide = picture.shape[:2]
    side = max(high, wide)
    square = np.zeros((side, side, 4), np.uint8)
    top, left = (side - high) // 2, (side - wide) // 2
    square[top : top + high, left : left + wide] = picture
    return square
