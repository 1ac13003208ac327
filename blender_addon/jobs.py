# SPDX-License-Identifier: GPL-3.0-or-later
"""From the scene to a job for the worker: what is handed over, and what is remembered for the answer."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path

import bpy

from . import handoff, meshdata, pictures, results, scene
from .session import Job


class Run:
    """One press of Generate.

    Modifiers that make faces (Mirror, Subdivision) are painted as the viewport shows them, on the UVs that they make
    of the mesh's own.  If those are to be new, the worker makes the map first ("unwrap"), and Blender's modifiers carry
    it on; otherwise one job does it all.
    """

    def __init__(
        self, context, settings, base: Path, start: Callable[[Job], None], done: Callable[[Path], None]
    ):
        self.settings, self.start, self.done = settings, start, done
        self.objects = scene.chosen(context)
        for item in self.objects:
            if item.mode == "EDIT":
                item.update_from_editmode()
        self.partial = scene.only_selected(context, settings)
        name = settings.texture_name.strip() or f"{self.objects[0].name} {settings.prompt.strip()}"
        self.arguments = settings.arguments()
        self.uvs = "keep" if self.partial else settings.uvs
        self.grown = [item for item in self.objects if meshdata.changed_by_modifiers(item)]
        self.record = {
            "name": name[:60],
            "prompt": settings.prompt,
            "seed": settings.seed,
            "storage": settings.storage,
            "partial": self.partial,
            "slot": None,
            "targets": [{**scene.describe(item), "uv_map": self._own_map(item)} for item in self.objects],
        }
        self.folder = results.new_folder(base, name)

    def _own_map(self, item: bpy.types.Object) -> str:
        """The map that is active in the list of UV maps; for selected faces the one that their picture is on."""
        layers = item.data.uv_layers
        node = self._old_node(item) if self.partial else None
        named = pictures.uv_map_of(node)
        if node and not named:
            named = next((layer.name for layer in layers if layer.active_render), "")
        return named if named in layers else layers.active.name if layers.active else ""

    def _old_node(self, item: bpy.types.Object):
        """The node with the picture that the selected faces show; None if there is none."""
        slot = self._slot(item)
        return pictures.base_colour(item.data.materials[slot]) if slot < len(item.data.materials) else None

    @staticmethod
    def _slot(item: bpy.types.Object) -> int:
        """Material slot of the first selected face."""
        flags = meshdata.selected_faces(item.data)
        return item.data.polygons[flags.index(1)].material_index if 1 in flags else 0

    def begin(self) -> None:
        """Hand the meshes over and start the (first) job; raises OSError or ValueError, in words."""
        if self.grown and self.uvs != "keep":
            self._write("map.texmesh", [self._as_is(item) for item in self.objects])
            asked = {
                name: self.arguments[name]
                for name in ("texture_size", "up", "front")
                if name in self.arguments
            }
            asked |= {
                "mesh": str(self.folder / "map.texmesh"),
                "uvs": self.uvs,
                "out": str(self.folder / "map"),
            }
            self.start(Job(self.folder.name, "unwrap", asked, self._mapped, self.drop))
        else:
            self._paint([None] * len(self.objects), self.uvs)

    def drop(self) -> None:
        """It came to nothing: leave nothing behind."""
        results.discard(self.folder)

    def _mapped(self, files: dict) -> None:
        """The map is there: let the modifiers carry it, and paint."""
        try:
            self._go_on(files)
        except Exception:
            self.drop()
            raise

    def _go_on(self, files: dict) -> None:
        self.objects = [scene.find(target) for target in self.record["targets"]]
        maps: list[array | None] = [None] * len(self.objects)
        if "uvs.bin" in files:
            corners = [target["corners"] for target in self.record["targets"]]
            maps = list(handoff.read_uvs(Path(files["uvs.bin"]), corners))
        self._paint(maps, "keep")

    def _paint(self, maps: list[array | None], uvs: str) -> None:
        parts = [self._shown(item, uv) for item, uv in zip(self.objects, maps, strict=True)]
        repaint = self._repaint(self.objects[0]) if self.partial else None
        self._write("mesh.texmesh", parts, repaint)
        results.write(self.folder, self.record)
        asked = {**self.arguments, "uvs": uvs, "mesh": str(self.folder / "mesh.texmesh")}
        asked["out"] = str(self.folder / "texture")
        if repaint and "width" in repaint:
            asked["texture_size"] = repaint["width"]
        self.start(Job(self.folder.name, "mesh", asked, self._painted, self.drop, self.settings.previews))

    def _painted(self, files: dict) -> None:
        (self.folder / "mesh.texmesh").unlink(missing_ok=True)
        (self.folder / "map.texmesh").unlink(missing_ok=True)
        self.done(self.folder)

    def _write(self, name: str, parts: list[dict], repaint: dict | None = None) -> None:
        handoff.write(self.folder / name, self.record["name"], parts, repaint)

    def _as_is(self, item: bpy.types.Object) -> dict:
        uv = meshdata.uv_of(item.data, self._target(item)["uv_map"])
        return meshdata.part(item.name, item.data, item.matrix_world, uv)

    def _shown(self, item: bpy.types.Object, uv: array | None) -> dict:
        """What the viewport shows, as far as it can be painted: with UVs, or with the mesh's own corners."""
        if not item.modifiers and not item.data.shape_keys:
            return self._as_is(item)
        name = self._target(item)["uv_map"]
        if uv is not None:
            with meshdata.with_uvs(item, uv) as mesh:
                return meshdata.part(
                    item.name, mesh, item.matrix_world, meshdata.uv_of(mesh, meshdata.NEW_MAP)
                )
        with meshdata.evaluated(item) as mesh:
            own = meshdata.uv_of(mesh, name)
            if own or item not in self.grown:
                return meshdata.part(item.name, mesh, item.matrix_world, own)
        return self._as_is(item)  # the modifiers drop UVs

    def _target(self, item: bpy.types.Object) -> dict:
        return self.record["targets"][self.objects.index(item)]

    def _repaint(self, item: bpy.types.Object) -> dict:
        """The selected faces on the map, and the picture there; raises ValueError where that cannot be painted on."""
        node = self._old_node(item)
        self.record["slot"] = self._slot(item)
        flags = meshdata.selected_faces(item.data)
        (self.folder / "faces.bin").write_bytes(flags.tobytes())
        uv = meshdata.uv_of(item.data, self._target(item)["uv_map"])
        entry = {"uv": meshdata.selected_triangles(item.data, uv)}
        if node is None:
            return entry
        old = pictures.pixels(node.image)
        if old is None:
            raise ValueError(f"The picture {node.image.name} cannot be read; reload it in the image editor")
        if old["width"] != old["height"] or not 64 <= old["width"] <= 8192:
            size = f"{old['width']} x {old['height']}"
            raise ValueError(
                f"The picture {node.image.name} has {size} texels; only square ones can be painted on"
            )
        return {**entry, **old}


def start(context, settings, base: Path, begin: Callable[[Job], None], done: Callable[[Path], None]) -> Run:
    """Hand over what is chosen; nothing is left behind if that fails.  Raises OSError or ValueError, in words."""
    run = Run(context, settings, base, begin, done)
    try:
        run.begin()
    except Exception:
        run.drop()
        raise
    return run
