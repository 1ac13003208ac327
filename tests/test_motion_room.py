"""The motion room: features and back, characters whose bones and feet behave, the network's public names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from texsync.motion.actions import ACTIONS, clip
from texsync.motion.character import joints as posed
from texsync.motion.draw import gif, sheet
from texsync.motion.features import FPS, SIZE, features, heading
from texsync.motion.gait import along, times, walked
from texsync.motion.mdm import Network, Shape
from texsync.motion.skeleton import INDEX, LENGTHS, PARENTS, REST
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
        found = Network(Shape()).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == wanted


def test_frames_behind_a_motions_end_do_not_count():
    network = Network(Shape(width=16, layers=2, heads=2, inner=32, text=8)).eval()
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
