"""Long motion: its plan, its couplings, the models that it takes, and what it refuses."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refused
from tiny_motion import QUICK, TWO

import texsync
from texsync.backbones.motion_model import find_checkpoint, load_motion
from texsync.couplings import CSG, SyncSDE
from texsync.errors import InputError, TexsyncWarning
from texsync.loop import sample
from texsync.motion.clips import clip
from texsync.motion.features import features
from texsync.motion.plan import plan
from texsync.schedule import Schedule
from texsync.views import latest, unequal
from texsync.views.motion import joints


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


def test_a_coupling_may_be_an_object(folder):
    """One with the task's own settings makes the same motion as its name; its settings cannot be said beside it."""
    named = texsync.long_motion(TWO, model=folder, **QUICK)
    mine = SyncSDE(3.0, "exact", memory=1, until=0.0)
    made = texsync.long_motion(TWO, model=folder, coupling=mine, **QUICK)
    assert np.array_equal(made.features, named.features)
    assert made.report["objects"] == ["coupling"] and made.report["coupling"].startswith(
        "SyncSDE(strength=3.0"
    )
    other = texsync.long_motion(TWO, model=folder, coupling=SyncSDE(0.0, until=0.0), **QUICK)
    assert not np.array_equal(other.features, named.features)
    with refused("part-made", thing="strength", value=2.0):
        texsync.long_motion(TWO, model=folder, coupling=mine, strength=2.0, **QUICK)
    with refused("coupling-unfit"):
        texsync.long_motion(TWO, model=folder, coupling=CSG(), **QUICK)


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
    with refused("model-kind"):
        texsync.long_motion("walks", model=pictures)
    with refused("model-kind"):
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
