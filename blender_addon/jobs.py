# SPDX-License-Identifier: GPL-3.0-or-later
"""From the scene to a job for the worker: what is handed over, and what is remembered for the answer."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import bpy

from . import handoff, image_nodes, live, meshdata, obstacles, results, scene, scene_cameras
from .session import Request


class Generation:
    """One texture to be made.

    Modifiers that make faces (Mirror, Subdivision) are painted as the viewport shows them, on the UVs that they make
    of the mesh's own.  If those are to be new, the worker makes the map first ("unwrap"), and Blender's modifiers carry
    it on; otherwise one job does it all.

    task: of texsync's.
    """

    task = "mesh"

    def __init__(
        self,
        settings,
        objects: list[bpy.types.Object],
        partial: bool,
        base: Path,
        start: Callable[[Request], None],
        done: Callable[[Path, dict], None],
        number: int = 0,
    ):
        self.objects, self.partial = objects, partial
        self.start, self.done = start, done
        self.arguments = self._arguments(settings, number)
        self.previews, self.live = settings.previews, settings.live
        self.uvs = settings.uvs
        self.restyle, self.soft = settings.begin == "own", settings.soft_edge
        self.record = self._record(settings, number)
        self.folder = results.new_folder(base, self.record["name"])

    def _arguments(self, settings, number: int) -> dict:
        """What texsync is asked for, without the mesh and where the result goes."""
        made = {**settings.arguments(), "seed": (settings.seed + number) % 2**31}
        return {**made, "cameras": scene_cameras.asked(bpy.context, settings)}

    def _record(self, settings, number: int) -> dict:
        """What the result is to remember."""
        first = self.objects[0].name
        name = settings.texture_name.strip() or f"{first} {settings.prompt.strip()}"
        return {
            "name": name[:60],
            "file_name": f"{first} {settings.texture_name.strip() or settings.prompt.strip()}"[:60],
            "prompt": settings.prompt,
            "seed": self.arguments.get("seed"),
            "settings": {**settings.values(), "seed": self.arguments.get("seed", settings.seed)},
            "storage": settings.storage,
            "material": settings.material,
            "render_map": settings.render_map,
            "show": settings.show,
            "apply": number == 0,
            "partial": self.partial,
            "repaint": False,
            "file": scene.file(),
            "targets": [],
        }

    def begin(self) -> None:
        """Hand the meshes over and start the (first) job; raises OSError or ValueError, in words."""
        with self._views() as views:
            for item, view in zip(self.objects, views, strict=True):
                self.record["targets"].append({**scene.describe(item, view), "uv_map": self._own_map(view)})
            if self.partial:
                self._choose(views[0])
            if self.restyle:
                self._check_start(views)
            if self.uvs != "keep" and any(meshdata.changed_by_modifiers(view) for view in views):
                self._ask_for_map(views)
            else:
                self._paint(views, [None] * len(views), self.uvs)

    def _choose(self, view: bpy.types.Object) -> None:
        """Note which faces are selected now."""
        (self.folder / "faces.bin").write_bytes(meshdata.selected_faces(view.data).tobytes())
        self.record["targets"][0]["slot"] = obstacles.first_slot(view, view.data)
        if self._old_node(view):
            self.uvs = "keep"  # the old picture is on it

    def _check_start(self, views: list[bpy.types.Object]) -> None:
        """Raises ValueError, in words, unless there is one picture to begin at."""
        looks = [image_nodes.readable(self._old_material(view)) for view in views]
        for view, (node, why) in zip(views, looks, strict=True):
            if node is None:
                raise ValueError(f"{view.name} has no texture to begin from: {why}; choose Begin: Anew")
        if len({node.image for node, _ in looks}) > 1:
            raise ValueError(
                "The selected objects have several textures; choose One Texture Each, or Begin: Anew"
            )
        self.uvs = "keep"  # the picture is on it

    @contextmanager
    def _views(self) -> Iterator[list[bpy.types.Object]]:
        """The objects, as they can be read."""
        with ExitStack() as stack:
            yield [stack.enter_context(meshdata.readable(item)) for item in self.objects]

    def _own_map(self, view: bpy.types.Object) -> str:
        """The map that is active in the list of UV maps; for selected faces the one that their picture is on."""
        layers = view.data.uv_layers
        node = self._old_node(view)
        named = image_nodes.uv_map_of(node)
        if node and not named:
            named = next((layer.name for layer in layers if layer.active_render), "")
        return named if named in layers else layers.active.name if layers.active else ""

    def _old_node(self, view: bpy.types.Object):
        """The node with the picture that is painted on, or begun at; None if there is none."""
        wanted = self.restyle or (self.partial and self.uvs != "unwrap")
        return image_nodes.readable(self._old_material(view))[0] if wanted and view.data.uv_layers else None

    def _old_material(self, view: bpy.types.Object):
        """Of the first selected face, or of all faces the first one's."""
        if self.partial:
            return obstacles.old_material(view)
        slots = view.material_slots
        first = view.data.polygons[0].material_index if len(view.data.polygons) else 0
        return slots[min(first, len(slots) - 1)].material if len(slots) else None

    def _ask_for_map(self, views: list[bpy.types.Object]) -> None:
        """The first of two jobs: a map of the meshes without their modifiers."""
        self._write("map.texmesh", [self._as_is(number, view) for number, view in enumerate(views)])
        asked = {name: self.arguments[name] for name in ("texture_size", "front") if name in self.arguments}
        asked |= {"mesh": str(self.folder / "map.texmesh"), "uvs": self.uvs, "out": str(self.folder / "map")}
        job = Request(
            self.folder.name, "unwrap", asked, self._mapped, self.drop, False, self.title, touches=True
        )
        self.start(job)

    @property
    def title(self) -> str:
        return results.title(self.record)

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
        self.objects = scene.targets(self.record, None)
        maps: list[array | None] = [None] * len(targets)
        if "uvs.bin" in files:
            maps = list(handoff.read_uvs(Path(files["uvs.bin"]), [target["corners"] for target in targets]))
        with self._views() as views:
            self._paint(views, maps, "keep", follows=True)

    def _paint(
        self, views: list[bpy.types.Object], maps: list[array | None], uvs: str, follows: bool = False
    ) -> None:
        parts = [self._shown(number, view, maps[number]) for number, view in enumerate(views)]
        repaint = self._repaint(views[0]) if self.partial else None
        node = self._old_node(views[0]) if self.restyle and not repaint else None
        picture = image_nodes.pixels(node.image) if node else None
        self._write("mesh.texmesh", parts, repaint, picture)
        results.write(self.folder, self.record)
        asked = {**self.arguments, **self._uvs(uvs), "mesh": str(self.folder / "mesh.texmesh")}
        asked.setdefault("out", str(self.folder / "texture"))
        if repaint or (picture and "texture_size" in asked and self.task != "mesh"):
            kept = repaint or picture
            asked["texture_size"] = [kept["width"], kept["height"]]  # what stays, stays to the last bit
        job = Request(self.folder.name, self.task, asked, self._painted, self.drop, self.previews, self.title)
        job.follows = follows
        if self.live:
            job.live = live.Overlay([item.name for item in self.objects], self.folder / "mesh.texmesh")
        self.start(job)

    def _uvs(self, uvs: str) -> dict:
        return {"uvs": uvs}

    def _painted(self, files: dict) -> None:
        for name in ("mesh.texmesh", "map.texmesh"):
            with suppress(OSError):  # held open by another program
                (self.folder / name).unlink(missing_ok=True)
        results.name_picture(self.folder, self.record)
        self.done(self.folder, self.record)

    def _write(
        self, name: str, parts: list[dict], repaint: dict | None = None, picture: dict | None = None
    ) -> None:
        handoff.write(self.folder / name, self.record["name"], parts, repaint, picture)

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

    def _repaint(self, view: bpy.types.Object) -> dict | None:
        """The selected faces on the map, and the picture there; None if they get a texture of their own."""
        node = self._old_node(view)
        old = image_nodes.pixels(node.image) if node else None
        if old is None:
            return None
        self.record["repaint"] = True
        uv = meshdata.uv_of(view.data, self._map_name(0))
        entry = {"uv": meshdata.selected_triangles(view.data, uv), **old}
        group = view.vertex_groups.active_index if self.soft else -1
        if group >= 0:
            entry["weights"] = meshdata.selected_weights(view.data, group)
        return entry


def start(
    context, settings, base: Path, begin: Callable[[Request], None], done: Callable[[Path, dict], None]
) -> list[Generation]:
    """Hand over what is chosen: one job for all objects or one each, and as many seeds as asked for; in that order.

    Nothing is left behind if that fails.  Raises OSError or ValueError, in words.
    """
    objects, partial = scene.chosen(context), scene.only_selected(context, settings)
    groups = [[item] for item in objects] if settings.each else [objects]
    asked: list[Request] = []
    runs: list[Generation] = []
    try:
        for group in groups:
            for number in range(settings.count):
                runs.append(Generation(settings, group, partial, base, asked.append, done, number))
                runs[-1].begin()
    except Exception:
        for run in runs:
            run.drop()
        raise
    for run, request in zip(runs, asked, strict=True):
        run.start = begin
        begin(request)
    return runs
