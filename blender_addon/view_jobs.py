# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that need no model: what cameras see of a mesh, and pictures of cameras baked into its texture."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import bpy

from . import image_nodes, scene_cameras
from .jobs import Generation

COVERAGE_PIXELS = 16  # of the pictures that nobody looks at
CAMERAS_FILE = "cameras.json"


class WithoutModel(Generation):
    """The look that the mesh has goes along where that is one picture; nothing is painted, so nothing to preview."""

    def __init__(self, settings, objects, base: Path, start: Callable, done: Callable):
        super().__init__(settings, objects, False, base, start, done)
        self.previews = self.live = False
        self.restyle = self.uvs != "unwrap" and self._has_one_picture()

    def _has_one_picture(self) -> bool:
        """Whether one picture is the base colour of all objects, on maps of their own."""
        with self._views() as views:
            materials = [slot.material for view in views for slot in view.material_slots] or [None]
            looks = {image_nodes.readable(one)[0] for one in materials}
            mapped = all(view.data.uv_layers for view in views)
        return mapped and None not in looks and len({node.image for node in looks}) == 1


class Looking(WithoutModel):
    """`texsync views`: written to a folder for people, or only to say how much the cameras see.

    folder: where to, None for the latter.  done: told the folder and, in words, what is seen.
    """

    task = "views"

    def __init__(self, settings, objects, base: Path, start: Callable, done: Callable, folder: Path | None):
        self.size = settings.export_size if folder else COVERAGE_PIXELS
        self.kept = folder
        super().__init__(settings, objects, base, start, done)
        self.uvs = "keep"  # nothing is painted on them

    def _arguments(self, settings, number: int) -> dict:
        names = ("front", "framing", "extra_views")
        given = {name: value for name, value in settings.arguments().items() if name in names}
        made = {**given, "cameras": scene_cameras.asked(bpy.context, settings), "view_size": self.size}
        return {**made, "out": str(self.kept)} if self.kept else made

    def _record(self, settings, number: int) -> dict:
        what = "Views" if self.kept else "Coverage"
        return {**super()._record(settings, number), "name": f"{what} of {self.objects[0].name}"[:60]}

    def _uvs(self, uvs: str) -> dict:
        return {}

    def drop(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _painted(self, files: dict) -> None:
        report = json.loads(Path(files["run.json"]).read_text(encoding="utf-8"))
        self.drop()
        self.done(self.kept, seen(report["seen"]))


def seen(shares: dict) -> str:
    """ "12 cameras see 99 % of the surface, 95 % better than 60 degrees"."""
    one = shares["cameras"] == 1
    return (
        f"{shares['cameras']} camera{'' if one else 's'} see{'s' if one else ''} {percent(shares['seen'])} of the "
        f"surface, {percent(shares['well_seen'])} better than 60 degrees"
    )


def percent(share: float) -> str:
    """Never 100 where something is left."""
    whole = round(100 * share)
    return f"{'over 99' if whole == 100 and share < 0.9995 else whole} %"


class Baking(WithoutModel):
    """`texsync project`: a folder of cameras and their pictures, baked into the texture."""

    task = "project"

    def __init__(self, settings, objects, base: Path, start: Callable, done: Callable, pictures: Path | None):
        self.pictures = pictures
        super().__init__(settings, objects, base, start, done)
        if pictures is None:
            self._write_own()

    def _arguments(self, settings, number: int) -> dict:
        size = settings.arguments()["texture_size"]
        return {"texture_size": size, "pictures": str(self.pictures)}

    def _record(self, settings, number: int) -> dict:
        name = settings.texture_name.strip() or f"{self.objects[0].name} pictures"
        return {**super()._record(settings, number), "name": name[:60], "file_name": name[:60]}

    def _write_own(self) -> None:
        """The scene's cameras and the images behind them, as texsync reads them.  Raises ValueError, in words."""
        place = self.folder / "pictures"
        try:
            found = scene_cameras.pictures(bpy.context)
            place.mkdir()
            said = scene_cameras.described(list(found), bpy.context.scene)
            for k, image in enumerate(found.values()):
                said["cameras"][k]["picture"] = f"picture_{k:02d}.png"
                scene_cameras.write_picture(image, place / f"picture_{k:02d}.png")
            (place / CAMERAS_FILE).write_text(json.dumps(said), encoding="utf-8")
        except Exception:
            self.drop()
            raise
        self.arguments["pictures"] = str(place)

    def drop(self) -> None:
        shutil.rmtree(self.folder / "pictures", ignore_errors=True)
        super().drop()

    def _painted(self, files: dict) -> None:
        with suppress(OSError):
            shutil.rmtree(self.folder / "pictures")
        super()._painted(files)


def start(run: WithoutModel) -> None:
    """Hand the meshes over; nothing is left behind if that fails.  Raises OSError or ValueError, in words."""
    try:
        run.begin()
    except Exception:
        run.drop()
        raise
