"""The diffusers adapter computes what diffusers computes, whatever the chunk size."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionControlNetPipeline,
    UNet2DConditionModel,
)
from refusals import refused
from transformers import CLIPTextModel, CLIPTokenizer

from texsync.backbones.advice import Advice
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.prediction import schedule_from, to_eps
from texsync.backbones.prompts import view_prompts
from texsync.backbones.tokens import cut_words, shortened
from texsync.couplings import make
from texsync.errors import InputError, TexsyncWarning
from texsync.loop import sample
from texsync.schedule import Span
from texsync.views.plane import identity

PROMPTS = ["weathered copper, front view.", "a red object", "a red copper, front view."]
NEGATIVES = ["red", "a copper", "red"]
SPAN = Span(t=501, alpha=0.3, alpha_next=0.5, frac=0.501)


def reference_eps(folder, x, t, control, scale, guidance):
    """Guided noise by calling diffusers' models one picture at a time, as the pipeline's source does."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    controlnet = ControlNetModel.from_pretrained(folder / "controlnet")
    words = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder")

    def one(i, text):
        ids = words(text, padding="max_length", max_length=20, truncation=True, return_tensors="pt").input_ids
        told, residuals = encoder(ids)[0], {}
        if scale is not None:
            down, mid = controlnet(
                x[i : i + 1], t, told, control[i : i + 1], conditioning_scale=scale, return_dict=False
            )
            residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        return unet(x[i : i + 1], t, told, **residuals).sample

    with torch.no_grad():
        return torch.cat(
            [
                one(i, NEGATIVES[i]) + guidance * (one(i, PROMPTS[i]) - one(i, NEGATIVES[i]))
                for i in range(len(x))
            ]
        )


def test_eps_is_diffusers_own(backbone, tiny_model, noise, control):
    """Guidance, text and ControlNet together equal calling the models by hand."""
    predict = backbone.predictor(Conditions(PROMPTS, NEGATIVES, control, 7.5, control_scale=0.8))
    expected = reference_eps(tiny_model, noise, SPAN.t, control, 0.8, 7.5)
    torch.testing.assert_close(predict(noise, SPAN), expected, atol=2e-5, rtol=1e-4)
    unheard = reference_eps(tiny_model, noise, SPAN.t, control, None, 7.5)
    assert (unheard - expected).abs().max() > 1e-2  # so that the control is really in the numbers above


def test_a_unet_that_reads_the_words_once_more(tiny_model, tmp_path, noise, control):
    """`addition_embed_type` "text": they also go to the UNet's time embedding, as in diffusers."""
    folder = shutil.copytree(tiny_model, tmp_path / "copy")
    config = UNet2DConditionModel.load_config(folder / "unet")
    torch.manual_seed(0)
    more = {"addition_embed_type": "text", "addition_embed_type_num_heads": 4}
    UNet2DConditionModel.from_config({**config, **more}).save_pretrained(folder / "unet")
    options = {"guidance": 3.0, "control_scale": 1.0, "control_until": 1}
    eps = load_model(folder).predictor(Conditions(PROMPTS, NEGATIVES, control, **options))(noise, SPAN)
    expected = reference_eps(folder, noise, SPAN.t, control, 1.0, 3.0)
    torch.testing.assert_close(eps, expected, atol=2e-5, rtol=1e-4)


def test_control_scale_runs_from_start_to_end(backbone, tiny_model, noise, control):
    """Linear in t, off past control_until, and off means the ControlNet is not called."""
    told = Conditions(PROMPTS, NEGATIVES, control, guidance=3.0, control_scale=(0.2, 1.0), control_until=0.99)
    predict = backbone.predictor(told)
    assert told.control_at(Span(999, 0.1, 0.2, 1.0)) == pytest.approx(0.2)
    assert told.control_at(SPAN) == pytest.approx(0.2 * 0.501 + 1.0 * 0.499)
    last = backbone.schedule.spans(30)[-1]
    assert told.control_at(last) == 0.0
    expected = reference_eps(tiny_model, noise, last.t, control, None, 3.0)
    torch.testing.assert_close(predict(noise, last), expected, atol=2e-5, rtol=1e-4)


def test_scale_zero_never_calls_the_controlnet(tiny_model, noise, control):
    """A ControlNet that is off costs nothing."""
    backbone = load_model(tiny_model)
    predict = backbone.predictor(Conditions(PROMPTS, NEGATIVES, control, guidance=3.0, control_scale=0.0))
    calls = []
    backbone.parts.controls[0].network.register_forward_hook(lambda *_: calls.append(1))
    predict(noise, SPAN)
    assert not calls


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_chunk_does_not_matter(backbone, noise, control, guidance):
    """One, two or three views a call: the same noise."""
    conditions = Conditions(PROMPTS, NEGATIVES, control, guidance)
    told = [backbone.predictor(conditions, chunk)(noise, SPAN) for chunk in (1, 2, 3)]
    for other in told[1:]:
        torch.testing.assert_close(other, told[0], atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(backbone.decode(noise)[1:2], backbone.decode(noise[1:2]), atol=1e-5, rtol=1e-4)


def test_guidance_one_leaves_negatives_out(backbone, noise):
    """Half the work, and the negatives cannot be heard."""
    other = [text + " object" for text in NEGATIVES]
    quiet = [
        backbone.predictor(Conditions(PROMPTS, n, guidance=1.0))(noise, SPAN) for n in (NEGATIVES, other)
    ]
    heard = [
        backbone.predictor(Conditions(PROMPTS, n, guidance=2.0))(noise, SPAN) for n in (NEGATIVES, other)
    ]
    assert torch.equal(*quiet) and not torch.allclose(*heard)


@pytest.mark.parametrize("which", ["tiny_model", "tiny_v_model"])
def test_three_steps_equal_the_pipeline(which, request, noise, control):
    """Uncoupled views end where diffusers' ControlNet pipeline ends, for eps and for v prediction."""
    folder = request.getfixturevalue(which)
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        PROMPTS,
        image=control,
        negative_prompt=NEGATIVES,
        latents=noise,
        num_inference_steps=3,
        guidance_scale=5.0,
        controlnet_conditioning_scale=0.7,
        eta=0.0,
        output_type="latent",
    ).images
    backbone = load_model(folder)
    predict = backbone.predictor(Conditions(PROMPTS, NEGATIVES, control, 5.0, control_scale=0.7), chunk=2)
    views = identity(8, 8, count=3)
    *_, (_, x, _) = sample(predict, views, make("none"), backbone.schedule.spans(3), noise)
    torch.testing.assert_close(x, torch.as_tensor(expected), atol=1e-3, rtol=1e-3)


def test_decode_and_encode_are_the_autoencoder(backbone, tiny_model, noise, control):
    """Scaling factor, range and the repeatable mode."""
    vae = AutoencoderKL.from_pretrained(tiny_model / "vae")
    with torch.no_grad():
        pictures = vae.decode(noise / vae.config.scaling_factor).sample / 2 + 0.5
        latents = vae.encode(control * 2 - 1).latent_dist.mode() * vae.config.scaling_factor
    torch.testing.assert_close(backbone.decode(noise), pictures.clamp(0, 1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(backbone.encode(control), latents, atol=1e-5, rtol=1e-4)


def test_prediction_types_mean_the_same_noise(noise):
    """eps, v and x0 of one known mixture all convert back to its noise."""
    clean, eps, a = noise, noise.flip(0), 0.37
    x = math.sqrt(a) * clean + math.sqrt(1 - a) * eps
    v = math.sqrt(a) * eps - math.sqrt(1 - a) * clean
    for kind, said in {"epsilon": eps, "v_prediction": v, "sample": clean}.items():
        torch.testing.assert_close(to_eps(kind, x, said, a), eps, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_schedules_are_diffusers_own(beta_schedule, zero_snr):
    """Levels and timesteps equal DDIMScheduler's for every beta schedule."""
    theirs = DDIMScheduler(
        beta_schedule=beta_schedule, beta_start=0.00085, beta_end=0.012, rescale_betas_zero_snr=zero_snr,
        steps_offset=1, set_alpha_to_one=False,
    )  # fmt: skip
    ours = schedule_from(theirs.config)
    np.testing.assert_allclose(ours.alphas, theirs.alphas_cumprod, atol=1e-6)
    theirs.set_timesteps(30)
    assert [span.t for span in ours.spans(30)] == theirs.timesteps.tolist()
    assert all(0 < alpha < 1 for alpha in ours.alphas)


def test_a_missing_key_is_read_as_ddim_reads_it():
    """An almost empty file, as old repositories have it."""
    ours = schedule_from({"beta_schedule": "linear"})
    theirs = DDIMScheduler()
    np.testing.assert_allclose(ours.alphas, theirs.alphas_cumprod, atol=1e-6)
    assert ours.final_alpha == 1.0 and ours.offset == 0


@pytest.mark.parametrize(
    "config", [{"beta_schedule": "exotic"}, {"timestep_spacing": "exotic"}], ids=["betas", "spacing"]
)
def test_unknown_schedules_are_refused(config):
    with refused("model-config", thing="scheduler", value="exotic"):
        schedule_from(config)


def test_half_precision_follows_full(tiny_model, noise, control):
    """bf16 inside, float32 outside, near the same noise."""
    eps = {}
    for dtype in ("fp32", "bf16"):
        backbone = load_model(tiny_model, dtype=dtype)
        eps[dtype] = backbone.predictor(Conditions(PROMPTS, NEGATIVES, control, guidance=2.0))(noise, SPAN)
        assert eps[dtype].dtype == torch.float32
        assert backbone.decode(noise).dtype == torch.float32
    assert (eps["bf16"] - eps["fp32"]).abs().mean() < 0.05 * eps["fp32"].abs().mean()


def test_view_prompts_follow_the_paper():
    """Prefix, suffix, and the front told away from every other view."""
    positive, negative = view_prompts("a turtle.", ["front", "side", ""], prefix="Best ", negative="blurry.")
    assert positive == ["Best a turtle, front view.", "Best a turtle, side view.", "Best a turtle."]
    assert negative == ["blurry.", "blurry, front view.", "blurry, front view."]
    assert view_prompts("x", ["back"])[1] == ["front view."]


def test_a_long_prompt_does_not_cost_a_view_its_name(backbone, recwarn):
    """It is read in several chunks, none of it cut; for a model that reads one chunk it is cut, which is said."""
    positive, _ = view_prompts("a " * 30 + "copper", ["front", "side"], shorten=backbone.shorten)
    assert [prompt.split()[-3:] for prompt in positive] == [
        ["copper,", name, "view."] for name in ("front", "side")
    ]
    backbone.text.warn(positive)
    assert not [one for one in recwarn.list if "not read" in str(one.message)]
    tokenizer, room = backbone.text.tokenizer, 18
    with pytest.warns(TexsyncWarning, match="not read: '.*copper'") as told:
        text = shortened(tokenizer, "a " * 30 + "copper", [", front view."], room)
    assert len(told) == 1 and not cut_words(tokenizer, [f"{text}, front view."], room)
    assert cut_words(tokenizer, ["a " * 18 + "red copper"], room) == "red copper"


def test_words_that_are_not_read_are_named(backbone):
    """What is unknown, each once, and nothing for a prompt that is understood."""
    with pytest.warns(TexsyncWarning, match="does not know: quiz, 42; use"):
        backbone.text.warn(["a quiz 42", "quiz copper"])
    assert not backbone.text.unknown_words("weathered copper, front view.")


def test_recommendations_come_from_the_folder(tiny_model, tmp_path):
    """texsync.json overrides the paper's values one by one, and is checked."""
    assert load_model(tiny_model).advice == Advice(view_size=32)
    folder = shutil.copytree(tiny_model, tmp_path / "copy")
    (folder / "texsync.json").write_text('{"guidance": 4, "control_scale": [1.0, 1.0]}')
    loaded = load_model(folder)
    assert loaded.advice == Advice(guidance=4, control_scale=(1.0, 1.0))
    for wrong in (
        '{"guidence": 4}',
        '{"guidance": "4"}',
        '{"control_scale": 1}',
        '{"strength": 2}',
        "[]",
        "{",
    ):
        (folder / "texsync.json").write_text(wrong)
        with pytest.raises(InputError, match=r"texsync\.json"):
            load_model(folder)


def test_the_latent_shape_is_checked(backbone):
    """Views must halve evenly down to the UNet's floor."""
    assert backbone.latent_shape(32) == (4, 8, 8)
    with refused("view-size", thing="view size", value=30):
        backbone.latent_shape(30)
