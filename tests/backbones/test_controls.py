"""Every ControlNet gets what it was trained to follow, by its name or by what is said; or one line asks."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, DDIMScheduler, StableDiffusionControlNetPipeline
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from painted import CRATE, Watch, ball
from PIL import Image
from tiny import note_origin

from texsync import Cancelled, cli
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.families.diffusion import DiffusionBackbone
from texsync.couplings import make
from texsync.errors import InputError, TexsyncWarning
from texsync.loop import sample
from texsync.options.control_kinds import CONTROL_KINDS, KNOWN, kind_by_name, said_controls
from texsync.show.render import render
from texsync.surface.control_pictures import rendered
from texsync.tasks.mesh import Job
from texsync.views import identity

PROMPTS, NEGATIVES = ["red copper", "a view", "a red object"], ["view", "", "copper"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lllyasviel/control_v11f1p_sd15_depth", "depth"),
        ("lllyasviel/control_v11p_sd15_normalbae", "normal"),
        ("lllyasviel/control_v11p_sd15_softedge", "softedge"),
        ("lllyasviel/control_v11p_sd15_canny", "canny"),
        ("lllyasviel/control_v11p_sd15s2_lineart_anime", "lineart"),
        ("lllyasviel/control_v11f1e_sd15_tile", "tile"),
        ("lllyasviel/control_v11p_sd15_openpose", "openpose"),
        ("lllyasviel/control_v11e_sd15_shuffle", "shuffle"),
        ("lllyasviel/control_v11p_sd15_mlsd", "mlsd"),
        ("lllyasviel/control_v11e_sd15_ip2p", "ip2p"),
        ("lllyasviel/sd-controlnet-normal", "normal-midas"),
        ("lllyasviel/sd-controlnet-hed", "softedge"),
        ("diffusers/controlnet-depth-sdxl-1.0", "depth"),
        ("diffusers/controlnet-zoe-depth-sdxl-1.0", "depth"),
        ("xinsir/controlnet-union-sdxl-1.0", "union"),
        ("thibaud/controlnet-sd21-normalbae-diffusers", "normal"),
        ("C:\\models\\control_sd15_scribble.safetensors", "scribble"),
        ("/cache/models--lllyasviel--control_v11p_sd15_normalbae/snapshots/0123", "normal"),
        ("/home/poses/hedge/my-controlnet", None),
        ("/home/me/tile-project/cn/controlnet", None),
        ("someone/controlnet", None),
    ],
)
def test_what_a_name_says(name, kind):
    assert kind_by_name(name) == kind


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("owner/name", [("owner/name", None, None)]),
        ("depth=owner/name:0.8", [("owner/name", "depth", 0.8)]),
        ("normal=C:\\cn:1", [("C:\\cn", "normal", 1.0)]),
        ("a/b:1.0 + softedge=c/d:.5", [("a/b", None, 1.0), ("c/d", "softedge", 0.5)]),
        ("canny=", [("", "canny", None)]),
        ("none", [("none", None, None)]),
        ("", [("", None, None)]),
        ("owner/name@main:2", [("owner/name@main", None, 2.0)]),
    ],
)
def test_how_controlnets_are_said(text, parts):
    made = said_controls(text)
    assert [(one.name, one.kind, one.scale) for one in made] == parts
    assert said_controls(" + ".join(map(str, made))) == made


@pytest.mark.parametrize(
    ("controlnet", "message"),
    [
        ("colour=a/b", "unknown 'colour'; known: depth, normal"),
        ("depth=a/b:3", "a/b has scale 3; use 0 to 2"),
        ("depth=:0.5", "names no ControlNet"),
        (" + ".join(["depth=a/b"] * 9), "9 --controlnets; use at most 8"),
        (
            "lllyasviel/control_v11p_sd15_openpose",
            "follows a skeleton (openpose), which texsync cannot render",
        ),
        (
            "lllyasviel/control_v11f1e_sd15_tile",
            "control_v11f1e_sd15_tile follows a picture that is there already, and there is none; "
            "start from one with --start own, or paint details with --refine 2",
        ),
        ("depth=lllyasviel/control + xinsir/controlnet-tile-sdxl-1.0", "follows a picture that is there"),
        ("TencentARC/t2i-adapter-depth-midas-sdxl-1.0", "but is none (t2i-adapter)"),
        ("TencentARC/t2iadapter_canny_sd15v2", "but is none (t2i-adapter)"),
        ("lllyasviel/control_v11e_sd15_shuffle", "shuffle"),
        ("lllyasviel/control_v11p_sd15_inpaint", "a picture with a hole"),
        ("lllyasviel/control_v11e_sd15_ip2p", "(ip2p)"),
        ("lllyasviel/control_v11p_sd15_seg", "segmentation"),
        ("lllyasviel/control_v11p_sd15_scribble", "scribble"),
        ("lllyasviel/control_v11p_sd15_mlsd", "straight lines"),
        ("lllyasviel/sd-controlnet-normal", "the v1.1 normalbae one"),
        ("monster-labs/control_v1p_sd15_qrcode_monster", "light and dark"),
        ("xinsir/controlnet-union-sdxl-1.0", "several kinds"),
        (
            "someone/mystery",
            "not said what --controlnet someone/mystery follows; say it, e.g. --control-kind depth",
        ),
        ("depth=lllyasviel/control_v11f1p_sd15_depth + someone/mystery", "someone/mystery follows"),
        (
            "depth=lllyasviel/control_v11f1p_sd15_depth + no/such/folder",
            "no ControlNet folder no/such/folder",
        ),
        ("tile=lllyasviel/control", "lllyasviel/control follows a picture that is there already"),
    ],
)
def test_what_cannot_follow_a_mesh_is_told_before_anything_is_fetched(
    place, no_weights, capsys, controlnet, message
):
    assert cli.main(["jug.obj", "copper", "--model", "owner/sd15", "--controlnet", controlnet]) == 2
    told = capsys.readouterr().err
    assert message in told and len(told.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def two(tiny_model, tmp_path_factory):
    """Another ControlNet for the same model, of normals by its folder's name."""
    folder = tmp_path_factory.mktemp("cn") / "tiny_normalbae"
    shutil.copytree(tiny_model / "controlnet", folder)
    torch.manual_seed(5)
    other = ControlNetModel.from_config(ControlNetModel.load_config(folder))
    for layer in (*other.controlnet_down_blocks, other.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight, std=0.5)
    torch.nn.init.normal_(other.controlnet_cond_embedding.conv_out.weight, std=0.5)
    other.save_pretrained(folder)
    return folder


def theirs(folder, controls, pictures, scales, noise, **config):
    nets = [ControlNetModel.from_pretrained(path, **config) for path in controls]
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(
        folder, safety_checker=None, controlnet=MultiControlNetModel(nets) if len(nets) > 1 else nets[0]
    )
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    one = len(nets) == 1
    made = pipeline(
        PROMPTS, image=pictures[0] if one else pictures, negative_prompt=NEGATIVES, latents=noise,
        num_inference_steps=3, guidance_scale=5.0, eta=0.0, output_type="latent",
        controlnet_conditioning_scale=scales[0] if one else scales,
    )  # fmt: skip
    return torch.as_tensor(made.images)


def ours(backbone, pictures, noise):
    conditions = Conditions(PROMPTS, NEGATIVES, pictures, 5.0, 0.7, control_until=1.0)
    steps = backbone.schedule.spans(3)
    *_, (_, x, _) = sample(
        backbone.predictor(conditions, 2), identity(8, 8, count=3), make("none"), steps, noise
    )
    return x


def test_two_at_once_are_diffusers_two(tiny_model, two, noise, control):
    """Each with its own picture and scale; one says none and has that of the conditions."""
    backbone = load_model(tiny_model, controlnet=f"{tiny_model / 'controlnet'} + {two}:0.4")
    assert backbone.control_kinds == ("depth", "normal")
    pictures = [control, control.flip(1)]
    expected = theirs(tiny_model, [tiny_model / "controlnet", two], pictures, [0.7, 0.4], noise)
    torch.testing.assert_close(ours(backbone, pictures, noise), expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(InputError, match="2 ControlNets, 1 control pictures"):
        backbone.predictor(Conditions(PROMPTS, NEGATIVES, control))


def test_one_without_a_picture_is_off(tiny_model, two, noise, control):
    """As if it were not there."""
    one, both = (
        load_model(tiny_model, controlnet=f"{tiny_model / 'controlnet'}{more}") for more in ("", f" + {two}")
    )
    expected = ours(one, control, noise)
    assert torch.equal(ours(both, [control, None], noise), expected)
    assert not torch.equal(ours(both, [control, control], noise), expected)


def test_one_that_pools_says_nothing_about_what_is_not_wanted(tiny_model, two, noise, control, tmp_path):
    """`global_pool_conditions`, as the shuffle ControlNet has it."""
    folder = shutil.copytree(two, tmp_path / "shuffle")
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"global_pool_conditions": True}))
    expected = theirs(tiny_model, [folder], [control], [0.7], noise)
    plain = theirs(tiny_model, [two], [control], [0.7], noise)
    torch.testing.assert_close(
        ours(load_model(tiny_model, controlnet=folder), control, noise), expected, atol=1e-3, rtol=1e-3
    )
    assert (plain - expected).abs().max() > 0.01


ONE = {"cameras": {"frame": "render", "cameras": [{"azimuth_deg": 20, "distance": 2}]}}


def listening(monkeypatch):
    told = []
    predictor = DiffusionBackbone.predictor

    def listen(self, conditions, chunk=None):
        told.append(conditions.controls)
        return predictor(self, conditions, chunk)

    monkeypatch.setattr(DiffusionBackbone, "predictor", listen)
    return told


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
def test_each_gets_its_own_picture_of_the_mesh(paint, two, tiny_model, monkeypatch):
    """By name, by a kind before it, by `control_kind`; in lists and in one text."""
    told = listening(monkeypatch)
    own = str(tiny_model / "controlnet")
    cases = {
        ("depth",): {},
        ("normal",): {"controlnet": str(two)},
        ("canny",): {"controlnet": f"canny={two}"},
        ("softedge",): {"control_kind": "softedge"},
        ("depth", "normal"): {"controlnet": [own, str(two)]},
        ("lineart", "depth"): {"controlnet": f"lineart={own} + depth={two}:0.5"},
    }
    for kinds, asked in cases.items():
        made = paint(CRATE, **ONE, **asked)
        for kind, picture in zip(kinds, told[-1], strict=True):
            assert torch.equal(picture, rendered(made.pixels, kind, "official")), kinds
    assert set(CONTROL_KINDS) - set(KNOWN) == {kind for kinds in cases for kind in kinds}


LEFT, RIGHT = (200, 40, 40), (40, 60, 200)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A square whose own picture is red on the left and blue on the right."""
    place = tmp_path_factory.mktemp("board")
    corners = ((0, 0), (1, 0), (1, 1), (0, 1))
    lines = ["mtllib b.mtl", *(f"v {x} {y} 0" for x, y in corners), *(f"vt {x} {y}" for x, y in corners)]
    (place / "board.obj").write_text("\n".join([*lines, "usemtl b", "f 1/1 2/2 3/3 4/4", ""]))
    (place / "b.mtl").write_text("newmtl b\nmap_Kd b.png\n")
    picture = Image.new("RGB", (128, 128), LEFT)
    picture.paste(RIGHT, (64, 0, 128, 128))
    picture.save(place / "b.png")
    picture.point(lambda level: 255 * (level == 60)).split()[1].save(place / "right.png")
    return place / "board.obj"


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
@pytest.mark.parametrize("asked", [{"start": "own", "start_noise": 1.0}, {"repaint": "right.png"}])
def test_a_tile_one_is_shown_what_the_mesh_shows(paint, board, two, tiny_model, monkeypatch, asked):
    """Its colours, seen by each camera, where another ControlNet has depth."""
    told = listening(monkeypatch)
    monkeypatch.chdir(board.parent)
    controls = [str(tiny_model / "controlnet"), f"tile={two}"]
    made = paint(board, controlnet=controls, uvs="keep", **ONE, **asked)
    depth, seen = told[0]
    assert torch.equal(depth, rendered(made.pixels, "depth")) and torch.equal(depth, made.condition)
    (front,), (mask,) = seen, made.pixels.mask
    assert (front[:, ~mask] > 0.9).float().mean() > 0.8
    levels = (front * 255).round().permute(1, 2, 0)
    shares = [(levels == torch.tensor(colour)).all(-1)[mask].float().mean() for colour in (LEFT, RIGHT)]
    assert min(shares) > 0.35
    texture = np.array(Image.open("b.png"))
    torch.testing.assert_close(seen, render(made.surface, texture, made.pixels.cameras, 64))


def test_a_tile_one_is_off_until_there_is_something_and_follows_it_in_the_details(
    paint, board, two, tiny_model, monkeypatch
):
    """Nothing in the first pass, then each seed's first texture in every tile."""
    told, cameras = listening(monkeypatch), []
    predictor = Job.predictor

    def listen(self, backbone, controls, where, alone=True):
        cameras.append(where)
        return predictor(self, backbone, controls, where, alone)

    monkeypatch.setattr(Job, "predictor", listen)
    few = {**ONE, "uvs": "keep", "controlnet": f"{tiny_model / 'controlnet'} + tile={two}"}
    fine = {"refine": 2, "refine_noise": 0.5, "count": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TexsyncWarning)
        first = [paint(board, **few | {"controlnet": None, "seed": seed}) for seed in (0, 1)]
        told.clear(), cameras.clear()
        paint(board, **few, **fine)
    assert [len(said) for said in told] == [2, 2, 2] and told[0][1] is None
    assert cameras[1] == cameras[2] != cameras[0]
    for texture, (depth, seen) in zip(first, told[1:], strict=True):
        torch.testing.assert_close(seen, render(texture.surface, texture.texture, cameras[1], 64))
        assert torch.equal(depth, told[1][0])


@pytest.mark.filterwarnings("ignore:words the model does not know")
def test_alone_it_leaves_the_first_pass_to_chance_and_that_is_said(paint, board, two):
    with (
        pytest.raises(Cancelled),
        pytest.warns(TexsyncWarning, match="no controlnet follows the mesh's shape"),
    ):
        paint(board, **ONE, controlnet=f"tile={two}", refine=2, on_progress=Watch("geometry"))


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
def test_a_model_that_is_loaded_says_itself_that_it_follows_what_is_there(paint, two, tiny_model):
    backbone = load_model(tiny_model, controlnet=f"tile={two}")
    with pytest.raises(
        InputError, match="follows a picture that is there already, and there is none; start from"
    ):
        paint(ball(), model=backbone, device="auto")


def test_one_that_says_nothing_is_taken_for_depth_if_it_is_the_models_own(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    note_origin(folder / "controlnet", "")
    with pytest.warns(TexsyncWarning, match="nothing says what .* follows; it is taken for depth"):
        assert load_model(folder).control_kinds == ("depth",)
    (folder / "texsync.json").write_text('{"control_kind": "normal"}')
    assert load_model(folder).control_kinds == ("normal",)
    assert load_model(folder, controlnet=folder / "controlnet").control_kinds == ("normal",)
    assert load_model(
        folder, controlnet=shutil.copytree(folder / "controlnet", tmp_path / "cn")
    ).control_kinds == (None,)
