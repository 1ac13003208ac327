"""How long Blender stands still while a mesh is handed over and its texture put on.

python -m venv .venv-bpy && .venv-bpy/bin/pip install bpy==4.5.15       (Python 3.11)
.venv-bpy/bin/python benchmarks/blender_handoff.py

Both happen on Blender's main thread; everything in between does not.  An icosphere stands for the mesh, a UV sphere
unwrapped by Blender for one with UVs of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from array import array
from pathlib import Path

PLACE = Path(tempfile.mkdtemp())
os.environ["BLENDER_USER_RESOURCES"] = str(PLACE)

import bpy  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))
import addon_utils  # noqa: E402

addon_utils.enable("blender_addon", default_set=True)

from blender_addon import apply, jobs  # noqa: E402


def main() -> None:
    print(f"Blender {bpy.app.version_string}")
    print(f"{'mesh':<24}{'triangles':>10}{'hand over':>12}{'apply':>10}   seconds, best of three")
    for subdivisions in (5, 6, 7):
        row(
            "icosphere",
            lambda n=subdivisions: bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=n, calc_uvs=False),
        )
    row("UV sphere, own UVs", lambda: bpy.ops.mesh.primitive_uv_sphere_add(segments=576, ring_count=288))
    row(
        "the same, edit mode",
        lambda: bpy.ops.mesh.primitive_uv_sphere_add(segments=576, ring_count=288),
        "EDIT",
    )
    row(
        "all of it selected",
        lambda: bpy.ops.mesh.primitive_uv_sphere_add(segments=576, ring_count=288),
        "EDIT",
        True,
    )


def row(name: str, make, mode: str = "OBJECT", selected_only: bool = False) -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    make()
    item = bpy.context.object
    item.data.calc_loop_triangles()
    triangles = len(item.data.loop_triangles)
    bpy.context.scene.texsync.prompt = "stone"
    bpy.context.scene.texsync.selected_only = selected_only
    bpy.ops.object.mode_set(mode=mode)
    times = [once(item) for _ in range(3)]
    handed, applied = (min(column) for column in zip(*times, strict=True))
    print(f"{name:<24}{triangles:>10}{handed:>12.3f}{applied:>10.3f}")


def once(item: bpy.types.Object) -> tuple[float, float]:
    """Seconds to hand over, and to apply a new map and a 1024 texture."""
    start = time.perf_counter()
    settings = bpy.context.scene.texsync
    (run,) = jobs.start(bpy.context, settings, PLACE, lambda job: None, lambda folder, record: None)
    handed = time.perf_counter() - start
    fake_result(run.folder, run.record["targets"][0]["corners"])
    start = time.perf_counter()
    apply.apply(run.folder)
    return handed, time.perf_counter() - start


def fake_result(folder: Path, corners: int) -> None:
    """A picture and a map, as the worker would have written them."""
    (folder / "texture").mkdir()
    image = bpy.data.images.new("fake", 1024, 1024)
    image.filepath_raw, image.file_format = str(folder / "texture" / "texture.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)
    flat = array("f", [0.5, time.perf_counter() % 1]) * corners
    (folder / "texture" / "uvs.bin").write_bytes(flat.tobytes())


if __name__ == "__main__":
    main()
