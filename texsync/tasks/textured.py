"""A mesh with its new texture, and what is left of it on disk: model, pictures and `run.json`, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..options.declared import SHELL, declare, option_class, unsaid
from ..options.kinds import Names
from ..options.number_kinds import Flag
from ..options.output import SaveOptions
from ..record.facts import origin, recorded, write_record

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ..files.loaded import Loaded
    from ..surface.cameras import Camera
    from ..surface.pixels import Pixels
    from ..surface.texture import Texture
    from ..surface.types import Surface


FORMATS = {
    "glb": "the model with its texture",
    "obj": "the model with .mtl and texture",
    "png": "the texture",
    "sheet": "the contact sheet",
    "turntable": "a picture that turns",
    "viewer": "a page that shows the model",
}
SIDES_DEG = {"front": (30.0, 20.0), "back": (210.0, 20.0)}  # azimuth, elevation
USUAL_FORMATS = tuple(FORMATS)[:-1]


@option_class
class MeshSaveOptions(SaveOptions):
    """What is written of a mesh."""

    formats: str | Sequence[str] | None = declare(
        f"What is written: some of {', '.join(FORMATS)}.",
        Names(FORMATS, "format"),
        "output",
        default=unsaid("all but viewer"),
        doors=SHELL,
        metavar="A,B,...",
    )
    preview: bool = declare(
        "Also write a viewer that opens in a browser.", Flag(), "output", default=False, doors=SHELL
    )

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of FORMATS."""
        formats = USUAL_FORMATS if self.formats is None else tuple(self.formats)
        return formats + (("viewer",) if self.preview else ())


@dataclass(repr=False)
class TexturedMesh:
    """A mesh with its new texture.

    mesh: trimesh scene, the input as it was but for the texture.  texture: (H, W, 3) uint8, row 0 on top (v = 1); with
    an atlas of several pictures the row of them, which `textures` has one by one, by name.
    views: (N, 3, s, s) in [0, 1], the pictures the texture was made from.  condition: (N, 3, s, s), what the
    ControlNet read.  report: every option, timings in seconds, versions; what `run.json` holds.
    """

    loaded: Loaded
    surface: Surface
    baked: Texture
    views: Tensor
    condition: Tensor
    pixels: Pixels
    report: dict[str, Any] = field(default_factory=dict)
    saving: ClassVar = MeshSaveOptions

    @property
    def stem(self) -> str:
        """What the mesh is called."""
        return self.loaded.stem

    @property
    def texture(self):
        return self.baked.image

    @property
    def textures(self) -> dict[str, Any]:
        """(H, W, 3) uint8 each, by the name of its material, object or UDIM tile; "" where there is one only."""
        from ..files.atlas import pictures

        names = self.surface.squares.names if self.surface.squares else ("",)
        return dict(zip(names, pictures(self.texture, self.surface), strict=True))

    @property
    def mesh(self):
        from ..files.save import textured_scene

        return textured_scene(self.loaded, self.surface, self.baked)

    def shown(self) -> dict[str, Any]:
        """Two sides, for a sweep."""
        from ..show.png import to_image
        from ..show.render import render
        from ..show.sheet import TABLE_SIDE
        from ..surface.cameras import Camera

        cameras = [Camera(*place) for place in SIDES_DEG.values()]
        seen = render(self.surface, self.texture, cameras, TABLE_SIDE, 0.35)
        return {title: to_image(picture) for title, picture in zip(SIDES_DEG, seen, strict=True)}

    def save(
        self,
        folder: str | Path,
        *,
        overwrite: bool = False,
        formats: str | Sequence[str] | None = None,
        preview: bool = False,
    ) -> Path:
        """Write `run.json` and what `formats` says into a folder: all of it or nothing.

        formats: some of glb, `<stem>.glb`; obj, `<stem>.obj` with `.mtl` and texture; png, `<stem>_texture.png`; sheet,
        `views.png`; turntable, `turntable.gif`; viewer, `viewer.html`.  None is all but the last, which `preview` adds.
        Raises InputError if the folder exists and `overwrite` is False, or cannot be written.
        """
        from ..record.atomic import atomic_folder

        chosen = MeshSaveOptions(formats=formats, preview=preview).chosen
        with atomic_folder(folder, overwrite=overwrite) as place:
            self.write(place, chosen, Path(folder))
        return Path(folder)

    def write(self, place: Path, chosen: Sequence[str], folder: Path) -> None:
        """Write into a folder that is there.  chosen: of FORMATS.  folder: where it will be in the end."""
        from ..files.save import save_model
        from ..show.render import turntable, viewer

        made, about = (self.loaded, self.surface, self.baked), origin(self.report)
        save_model(*made, place, self.loaded.stem, formats=chosen, about=about)
        if "sheet" in chosen:
            sheet(self).save(place / "views.png", optimize=True)
        if "turntable" in chosen:
            turntable(self.surface, self.texture, place / "turntable.gif")
        if "viewer" in chosen:
            viewer(self.mesh, place / "viewer.html")
        write_record(record(self, folder), place)

    def __repr__(self) -> str:
        said, (high, wide, _) = self.report, self.texture.shape
        prompt, seed = said.get("prompt"), said.get("seed")
        return f"<TexturedMesh {self.loaded.stem!r}: {prompt!r}, seed {seed}, {wide} x {high} texels>"

    def _repr_png_(self) -> bytes:
        """The contact sheet, for notebooks."""
        from ..show.png import png

        return png(sheet(self))


def sheet(result: TexturedMesh):
    """The contact sheet (PIL): what the model was told, what it painted, and the mesh with its texture, lit.

    Views go round the object by azimuth, those at eye level first, in two lines; what is painted beside the object
    is left out.
    """
    import torch

    from ..show.render import BACKDROP, SHADE, render

    cameras, mask = result.pixels.cameras, result.pixels.mask.cpu()[:, None]
    rows = {
        "condition": result.condition,
        "generated": torch.where(mask, result.views, BACKDROP),
        "textured": render(result.surface, result.texture, cameras, result.views.shape[-1], SHADE),
    }
    return around_sheet(rows, cameras, result.report)


def around_sheet(rows: Mapping[str, Tensor], cameras: Sequence[Camera], report: dict[str, Any]) -> Image:
    """The contact sheet (PIL) of pictures (N, 3, s, s) by title: by azimuth, those at eye level first, in two lines."""
    from ..show.render import view_titles
    from ..show.sheet import contact_sheet

    order = sorted(range(len(cameras)), key=lambda i: (abs(cameras[i].elevation_deg), cameras[i].azimuth_deg))
    return contact_sheet(
        {title: pictures[order] for title, pictures in rows.items()},
        view_titles([cameras[i] for i in order]),
        across=(len(order) + 1) // 2,
        caption=caption(report),
    )


def caption(report: dict[str, Any]) -> str:
    """What a run was told, in one line."""
    said = {
        "seed": "seed",
        "coupling": "coupling",
        "model": "model",
        "steps": "steps",
        "view_size": "view size",
    }
    prompt = [f'"{report["prompt"]}"'] if "prompt" in report else []
    return " · ".join([*prompt, *(f"{word} {report[name]}" for name, word in said.items() if name in report)])


def record(result: TexturedMesh, folder: Path | None = None) -> dict[str, Any]:
    """Every parameter, and what it ran on; enough to make the same texture again.  folder: see `record.facts`."""
    seen = round(float(result.baked.seen.sum() / result.baked.covered.sum()), 4)
    mesh = {"name": result.loaded.stem, "faces": len(result.surface.faces)}
    return recorded(result.report, folder, mesh=mesh, texture_seen=seen)
