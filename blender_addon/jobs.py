# SPDX-License-Identifier: GPL-3.0-or-later
"""From the scene to a job for the worker: what is handed over, and what is remembered for the answer."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bpy

from . import handoff, image_nodes, meshdata, results, scene
from .session import Request


class Generation:
    """One press of Generate.

    Modifiers that make faces (Mirror, Subdivision) are painted as the viewport shows them, on the UVs that they make
    of the mesh's own.  If those are to be new, the worker makes the map first ("unwrap"), and Blender's modifiers carry
    it on; otherwise one job does it all.
    """

    def __init__(
        self, context, settings, base: Path, start: Callable[[Request], None], done: Callable[[Path], None]
    ):
        self.settings, self.start, self.done = settings, start, done
        self.partial = scene.only_selected(context, settings)
        self.arguments = settings.arguments()
        self.uvs = "keep" if self.partial else settings.uvs
        self.objects = scene.chosen(context)
        name = settings.texture_name.strip() or f"{self.objects[0].name} {settings.prompt.strip()}"
        self.record = {
            "name": name[:60],
            "prompt": settings.prompt,
            "seed": settings.seed,
            "storage": settings.storage,
            "partial": self.partial,
            "slot": None,
            "targets": [],
        }
        self.folder = results.new_folder(base, name)

    def begin(self) -> None:
        """Hand the meshes over and start the (first) job; raises OSError or ValueError, in words."""
        with self._views() as views:
            for item, view in zip(self.objects, views, strict=True):
                self.record["targets"].append({**scene.describe(item, view), "uv_map": self._own_map(view)})
            if self.uvs != "keep" and any(meshdata.changed_by_modifiers(view) for view in views):
                self._ask_for_map(views)
            else:
                self._paint(views, [None] * len(views), self.uvs)

    @contextmanager
    def _views(self) -> Iterator[list[bpy.types.Object]]:
        """The objects, as they can be read."""
        with ExitStack() as stack:
            yield [stack.enter_context(meshdata.readable(item)) for item in self.objects]

    def _own_map(self, view: bpy.types.Object) -> str:
        """The map that is active in the list of UV maps; for selected faces the one that their picture is on."""
        layers = view.data.uv_layers
        node = self._old_node(view) if self.partial else None
        named = image_nodes.uv_map_of(node)
        if node and not named:
            named = next((layer.name for layer in layers if layer.active_render), "")
        return named if named in layers else layers.active.name if layers.active else ""

    def _old_node(self, view: bpy.types.Object):
        """The node with the picture that the selected faces show; None if there is none."""
        slot = self._slot(view)
        return image_nodes.base_colour(view.data.materials[slot]) if slot < len(view.data.materials) else None

    @staticmethod
    def _slot(view: bpy.types.Object) -> int:
        """Material slot of the first selected face."""
        flags = meshdata.selected_faces(view.data)
        return view.data.polygons[flags.index(1)].material_index if 1 in flags else 0

    def _ask_for_map(self, views: list[bpy.types.Object]) -> None:
        """The first of two jobs: a map of the meshes without their modifiers."""
        self._write("map.texmesh", [self._as_is(number, view) for number, view in enumerate(views)])
        asked = {name: self.arguments[name] for name in ("texture_size", "front")}
        asked |= {"mesh": str(self.folder / "map.texmesh"), "uvs": self.uvs, "out": str(self.folder / "map")}
        self.start(Request(self.folder.name, "unwrap", asked, self._mapped, self.drop))

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
        targets = self.record["targets"]
        self.objects = [scene.find(target) for target in targets]
        maps: list[array | None] = [None] * len(targets)
        if "uvs.bin" in files:
            maps = list(handoff.read_uvs(Path(files["uvs.bin"]), [target["corners"] for target in targets]))
        with self._views() as views:
            self._paint(views, maps, "keep")

    def _paint(self, views: list[bpy.types.Object], maps: list[array | None], uvs: str) -> None:
        parts = [self._shown(number, view, maps[number]) for number, view in enumerate(views)]
        repaint = self._repaint(views[0]) if self.partial else None
        self._write("mesh.texmesh", parts, repaint)
        results.write(self.folder, self.record)
        asked = {**self.arguments, "uvs": uvs, "mesh": str(self.folder / "mesh.texmesh")}
        asked["out"] = str(self.folder / "texture")
        if repaint and "width" in repaint:
            asked["texture_size"] = repaint["width"]
        job = Request(self.folder.name, "mesh", asked, self._painted, self.drop, self.settings.previews)
        self.start(job)

    def _painted(self, files: dict) -> None:
        (self.folder / "mesh.texmesh").unlink(missing_ok=True)
        (self.folder / "map.texmesh").unlink(missing_ok=True)
        self.done(self.folder)

    def _write(self, name: str, parts: list[dict], repaint: dict | None = None) -> None:
        handoff.write(self.folder / name, self.record["name"], parts, repaint)

    def _part(self, number: int, mesh: bpy.types.Mesh, uv: array | None) -> dict:
        item = self.objects[number]
        return meshdata.part(item.name, mesh, item.matrix_world, uv)

    def _as_is(self, number: int, view: bpy.types.Object) -> dict:
        return self._part(number, view.data, meshdata.uv_of(view.data, self._map_name(number)))

    def _map_name(self, number: int) -> str:
        return self.record["targets"][number]["uv_map"]

    def _shown(self, number: int, view: bpy.types.Object, uv: array | None) -> dict:
        """What the viewport shows, as far as it can be painted: with UVs, or with the mesh's own corners."""
        if not view.modifiers and not view.data.shape_keys:
            return self._part(number, view.data, uv) if uv else self._as_is(number, view)
        if uv:
            with meshdata.with_uvs(view, uv) as mesh:
                own = meshdata.uv_of(mesh, meshdata.NEW_MAP)
                if own:
                    return self._part(number, mesh, own)
            return self._part(number, view.data, uv)
        with meshdata.evaluated(view) as mesh:
            own = meshdata.uv_of(mesh, self._map_name(number))
            if own or meshdata.topology(mesh) == self.record["targets"][number]["topology"]:
                return self._part(number, mesh, own)
        return self._as_is(number, view)  # the modifiers drop UVs

    def _repaint(self, view: bpy.types.Object) -> dict:
        """The selected faces on the map, and the picture there; raises ValueError where that cannot be painted on."""
        node = self._old_node(view)
        self.record["slot"] = self._slot(view)
        flags = meshdata.selected_faces(view.data)
        (self.folder / "faces.bin").write_bytes(flags.tobytes())
        uv = meshdata.uv_of(view.data, self._map_name(0))
        entry = {"uv": meshdata.selected_triangles(view.data, uv)}
        if node is None:
            return entry
        old = image_nodes.pixels(node.image)
        if old is None:
            raise ValueError(f"The picture {node.image.name} cannot be read; reload it in the image editor")
        if old["width"] != old["height"] or not 64 <= old["width"] <= 8192:
            size = f"{old['width']} x {old['height']}"
            raise ValueError(
                f"The picture {node.image.name} has {size} texels; only square ones can be painted on"
            )
        return {**entry, **old}


def start(
    context, settings, base: Path, begin: Callable[[Request], None], done: Callable[[Path], None]
) -> Generation:
    """Hand over what is chosen; nothing is left behind if that fails.  Raises OSError or ValueError, in words."""
    run = Generation(context, settings, base, begin, done)
    try:
        run.begin()
    except Exception:
        run.drop()
        raise
    return run
