"""The motion room: features and back, characters whose bones and feet behave, the network's public names."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from texsync.motion.actions import ACTIONS
from texsync.motion.captions import caption, vocabulary
from texsync.motion.character import joints as posed
from texsync.motion.clips import among_others, clip
from texsync.motion.draw import gif, sheet
from texsync.motion.features import FPS, SIZE, features, heading
from texsync.motion.gait import along, times, walked
from texsync.motion.mdm import Network, Sizes
from texsync.motion.skeleton import INDEX, LENGTHS, PARENTS, REST
from texsync.motion.text import build_tokenizer
from texsync.motion.train import Learner, main
from texsync.motion.turns import from_six
from texsync.views.motion import joints as integrated


def made(action: str, seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    return clip(np.random.default_rng(seed), seconds, action, "").joints


@pytest.mark.parametrize("action", ACTIONS)
def test_features_are_joints_said_another_way(action):
    joints = made(action)
    found = features(joints)
    assert found.shape == (len(joints) - 1, SIZE) == (3 * FPS, 263)
    assert np.abs(integrated(torch.as_tensor(found)).numpy() - joints[:-1]).max() < 1e-9


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_length_and_nothing_is_under_the_ground(action):
    joints = made(action)
    lengths = np.linalg.norm(joints[:, 1:] - joints[:, PARENTS[1:]], axis=-1)
    assert np.ptp(lengths, axis=0).max() < 1e-9
    assert np.abs(lengths[0] / LENGTHS[1:] - lengths[0, 0] / LENGTHS[1]).max() < 1e-9  # one scale for all
    assert abs(joints[..., 1].min()) < 1e-9 and abs(heading(joints)[0]) < 1e-9


def test_turns_of_the_bones_lead_to_the_joints_again():
    """The way that files for animators go: from turns and lengths, joint by joint, to where each one is."""
    joints = made("dance")
    turns = features(joints)[:, 67:193].reshape(-1, 21, 6)
    root = joints[:-1, 0]
    places = {0: np.zeros_like(root)}
    matrices = {0: np.broadcast_to(np.eye(3), (len(root), 3, 3))}
    for joint in (2, 5, 8, 11, 1, 4, 7, 10, 3, 6, 9, 12, 15):
        parent = PARENTS[joint]
        matrices[joint] = matrices[parent] @ from_six(turns[:, joint - 1]).as_matrix()
        length = np.linalg.norm(joints[0, joint] - joints[0, parent])
        places[joint] = places[parent] + matrices[joint] @ REST[joint] * length
    angle = heading(joints)[:-1]
    for joint, place in places.items():
        cos, sin = np.cos(angle), np.sin(angle)
        turned = np.stack(
            [place[:, 0] * cos - place[:, 2] * sin, place[:, 1], place[:, 0] * sin + place[:, 2] * cos],
            axis=1,
        )
        assert np.abs(root + turned - joints[:-1, joint]).max() < 1e-6, joint


@pytest.mark.parametrize("speed, rate, stance", [(0.8, 0.94, 0.62), (1.2, 1.1, 0.62), (2.8, 1.5, 0.32)])
def test_a_foot_on_the_ground_stays_where_it_is(speed, rate, stance):
    t = times(4.0)
    facing = np.zeros(len(t))
    joints = posed(walked(t, along(t, np.full(len(t), speed), facing), facing, rate, stance=stance))
    share = (t * rate) % 1.0 / stance
    middle = (share > 0.2) & (share < 0.95)
    still = middle[1:] & middle[:-1] & (np.diff(np.floor(t * rate)) == 0)
    moved = np.linalg.norm(np.diff(joints[:, INDEX["left_foot"]], axis=0), axis=1)
    assert still.sum() > 10 and moved[still].max() < 0.02  # metres a frame; the root goes 4 to 14 cm


def test_the_networks_parameters_have_the_public_names_and_shapes():
    """Of humanml_trans_enc_512, as published; positional tables are left out there too."""
    layer = {
        "self_attn.in_proj_weight": (1536, 512), "self_attn.in_proj_bias": (1536,),
        "self_attn.out_proj.weight": (512, 512), "self_attn.out_proj.bias": (512,),
        "linear1.weight": (1024, 512), "linear1.bias": (1024,), "linear2.weight": (512, 1024), "linear2.bias": (512,),
        "norm1.weight": (512,), "norm1.bias": (512,), "norm2.weight": (512,), "norm2.bias": (512,),
    }  # fmt: skip
    wanted = {f"seqTransEncoder.layers.{k}.{name}": shape for k in range(8) for name, shape in layer.items()}
    wanted |= {
        "input_process.poseEmbedding.weight": (512, 263), "input_process.poseEmbedding.bias": (512,),
        "embed_timestep.time_embed.0.weight": (512, 512), "embed_timestep.time_embed.0.bias": (512,),
        "embed_timestep.time_embed.2.weight": (512, 512), "embed_timestep.time_embed.2.bias": (512,),
        "embed_text.weight": (512, 512), "embed_text.bias": (512,),
        "output_process.poseFinal.weight": (263, 512), "output_process.poseFinal.bias": (263,),
    }  # fmt: skip
    with torch.device("meta"):
        found = Network(Sizes()).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == wanted


def test_frames_behind_a_motions_end_do_not_count():
    network = Network(Sizes(width=16, layers=2, heads=2, inner=32, text=8)).eval()
    x, t, text = torch.randn(2, 263, 1, 12), torch.tensor([3, 40]), torch.randn(2, 8)
    other = x.clone()
    other[1, :, :, 8:] = 5.0
    lengths = torch.tensor([12, 8])
    one, two = (network(each, t, text, lengths) for each in (x, other))
    assert torch.allclose(one[1, :, :, :8], two[1, :, :, :8], atol=1e-5)
    assert not torch.allclose(one[1, :, :, :8], network(x, t, text)[1, :, :, :8], atol=1e-3)


def test_pictures_of_a_motion(tmp_path):
    joints = made("wave", 2.0)
    gif(joints, ["waves"] * len(joints), tmp_path / "motion.gif", size=64)
    with Image.open(tmp_path / "motion.gif") as picture:
        assert picture.n_frames >= 20 and picture.info["duration"] == 100
    assert sheet(joints, ["waves", "on"], columns=4, side=64).size == (256, 128)


def test_other_actions_at_the_ends_of_a_clip_are_joined_without_a_jump():
    """Bones keep their length through a fade, and nothing moves further in a frame than limbs do."""
    dice = np.random.default_rng(3)
    for _ in range(12):
        joints = among_others(dice, 6.0).joints
        assert joints.shape == (6 * FPS + 1, 22, 3)
        lengths = np.linalg.norm(joints[:, 1:] - joints[:, PARENTS[1:]], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-6
        assert np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=1).max() < 0.3  # the root, metres a frame


def test_captions_say_side_and_number_and_every_word_is_known():
    dice = np.random.default_rng(0)
    known, said = set(vocabulary()), []
    for _ in range(100):
        made = clip(dice, 6.0)
        said.append(caption(dice, made))
        other = "right" if made.manner.side > 0 else "left"
        assert other not in said[-1].split()
        assert set(said[-1].split()) <= known, said[-1]
    assert len(set(said)) > 80 and any("twice" in text for text in said)


def test_training_makes_a_folder_that_goes_on_learning(tmp_path):
    """What is written is the published layout, in half precision, and small enough to be embedded."""
    words = ["--out", str(tmp_path / "w"), "--minutes", "0.01", "--batch", "2", "--clips", "32",
             "--first", "32", "--workers", "1", "--width", "16", "--layers", "1"]  # fmt: skip
    for _ in range(2):
        main(words)
    told = json.loads((tmp_path / "w" / "args.json").read_text())
    assert told["latent_dim"] == 16 and told["diffusion_steps"] == 50
    assert (
        load_file(tmp_path / "w" / "model.safetensors")["output_process.poseFinal.bias"].dtype == torch.half
    )
    with torch.device("meta"):
        sizes = [p.numel() for p in Learner(build_tokenizer()).parameters()]
    assert 2 * sum(sizes) < 8e6
