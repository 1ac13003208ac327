# SPDX-License-Identifier: GPL-3.0-or-later
"""What is being painted, drawn over its objects in 3D views while the job runs.

Nothing in Blender's data knows of it: a .blend that is saved meanwhile does not hold it, Undo does not meet it, and
with the job, however that ends, it is gone.
"""

from __future__ import annotations

import contextlib
from array import array
from pathlib import Path

import bpy
import gpu
from gpu_extras.batch import batch_for_shader

from . import handoff

MOST_CORNERS = 600_000  # gathering more would hold Blender up
NEARER = 2e-5  # in depth from -1 to 1: in front of the faces themselves, behind what hides them
# by level of 255: sRGB, IEC 61966-2-1
LIGHT = [k / 255 / 12.92 if k < 11 else ((k / 255 + 0.055) / 1.055) ** 2.4 for k in range(256)]


class Overlay:
    """One job's look.  names: its objects.  path: the file in which they are handed over."""

    def __init__(self, names: list[str], path: Path):
        self.names, self.path = names, path
        self.size, self.flat = (0, 0), array("f")
        self.over = False  # nothing is shown any more
        self._batches: list = []
        self._texture = self._handle = None

    def show(self, told: dict) -> None:
        """The worker's latest (docs/worker.md); whatever is wrong with it, the look before stays."""
        if self.over:
            return
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, EOFError):
            flat = linear(array("f", Path(told["path"]).read_bytes()))
            size = int(told["width"]), int(told["height"])
            if not self._batches:
                self._gather(told.get("uvs"))
            if self._batches and len(flat) == 4 * size[0] * size[1]:
                self.size, self.flat, self._texture = size, flat, None
                self._begin()

    def close(self) -> None:
        """Take it away."""
        if self._handle:
            bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
            _redraw()
        self._handle, self._texture, self._batches = None, None, []
        self.over = True

    @property
    def seen(self) -> bool:
        return self._handle is not None

    def _begin(self) -> None:
        if self._handle is None:
            self._handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_VIEW")
        _redraw()

    def _gather(self, uvs: str | None) -> None:
        """Place and map of every corner of every part, and its triangles; nothing of what is too much."""
        parts = handoff.read_parts(self.path)
        counts = [len(part["corner_vertex"]) for part in parts]
        if sum(counts) > MOST_CORNERS:
            self.over = True
            return
        maps = handoff.read_uvs(Path(uvs), counts) if uvs else [part["uv"] for part in parts]
        self._batches = [_corners(part, uv) for part, uv in zip(parts, maps, strict=True)]

    def _draw(self) -> None:
        """In the 3D view's own drawing, where the graphics card listens."""
        shader = gpu.shader.from_builtin("IMAGE" if bpy.app.version >= (4, 0, 0) else "3D_IMAGE")
        if self._texture is None:
            data = gpu.types.Buffer("FLOAT", len(self.flat), self.flat)
            self._texture = gpu.types.GPUTexture(self.size, format="RGBA16F", data=data)
        with _in_front():
            for number, (name, corners) in enumerate(zip(self.names, self._batches, strict=True)):
                item = bpy.data.objects.get(name)
                if item is None or item.mode != "OBJECT" or not item.visible_get():
                    continue
                if isinstance(corners, dict):
                    corners = self._batches[number] = batch_for_shader(shader, "TRIS", **corners)
                with gpu.matrix.push_pop():
                    gpu.matrix.multiply_matrix(item.matrix_world)
                    shader.bind()
                    shader.uniform_sampler("image", self._texture)
                    corners.draw(shader)


def linear(flat: array) -> array:
    """Values 0..1 of a picture as light, which is what 3D views' shaders take."""
    return array("f", [LIGHT[min(max(round(255 * value), 0), 255)] for value in flat])


def _corners(part: dict, uv: array) -> dict:
    """What `batch_for_shader` takes."""
    vertices, triangles = part["vertices"], part["triangles"]
    places = [vertices[3 * k : 3 * k + 3] for k in part["corner_vertex"]]
    return {
        "content": {"pos": places, "texCoord": [uv[k : k + 2] for k in range(0, len(uv), 2)]},
        "indices": [triangles[k : k + 3] for k in range(0, len(triangles), 3)],
    }


@contextlib.contextmanager
def _in_front():
    """Where faces are drawn over themselves."""
    before = gpu.state.depth_test_get(), gpu.state.depth_mask_get()
    gpu.state.depth_test_set("LESS_EQUAL")
    gpu.state.depth_mask_set(True)
    projection = gpu.matrix.get_projection_matrix()
    nearer = projection.copy()
    nearer[2] = projection[2] - NEARER * projection[3]
    gpu.matrix.load_projection_matrix(nearer)
    try:
        yield
    finally:
        gpu.matrix.load_projection_matrix(projection)
        gpu.state.depth_test_set(before[0])
        gpu.state.depth_mask_set(before[1])


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
