"""Cameras: what texsync is told of the scene's, what they see, pictures out and back; and the look while it paints."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import bpy
import pytest
from bpy_extras.object_utils import world_to_camera_view
from check_faults import part
from check_generate import drawn, image_node
from check_panel import go, handed, held
from check_scene import painted, pixels
from conftest import cube
from mathutils import Matrix, Vector


def camera(name: str = "Front", place=(0, -5, 0), look_at=(0, 0, 0), prompt: str = "", **values):
    """Looks from a place at another."""
    made = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    bpy.context.scene.collection.objects.link(made)
    made.matrix_world = Matrix.Translation(place) @ (
        (Vector(look_at) - Vector(place)).to_track_quat("-Z", "Y").to_matrix().to_4x4()
    )
    made.texsync_prompt = prompt
    for key, value in values.items():
        setattr(made.data, key, value)
    bpy.context.view_layer.update()
    return made


def render(width: int, height: int) -> None:
    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = width, height


@pytest.mark.parametrize("size", [(1920, 1080), (600, 800), (512, 512)])
@pytest.mark.parametrize(
    "more", [{}, {"sensor_fit": "VERTICAL", "lens": 28}, {"shift_x": 0.2, "shift_y": -0.1}]
)
def test_a_camera_is_told_as_blender_has_it(played, size, more):
    """Where Blender says that a point falls in the frame, there it falls in the square around the frame."""
    render(*size)
    item, scene = camera(place=(2, -4, 1.5), **more), bpy.context.scene
    item.scale = (2, 3, 0.5)
    bpy.context.view_layer.update()
    (told,) = part(played, "scene_cameras").described([item], scene)["cameras"]
    half, (x, y) = math.tan(math.radians(told["fov_deg"]) / 2), told.get("centre", (0, 0))
    for point in ((0.3, 0.1, 0.4), (-0.2, 0.5, -0.6)):
        seen = Matrix(told["transform_matrix"]).inverted() @ Vector(point)
        ours = (seen.x / -seen.z / half - x, seen.y / -seen.z / half - y)
        theirs = world_to_camera_view(scene, item, Vector(point))
        for share, got, side in zip(theirs, ours, size, strict=False):
            assert (2 * share - 1) * side / max(size) == pytest.approx(got, abs=1e-4)


def test_the_scenes_cameras_paint_with_prompts_of_their_own(ui):
    """On the real worker: those that are selected, the scene's own first; the prompts that it sent say whose."""
    item = cube()
    for name, place, prompt in (
        ("B", (0, -5, 0), ""),
        ("A", (5, 0, 2), "{prompt}, a door"),
        ("C", (0, 5, 0), "x"),
    ):
        camera(name, place, prompt=prompt).select_set(name != "C")
    bpy.context.scene.camera = bpy.data.objects["B"]
    bpy.context.view_layer.objects.active = item
    ui.generate(cameras="scene")
    made = handed(ui)
    assert [one["name"] for one in made["cameras_read"]["cameras"]] == ["B", "A"]
    assert "a door" in made["sent"]["prompts"][1] and "a door" not in made["sent"]["prompts"][0]


def test_coverage_views_and_their_pictures_back(ui, tmp_path):
    """On the real worker: one camera sees one side of a cube; its picture, painted over, comes back on that side."""
    item = cube()
    old = painted(item)
    camera()
    ui.set(cameras="scene", prompt="", export_size=64)
    assert bpy.ops.texsync.coverage() == {"FINISHED"}
    ui.wait()
    said = "1 camera sees 1[67] % of the surface, 1[67] % better than 60 degrees"
    assert re.fullmatch(said, ui.state.outcome.seen), ui.problem() or ui.state.outcome.seen
    assert "1 camera sees 1" in drawn(bpy.types.TEXSYNC_PT_cameras)
    assert not [path for path in ui.folder.iterdir() if path.is_dir()]
    assert bpy.ops.texsync.export_views(directory=str(tmp_path)) == {"FINISHED"}
    ui.wait()
    folder = tmp_path / "Box_views"
    assert {"cameras.json", "picture_00.png", "view_00_depth.png"} <= {path.name for path in folder.iterdir()}
    assert not [path for path in ui.folder.iterdir() if path.is_dir()]
    shown = bpy.data.images.load(str(folder / "picture_00.png"))
    assert tuple(shown.size) == (64, 64) and middle(shown) == (64, 128, 191)
    blue = bpy.data.images.new("Blue", 64, 64)
    blue.pixels.foreach_set([0.0, 0.0, 1.0, 1.0] * 64**2)
    part(ui, "scene_cameras").write_picture(blue, folder / "picture_00.png")
    assert bpy.ops.texsync.project(directory=str(folder)) == {"FINISHED"}
    ui.wait()
    assert ui.problem() == "" and ui.state.outcome.done == "Box pictures"
    baked_in_front(item, old)
    bpy.ops.texsync.export_views(directory=str(tmp_path))
    ui.wait()
    assert (tmp_path / "Box_views_2").is_dir()


def test_background_images_are_baked(ui):
    """Also one that is painted and not saved; nothing is left of what was written for it."""
    item = cube()
    old = painted(item)
    with_background(camera(), (96, 96))
    render(96, 96)
    assert bpy.ops.texsync.project_own() == {"FINISHED"}
    ui.wait()
    assert ui.problem() == ""
    baked_in_front(item, old)
    (folder, record) = ui.state.latest(ui.folder)[0]
    assert record["seed"] is None and not (folder / "pictures").exists()
    assert "Box pictures" in drawn(bpy.types.TEXSYNC_PT_results)
    assert bpy.ops.texsync.recall(result=str(folder)) == {"FINISHED"}


def with_background(item, size, colour=(0.0, 0.0, 1.0, 1.0)):
    image = bpy.data.images.new("Behind", *size)
    image.pixels.foreach_set([*colour] * (size[0] * size[1]))
    item.data.show_background_images = True
    behind = item.data.background_images.new()
    behind.image = image
    return behind


def middle(image) -> tuple:
    at = 4 * (image.size[0] * (image.size[1] // 2) + image.size[0] // 2)
    return tuple(round(255 * value) for value in image.pixels[at : at + 3])


def baked_in_front(item, old) -> None:
    """The new picture has the old one's size; what no camera sees is as it was, and a sixth of the cube is blue."""
    image = image_node(item.data.materials[item.data.polygons[0].material_index]).image
    assert tuple(image.size) == tuple(old.size)
    new, before = pixels(image), pixels(old)
    blue = sum(new[k] < 0.01 and new[k + 2] > 0.99 for k in range(0, len(new), 4))
    same = sum(new[k : k + 3] == before[k : k + 3] for k in range(0, len(new), 4))
    assert 0.02 < blue / (len(new) / 4) < 0.2 and blue + same > 0.95 * len(new) / 4


def without(_):
    return None


def orthographic(_):
    camera(type="ORTHO")


def picture_of_another_shape(_):
    with_background(camera(), (64, 64))


def picture_that_is_moved(_):
    with_background(camera(), (192, 108)).offset = (0.1, 0)


@pytest.mark.parametrize(
    ("prepare", "operator", "why"),
    [
        (without, "generate", "The scene has no camera"),
        (without, "coverage", "The scene has no camera"),
        (orthographic, "export_views", "is ortho"),
        (lambda _: camera(), "project_own", "No camera has a background image"),
        (picture_of_another_shape, "project_own", "not the shape of the render"),
        (picture_that_is_moved, "project_own", "moved, turned or scaled"),
    ],
)
def test_a_grey_button_says_why(played, prepare, operator, why):
    cube()
    render(1920, 1080)
    prepare(played)
    played.set(cameras="scene")
    assert not getattr(bpy.ops.texsync, operator).poll()
    kind = getattr(bpy.types, f"TEXSYNC_OT_{operator}")
    told = kind.why(bpy.context) if hasattr(kind, "why") else part(played, "operators").blocked(bpy.context)
    assert why in told


def test_the_panel_lists_cameras_and_their_prompts(played):
    cube()
    camera("Left")
    render(1920, 1080)
    played.set(cameras="scene")
    said = drawn(bpy.types.TEXSYNC_PT_cameras)
    assert "Left" in said and "texsync_prompt" in said and "as wide as the render" in said
    render(512, 512)
    assert "as wide as the render" not in drawn(bpy.types.TEXSYNC_PT_cameras)
    played.set(cameras="ring")
    assert "Left" not in drawn(bpy.types.TEXSYNC_PT_cameras)


def test_a_folder_without_cameras_is_told(played, tmp_path):
    cube()
    with pytest.raises(RuntimeError, match=r"has no cameras\.json"):
        bpy.ops.texsync.project(directory=str(tmp_path))


@pytest.mark.parametrize("end", ["done", "cancelled", "failed", "crash", "another file"])
def test_the_look_while_it_paints_is_gone_however_it_ends(played, tmp_path, end):
    """And a .blend that is saved meanwhile has nothing of it."""
    item = cube()
    prompt = {"failed": "fail", "crash": "crash"}.get(end, "")
    played.folder.mkdir(exist_ok=True)
    (played.folder / "go").unlink(missing_ok=True)
    played.start(prompt=f"held {prompt}", live=True)
    look = played.session.job.live
    played.wait(until=lambda: look.seen)
    assert look.seen and not (bpy.data.images or bpy.data.materials or item.data.materials)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), copy=True)
    if end == "cancelled":
        bpy.ops.texsync.cancel()
    elif end == "another file":
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
        assert not (bpy.data.images or bpy.data.materials or bpy.data.objects["Box"].data.materials)
    else:
        go(played)
    played.wait()
    assert not look.seen and bool(bpy.data.images) == (end == "done")


def test_without_being_asked_for_there_is_no_look(played):
    cube()
    held(played)
    assert played.session.job.live is None
    go(played)
    played.wait()
    assert json.loads(Path(played.state.latest(played.folder)[0][0] / "texture" / "run.json").read_text())[
        "shows"
    ] == {
        "previews": True,
        "textures": False,
    }
