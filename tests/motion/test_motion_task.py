"""Long motion: its plan, its couplings, the models that it takes, what it writes, and what it refuses."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from blender_python import interpreters
from scipy.spatial.transform import Rotation
from tiny_motion import write_motion_model

import texsync
from texsync import cli
from texsync.backbones.motion_model import EMBEDDED, find_checkpoint, load_motion
from texsync.couplings import SyncSDE
from texsync.errors import InputError, TexsyncWarning
from texsync.loop import sample
from texsync.motion.bvh import write_bvh
from texsync.motion.captions import vocabulary
from texsync.motion.clips import clip
from texsync.motion.features import features
from texsync.motion.feet import planted, skate
from texsync.motion.plan import plan
from texsync.motion.rig import rigged
from texsync.motion.skinned import steady, write_glb
from texsync.schedule import Schedule
from texsync.views import latest, unequal
from texsync.views.motion import joints

QUICK = {"steps": 4, "segment": 40, "overlap": 10}
TWO = ["a person walks forward", "jumps"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return write_motion_model(tmp_path_factory.mktemp("motion") / "tiny")


@pytest.fixture(scope="session")
def made(folder):
    return texsync.long_motion(TWO, model=folder, **QUICK)


def dance(seconds: float = 3.0) -> np.ndarray:
    return clip(np.random.default_rng(1), seconds, "dance", "").joints


def gaussian():
    """eps of independent unit Gaussians, in closed form."""
    return lambda x, span: (1 - span.alpha) ** 0.5 * x


# the plan


@pytest.mark.parametrize(
    "seconds, total, frames, prompts",
    [
        ([None], None, [120], [0]),
        ([None] * 3, None, [120, 120, 120], [0, 1, 2]),
        ([4.0, 2.5, None], None, [95, 80, 120], [0, 1, 2]),
        ([None], 60.0, [120] * 13, [0] * 14),
        ([3.0, None], 9.0, [75, 135], [0, 1]),
    ],
)
def test_a_plan_has_the_length_that_is_asked_for(seconds, total, frames, prompts):
    found = plan(seconds, total, 30, 120)
    assert all(one.length <= 120 for one in found)
    assert sum(one.length for one in found) - 30 * (len(found) - 1) == found[-1].end
    assert [one.start for one in found] == [0, *(one.end for one in found[:-1])]
    if total:
        assert found[-1].end == total * 20
    if total is None:
        assert [one.length for one in found] == frames and [one.prompt for one in found] == prompts


def test_segments_of_unequal_length_meet_where_the_plan_says():
    found = plan([4.0, 2.5, None, 7.0], None, 30, 120)
    views = unequal([one.length for one in found], 30, fade=True)
    assert views.covered.sum() == found[-1].end
    owner = views.f(torch.arange(views.canvas[1], dtype=torch.float64)[None, None])[:, 0, 0]
    starts = [one.start - 15 * (k > 0) for k, one in enumerate(found)]
    assert owner[:, 0].tolist() == starts
    share = views.blend_weight[:, 0, 0]
    assert share[0, -1] == 0 and 0 < share[1, 0] < 0.05 and share[1, 40] == 1


# laws


@pytest.mark.parametrize("overlap", [2, 9, 30, 47])
@pytest.mark.parametrize("join", ["paste", "blend"])
def test_a_straight_walk_split_anywhere_is_straight_again(overlap, join):
    whole = torch.zeros(203, 67, dtype=torch.float64)
    whole[:, 2], whole[:, 3] = 0.06, 0.9
    lengths = [48, 99, 203 + 2 * overlap - 48 - 99]
    views = unequal(lengths, overlap)
    spare = torch.full((67, 1, views.canvas[1] - 203), torch.nan, dtype=torch.float64)
    x = views.f(torch.cat([whole.T[:, None], spare], dim=2))
    seen = unequal(lengths, overlap, fade=True) if join == "blend" else latest(views)
    root = joints(seen.f_inv(x)[:, 0, :203].T)[:, 0]
    assert torch.allclose(root[:, 2], 0.06 * torch.arange(len(root), dtype=torch.float64), atol=1e-9)
    assert root[:, 0].abs().max() == 0


def test_features_to_joints_to_features():
    found = features(dance())
    again = features(joints(torch.as_tensor(found)).numpy())
    assert np.abs(again[:, :] - found[:-1]).max() < 1e-4


@pytest.mark.parametrize("assemble", ["paste", "blend"])
def test_strength_0_is_no_coupling(folder, assemble):
    one, two = (
        texsync.long_motion(TWO, model=folder, assemble=assemble, **QUICK, **how).features
        for how in ({"strength": 0.0}, {"coupling": "none"})
    )
    assert np.abs(one - two).max() < 1e-5


def test_one_segment_is_plain_ddim_with_guidance_on_the_clean_motion(folder):
    found = texsync.long_motion("walks:2", model=folder, steps=50, seed=3).features
    model = load_motion(folder)
    x = torch.randn(263, 1, 40, generator=torch.Generator().manual_seed(3))[None]
    text = model.text(["walks"])
    alphas = torch.tensor([*model.schedule.alphas], dtype=torch.float64)
    with torch.no_grad():
        for t in reversed(range(50)):
            told, plain = (model.network(x, torch.tensor([t]), v) for v in (text, torch.zeros_like(text)))
            x0 = plain + 2.5 * (told - plain)
            here, there = alphas[t], alphas[t - 1] if t else torch.tensor(1.0)
            eps = (x - here.sqrt() * x0) / (1 - here).sqrt()
            x = (there.sqrt() * x0 + (1 - there).sqrt() * eps).float()
    assert np.abs(model.features(x[0, :, 0]).numpy() - found).max() < 1e-3


def test_the_chunk_does_not_change_the_motion_and_the_seed_does(folder, made):
    again = texsync.long_motion(TWO, model=folder, chunk=1, **QUICK)
    other = texsync.long_motion(TWO, model=folder, seed=1, **QUICK)
    assert np.abs(again.features - made.features).max() < 1e-4
    assert np.abs(other.features - made.features).max() > 0.1


@pytest.mark.parametrize("coupling", ["syncsde", "synctweedies", "multidiffusion", "doubletake", "none"])
@pytest.mark.parametrize("prompts", [TWO, "walks:1.5", ["walks:3", "jumps:1", "bows:2"]])
def test_every_coupling_makes_every_plan(folder, coupling, prompts):
    found = texsync.long_motion(prompts, model=folder, coupling=coupling, **QUICK)
    assert found.joints.shape == (len(found.words), 22, 3) and np.isfinite(found.joints).all()
    assert found.joints[..., 1].min() > -0.3


def test_the_papers_update_explodes_at_the_first_step_of_50_levels_and_the_exact_one_does_not(folder):
    """gamma / lambda is 92 there; that multiplies the difference of two noises in the overlap."""
    size = {}
    for integrator in ("paper", "exact"):
        found = texsync.long_motion(TWO, model=folder, steps=50, noise="independent", integrator=integrator,
                                    segment=40, overlap=10)  # fmt: skip
        size[integrator] = np.abs(found.features).max()
    assert load_motion(folder).schedule.spans(50)[0].gamma * 3 * 49 / 50 == pytest.approx(90, rel=0.03)
    assert size["exact"] < 20


def test_overlaps_agree_once_they_are_coupled():
    """On Gaussian data with noise of their own, SyncSDE brings the two tellings of an overlap together."""
    views, spans = unequal([24, 31, 20], 9), Schedule.cosine(50, final_alpha=1.0, offset=0).spans(50)
    x = torch.randn(3, 4, 1, 31, generator=torch.Generator().manual_seed(0))
    gap = {}
    for strength in (0.0, 3.0):
        coupling = SyncSDE(strength, "exact", memory=1, until=0.0)
        *_, (_, found, _) = sample(gaussian(), views, coupling, spans, x)
        gap[strength] = (found[0, :, 0, 15:24] - found[1, :, 0, :9]).square().mean().sqrt()
    assert gap[3.0] < 0.3 * gap[0.0]


def test_soft_edges_pull_less_and_less_along_an_overlap():
    known = replace(unequal([24, 31, 20], 9, fade=True), shares=True).prefix(1).mask[:, 0, 0]
    assert known[0].max() == 0 and known[1:, 9:].max() == 0
    assert torch.allclose(known[1, :9], 1 - (torch.arange(9.0).double() + 1) / 10)


# models


def test_a_published_checkpoint_loads_with_its_averaged_weights(folder, tmp_path):
    """{model, model_avg}, old tables and CLIP's weights inside, arguments as published."""
    shutil.copytree(folder, tmp_path / "mdm")
    (path,) = (tmp_path / "mdm").glob("model*.safetensors")
    from safetensors.torch import load_file

    state = load_file(path)
    path.unlink()
    more = {"sequence_pos_encoder.pe": torch.zeros(9, 1, 16), "clip_model.visual.proj": torch.zeros(2),
            "embed_timestep.sequence_pos_encoder.pe": torch.zeros(9, 1, 16)}  # fmt: skip
    last = {name: one + 1 for name, one in state.items()}
    for number, content in ((200000, last), (475000, {"model": last, "model_avg": state | more})):
        torch.save(content, tmp_path / "mdm" / f"model{number:09d}.pt")
    assert find_checkpoint(tmp_path / "mdm").name == "model000475000.pt"
    one, two = load_motion(tmp_path / "mdm").network, load_motion(folder).network
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


class Code:
    def __reduce__(self):
        return print, ("run",)


def spoilt(folder: Path, place: Path, how: str) -> Path:
    """A copy of the model in which one thing is wrong."""
    path = place / "spoilt"
    shutil.copytree(folder, path)
    told = json.loads((path / "args.json").read_text())
    changes = {"width": {"latent_dim": 32}, "decoder": {"arch": "trans_dec"}, "bert": {"text_encoder_type": "bert"},
               "kit": {"dataset": "kit"}, "steps": {"diffusion_steps": "many"}, "heads": {"num_heads": 3}}  # fmt: skip
    (path / "args.json").write_text(json.dumps(told | changes.get(how, {})))
    weights = path / "model.safetensors"
    if how == "no args":
        (path / "args.json").unlink()
    if how == "no statistics":
        (path / "Std.npy").unlink()
    if how == "no words":
        shutil.rmtree(path / "text_encoder")
    if how == "evaluator":
        numbers = np.load(path / "Std.npy")
        numbers[[*range(4), *range(259, 263)]] /= 5
        np.save(path / "Std.npy", numbers)
    if how == "251":
        np.save(path / "Mean.npy", np.zeros(251, np.float32))
    if how == "pickled array":
        np.save(path / "Mean.npy", np.array([Code()], dtype=object), allow_pickle=True)
    if how == "code":
        weights.unlink()
        (path / "model1.pt").write_bytes(pickle.dumps(Code()))
    if how == "list":
        weights.unlink()
        torch.save([1, 2], path / "model1.pt")
    if how == "damaged":
        weights.write_bytes(weights.read_bytes()[:1000])
    if how == "empty":
        weights.unlink()
    return path


@pytest.mark.parametrize(
    "how, message",
    [
        ("width", "args.json says latent_dim 32, .* has 16"),
        ("decoder", "says arch 'trans_dec'; use a model with arch 'trans_enc'"),
        ("bert", "says text_encoder_type 'bert'"),
        ("kit", "says dataset 'kit'.*KIT's 251 features"),
        ("steps", "diffusion_steps 'many'"),
        ("heads", "width 16 and 3 heads"),
        ("no args", "args.json is missing"),
        ("no statistics", "Std.npy is missing; name the folder of HumanML3D's"),
        ("no words", "has no text encoder; name CLIP's with text_encoder="),
        ("evaluator", "is the evaluator's"),
        ("251", "holds 251, 263 numbers are expected"),
        ("pickled array", "Mean.npy cannot be read"),
        ("code", "is not a plain state dict"),
        ("list", "is not a plain state dict"),
        ("damaged", "cannot be loaded"),
        ("empty", r"has no model\*.safetensors"),
    ],
)
def test_models_that_are_wrong_are_told_in_one_line(folder, tmp_path, how, message, capsys):
    with pytest.raises(InputError, match=message) as told:
        load_motion(spoilt(folder, tmp_path, how))
    assert "\n" not in str(told.value) and "run" not in capsys.readouterr().out


def test_models_of_the_other_kind_are_told(folder):
    pictures = Path(texsync.__file__).parent / "mini" / "weights"
    with pytest.raises(InputError, match="is a model of pictures, not of motion"):
        texsync.long_motion("walks", model=pictures)
    with pytest.raises(InputError, match="is a model of motion, not of pictures"):
        texsync.wide_image("mossy stone", model=str(folder))


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"prompts": []}, "0 prompts; describe a motion"),
        ({"prompts": ["..."]}, "is empty"),
        ({"prompts": "walks:0"}, "is out of range"),
        ({"prompts": "walks:99999"}, "is out of range"),
        ({"seconds": 0}, "seconds 0 is out of range"),
        ({"seconds": 1e9}, "is out of range"),
        ({"overlap": 0}, "overlap 0 is out of range"),
        ({"overlap": 40}, "segments of 40 frames overlap by 40; use an overlap of 1 to 39"),
        ({"prompts": ["walks:3", "jumps:0.2"]}, "prompt 2 has 0.2 seconds, less than an overlap"),
        ({"prompts": ["walks:3", "jumps:4"], "seconds": 5.0}, "are 7 seconds together, seconds is 5"),
        ({"segment": 500}, "segment 500 is longer than the model's 120"),
        ({"steps": 51}, "give a whole number from 1 to 50"),
        ({"coupling": "csg"}, "unknown coupling 'csg'"),
        ({"model": "nothing"}, "unknown motion model 'nothing'; known: mini"),
        ({"statistics": "/nowhere"}, "Mean.npy is missing"),
        ({"text_encoder": "/nowhere"}, "there is no text encoder"),
    ],
)
def test_wrong_options_are_told_in_one_line(folder, asked, message):
    prompts = asked.get("prompts", TWO)
    with pytest.raises(InputError, match=message):
        texsync.long_motion(
            prompts, **{"model": folder, **QUICK, **{k: v for k, v in asked.items() if k != "prompts"}}
        )


def test_words_that_the_model_does_not_know_are_told(folder):
    with pytest.warns(TexsyncWarning, match="words the model does not know: somersaults"):
        texsync.long_motion("somersaults", model=folder, **QUICK)


# feet


def test_a_foot_that_slides_is_held_where_it_stands():
    moving = np.repeat(clip(np.random.default_rng(0), 2.0, "wave", "").joints[:1], 40, axis=0)
    moving[10:30] += np.linspace(0, 0.2, 20)[:, None, None] * [0, 0, 1]
    moving[30:] += [0, 0, 0.2]
    contacts = np.zeros((40, 4))
    contacts[8:32] = 1
    held = planted(moving, contacts)
    foot = held[8:32, [10, 11]]
    assert np.ptp(foot, axis=0).max() < 0.02 and np.ptp(moving[8:32, 10], axis=0).max() > 0.15
    assert np.abs(held[:, 0] - moving[:, 0]).max() == 0
    assert np.linalg.norm(np.diff(held, axis=0), axis=-1).max() < 0.06


def test_skate_is_the_share_of_frames_in_which_a_low_foot_goes_far():
    still = np.zeros((11, 22, 3))
    still[5:, 10, 0] = 0.1  # one of ten steps
    assert skate(still) == pytest.approx(0.1)
    still[..., 1] = 0.3
    assert skate(still) == 0


# files


def read_bvh(path: Path) -> tuple[list[str], np.ndarray]:
    """(names, places of the joints), as any program reads them: offsets and angles, joint by joint."""
    lines, names, parents, offsets, open_joints = path.read_text().splitlines(), [], [], [], []
    start = lines.index("MOTION")
    for line in lines[1:start]:
        words = line.split()
        if words[0] in ("ROOT", "JOINT"):
            parents.append(open_joints[-1] if open_joints else -1)
            open_joints.append(len(names))
            names.append(words[1])
        elif words[0] == "End":
            open_joints.append(-2)
        elif words[0] == "OFFSET" and open_joints[-1] >= 0:
            offsets.append([float(word) for word in words[1:]])
        elif words[0] == "}":
            open_joints.pop()
    rows = np.array([[float(word) for word in line.split()] for line in lines[start + 3 :]])
    places, whole = np.zeros((len(rows), len(names), 3)), []
    for k, parent in enumerate(parents):
        turn = Rotation.from_euler("ZXY", rows[:, 3 + 3 * k : 6 + 3 * k], degrees=True)
        places[:, k] = rows[:, :3] if parent < 0 else places[:, parent] + whole[parent].apply(offsets[k])
        whole.append(turn if parent < 0 else whole[parent] * turn)
    assert lines[start + 1] == f"Frames: {len(rows)}" and lines[start + 2] == "Frame Time: 0.050000"
    return names, places


@pytest.mark.parametrize("action", ["walk", "dance", "squat", "turn_around"])
def test_a_bvh_has_the_joints_where_they_were(action, tmp_path):
    from texsync.motion.skeleton import JOINTS

    moving = clip(np.random.default_rng(2), 3.0, action, "").joints
    write_bvh(rigged(moving), tmp_path / "motion.bvh")
    names, places = read_bvh(tmp_path / "motion.bvh")
    assert sorted(names) == sorted(JOINTS)
    assert np.abs(places - moving[:, [JOINTS.index(name) for name in names]]).max() < 2e-3
    angles = np.array(
        [line.split() for line in (tmp_path / "motion.bvh").read_text().splitlines()[-61:]], float
    )
    assert np.abs(np.diff(angles[:, 3:], axis=0)).max() < 300  # no full turns between two frames


def test_a_glb_is_a_skinned_figure_with_an_animation(tmp_path):
    write_glb(rigged(dance(2.0)), tmp_path / "motion.glb")
    raw = (tmp_path / "motion.glb").read_bytes()
    magic, version, total = struct.unpack("<4sII", raw[:12])
    assert (magic, version, total) == (b"glTF", 2, len(raw))
    length = struct.unpack("<I", raw[12:16])[0]
    whole = json.loads(raw[20 : 20 + length])
    assert len(whole["skins"][0]["joints"]) == 22 and len(whole["animations"][0]["channels"]) == 18
    times = whole["accessors"][whole["animations"][0]["samplers"][0]["input"]]
    assert times["count"] == 41 and times["max"] == [pytest.approx(2.0)]
    assert whole["buffers"][0]["byteLength"] + 28 + length == pytest.approx(len(raw), abs=4)
    turns = Rotation.from_euler("Y", np.linspace(0, 720, 50)[:, None], degrees=True).as_quat()
    assert (np.abs(np.diff(steady(turns * np.sign(np.arange(50) % 2 - 0.5)[:, None]), axis=0)) < 0.3).all()


def test_everything_is_written_or_nothing(made, tmp_path):
    place = made.save(tmp_path / "out", formats=["bvh", "glb", "npy", "gif", "sheet", "results"])
    names = {
        "motion.bvh",
        "motion.glb",
        "motion.npy",
        "features.npy",
        "motion.gif",
        "sheet.png",
        "results.npy",
        "run.json",
    }
    assert {file.name for file in place.iterdir()} == names | {"run.json"}
    assert np.load(place / "motion.npy").shape == made.joints.shape == (70, 22, 3)
    told = json.loads((place / "run.json").read_text())
    assert told["options"]["prompts"] == TWO and told["strength"] == 3.0 and "foot_skate" in told
    content = np.load(place / "results.npy", allow_pickle=True).item()
    assert content["motion"].shape == (1, 22, 3, 70) and content["lengths"].tolist() == [70]
    with pytest.raises(InputError, match="already exists"):
        made.save(place)
    assert not [file for file in tmp_path.iterdir() if file != place]


SCRIPT = """
import bpy, json, sys
for path in sys.argv[1:]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    (bpy.ops.import_anim.bvh if path.endswith("bvh") else bpy.ops.import_scene.gltf)(filepath=path)
    (arm,) = [one for one in bpy.data.objects if one.type == "ARMATURE"]
    action, scene = arm.animation_data.action, bpy.context.scene
    rate = scene.render.fps / 20 if path.endswith("glb") else 1
    found = []
    for frame in (0, 13, 39):
        at = frame * rate + (0 if path.endswith("glb") else 1)
        scene.frame_set(int(at), subframe=at % 1)
        heads = [arm.matrix_world @ arm.pose.bones[name].head for name in ("pelvis", "left_wrist", "right_ankle")]
        found.append([list(head) for head in heads])
    print("FOUND", json.dumps({"bones": len(arm.data.bones), "action": action is not None, "places": found}))
"""


@pytest.mark.parametrize(
    "python", interpreters() or [""], ids=lambda path: Path(path).parts[-3] if path else "none"
)
def test_blender_opens_both_as_an_armature_with_the_action(python, tmp_path):
    """Where the joints are, in metres, with Blender's z up and -y forward."""
    if not python:
        pytest.skip("NOT TESTED IN BLENDER: there is no bpy here; .ci/blender installs it")
    moving = dance(2.0)
    paths = [tmp_path / "motion.bvh", tmp_path / "motion.glb"]
    write_bvh(rigged(moving), paths[0])
    write_glb(rigged(moving), paths[1])
    run = subprocess.run([python, "-c", SCRIPT, *map(str, paths)], capture_output=True, text=True)
    said = [json.loads(line[6:]) for line in run.stdout.splitlines() if line.startswith("FOUND ")]
    assert len(said) == 2, run.stdout[-500:] + run.stderr[-2000:]
    wanted = moving[[0, 13, 39]][:, [0, 20, 8]][..., [0, 2, 1]] * [1, -1, 1]
    for one in said:
        assert one["bones"] == 22 and one["action"]
        assert np.abs(np.array(one["places"]) - wanted).max() < 5e-3


def test_the_embedded_model_is_small_loads_and_knows_the_words_of_every_caption():
    place = EMBEDDED["mini"]
    assert sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) <= 8e6
    model = load_motion()
    assert (model.longest, len(model.schedule.alphas)) == (120, 50)
    assert model.text.unknown_words(" ".join(vocabulary())) == []


def test_the_command(folder, tmp_path, capsys):
    words = [
        "--model",
        str(folder),
        "--steps",
        "4",
        "--segment",
        "40",
        "--overlap",
        "10",
        "--formats",
        "bvh,npy",
    ]
    assert cli.main(["motion", *TWO, *words, "--out", str(tmp_path / "out")]) == 0
    assert "out: features.npy, motion.bvh, motion.npy, run.json" in capsys.readouterr().out
    assert cli.main(["motion", "walks:0", "--out", str(tmp_path / "none")]) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and not (tmp_path / "none").exists()
