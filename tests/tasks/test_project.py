"""Cameras' views out, pictures back: a texture comes back as it was, and only what a picture shows is changed."""

from __future__ import annotations

import json
import shutil
from array import array
from pathlib import Path

import handed
import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from refusals import refused
from scipy.ndimage import binary_dilation

from texsync import mesh_views, project_pictures
from texsync.files.load import load
from texsync.worker.tasks import tasks

SIZE, VIEW = 128, 256
MAGENTA = (255, 0, 255)


def texture(high: int, wide: int) -> np.ndarray:
    """Waves, some texels long."""
    y, x = np.mgrid[:high, :wide] / [[[high]], [[wide]]]
    waves = [np.sin(14 * x + k) * np.cos(11 * y - 2 * k) for k in range(3)]
    return (127.5 + 100 * np.stack(waves, -1)).round().astype(np.uint8)


def painted_ball(place, own: np.ndarray):
    """A ball on its own UVs, with a picture of its own: its file."""
    mesh = load(trimesh.creation.icosphere(subdivisions=3))
    from texsync.surface.uv import prepare

    surface = prepare(mesh, policy="unwrap", texture_size=SIZE)
    corners = surface.vertices[surface.faces].reshape(-1, 3)
    flat = surface.uv[surface.uv_faces].reshape(-1, 2)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(own))
    visual = trimesh.visual.TextureVisuals(uv=flat, material=material)
    faces = np.arange(len(corners)).reshape(-1, 3)
    trimesh.Trimesh(corners, faces, visual=visual, process=False).export(place / "ball.glb")
    return place / "ball.glb"


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    """(path, picture)."""
    own = texture(SIZE, SIZE)
    return painted_ball(tmp_path_factory.mktemp("ball"), own), own


@pytest.fixture(scope="module")
def views(ball, tmp_path_factory):
    """The folder of the ball's views."""
    return mesh_views(ball[0], view_size=VIEW).save(tmp_path_factory.mktemp("views") / "views")


@pytest.fixture
def folder(views, tmp_path):
    return shutil.copytree(views, tmp_path / "views")


def test_views_baked_back_are_the_texture(ball, views):
    """On texels that some view shows, within 35 dB; all others are the mesh's own to the last bit."""
    path, own = ball
    made = project_pictures(path, views)
    assert made.texture.shape == own.shape and made.baked.seen.sum() > 0.95 * made.baked.covered.sum()
    seen = made.baked.seen
    error = (made.texture[seen].astype(float) - own[seen]) ** 2
    psnr = 10 * np.log10(255**2 / error.mean())
    assert psnr >= 35, f"PSNR {psnr:.1f} dB"


def test_a_texture_that_is_no_square_keeps_its_shape(tmp_path):
    """Twice as wide as high; and as asked for."""
    path = painted_ball(tmp_path, own := texture(SIZE, 2 * SIZE))
    folder = mesh_views(path, view_size=VIEW).save(tmp_path / "views")
    made = project_pictures(path, folder)
    assert made.texture.shape == own.shape
    assert np.abs(made.texture.astype(int) - own)[made.baked.covered].mean() < 2
    made = project_pictures(path, folder, texture_size="96x64")
    assert made.texture.shape == (64, 96, 3) and made.report["options"]["texture_size"] == (96, 64)


def test_what_no_picture_shows_is_the_meshs_own_to_the_last_bit(ball, folder):
    """One picture painted red in its middle, all else clear."""
    path, own = ball
    for picture in folder.glob("picture_*.png"):
        clear = np.zeros((VIEW, VIEW, 4), np.uint8)
        if picture.name == "picture_00.png":
            clear[96:160, 96:160] = (255, 0, 0, 255)
        Image.fromarray(clear).save(picture)
    made = project_pictures(path, folder)
    red = (made.texture == [255, 0, 0]).all(axis=-1)
    assert 0.004 < red[made.baked.covered].mean() < 0.02
    assert np.array_equal(made.texture[clear_of(red)], own[clear_of(red)])


def between(made, own: np.ndarray, colour) -> bool:
    """Whether all texels are of a mixture, and those that no view shows the mesh's own to the last bit."""
    low, high = np.minimum(own, colour), np.maximum(own, colour)
    mixed = (made.texture >= low - 1) & (made.texture <= high + 1)
    hidden = made.baked.covered & ~made.baked.seen
    return bool(mixed[made.baked.covered].all() and np.array_equal(made.texture[hidden], own[hidden]))


def clear_of(painted: np.ndarray) -> np.ndarray:
    """Texels that are not, nor mixed with, painted ones."""
    return ~binary_dilation(painted, iterations=2)


def test_the_texture_shines_through_what_is_half_clear(ball, folder):
    """A blue layer of a quarter's opacity in each picture: a quarter of the way to blue, however many show a place; and
    views that are clear there take nothing away."""
    path, own = ball
    pictures = sorted(folder.glob("picture_*.png"))
    for clear in (pictures[1::2], pictures[2:]):
        for picture in pictures:
            Image.new("RGBA", (VIEW, VIEW), (0, 0, 255, 0 if picture in clear else 64)).save(picture)
        made = project_pictures(path, folder)
        mixed = own + 64 / 255 * (np.array([0, 0, 255]) - own)
        exact = np.abs(made.texture - mixed).max(axis=-1) <= 1
        assert exact[made.baked.seen].mean() > 0.8 and between(made, own, mixed)


def test_a_backdrop_never_enters(ball, folder):
    """Magenta beside the mesh, and a little over its edge too, as pictures are that were resized."""
    path, own = ball
    for picture in folder.glob("picture_*.png"):
        Image.composite(
            Image.new("RGB", (VIEW, VIEW), "green"),
            Image.new("RGB", (VIEW, VIEW), MAGENTA),
            Image.open(picture).getchannel("A"),
        ).resize((VIEW * 2, VIEW * 2), Image.Resampling.BILINEAR).save(picture)
    made = project_pictures(path, folder)
    green = (made.texture == [0, 128, 0]).all(axis=-1)
    assert green[made.baked.seen].mean() > 0.9 and between(made, own, (0, 128, 0))


def test_a_picture_that_is_not_square_stands_in_the_middle(ball, folder):
    """Wide pictures: above and below them is nothing known."""
    path, own = ball
    for picture in folder.glob("picture_*.png"):
        Image.new("RGB", (400, 160), "blue").save(picture)
    made = project_pictures(path, folder)
    blue = (made.texture == [0, 0, 255]).all(axis=-1)
    assert between(made, own, (0, 0, 255))
    # the front view alone: what it shows blue lies in the middle two fifths of its height
    shown = made.pixels.uv[0][made.pixels.mask[0]]
    row, column = (
        ((1 - shown[:, 1]) * SIZE).long().clamp(0, SIZE - 1),
        (shown[:, 0] * SIZE).long().clamp(0, SIZE - 1),
    )
    height = made.pixels.mask[0].nonzero()[:, 0] / made.pixels.size
    assert torch.as_tensor(blue)[row, column][(height - 0.5).abs() < 0.15].float().mean() > 0.95


def test_a_mesh_without_a_texture_is_filled(tmp_path):
    path = tmp_path / "knob.obj"
    trimesh.creation.icosphere(subdivisions=2).export(path)
    seen = mesh_views(path, view_size=64, cameras={"cameras": [{"azimuth_deg": 0}]}).save(tmp_path / "views")
    assert (np.asarray(Image.open(seen / "picture_00.png"))[32, 32] > 100).all()  # grey, to be painted over
    Image.new("RGB", (64, 64), "red").save(seen / "picture_00.png")
    made = project_pictures(path, seen, texture_size=64)
    assert (made.texture == [255, 0, 0]).all() and made.baked.seen.mean() < 0.6
    saved = made.save(tmp_path / "made", formats=("glb", "png", "sheet"))
    assert {one.name for one in saved.iterdir()} == {"knob.glb", "knob_texture.png", "views.png", "run.json"}


def test_a_plain_colour_is_a_texture_too(tmp_path):
    """Of a mesh whose materials have no pictures, only what is painted changes."""
    mesh = trimesh.creation.icosphere(subdivisions=2)
    brown = trimesh.visual.material.PBRMaterial(baseColorFactor=[150, 110, 70, 255])
    mesh.visual = trimesh.visual.TextureVisuals(material=brown)
    mesh.export(tmp_path / "knob.glb")
    camera = {"cameras": [{"azimuth_deg": 0}]}
    folder = mesh_views(tmp_path / "knob.glb", view_size=64, cameras=camera).save(tmp_path / "views")
    picture = np.asarray(Image.open(folder / "picture_00.png"))
    own = picture[32, 32, :3]
    assert own[0] > own[1] > own[2]
    painted = np.zeros_like(picture)
    painted[24:40, 24:40] = (0, 0, 255, 255)
    Image.fromarray(painted).save(folder / "picture_00.png")
    made = project_pictures(tmp_path / "knob.glb", folder, texture_size=64)
    blue = (made.texture == [0, 0, 255]).all(axis=-1)
    assert 0.001 < blue.mean() < 0.1 and (made.texture[clear_of(blue)] == own).all()


def test_what_is_written_says_what_is_seen(ball, views):
    """Depth in the file's units, normals to the camera, positions on the ball, the mask of all of them."""
    said = json.loads((views / "cameras.json").read_text())
    assert len(said["cameras"]) == len(list(views.glob("picture_*.png"))) >= 10
    for k, camera in enumerate(said["cameras"]):
        mask = np.asarray(Image.open(views / f"view_{k:02d}_mask.png")) > 0
        steps = np.asarray(Image.open(views / f"view_{k:02d}_depth.png")).astype(float)
        assert steps.max() == 65535 and ((steps > 0) == mask).all()
        depth = camera["near"] + (camera["far"] - camera["near"]) * (65535 - steps) / 65534
        where = np.load(views / f"view_{k:02d}_position.npz")["position"]
        assert (np.isfinite(where).all(axis=-1) == mask).all()
        assert np.allclose(np.linalg.norm(where[mask], axis=1), 1, atol=0.02)
        matrix = np.linalg.inv(camera["opengl_matrix"])
        assert np.allclose(-(where[mask] @ matrix[2, :3] + matrix[2, 3]), depth[mask], atol=1e-3)
        normal = np.asarray(Image.open(views / f"view_{k:02d}_normal.png"))[mask] / 127.5 - 1
        # a ball's normal is where it is: right of the middle it looks right, on top it looks up, at the middle to us
        local = where[mask] @ matrix[:3, :3].T
        assert np.abs(normal - local).mean() < 0.05
        alpha = np.asarray(Image.open(views / f"picture_{k:02d}.png").getchannel("A")) > 0
        assert (alpha == mask).all()


def spoilt(folder, how):
    said = json.loads((folder / "cameras.json").read_text())
    if how == "missing":
        (folder / "picture_03.png").unlink()
    elif how == "more":
        shutil.copy(folder / "picture_03.png", folder / "picture_77.png")
    elif how == "size":
        Image.new("RGB", (99, 99)).save(folder / "picture_02.png")
    elif how == "none":
        (folder / "cameras.json").unlink()
    elif how == "clear":
        for picture in folder.glob("picture_*.png"):
            Image.new("RGBA", (VIEW, VIEW)).save(picture)
    elif how == "no picture":
        (folder / "picture_01.png").write_text("moss")
    elif how in ("outside", "twice"):
        said["cameras"][1]["picture"] = {"outside": "../picture_01.png", "twice": "picture_00.png"}[how]
        (folder / "cameras.json").write_text(json.dumps(said))
    elif how == "blind":
        said["cameras"][2]["target"] = [0, 90, 0]
        (folder / "cameras.json").write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("missing", "pictures-count"),
        ("more", "pictures-count"),
        ("size", "pictures-size"),
        ("none", "cameras-file"),
        ("clear", "pictures-blank"),
        ("no picture", "picture-kind"),
        ("outside", "cameras-file"),
        ("twice", "cameras-file"),
        ("blind", "camera-blind"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(ball, folder, how, code):
    spoilt(folder, how)
    with refused(code):
        project_pictures(ball[0], folder)


def test_pictures_are_baked_for_another_program(tmp_path):
    """As the worker does it: views of a mesh that is handed over, and their pictures back on its own map."""
    shown = {"width": SIZE, "height": SIZE, "pixels": array("f", [1.0, 0.0, 0.0, 1.0] * SIZE**2)}
    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()), picture=shown)
    front = [[1, 0, 0, 0], [0, 0, -1, -4], [0, 1, 0, 0], [0, 0, 0, 1]]
    cameras = {"cameras": [{"transform_matrix": front, "convention": "opengl", "fov_deg": 60}]}
    asked = {"mesh": str(path), "cameras": cameras, "view_size": 64, "out": str(tmp_path / "views")}
    files = tasks()["views"](asked, lambda *_: None)
    shares = json.loads(Path(files["run.json"]).read_text())["seen"]
    assert shares == {"cameras": 1, "seen": pytest.approx(1 / 6, abs=0.01), "well_seen": shares["seen"]}
    with Image.open(files["picture_00.png"]) as picture:
        assert picture.convert("RGB").getpixel((32, 32)) == (255, 0, 0)
        Image.new("RGB", picture.size, (0, 0, 255)).save(files["picture_00.png"])
    asked = {
        "mesh": str(path),
        "pictures": str(tmp_path / "views"),
        "uvs": "keep",
        "out": str(tmp_path / "o"),
    }
    made = tasks()["project"](asked, lambda *_: None)
    assert set(made) == {"texture.png", "look.png", "run.json"}
    red, green, blue = np.moveaxis(
        np.asarray(Image.open(made["texture.png"]).convert("RGB")).astype(int), -1, 0
    )
    assert not green.any() and (abs(red + blue - 255) <= 1).all()
    assert (
        min((red == 255).mean(), (blue == 255).mean()) > 0.05 and ((red == 255) | (blue == 255)).mean() > 0.9
    )


def test_the_axes_are_those_that_the_views_had(tmp_path):
    """Views of a file whose up was said are baked back without saying it again."""
    path = tmp_path / "block.obj"
    trimesh.creation.box((1, 2, 3)).export(path)
    camera = {"cameras": [{"azimuth_deg": 30, "elevation_deg": 60}]}
    seen = mesh_views(path, view_size=64, cameras=camera, up="z").save(tmp_path / "views")
    made = project_pictures(path, seen, texture_size=64)
    assert made.report["up"] == "z"
    assert np.array_equal(made.pixels.mask[0], np.asarray(Image.open(seen / "view_00_mask.png")) > 0)
