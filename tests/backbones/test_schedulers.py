"""Every scheduler of the library is read as what it is, or refused by name; every sampler is the library's own."""

from __future__ import annotations

import json
import shutil

import diffusers
import pytest
import tiny
import torch

from texsync import samplers
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.prediction import schedule_from, to_eps
from texsync.backbones.schedulers import FileSchedule, clipping_of
from texsync.backbones.unet import guidance_embedding
from texsync.couplings import make
from texsync.errors import InputError
from texsync.loop import sample
from texsync.options import shared
from texsync.views.plane import identity

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # the library's own, on new numpy
BETAS = {name: tiny.SD15_NOISE[name] for name in ("beta_start", "beta_end", "beta_schedule")}
X = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def network(x, t):
    """Any function of picture and time will do."""
    return torch.tanh(1.3 * x.roll(1, -1) + 0.2) + 0.3 * torch.sin(x + float(t) / 200)


def ours(schedule, steps, sampler, kind="epsilon", x=X, renew=None):
    made = samplers.named(sampler)
    spans = made.spans(schedule, steps)

    def predict(x, span):
        return to_eps(kind, x, network(x, span.t), span.alpha)

    *_, (_, x, _) = sample(made.through(predict), identity(4, 4), make("none"), spans, x, renew)
    return x, [span.t for span in spans]


def theirs(scheduler, steps, draw=None):
    """The scheduler's own run, in its own words, from the same share of noise."""
    scheduler.set_timesteps(steps)
    x = X
    if "Euler" in type(scheduler).__name__:
        x = (
            X * (1 + float(scheduler.sigmas[0]) ** 2) ** 0.5
        )  # unit variance in all, as Stable Diffusion was trained
    more = {"generator": draw} if draw else {}
    for t in scheduler.timesteps:
        x = scheduler.step(network(scheduler.scale_model_input(x, t), t), t, x, **more).prev_sample
    return x, scheduler.timesteps.tolist()


ZERO = dict(rescale_betas_zero_snr=True, timestep_spacing="trailing")
EXACT = {  # sampler, class, what its file says
    "ddim": ("ddim", "DDIMScheduler", dict(clip_sample=False, set_alpha_to_one=False, steps_offset=1)),
    "ddim by its own defaults": ("ddim", "DDIMScheduler", dict(clip_sample=False)),
    "trailing": ("ddim", "DDIMScheduler", dict(clip_sample=False, timestep_spacing="trailing")),
    "zero signal": ("ddim", "DDIMScheduler", dict(clip_sample=False, prediction_type="v_prediction", **ZERO)),
    "euler zero signal": ("euler", "EulerDiscreteScheduler", dict(prediction_type="v_prediction", **ZERO)),
    "euler": ("euler", "EulerDiscreteScheduler", {}),
    "euler leading": ("euler", "EulerDiscreteScheduler", dict(timestep_spacing="leading", steps_offset=1)),
    "euler trailing": ("euler", "EulerDiscreteScheduler", dict(timestep_spacing="trailing")),
    "euler karras": ("euler", "EulerDiscreteScheduler", dict(use_karras_sigmas=True)),
    "euler v": ("euler", "EulerDiscreteScheduler", dict(prediction_type="v_prediction")),
    "dpm++": ("dpm++", "DPMSolverMultistepScheduler", {}),
    "dpm++ karras": ("dpm++", "DPMSolverMultistepScheduler", dict(use_karras_sigmas=True)),
    "dpm++ leading": ("dpm++", "DPMSolverMultistepScheduler", dict(timestep_spacing="leading", steps_offset=1)),
    "unipc": ("unipc", "UniPCMultistepScheduler", {}),
    "unipc v": ("unipc", "UniPCMultistepScheduler", dict(prediction_type="v_prediction")),
    "tcd": ("tcd", "TCDScheduler", {}),
}  # fmt: skip


@pytest.mark.parametrize("steps", [1, 4, 10, 20])
@pytest.mark.parametrize("case", EXACT)
def test_one_view_alone_is_the_librarys_own_run(case, steps):
    """Timesteps equal and the end equal, whatever is and is not said in the file."""
    sampler, name, said = EXACT[case]
    said = {**BETAS, **said}
    scheduler = getattr(diffusers, name)(**said)
    schedule = schedule_from({"_class_name": name, **said})
    assert schedule.sampler == sampler
    x, times = ours(schedule, steps, sampler, said.get("prediction_type", "epsilon"))
    if name == "TCDScheduler":
        scheduler.step = lambda *a, _step=scheduler.step: _step(*a, eta=0.0)
    expected, own = theirs(scheduler, steps)
    assert times == pytest.approx(own, abs=1e-3)
    torch.testing.assert_close(x, expected.double(), atol=1e-4, rtol=1e-4)


RANDOM = {
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "ddpm": ("DDPMScheduler", dict(clip_sample=False)),
    "lcm": ("LCMScheduler", {}),
}


@pytest.mark.parametrize("steps", [1, 4, 10])
@pytest.mark.parametrize("sampler", RANDOM)
def test_with_the_same_numbers_random_samplers_are_the_librarys_too(sampler, steps):
    name, said = RANDOM[sampler]
    said = {**BETAS, **said}
    drawn = torch.Generator().manual_seed(5)
    expected, own = theirs(getattr(diffusers, name)(**said), steps, torch.Generator().manual_seed(5))

    def renew(index):
        return torch.randn(X.shape, generator=drawn, dtype=torch.float64)

    x, times = ours(schedule_from({"_class_name": name, **said}), steps, sampler, renew=renew)
    assert times == pytest.approx(own, abs=1e-3)
    torch.testing.assert_close(x, expected.double(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["PNDMScheduler", "HeunDiscreteScheduler", "DEISMultistepScheduler"])
def test_what_a_file_leaves_out_is_as_its_class_has_it(name):
    """Linspace for Euler's kin, leading for PNDM, which ends at the first level."""
    schedule = schedule_from({"_class_name": name, **BETAS})
    own = getattr(diffusers, name)().config
    assert schedule.spacing == own.timestep_spacing
    assert (schedule.final_alpha is None) == (not own.get("set_alpha_to_one", True))


@pytest.mark.parametrize("steps", [4, 10])
def test_clipped_guesses_are_the_librarys(steps):
    """`clip_sample` where a pipeline does it: SDXL's does, those of 1.x and 2.x switch it off."""
    said = dict(BETAS, clip_sample=True, clip_sample_range=0.4)
    assert clipping_of(said, pipeline_clips=False) is None and clipping_of(said, pipeline_clips=True) == 0.4

    def predict(x, span):
        return network(x, span.t)

    spans = schedule_from(said).spans(steps)
    *_, (_, x, _) = sample(samplers.CutGuesses(predict, 0.4), identity(4, 4), make("none"), spans, X)
    expected, _ = theirs(diffusers.DDIMScheduler(**said), steps)
    torch.testing.assert_close(x, expected.double(), atol=1e-4, rtol=1e-4)
    with pytest.raises(InputError, match="thresholding, which is for models of pixels"):
        clipping_of({"thresholding": True}, pipeline_clips=True)


REFUSED = {
    "consistency": (dict(_class_name="CMStochasticIterativeScheduler"), "CMStochastic.*have no text"),
    "edm": (dict(_class_name="EDMEulerScheduler"), "EDMEulerScheduler.*another size"),
    "edm dpm": (dict(_class_name="EDMDPMSolverMultistepScheduler"), "EDMDPM.*another size"),
    "flow": (dict(_class_name="FlowMatchEulerDiscreteScheduler"), "FlowMatch.*transformer"),
    "flow sigmas": (dict(_class_name="UniPCMultistepScheduler", use_flow_sigmas=True), "for flow matching"),
    "unknown": (dict(_class_name="MyScheduler"), "'MyScheduler'; known: DDIMScheduler"),
    "no name": (dict(_class_name=["a"]), r"scheduler is a \['a'\]"),
    "final": (dict(_class_name="EulerDiscreteScheduler", final_sigmas_type="x"), "final_sigmas_type"),
    "interpolation": (dict(_class_name="EulerDiscreteScheduler", interpolation_type="x"), "interpolation_type"),
    "betas of a solver": (dict(_class_name="DPMSolverMultistepScheduler", beta_schedule="x"), "beta_schedule 'x'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_schedulers_are_refused_by_name(case):
    config, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        schedule_from({**config, **{k: v for k, v in BETAS.items() if k not in config}}).spans(4)


@pytest.mark.parametrize("sampler", samplers.SAMPLERS)
@pytest.mark.parametrize("steps", [0, 1001])
def test_step_counts_out_of_range_are_refused(sampler, steps):
    schedule = schedule_from(BETAS)
    assert isinstance(schedule, FileSchedule)
    with pytest.raises(InputError, match=f"steps is {steps}; give a whole number from 1 to 1000"):
        samplers.named(sampler).spans(schedule, steps)


def test_the_option_offers_what_there_is():
    assert list(shared.SAMPLERS) == list(samplers.SAMPLERS)
    assert tuple(name for name, one in samplers.SAMPLERS.items() if one.plain) == shared.PLAIN_SAMPLERS


@pytest.mark.parametrize("channels", [8, 9])
def test_guidance_is_told_as_the_library_tells_it(channels):
    """To latent consistency models, as a vector of their own."""
    from diffusers import LatentConsistencyModelPipeline

    theirs = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, torch.tensor([7.0]), channels)
    torch.testing.assert_close(guidance_embedding(8.0, channels), theirs, atol=1e-3, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:lcm is distilled")
def test_a_latent_consistency_model_runs_as_its_pipeline_does(tiny_model, tmp_path, noise):
    """One of four steps: no negatives, the guidance told, new noise between, LCM's own timesteps."""
    folder = shutil.copytree(tiny_model, tmp_path / "lcm")
    shutil.rmtree(folder / "controlnet")
    config = diffusers.UNet2DConditionModel.load_config(folder / "unet")
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel.from_config({**config, "time_cond_proj_dim": 8})
    torch.nn.init.normal_(unet.time_embedding.cond_proj.weight)
    unet.save_pretrained(folder / "unet")
    diffusers.LCMScheduler(**BETAS).save_pretrained(folder / "scheduler")
    (folder / "texsync.json").unlink()
    index = json.loads((folder / "model_index.json").read_text())
    del index["controlnet"]
    index |= {"_class_name": "LatentConsistencyModelPipeline", "scheduler": ["diffusers", "LCMScheduler"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    pipeline = diffusers.LatentConsistencyModelPipeline.from_pretrained(
        folder, requires_safety_checker=False, image_encoder=None
    )
    pipeline.set_progress_bar_config(disable=True)
    words = ["a red object", "a view", "copper"]
    expected = pipeline(
        words, latents=noise, num_inference_steps=4, guidance_scale=6.0, generator=torch.Generator().manual_seed(3),
        height=32, width=32, output_type="latent",
    ).images  # fmt: skip
    backbone, sampler = load_model(folder, "none"), samplers.named("lcm")
    assert backbone.advice.steps == 8 and backbone.schedule.sampler == "lcm"
    predict = backbone.predictor(Conditions(words, ["red"] * 3, guidance=6.0), chunk=2)
    draw = torch.Generator().manual_seed(3)
    spans = sampler.spans(backbone.schedule, 4)
    renew = (torch.randn(noise.shape, generator=draw) for _ in spans)
    run = sample(
        sampler.through(predict), identity(8, 8, count=3), make("none"), spans, noise, lambda _: next(renew)
    )
    *_, (_, x, _) = run
    torch.testing.assert_close(x, torch.as_tensor(expected), atol=1e-4, rtol=1e-4)
