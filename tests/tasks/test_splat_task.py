"""Splats and a prompt in, splats with new colours out: the whole way, on a model of random numbers."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from painted import Watch
from PIL import Image
from refusals import refused
from splat_scenes import splats_on_mesh

from texsync import (
    Cancelled,
    InputError,
    TexturedSplats,
    cli,
    mesh_views,
    repeat,
    texture_mesh,
    texture_splats,
)
from texsync.batch.run import run_batch
from texsync.files.camera_file import cameras_json
from texsync.files.splat_place import place
from texsync.splats.rasterise import contributions
from texsync.splats.splat_files import read_splats, splat_bytes
from texsync.splats.splat_sights import splat_pixels, strongest
from texsync.surface.cameras import Camera, rays, ring
from texsync.surface.pixels import project
from texsync.worker.tasks import tasks

numba = pytest.importorskip("numba")
pytestmark = [
    # the random model knows few words, and reads 20 tokens
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]
STAGES = ["splats", "model", "geometry", "denoise", "decode", "colours"]
UPRIGHT = {"up": "y", "front": "z"}
COUNT = 600


def ball_of_splats(count: int = COUNT):
    """A ball of radius 2 around (3, -1, 2)."""
    ball = trimesh.creation.icosphere(subdivisions=2, radius=2.0)
    ball.apply_translation((3, -1, 2))
    return splats_on_mesh(ball.vertices, ball.faces, count)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("splats") / "ball.ply"
    path.write_bytes(splat_bytes(ball_of_splats(), ".ply"))
    return path


@pytest.fixture(scope="module")
def paint(tiny_model, scene):
    def paint(**options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            more = {"steps": 2, "view_size": 32, **UPRIGHT, **options}
            return texture_splats(more.pop("scene", scene), "a red object", model=str(tiny_model), **more)

    return paint


@pytest.fixture(scope="module")
def made(paint):
    return paint()


# ---- what comes back --------------------------------------------------------------------------------------------


def test_the_result_has_what_it_promises(made):
    assert isinstance(made, TexturedSplats)
    assert made.colours.shape == (COUNT, 3) and made.colours.min() >= 0 and made.colours.max() <= 1
    assert made.views.shape == made.condition.shape == made.rendered.shape == (10, 3, 32, 32)
    assert made.seen.mean() > 0.5 and set(made.report["seconds"]) == set(STAGES)
    assert set(made.shown()) == {"front", "back"}


def test_colours_are_what_the_views_say(made):
    """Where views look straight at the splats, what is rendered is near what was painted."""
    camera, seen = made.cameras[0], contributions(made.inside, made.cameras[0], 32)
    facing = splat_pixels(made.inside, [camera], [seen]).facing[0] > 0.9
    gap = (made.views - made.rendered)[0].abs().mean(0)
    grey = (made.views[0] - made.views[0][:, facing].mean(1)[:, None, None]).abs().mean(0)
    assert gap[facing].mean() < 0.95 * grey[facing].mean()


def test_what_is_saved(made, scene, tmp_path, monkeypatch):
    """Only the colours of the file differ; it is read again with the same ones."""
    monkeypatch.setattr("texsync.tasks.textured_splats.FRAMES", 6)
    monkeypatch.setattr("texsync.tasks.textured_splats.FRAME_SIZE", 48)
    folder = made.save(tmp_path / "out", formats=["own", "spz", "sheet", "turntable"])
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "ball_textured.ply",
        "ball_textured.spz",
        "views.png",
        "turntable.gif",
        "run.json",
    }
    before, after = read_splats(scene), read_splats(folder / "ball_textured.ply")
    for part in ("means", "scales", "rotations", "opacity"):
        assert np.array_equal(getattr(before, part), getattr(after, part)), part
    assert np.allclose(after.colour, made.colours, atol=1e-5)
    record = json.loads((folder / "run.json").read_text())
    assert record["splats"] == {"name": "ball", "count": COUNT} and record["task"] == "splats"
    with Image.open(folder / "turntable.gif") as turning:
        assert turning.n_frames == 6 and turning.size == (48, 48)


def test_a_run_can_be_repeated(made, tmp_path):
    made.save(tmp_path / "out", formats="own")
    assert np.array_equal(repeat(tmp_path / "out").colours, made.colours)


@pytest.mark.parametrize("options", [{"chunk": 1}, {"chunk": 7}], ids=str)
def test_the_result_does_not_depend_on_the_chunk(made, paint, options):
    again = paint(**options)
    assert np.abs(again.colours - made.colours).max() < 1e-3


@pytest.mark.parametrize("coupling", ["none", "synctweedies", "multidiffusion", "syncmvd"])
def test_every_coupling_runs(made, paint, coupling):
    other = paint(coupling=coupling)
    assert np.isfinite(other.colours).all() and not np.array_equal(other.colours, made.colours)


def test_several_seeds(made, paint, tmp_path):
    several = paint(count=2)
    assert len(several) == 2 and np.array_equal(several[0].colours, made.colours)
    folder = several.save(tmp_path / "out", formats="own")
    assert (folder / "seed_1" / "ball_textured.ply").is_file() and (folder / "overview.png").is_file()


def test_progress_previews_and_cancelling(paint):
    watch = Watch()
    paint(on_progress=watch)
    assert list(dict.fromkeys(stage for stage, _, _ in watch.calls)) == STAGES
    assert watch.previews and watch.previews[0].shape == (10, 3, 32, 32)
    with pytest.raises(Cancelled):
        paint(on_progress=Watch("denoise", 1))


# ---- where they are ---------------------------------------------------------------------------------------------


def test_strays_do_not_move_the_ring():
    """A hundredth of the splats a hundred radii away; a scene ten times as large elsewhere gives the same frame."""
    splats = ball_of_splats()
    clean = place(splats, "y", "z")
    assert np.allclose(np.linalg.norm(clean.splats.means, axis=1), 1, atol=0.05)
    assert np.allclose(clean.to_world[:3, 3], (3, -1, 2), atol=0.1) and clean.scale == pytest.approx(
        2, abs=0.05
    )
    means = splats.means.copy()
    means[::100] = 200 * np.random.default_rng(0).normal(size=means[::100].shape)
    dirty = place(replace(splats, means=means), "y", "z")
    assert np.abs(dirty.to_world - clean.to_world).max() < 0.1 and (~dirty.kept).sum() == len(means[::100])
    alone = place(replace(splats, means=np.zeros_like(means)), "y", "z")
    assert np.isfinite(alone.splats.means).all() and np.isfinite(alone.splats.scales).all()


def test_a_capture_is_upright_without_a_word():
    """COLMAP's +y points down, and its cameras look along +z."""
    placed = place(ball_of_splats())
    world = np.array([3, -1, 2]) + [0, -1.0, 0]  # above the middle
    local = np.linalg.inv(placed.to_world) @ [*world, 1]
    assert local[1] > 0.4 and abs(local[0]) < 0.1


def test_rays_are_where_pixels_look():
    cameras = [*ring()[:2], Camera(30, 20, 1.5, 40, (0.3, -0.2), 1.4, target=(0.1, 0, 0.2), roll_deg=15)]
    for camera in cameras:
        points = torch.tensor(camera.position + 1.7 * rays(camera, 8).reshape(-1, 3)).float()
        y, x = np.mgrid[:8, :8] + 0.5
        found = project([camera], points, 8)[0].numpy()
        assert np.abs(found - np.stack([x, y, np.full((8, 8), 1.7)], -1).reshape(-1, 3)).max() < 1e-4


def test_pixels_of_a_ball_of_splats_lie_on_the_ball():
    placed = place(ball_of_splats(5000), "y", "z")
    cameras = ring()[:2]
    seen = [contributions(placed.splats, camera, 48) for camera in cameras]
    pixels = splat_pixels(placed.splats, cameras, seen)
    inner = pixels.mask & (pixels.facing > 0.5)
    assert inner.float().mean() > 0.25
    radius = pixels.position.norm(dim=-1)[inner]
    assert (radius - 1).abs().median() < 0.02
    normal = (
        pixels.normal * pixels.position / pixels.position.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    ).sum(-1)
    assert normal[inner].median() > 0.97
    slow = seen[0].weights.toarray()
    assert np.array_equal(
        strongest(seen[0]).ravel(), np.where(slow.max(axis=1) > 0, slow.argmax(axis=1), -1)
    ) or np.allclose(slow[np.arange(48 * 48), strongest(seen[0]).ravel()], slow.max(axis=1))


# ---- the doors --------------------------------------------------------------------------------------------------


def test_the_shell_knows_splats_from_a_mesh(scene, tiny_model, tmp_path, capsys):
    words = ["a red object", "--model", str(tiny_model), "--steps", "1", "--view-size", "32", "--quiet"]
    assert (
        cli.main([str(scene), *words, "--up", "y", "--formats", "own", "--out", str(tmp_path / "out")]) == 0
    )
    assert (tmp_path / "out" / "ball_textured.ply").is_file()
    mesh = tmp_path / "box.ply"
    trimesh.creation.box((1, 1, 1)).export(mesh)
    assert (
        cli.main(
            [str(mesh), *words, "--texture-size", "64", "--formats", "png", "--out", str(tmp_path / "m")]
        )
        == 0
    )
    assert (tmp_path / "m" / "box_texture.png").is_file()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--texture-size", "64"], "splats --help"),
        (["--cameras", "cover"], "cover"),
        (["--cameras", "away.json"], "cameras[1] sees nothing"),
        (["--up", "z", "--front", "z"], "axis"),
        (["--view-size", "33"], "33"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_line(scene, tiny_model, tmp_path, monkeypatch, capsys, typed, said):
    monkeypatch.chdir(tmp_path)
    away = cameras_json([Camera(0), Camera(0, 0, 5.0, target=(90.0, 0.0, 0.0))])
    (tmp_path / "away.json").write_text(json.dumps(away))
    assert cli.main([str(scene), "red", "--model", str(tiny_model), "--quiet", *typed]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and said in line, line
    assert {path.name for path in tmp_path.iterdir()} == {"away.json"}


@pytest.mark.parametrize("task", [texture_mesh, mesh_views])
def test_other_tasks_say_which_paints_splats(scene, task):
    with refused("mesh-kind", thing=str(scene)) as told:
        task(scene, *(["red"] if task is texture_mesh else []))
    assert "texsync splats" in told.value.line()


def test_a_mesh_is_no_splats(tmp_path):
    trimesh.creation.box((1, 1, 1)).export(tmp_path / "box.ply")
    with pytest.raises(InputError):
        texture_splats(tmp_path / "box.ply", "red")


def test_the_worker_and_a_table_of_jobs_paint_splats(made, scene, tiny_model, tmp_path, monkeypatch):
    """By the task's name; paths in a table are relative to it."""
    monkeypatch.setattr("texsync.tasks.textured_splats.FRAMES", 2)
    options = {"prompt": "a red object", "model": str(tiny_model), "steps": 2, "view_size": 32, **UPRIGHT}
    files = tasks()["splats"]({"scene": str(scene), "out": str(tmp_path / "out"), **options}, lambda *_: None)
    assert set(files) == {"ball_textured.ply", "run.json", "turntable.gif", "views.png"}
    assert np.allclose(read_splats(files["ball_textured.ply"]).colour, made.colours, atol=1e-5)
    shutil.copy(scene, tmp_path / "ball.ply")
    row = {"task": "splats", "scene": "ball.ply", **options}
    (tmp_path / "jobs.csv").write_text(f"{','.join(row)}\n{','.join(map(str, row.values()))}\n")
    done = run_batch(tmp_path / "jobs.csv", out=tmp_path / "many")
    (folder,) = [path.parent for path in (tmp_path / "many").rglob("ball_textured.ply")]
    assert not done.failed and json.loads((folder / "run.json").read_text())["task"] == "splats"
