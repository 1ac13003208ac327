"""A mesh and a prompt in, a textured mesh out: the whole way, on a model of random numbers and on mini."""

from __future__ import annotations

import json
import struct
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from trimesh import Trimesh

from texsync import Cancelled, InputError, TexsyncWarning, TexturedMesh, texture_mesh
from texsync.backbones.diffusion import DiffusionBackbone
from texsync.couplings import COUPLINGS
from texsync.files.save import save_model
from texsync.options import MeshOptions
from texsync.progress import STAGES as ALL_STAGES
from texsync.surface import preview

pytestmark = [
    # the random model knows few words, and reads 20 tokens
    pytest.mark.filterwarnings("ignore:words the model does not know:texsync.errors.TexsyncWarning"),
    pytest.mark.filterwarnings("ignore:the prompt is longer:texsync.errors.TexsyncWarning"),
]

STAGES = ["mesh", "model", "geometry", "denoise", "decode", "texture"]
MESHES = Path(__file__).parents[1] / "meshes"
CRATE = MESHES / "crate.glb"
PROMPT = "a red object"
WRITTEN = {"glb", "obj", "mtl", "_texture.png"}


@pytest.fixture(scope="session")
def paint(tiny_model):
    """texture_mesh with the random model: two steps of ten 64-pixel views, 128 texels a side."""

    def run(mesh, prompt=PROMPT, **options) -> TexturedMesh:
        few = {"model": str(tiny_model), "device": "cpu", "steps": 2, "view_size": 64, "texture_size": 128}
        return texture_mesh(mesh, prompt, **(few | options))

    return run


@pytest.fixture(scope="session")
def crate(paint) -> TexturedMesh:
    return paint(CRATE)


@pytest.fixture
def still(monkeypatch):
    """A turntable of one frame; the real one has a test of its own."""
    turntable = preview.turntable
    monkeypatch.setattr(preview, "turntable", lambda *a: turntable(*a, frames=1, size=32))


def ball(subdivisions: int = 2) -> Trimesh:
    return trimesh.creation.icosphere(subdivisions=subdivisions)


def apart(one: TexturedMesh, other: TexturedMesh) -> np.ndarray:
    """How many 8-bit levels apart two textures are, (S, S, 3)."""
    return np.abs(one.texture.astype(int) - other.texture)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ---- what comes back --------------------------------------------------------------------------------------------


def test_the_result_has_what_it_promises(crate):
    assert isinstance(crate, TexturedMesh)
    assert crate.texture.shape == (128, 128, 3) and crate.texture.dtype == np.uint8
    assert crate.views.shape == crate.condition.shape == (10, 3, 64, 64)
    for pictures in (crate.views, crate.condition):
        assert pictures.dtype == torch.float32 and pictures.min() >= 0 and pictures.max() <= 1
    assert isinstance(crate.mesh, trimesh.Scene)
    painted = next(iter(crate.mesh.geometry.values())).visual.material
    assert np.array_equal(np.array(painted.baseColorTexture), crate.texture)
    assert set(crate.report["seconds"]) == set(STAGES) <= set(ALL_STAGES)


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

    def condition(pixels):
        seen["mask"] = pixels.mask
        return torch.zeros(10, 3, 64, 64)

    def decode(self, latents):
        green, magenta = (torch.tensor(c).view(1, 3, 1, 1) for c in ((0.0, 1.0, 0.0), (1.0, 0.0, 1.0)))
        return torch.where(seen["mask"][:, None], green, magenta)

    monkeypatch.setattr("texsync.surface.pixels.depth_condition", condition)
    monkeypatch.setattr(DiffusionBackbone, "decode", decode)
    made = paint(CRATE)
    assert (made.texture == [0, 255, 0]).all()
    assert made.baked.covered.any() and not made.baked.seen[~made.baked.covered].any()
    assert 0.5 < made.baked.seen.sum() / made.baked.covered.sum() < 1


def test_the_views_carry_the_prompt_the_depth_and_the_camera(paint, monkeypatch):
    """Each view is told its own name; other words, other negatives and no depth all make another texture."""
    told = {}
    predictor = DiffusionBackbone.predictor

    def listen(self, prompts, negatives, control, **options):
        told.update(prompts=prompts, negatives=negatives, control=control, **options)
        return predictor(self, prompts, negatives, control, **options)

    monkeypatch.setattr(DiffusionBackbone, "predictor", listen)
    first = paint(ball(), "copper", view_order="paper")
    sides = ["back", "back", "side", "side", "front", "side", "side", "back", "front", "back"]
    assert [prompt.rpartition(", ")[2] for prompt in told["prompts"]] == [f"{s} view." for s in sides]
    assert torch.equal(told["control"], first.condition) and first.condition[:, :, 32, 32].min() > 0.9
    for change in ({"negative": "copper"}, {"control_scale": (0.0, 0.0)}, {"guidance": 1.0}):
        assert apart(first, paint(ball(), "copper", view_order="paper", **change)).max() > 1, change


# ---- the same again ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mini_run():
    """Three steps of mini on small views, by chunk size and seed."""
    done = {}

    def run(chunk: int | None, seed: int = 0) -> TexturedMesh:
        if (chunk, seed) not in done:
            few = {"device": "cpu", "steps": 3, "view_size": 96, "texture_size": 256}
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
        "up": "y",
        "front": "x",
        "noise": "independent",
    }
    for number, asked in enumerate(({}, every)):
        made = paint(CRATE, **asked)
        record = json.loads((made.save(tmp_path / str(number)) / "run.json").read_text())
        assert set(record) >= {field.name for field in fields(MeshOptions)}
        again = {field.name: record[field.name] for field in fields(MeshOptions)}
        assert {name: again[name] for name in asked} == asked
        assert not [
            name for name, value in again.items() if value is None and name not in ("controlnet", "chunk")
        ]
        assert np.array_equal(texture_mesh(CRATE, **again).texture, made.texture)
        assert record["mesh"] == {"name": "crate", "faces": 968} and record["versions"]["texsync"]


# ---- progress ---------------------------------------------------------------------------------------------------


class Watch:
    """Remembers the calls of on_progress and raises an error at the one it is told to."""

    def __init__(self, stage: str = "", step: int = 0, error: type[BaseException] = Cancelled):
        self.at, self.error = (stage, step), error
        self.calls: list[tuple[str, int, int]] = []
        self.previews: list[torch.Tensor] = []

    def __call__(self, stage, step, total, preview=None):
        self.calls.append((stage, step, total))
        if preview is not None:
            self.previews.append(preview())
        if (stage, step) == self.at:
            raise self.error("stop")


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
        assert sheet.width > 10 * 100 and turning.n_frames > 10
    assert "<html" in (folder / "viewer.html").read_text()[:500].lower()


def test_saving_asks_before_it_overwrites(crate, still, tmp_path):
    folder = crate.save(str(tmp_path / "out"))  # text is as good as a path
    (folder / "note.txt").write_text("of the first run")
    with pytest.raises(InputError, match="already exists; pass --overwrite"):
        crate.save(folder)
    assert (folder / "note.txt").exists() and names(tmp_path) == {"out"}
    crate.save(folder, overwrite=True)
    assert not (folder / "note.txt").exists() and names(tmp_path) == {"out"}
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="not a texsync result"):
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


# ---- every way to couple ----------------------------------------------------------------------------------------


WAYS = {
    "syncsde": {},
    "paper's integrator": {"integrator": "paper"},
    "mean": {"pick": "mean"},
    "synctweedies": {"coupling": "synctweedies"},
    "none": {"coupling": "none"},
    "weak": {"strength": 0.5},
    "paper's order": {"view_order": "paper"},
    "own noise": {"noise": "independent"},
}


def test_every_coupling_and_integrator_runs_and_differs(paint):
    made = {name: paint(ball(), steps=3, **way) for name, way in WAYS.items()}
    for name, one in made.items():
        assert torch.isfinite(one.views).all(), name
        for other in list(made)[: list(made).index(name)]:
            assert apart(one, made[other]).max() > 1, (name, other)


def test_strength_nought_is_no_coupling(paint):
    nothing, alone = paint(ball(), strength=0), paint(ball(), coupling="none")
    assert apart(nothing, alone).max() == 0


@pytest.mark.parametrize(
    "name", [name for name in COUPLINGS if name not in ("syncsde", "synctweedies", "none")]
)
def test_every_baseline_paints_a_mesh_or_says_why_not(paint, name):
    if name == "csg":
        with pytest.raises(InputError, match="unknown coupling 'csg'; known: syncsde"):
            paint(ball(), coupling=name)
        return
    made = paint(ball(), coupling=name)
    assert torch.isfinite(made.views).all()
    assert apart(made, paint(ball(), coupling="none")).max() > 1


# ---- odd meshes -------------------------------------------------------------------------------------------------

SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
CORNERS = [*SQUARE[:3], [0, 0, 1], [0, -1, 0]]


def plain(vertices, faces) -> Trimesh:
    return Trimesh(np.array(vertices, float), faces, process=False)


def two_balls() -> Trimesh:
    other = ball()
    other.apply_translation([0.5, 0, 0])
    return trimesh.util.concatenate([ball(), other])


ODD = {
    "ordinary": ball(),
    "one triangle": plain(SQUARE[:3], [[0, 1, 2]]),
    "standing square": plain(SQUARE, [[0, 1, 2], [0, 2, 3]]),
    "lying square": plain(np.array(SQUARE)[:, [0, 2, 1]], [[0, 1, 2], [0, 2, 3]]),
    "two-sided sheet": plain(SQUARE, [[0, 1, 2], [0, 2, 3], [2, 1, 0], [3, 2, 0]]),
    "non-manifold fins": plain(CORNERS, [[0, 1, 2], [0, 1, 3], [0, 1, 4]]),
    "bodies that cut each other": two_balls(),
    "huge": plain(ball().vertices * 1e20, ball().faces),
    "tiny": plain(ball().vertices * 1e-20, ball().faces),
    "far away": plain(ball().vertices + [1e7, -3e6, 2e6], ball().faces),
    "unused vertices": plain([*ball().vertices, [90, 90, 90]], ball().faces),
    "faces without area": plain(ball().vertices, [*ball().faces, [0, 0, 1], [5, 5, 5]]),
    "holes": plain(ball().vertices, ball().faces[::2]),
}


@pytest.fixture(scope="module")
def paint_odd(paint):
    return cache(lambda name: paint(ODD[name]))


@pytest.mark.parametrize("name", ODD)
def test_odd_meshes_are_painted(paint_odd, name, tmp_path):
    """Painted where something is seen, filled elsewhere; and the GLB gives the mesh back in its size and place."""
    mesh, made = ODD[name], paint_odd(name)
    assert made.baked.seen.any() and torch.isfinite(made.views).all()
    assert made.texture[made.baked.covered].std(axis=0).min() > 1  # a picture, not a flat fill
    glb = save_model(made.loaded, made.surface, made.baked, tmp_path, "mesh")[0]
    back = trimesh.load_scene(glb).to_geometry()
    used = mesh.vertices[np.unique(mesh.faces)]
    size = np.ptp(used, axis=0).max()
    if name != "unused vertices":
        assert np.allclose(back.bounds, [used.min(axis=0), used.max(axis=0)], atol=2e-5 * size, rtol=1e-12)


@pytest.mark.parametrize("name", ["huge", "tiny", "far away", "unused vertices", "faces without area"])
def test_size_place_and_leftovers_do_not_change_the_picture(paint_odd, name):
    """The views are those of the plain ball, but for rounding where a number far away lost its digits."""
    ordinary, odd = paint_odd("ordinary"), paint_odd(name)
    assert torch.equal(ordinary.condition > 0, odd.condition > 0)
    assert (ordinary.views - odd.views).abs().max() < 0.02


@pytest.mark.parametrize("share", [0.3, 1.0], ids=["mixed", "inside out"])
def test_wrong_winding_gets_the_right_texture(paint, crate, share):
    """The same UVs, the same picture; where faces touch, a ray may meet the other one."""
    scene = trimesh.load_scene(CRATE)
    mesh = next(iter(scene.geometry.values()))
    faces = np.array(mesh.faces)
    flipped = np.random.default_rng(0).random(len(faces)) < share
    faces[flipped] = faces[flipped, ::-1]
    mesh.faces = faces
    wrong = paint(scene)
    assert np.allclose(wrong.surface.uv, crate.surface.uv, atol=1e-6)
    difference = apart(wrong, crate)
    assert difference.mean() < 1 and (difference > 8).mean() < 0.02


def test_what_no_view_can_see_is_told_before_the_work(paint):
    wire = plain(ball().vertices * [1, 0.001, 0.001], ball().faces)
    watch = Watch()
    with pytest.raises(InputError, match="no view sees enough .*--view-size"):
        paint(wire, on_progress=watch)
    assert watch.calls[-1][0] == "geometry"
