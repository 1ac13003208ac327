"""Every family in every shape that it is handed out in: the same numbers as diffusers' own pipeline, on meshes and
pictures too."""

from __future__ import annotations

import json
import warnings

import diffusers
import numpy as np
import pytest
import single
import tiny_if
import tiny_sd3
import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from doors import BALL, exported
from refusals import refused
from shapes import SHAPES
from tiny import SD15_NOISE
from transformers import AutoTokenizer, T5EncoderModel

from texsync import samplers, texture_mesh, wide_image
from texsync.backbones import loading, single_file
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.families import deepfloyd, sd3
from texsync.couplings import make
from texsync.loop import sample
from texsync.views.plane import identity

PROMPTS, NEGATIVES = ["weathered copper, front view.", "a red object"], ["red", "a view"]
STEPS, GUIDANCE, SCALE = 2, 5.0, 0.7
TWO_VIEWS = {"cameras": [{"azimuth_deg": 0.0}, {"azimuth_deg": 90.0}]}
DDIM = {"_class_name": "DDIMScheduler", **SD15_NOISE, "clip_sample": False, "set_alpha_to_one": False}
PREDICTS = {"sd1": "epsilon", "sd2": "v_prediction", "sdxl": "epsilon"}
TURBO = {"_class_name": "EulerDiscreteScheduler", **SD15_NOISE, "timestep_spacing": "trailing"}
LCM = {"_class_name": "LCMScheduler", **SD15_NOISE}
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),  # the library's own, on new numpy
    pytest.mark.filterwarnings("ignore:.* is distilled"),
]


# ---- the families: each writes a folder as it is handed out


def stable(kind, scheduler=None):
    def write(place, layouts):
        folder = single.write_folder(place, layouts[kind], single.networks(layouts[kind]))
        if scheduler is not None:
            write_scheduler(folder, scheduler)
        return folder

    return write


def write_scheduler(folder, config):
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))


def consistent(place, layouts):
    """Latent consistency: the network is told the guidance."""
    folder = stable("sd1", LCM)(place, layouts)
    torch.manual_seed(0)
    config = diffusers.UNet2DConditionModel.load_config(folder / "unet")
    unet = diffusers.UNet2DConditionModel.from_config({**config, "time_cond_proj_dim": 8})
    torch.nn.init.normal_(unet.time_embedding.cond_proj.weight)
    unet.save_pretrained(folder / "unet")
    return folder


FAMILIES = {
    "sd1": stable("sd1"),
    "sd2": stable("sd2"),
    "sdxl": stable("sdxl"),
    "sd-turbo": stable("sd2", TURBO),
    "lcm": consistent,
    "sd3": lambda place, layouts: tiny_sd3.write_model(place),
    "if": lambda place, layouts: tiny_if.write_stage_one(place),
}
IN_ONE_FILE = ("sd1", "sd2", "sdxl")


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    made = single.write_layouts(tmp_path_factory.mktemp("layouts"))
    for kind, predicts in PREDICTS.items():
        write_scheduler(made[kind], {**DDIM, "prediction_type": predicts})
    return made


@pytest.fixture(autouse=True)
def small(layouts, monkeypatch):
    """The single files here are of the small layouts; an encoder's answer is its mode, as ours is."""
    monkeypatch.setattr(single_file, "LAYOUTS", layouts)
    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda self, *_: self.mode())


@pytest.fixture(scope="module")
def families(layouts, tmp_path_factory):
    """Folders, and what was made with them, each on first use."""
    place, made = tmp_path_factory.mktemp("families"), {}

    def get(name):
        if name not in made:
            made[name] = Family(name, FAMILIES[name](place / name, layouts))
        return made[name]

    return get


class Family:
    """A model's folder, diffusers' own latents from it, and what texsync paints with it."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.painted, self.latents = None, None

    @property
    def controlled(self):
        return (self.folder / "controlnet").is_dir()

    @property
    def start(self):
        """Noise, and control pictures of the right size."""
        draw = torch.Generator().manual_seed(2)
        cells, pixels, channels = {"sd3": (8, 32, 4), "if": (16, 16, 3)}.get(self.name, (8, 64, 4))
        return torch.randn(2, channels, cells, cells, generator=draw), torch.rand(
            2, 3, pixels, pixels, generator=draw
        )

    def expected(self):
        if self.latents is None:
            self.latents = PIPELINES.get(self.name, theirs)(self)
        return self.latents


def theirs(family):
    """Latents where diffusers' own pipeline ends."""
    noise, control = family.start
    xl, three = family.name == "sdxl", family.name == "sd3"
    kind = "StableDiffusionXLControlNetPipeline" if xl else "StableDiffusionControlNetPipeline"
    more = {} if xl or three else {"safety_checker": None}
    if three:
        kind, control = "StableDiffusion3ControlNetPipeline", control * 2 - 1
    net = (diffusers.SD3ControlNetModel if three else diffusers.ControlNetModel).from_pretrained(
        family.folder / "controlnet"
    )
    pipeline = getattr(diffusers, kind).from_pretrained(family.folder, controlnet=net, **more)
    pipeline.scheduler = scheduler_of(family)
    return run(
        pipeline,
        noise,
        **{"control_image" if three else "image": control},
        controlnet_conditioning_scale=SCALE,
        negative_prompt=NEGATIVES,
    )


def consistency(family):
    """Without ControlNet and negatives; the numbers of its new noise are those of `renewed`."""
    index = json.loads((family.folder / "model_index.json").read_text())
    index.pop("controlnet", None)
    (family.folder / "model_index.json").write_text(
        json.dumps(index | {"scheduler": ["diffusers", "LCMScheduler"]})
    )
    pipeline = diffusers.LatentConsistencyModelPipeline.from_pretrained(
        family.folder, requires_safety_checker=False, safety_checker=None, feature_extractor=None, image_encoder=None,
    )  # fmt: skip
    return run(pipeline, family.start[0], generator=torch.Generator().manual_seed(3))


def pixels(family):
    """IF's steps in its own pipeline's words, with a DDIM scheduler, whose guesses are clipped."""
    config = diffusers.DDIMScheduler.load_config(family.folder / "scheduler") | {
        "variance_type": "fixed_small"
    }
    parts = {
        "unet": diffusers.UNet2DConditionModel,
        "text_encoder": T5EncoderModel,
        "tokenizer": AutoTokenizer,
    }
    made = {part: kind.from_pretrained(family.folder / part) for part, kind in parts.items()}
    unsafe = dict.fromkeys(("safety_checker", "feature_extractor", "watermarker"))
    scheduler = diffusers.DDIMScheduler.from_config(config)
    pipeline = diffusers.IFPipeline(**made, **unsafe, scheduler=scheduler, requires_safety_checker=False)
    noise = family.start[0]
    pipeline.prepare_intermediate_images = lambda *_: noise
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        PROMPTS,
        negative_prompt=NEGATIVES,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        output_type="pt",
    ).images


PIPELINES = {"lcm": consistency, "if": pixels}


def scheduler_of(family):
    config = json.loads((family.folder / "scheduler" / "scheduler_config.json").read_text())
    return getattr(diffusers, config["_class_name"]).from_config(config)


def run(pipeline, noise, **more):
    pipeline.set_progress_bar_config(disable=True)
    if pipeline.scheduler.__class__.__name__ == "EulerDiscreteScheduler":  # it wants noise of its own size
        pipeline.scheduler.set_timesteps(STEPS)
        size = float(pipeline.scheduler.sigmas[0]) ** 2
        noise = noise * (1 + size) ** 0.5 / pipeline.scheduler.init_noise_sigma
    made = pipeline(
        PROMPTS,
        latents=noise,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        output_type="latent",
        **more,
    )
    return torch.as_tensor(made.images)


def ours(backbone, family):
    """Uncoupled views."""
    noise, control = family.start
    plain = family.name in PIPELINES
    told = Conditions(
        PROMPTS, NEGATIVES, None if plain else control, GUIDANCE, SCALE, control_until=1.0, clipping="raw"
    )
    sampler = samplers.named(backbone.schedule.sampler if family.name != "if" else "ddim")
    draw = torch.Generator().manual_seed(3)
    renew = (torch.randn(noise.shape, generator=draw) for _ in range(STEPS))
    views = identity(*noise.shape[-2:], count=2)
    predict = sampler.through(backbone.predictor(told, chunk=1))
    spans = sampler.spans(backbone.schedule, STEPS)
    *_, (_, x, _) = sample(predict, views, make("none"), spans, noise, lambda _: next(renew))
    return x


# ---- the shapes


NAMES = {"sdxl": "owner/name", "sd3": "stabilityai/stable-diffusion-3-tiny", "if": "DeepFloyd/IF-I-T"}
AGAIN = ("sd-turbo", "lcm")  # made of parts that other families have in every shape
CASES = [
    *((family, shape) for family in FAMILIES for shape in SHAPES if family not in AGAIN),
    *((family, shape) for family in AGAIN for shape in ("folder", "hub cache folder")),
    *((family, "hub name") for family in NAMES),
    *((family, f"file{ending}") for family in IN_ONE_FILE for ending in (".safetensors", ".ckpt")),
]


def written(family, shape, layouts, place):
    """What `--model` and `--controlnet` are given."""
    if shape == "hub name":  # no network is asked, as everywhere in the tests
        repo = SHAPES["hub cache folder"](family.folder, place)
        repo.rename(place / f"models--{NAMES[family.name].replace('/', '--')}")
        return NAMES[family.name], None
    if shape in SHAPES:
        return SHAPES[shape](family.folder, place), None
    table = single.original(family.name, single.networks(layouts[family.name]))
    return single.write_single(
        place / f"model{shape.removeprefix('file')}", table
    ), family.folder / "controlnet"


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_it_is_the_same_model(name, shape, families, layouts, tmp_path, monkeypatch):
    """Two steps of uncoupled views end where the pipeline ends; a mesh and a wide picture are those of the folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    family = families(name)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model, control = written(family, shape, layouts, tmp_path)
        backbone = load_model(model, control)
    pickled = [one for one in told if "is a pickle; only its weights are read" in str(one.message)]
    assert bool(pickled) == (shape in ("bin in a folder", "file.ckpt"))
    close = {"atol": 0.05, "rtol": 0.05} if shape == "fp16 variant" else {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(ours(backbone, family), family.expected(), **close)
    if family.painted is None:
        family.painted = painted(load_model(family.folder), family, tmp_path)
    for made, expected in zip(painted(backbone, family, tmp_path), family.painted, strict=True):
        apart = np.abs(made.astype(int) - expected)
        assert apart.mean() < 3 if shape == "fp16 variant" else apart.max() <= 1  # of 255
        assert expected.std() > 1


@pytest.mark.parametrize(
    ("name", "thing"), [("sd1", "clip skip"), ("sd3", "clip skip"), ("if", "DeepFloyd IF")]
)
def test_a_layer_of_words_that_is_not_there_is_told_before_weights_are_read(
    name, thing, families, monkeypatch
):
    for place in (loading, sd3, deepfloyd):
        monkeypatch.setattr(place, "load_network", lambda *_: pytest.fail("weights were read"))
    with refused("model-lacks", thing=thing):
        wide_image("copper", model=str(families(name).folder), steps=STEPS, clip_skip=7)


def painted(backbone, family, place):
    """A mesh of two views, where the family paints meshes, and a picture of two windows."""
    few = {"model": backbone, "steps": STEPS, "guidance": GUIDANCE}
    size = 16 if family.name == "if" else 64
    made = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.append(np.asarray(wide_image("copper", width=3 * size // 2, view_size=size, **few).image))
        if family.controlled:
            (place / "ball.obj").write_text(exported(BALL, "obj").decode())
            mesh = texture_mesh(
                place / "ball.obj", "copper", cameras=TWO_VIEWS, extra_views="none", texture_size=64, view_size=64,
                control_kind="depth", **few,
            )  # fmt: skip
            made.append(np.asarray(mesh.texture))
    return made
