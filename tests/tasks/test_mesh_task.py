"""A mesh and a prompt in, a textured mesh out: the whole way, on a model of random numbers and on mini."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from painted import CRATE, MESHES, Watch, apart, ball
from PIL import Image
from refusals import refused

from texsync import Cancelled, InputError, TexsyncWarning, TexturedMesh, repeat, texture_mesh
from texsync.backbones.families.diffusion import DiffusionBackbone
from texsync.files.camera_file import cameras_json
from texsync.progress import STAGES as ALL_STAGES
from texsync.show import render as preview
from texsync.tasks.mesh import Job, MeshOptions

pytestmark = [
    # the random model knows few words, and reads 20 tokens
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]

STAGES = ["mesh", "model", "geometry", "denoise", "decode", "texture"]
WRITTEN = {"glb", "obj", "mtl", "_texture.png"}

NOT_THERE = [  # None is their value
    "controlnet",
    "chunk",
    "clip_skip",
    "control_kind",
    "vae",
    "ip_adapter",
    "image_prompt",
    "vram",
    "start",
    "start_noise",
    "repaint",
    "feather",
    "upscale_model",
]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ---- what comes back --------------------------------------------------------------------------------------------


def test_the_result_has_what_it_promises(crate):
    assert isinstance(crate, TexturedMesh)
    assert crate.texture.shape == (128, 128, 3) and crate.texture.dtype == np.uint8
    assert crate.views.shape == crate.condition.shape == (12, 3, 64, 64)
    for pictures in (crate.views, crate.condition):
        assert pictures.dtype == torch.float32 and pictures.min() >= 0 and pictures.max() <= 1
    assert isinstance(crate.mesh, trimesh.Scene)
    painted = next(iter(crate.mesh.geometry.values())).visual.material
    assert np.array_equal(np.array(painted.baseColorTexture), crate.texture)
    assert set(crate.report["seconds"]) == set(STAGES) <= set(ALL_STAGES)


def test_tops_and_undersides_are_painted_from_there_and_it_is_said(paint):
    with pytest.warns(
        TexsyncWarning, match="added a top view and a bottom view: .* % of the surface was seen"
    ):
        made = paint(CRATE)
    assert [camera.elevation_deg for camera in made.pixels.cameras[10:]] == [90, -90]
    said = made.report["views_added"]
    assert said["names"] == ["top", "bottom"] and said["well_seen"] > said["well_seen_before"] + 0.1
    plain = paint(CRATE, extra_views="none")
    assert len(plain.views) == 10 and "views_added" not in plain.report


def test_the_ring_through_a_file_is_the_ring_to_the_bit(crate, paint, tmp_path):
    """The whole task: cameras of a run, written down and read, paint the same texture; so does a repeat of it."""
    path, said = tmp_path / "cameras.json", cameras_json(crate.pixels.cameras, crate.loaded)
    path.write_text(json.dumps(said))
    again = paint(CRATE, cameras=path)
    assert again.pixels.cameras == crate.pixels.cameras
    assert np.array_equal(again.texture, crate.texture) and torch.equal(again.views, crate.views)
    assert again.report["cameras_read"] == cameras_json(crate.pixels.cameras)
    again.save(tmp_path / "made", formats="png")
    assert np.array_equal(repeat(tmp_path / "made").texture, crate.texture)


def test_a_camera_has_its_own_prompt(paint, monkeypatch):
    told = []
    predictor = DiffusionBackbone.predictor
    monkeypatch.setattr(
        DiffusionBackbone,
        "predictor",
        lambda self, conditions, chunk=None: told.append(conditions) or predictor(self, conditions, chunk),
    )
    views = [
        {"azimuth_deg": 0, "prompt": "{prompt}, a door"},
        {"azimuth_deg": 180, "prompt": "moss"},
        {"azimuth_deg": 90},
    ]
    made = paint(CRATE, prompt="wood", cameras={"cameras": views})
    assert [p.partition("view")[0].rpartition("detailed ")[2] for p in told[0].prompts] == [
        "wood, a door, front ",
        "moss, back ",
        "wood, side ",
    ]
    assert len(made.views) == 3 and made.report["options"]["cameras"] == {"cameras": views}


def test_cameras_are_chosen_to_cover(paint, monkeypatch):
    monkeypatch.setattr("texsync.surface.coverage.MOST", 5)
    monkeypatch.setattr("texsync.surface.coverage.AROUND", 12)
    monkeypatch.setattr("texsync.surface.coverage.BADLY_SEEN", 4)
    with pytest.warns(
        TexsyncWarning, match="5 cameras see .* % of the visible surface better than 60 degrees"
    ):
        made = paint(CRATE, cameras="cover")
    said = made.report
    assert said["coverage"]["cameras"] == len(made.views) == 5 and said["options"]["cameras"] == "cover"
    assert said["cameras_chosen"] == cameras_json(made.pixels.cameras)
    assert 0 < said["coverage"]["well_seen"] <= 1 and 0 < said["coverage"]["well_seen_by_ring"] <= 1


@pytest.mark.parametrize(
    ("cameras", "code"),
    [
        ("nonesuch", "cameras-file"),
        ({"cameras": [{"azimuth_deg": 0}, {"position": [0, 0, 9], "look_at": [0, 0, 99]}]}, "camera-blind"),
        ({"cameras": []}, "cameras-file"),
        (7, "option-type"),
    ],
)
def test_wrong_cameras_are_told_before_the_model_loads(paint, monkeypatch, cameras, code):
    monkeypatch.setattr("texsync.tasks.parts.model_of", lambda *_: pytest.fail("the model was loaded first"))
    with refused(code):
        paint(CRATE, cameras=cameras)


@pytest.mark.parametrize(
    "wrong", [{"model": "nonesuch"}, {"device": "cuda:99"}, {"controlnet": "no/such/folder"}]
)
def test_a_model_or_device_that_is_not_there_is_told_before_long_work_on_the_mesh(paint, monkeypatch, wrong):
    monkeypatch.setattr("texsync.files.load.load", lambda *_, **__: pytest.fail("the mesh was read first"))
    with pytest.raises(InputError, match="nonesuch|cuda|no/such/folder"):
        paint(CRATE, **wrong)


def test_every_texel_has_a_colour_of_the_views_or_of_the_fill(paint, monkeypatch):
    """Views that are green on the object and magenta beside it leave no magenta anywhere in the texture."""
    seen = {}

    def condition(pixels, *_):
        seen["mask"] = pixels.mask
        return torch.zeros(len(pixels.mask), 3, 64, 64)

    def decode(self, latents):
        green, magenta = (torch.tensor(c).view(1, 3, 1, 1) for c in ((0.0, 1.0, 0.0), (1.0, 0.0, 1.0)))
        return torch.where(seen["mask"][:, None], green, magenta)

    monkeypatch.setattr("texsync.surface.control_pictures.rendered", condition)
    monkeypatch.setattr(DiffusionBackbone, "decode", decode)
    made = paint(CRATE)
    assert (made.texture == [0, 255, 0]).all()
    assert made.baked.covered.any() and not made.baked.seen[~made.baked.covered].any()
    assert 0.5 < made.baked.seen.sum() / made.baked.covered.sum() < 1


def test_the_views_carry_the_prompt_the_depth_and_the_camera(paint, monkeypatch):
    """Each view is told its own name; other words, other negatives and no depth all make another texture."""
    told = []
    predictor = DiffusionBackbone.predictor

    def listen(self, conditions, chunk=None):
        told.append(conditions)
        return predictor(self, conditions, chunk)

    monkeypatch.setattr(DiffusionBackbone, "predictor", listen)
    first = paint(ball(), "copper", view_order="paper")
    sides = [
        "back",
        "back",
        "side",
        "side",
        "front",
        "side",
        "side",
        "back",
        "front",
        "back",
        "top",
        "bottom",
    ]
    assert [prompt.rpartition(", ")[2] for prompt in told[0].prompts] == [f"{s} view." for s in sides]
    assert torch.equal(told[0].control, first.condition) and first.condition[:, :, 32, 32].min() > 0.9
    for change in ({"negative": "copper"}, {"control_scale": (0.0, 0.0)}, {"guidance": 1.0}):
        assert apart(first, paint(ball(), "copper", view_order="paper", **change)).max() > 1, change


# ---- the same again ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mini_run():
    """Three steps of mini on small views, by chunk size and seed."""
    done = {}

    def run(chunk: int | None, seed: int = 0) -> TexturedMesh:
        if (chunk, seed) not in done:
            few = {"device": "cpu", "steps": 3, "view_size": 64, "texture_size": 256}
            done[chunk, seed] = texture_mesh(CRATE, "weathered copper", chunk=chunk, seed=seed, **few)
        return done[chunk, seed]

    return run


@pytest.mark.parametrize("chunk", [1, 3, None])
def test_chunk_size_does_not_change_the_texture(mini_run, chunk):
    """To one level of 8 bits, with the embedded model."""
    assert apart(mini_run(10), mini_run(chunk)).max() <= 1


def test_another_seed_makes_another_texture(mini_run):
    assert apart(mini_run(10), mini_run(10, seed=1)).mean() > 2


def test_the_same_seed_makes_the_same_file(paint, crate, still, tmp_path):
    for name, made in (("one", crate), ("two", paint(CRATE)), ("other", paint(CRATE, seed=1))):
        made.save(tmp_path / name)
    one, two, other = (tmp_path / name / "crate_texture.png" for name in ("one", "two", "other"))
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()
    assert (tmp_path / "one/crate.glb").read_bytes() == (tmp_path / "two/crate.glb").read_bytes()


def test_run_json_holds_every_option_and_paints_the_same_again(paint, still, tmp_path):
    """Of a run that leaves most to the model, and of one that says everything, numpy's numbers included."""
    every = {
        "seed": np.int64(7),
        "strength": np.float32(2),
        "coupling": "syncsde",
        "integrator": "exact",
        "controlnet": None,
        "uvs": "unwrap",
        "device": "cpu",
        "dtype": "bf16",
        "chunk": 4,
        "negative": "copper",
        "guidance": 3,
        "control_scale": [0.25, 1],
        "view_order": "paper",
        "framing": "paper",
        "extra_views": "none",
        "up": "y",
        "front": "x",
        "noise": "independent",
    }
    for number, asked in enumerate(({}, every)):
        made = paint(CRATE, **asked)
        record = json.loads((made.save(tmp_path / str(number)) / "run.json").read_text())
        assert set(record) >= set(MeshOptions.defaults())
        again = record["options"]
        assert {name: again[name] for name in asked} == asked
        assert not [name for name, value in again.items() if value is None and name not in NOT_THERE]
        assert np.array_equal(texture_mesh(CRATE, **again).texture, made.texture)
        assert record["mesh"] == {"name": "crate", "faces": 968} and record["versions"]["texsync"]


# ---- progress ---------------------------------------------------------------------------------------------------


def test_progress_goes_through_all_stages_in_order(paint):
    watch = Watch()
    made = paint(ball(), steps=4, on_progress=watch)
    assert list(dict.fromkeys(stage for stage, _, _ in watch.calls)) == STAGES
    for stage in STAGES:
        steps = [(step, total) for name, step, total in watch.calls if name == stage]
        whole = 4 if stage == "denoise" else 1
        assert list(dict.fromkeys(steps)) == [(step, whole) for step in range(whole + 1)]
    assert len(watch.previews) == 4
    for picture in watch.previews:
        assert picture.shape == made.views.shape and picture.min() >= 0 and picture.max() <= 1
    error = [(picture - made.views).abs().mean() for picture in watch.previews]
    assert error[-1] < error[0]  # what is shown becomes what is got


def test_large_textures_show_progress_while_they_are_looked_up(paint, monkeypatch):
    monkeypatch.setattr("texsync.surface.texture.CHUNK", 5000)
    watch = Watch()
    paint(ball(), texture_size=256, on_progress=watch)
    steps = [(step, total) for stage, step, total in watch.calls if stage == "geometry"]
    assert len(steps) > 5 and {total for _, total in steps} == {14}
    assert steps == sorted(steps) and steps[0][0] == 0 and steps[-1][0] == 14


@pytest.mark.parametrize("error", [Cancelled, KeyboardInterrupt])
@pytest.mark.parametrize("stage", [("mesh", 0), ("denoise", 1), ("texture", 0)], ids=lambda at: at[0])
def test_raising_from_progress_stops_the_run(paint, error, stage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    watch = Watch(*stage, error)
    with pytest.raises(error):
        paint(ball(), on_progress=watch)
    assert watch.calls[-1][:2] == stage and not names(tmp_path)


def test_interrupted_while_saving(crate, tmp_path, monkeypatch):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(preview, "turntable", press)
    with pytest.raises(KeyboardInterrupt):
        crate.save(tmp_path / "deep" / "out")
    assert not names(tmp_path)


# ---- files ------------------------------------------------------------------------------------------------------


def test_everything_is_written(crate, tmp_path):
    """The real pictures too."""
    folder = crate.save(tmp_path / "crate_textured", preview=True)
    models = {f"crate{end if end.startswith('_') else '.' + end}" for end in WRITTEN}
    assert names(folder) == models | {"views.png", "turntable.gif", "run.json", "viewer.html"}
    with Image.open(folder / "crate_texture.png") as texture:
        assert np.array_equal(np.array(texture), crate.texture)
    with Image.open(folder / "views.png") as sheet, Image.open(folder / "turntable.gif") as turning:
        assert sheet.width > 5 * 190 and turning.n_frames > 10
    assert "<html" in (folder / "viewer.html").read_text()[:500].lower()


def test_the_sheet_goes_round_the_object_and_shows_nothing_beside_it(crate, monkeypatch):
    from texsync.show import sheet as sheets
    from texsync.tasks.textured import sheet

    told = {}
    monkeypatch.setattr(
        sheets, "contact_sheet", lambda rows, names, **more: told.update(more, rows=rows, names=names)
    )
    sheet(crate)
    level = [name for name in told["names"] if "," not in name]
    assert level == [f"{azimuth}°" for azimuth in range(0, 360, 45)] == told["names"][:8]
    assert told["across"] == (len(told["names"]) + 1) // 2
    assert (
        '"a red object"' in told["caption"] and "seed 0" in told["caption"] and "syncsde" in told["caption"]
    )
    view = [camera.azimuth_deg for camera in crate.pixels.cameras].index(45)
    beside, (told_of, painted) = (
        ~crate.pixels.mask[view],
        (told["rows"][k][1] for k in ("condition", "generated")),
    )
    assert torch.equal(told_of, crate.condition[view])
    assert beside.any() and (painted[:, beside] == preview.BACKDROP).all()
    assert torch.equal(painted[:, ~beside], crate.views[view][:, ~beside])


def test_saving_asks_before_it_overwrites(crate, still, tmp_path):
    folder = crate.save(str(tmp_path / "out"))  # text is as good as a path
    (folder / "note.txt").write_text("of the first run")
    with refused("output-taken"):
        crate.save(folder)
    assert (folder / "note.txt").exists() and names(tmp_path) == {"out"}
    crate.save(folder, overwrite=True)
    assert not (folder / "note.txt").exists() and names(tmp_path) == {"out"}
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    for overwrite in (False, True):
        with refused("output-foreign"):
            crate.save(tmp_path / "thesis", overwrite=overwrite)
    assert names(tmp_path / "thesis") == {"chapter.tex"}


def gltf(path: Path) -> tuple[dict, bytes]:
    """(JSON, binary chunk) of a GLB."""
    data = path.read_bytes()
    length = struct.unpack("<I", data[12:16])[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def raw(path: Path, name: str) -> list[bytes]:
    """The bytes of an attribute of every primitive."""
    tree, body = gltf(path)
    found = []
    for primitive in (p for mesh in tree["meshes"] for p in mesh["primitives"]):
        accessor = tree["accessors"][primitive["attributes"][name]]
        view = tree["bufferViews"][accessor["bufferView"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        size = accessor["count"] * 4 * {"VEC2": 2, "VEC3": 3}[accessor["type"]]
        assert accessor["componentType"] == 5126 and "byteStride" not in view
        found.append(body[start : start + size])
    return found


@pytest.mark.parametrize("attribute", ["TEXCOORD_0", "POSITION"])
def test_the_users_uvs_and_vertices_survive_bit_for_bit(crate, still, tmp_path, attribute):
    made = crate.save(tmp_path / "out") / "crate.glb"
    assert raw(made, attribute) == raw(CRATE, attribute)


def test_a_scene_of_many_parts_comes_back_as_it_was(paint, still, tmp_path):
    source = MESHES / "table_scene.glb"
    with pytest.warns(TexsyncWarning, match="new UV map, because its parts share"):
        made = paint(source, steps=1)
    old, new = trimesh.load_scene(source), trimesh.load_scene(made.save(tmp_path / "out") / "table_scene.glb")
    assert set(new.graph.nodes) == set(old.graph.nodes) and len(old.graph.nodes_geometry) == 10
    assert new.graph.transforms.parents == old.graph.transforms.parents
    assert np.allclose(new.bounds, old.bounds, atol=1e-6)
    for node in old.graph.nodes_geometry:
        was, now = (scene.geometry[scene.graph[node][1]].visual.material for scene in (old, new))
        assert np.allclose(new.graph[node][0], old.graph[node][0])
        assert (now.name, now.metallicFactor, now.roughnessFactor) == (
            was.name,
            was.metallicFactor,
            was.roughnessFactor,
        )
        assert np.array_equal(np.array(now.baseColorTexture), made.texture)


@pytest.mark.parametrize("name", ["rabbit.obj", "teapot.obj", "bracket.stl", "knot.ply", "monkey.obj"])
def test_every_format_goes_the_whole_way(paint, name):
    made = paint(MESHES / name, steps=1)
    assert made.baked.seen.sum() > 0.3 * made.baked.covered.sum()
    assert made.loaded.stem == Path(name).stem


@pytest.mark.parametrize("sampler", ["ddpm", "unipc"])
def test_new_noise_and_histories_do_not_depend_on_chunks(sampler, paint):
    """Same seed, same picture, whatever the chunk; another seed, another one."""
    one, other = (paint(CRATE, sampler=sampler, chunk=chunk, steps=3) for chunk in (3, 16))
    assert np.abs(one.texture.astype(int) - other.texture).max() <= 1
    assert not np.array_equal(one.texture, paint(CRATE, sampler=sampler, steps=3, seed=1).texture)


def test_new_noise_of_a_step_is_the_surfaces():
    """Drawn as the start's is, so that views agree about it, from a stream of its own for every step and seed."""
    from zoo import blob_views

    from texsync.tasks.stages import stream
    from texsync.views import shared_noise

    job, views = Job(MeshOptions("a.obj", "brick", seed=5)), blob_views()
    first, second = (job.renewal(views, 4)(index) for index in (0, 1))
    again = shared_noise(views, 4, torch.Generator().manual_seed(stream(5, 0)))
    assert torch.equal(first, again) and not torch.equal(first, second)
    assert len({stream(seed, index) for seed in range(50) for index in range(50)}) == 2500
    assert not torch.equal(first, job.noise(views, 4))
