"""DeepFloyd IF, on small random checkpoints of its own layout, against diffusers' own pipelines."""

from __future__ import annotations

import pytest
import tiny_if
import torch
from diffusers import DDIMScheduler, IFPipeline, IFSuperResolutionPipeline
from painted import CRATE
from refusals import refused
from zoo import close

from texsync import InputError, TexsyncWarning, ambiguous_image, texture_mesh, wide_image
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.families.deepfloyd import Clipped, Upscaler, claims
from texsync.couplings import Independent
from texsync.loop import sample
from texsync.schedule import Schedule
from texsync.tasks.reading import to_tensor
from texsync.views import identity
from texsync.views.shuffle import NAMES, shown

PROMPTS = ["a red object", "copper"]


@pytest.fixture(scope="session")
def first(tmp_path_factory):
    return tiny_if.write_stage_one(tmp_path_factory.mktemp("if") / "one")


@pytest.fixture(scope="session")
def second(tmp_path_factory):
    return tiny_if.write_stage_two(tmp_path_factory.mktemp("if") / "two")


@pytest.fixture(scope="session")
def stage(first):
    return load_model(first, device="cpu")


def schedule(config, **more):
    return DDIMScheduler.from_config(config, **more)


def test_folders_of_if_are_told_from_others(first, second, tiny_model):
    assert claims(str(first)) and claims(str(second)) and not claims(str(tiny_model))
    assert claims("DeepFloyd/IF-I-M-v1.0") and not claims("mini")


def test_the_schedule_ends_without_noise(stage):
    """30 steps from 957 to 0, the cosine levels of the fact sheet, and a clean last one."""
    spans = stage.schedule.spans(30)
    assert (spans[0].t, spans[-1].t, spans[-1].alpha_next) == (957, 0, 1.0)
    assert spans[0].alpha == pytest.approx(0.004278, rel=1e-3)


@pytest.mark.parametrize("agree", [True, False])
def test_diffusers_own_pipeline_paints_the_same_picture(stage, first, agree):
    """Same noise, words and guidance; a clipped guess with the noise it implies, or as predicted (SyncSDE's code)."""
    from diffusers import UNet2DConditionModel

    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    scheduler = schedule(DDIMScheduler.load_config(first / "scheduler") | {"variance_type": "fixed_small"})
    scheduler.set_timesteps(5)
    unet = UNet2DConditionModel.from_pretrained(first / "unet")
    words = torch.cat([stage.text([""] * 2), stage.text(PROMPTS)])
    theirs = x
    for t in scheduler.timesteps:
        out = unet(torch.cat([theirs] * 2), t, words).sample[:, :3].detach()
        eps = out[:2] + 7.0 * (out[2:] - out[:2])
        theirs = scheduler.step(eps, t, theirs, use_clipped_model_output=agree).prev_sample
    clipping = "agree" if agree else "raw"
    predict = stage.predictor(Conditions(PROMPTS, guidance=7.0, clipping=clipping), chunk=1)
    *_, (_, ours, _) = sample(predict, identity(16, 16, 2), Independent(), stage.schedule.spans(5), x)
    assert close(ours, theirs, 1e-3)


def test_words_are_read_as_ifs_pipeline_reads_them(stage, first):
    pipeline = IFPipeline(
        tokenizer=stage.parts.tokenizer,
        text_encoder=stage.parts.text_encoder,
        unet=stage.parts.unet.unet,
        scheduler=schedule({}),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )
    theirs, _ = pipeline.encode_prompt("A RED object ", do_classifier_free_guidance=False, device="cpu")
    assert close(stage.text(["A RED object "]), theirs, 1e-6)


def test_clipping_bounds_the_guess_and_agrees_with_its_noise():
    span = Schedule.scaled_linear().spans(10)[2]
    x, eps = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    clipped = Clipped(lambda x, span: eps, 0.9, 1.5)(x, span)
    theirs = DDIMScheduler(thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=1.5)
    assert close(span.tweedie(x, clipped), theirs._threshold_sample(span.tweedie(x, eps)), 1e-4)
    assert span.tweedie(x, clipped).abs().max() <= 1 + 1e-4


def test_stage_two_is_diffusers_own(stage, second):
    """The same network calls as IF's super-resolution pipeline, step by step."""
    upscaler, calls = Upscaler(second, stage), []
    upscaler.unet.unet.register_forward_hook(
        lambda module, args, more, out: calls.append((args, more)), with_kwargs=True
    )
    big = upscaler(torch.rand(1, 3, 16, 16) * 2 - 1, ["copper"], steps=3, guidance=4.0, seed=0)
    assert big.shape == (1, 3, 32, 32) and big.min() >= 0 and big.max() <= 1
    ours = [(args[0].shape, int(args[1][0]), int(more["class_labels"][0])) for args, more in calls]
    calls.clear()
    pipeline = IFSuperResolutionPipeline(
        tokenizer=stage.parts.tokenizer,
        text_encoder=stage.parts.text_encoder,
        unet=upscaler.unet.unet,
        scheduler=schedule(
            DDIMScheduler.load_config(second / "scheduler") | {"variance_type": "fixed_small"}
        ),
        image_noising_scheduler=schedule(DDIMScheduler.load_config(second / "image_noising_scheduler")),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    told = dict(num_inference_steps=3, noise_level=250, output_type="pt", guidance_scale=4.0)
    pipeline("copper", image=torch.rand(1, 3, 16, 16), height=32, width=32, **told)
    theirs = [(args[0].shape, int(args[1]), int(more["class_labels"][0])) for args, more in calls]
    assert ours == theirs


@pytest.mark.parametrize("name", [name for name in NAMES if name != "identity"])
def test_every_view_can_be_done_in_pixels(first, name):
    """patches needs 8, jigsaw 4 to divide the side; the canvas read the other way is the second picture."""
    made = ambiguous_image(PROMPTS, views=[name], model=str(first), steps=2, device="cpu", seed=1)
    seen = made.made[0].images
    assert close(seen[f"view_2_{name}"], made.made[0].views[1], 1e-5)
    assert close(seen[f"view_2_{name}"], shown(seen["picture"], name, cells=16, seed=1), 1e-6)


@pytest.mark.parametrize("name", ["flip", "negate", "pixels"])
def test_stage_two_enlarges_the_last_view_and_turns_it_back(first, second, name):
    made = ambiguous_image(
        PROMPTS, views=[name], model=str(first), upscaler=str(second), steps=2, device="cpu", seed=1
    )
    assert made.image.size == (32, 32) and made.made[0].views.shape == (2, 3, 16, 16)
    stage = load_model(first, device="cpu")
    kept = made.made[0].views[1:] * 2 - 1
    big = Upscaler(second, stage)(kept, PROMPTS[1:], steps=2, guidance=10.0, seed=1)[0]
    found = made.made[0].images[f"view_2_{name}"]
    assert (found - big).abs().mean() < 0.02  # the views on the sheet were cut to [0, 1] first


def test_a_mesh_is_painted_without_its_shape_which_is_said(first):
    few = {"model": str(first), "steps": 2, "texture_size": 64, "extra_views": "none", "device": "cpu"}
    with pytest.warns(TexsyncWarning, match="DeepFloyd IF has no ControlNet"):
        assert texture_mesh(CRATE, "copper", **few).texture.std() > 0
    with refused("controlnet", thing="ControlNet"):
        texture_mesh(CRATE, "copper", controlnet=str(first), control_kind="depth", **few)


def test_other_tasks_run_on_it_too(first):
    made = wide_image("copper", width=40, model=str(first), steps=2, device="cpu")
    assert to_tensor(made.image).shape == (3, 16, 40)
    assert (made.report["guidance"], made.report["view_size"]) == (10.0, 16)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"upscaler": "/nowhere"}, "no model folder /nowhere; give the folder of a stage of DeepFloyd IF"),
        ({"view_size": 32}, "view size 32 is not the model's; use 16"),
        ({"views": ["patch"]}, "unknown view 'patch'"),
    ],
)
def test_wrong_input_is_refused(first, values, message):
    with pytest.raises(InputError, match=message):
        ambiguous_image(PROMPTS, **{"model": str(first), "steps": 2, "device": "cpu", **values})


def test_stages_are_not_mistaken_for_each_other(first, second, tiny_model):
    with refused("model-config", value=6):
        ambiguous_image(PROMPTS, model=str(second), steps=2, device="cpu")
    with refused("model-config", value=3):
        ambiguous_image(PROMPTS, model=str(first), upscaler=str(first), steps=2, device="cpu")
    with refused("model-lacks", thing="upscaler"):
        ambiguous_image(["red", "copper"], model=str(tiny_model), upscaler=str(second), steps=2, device="cpu")
