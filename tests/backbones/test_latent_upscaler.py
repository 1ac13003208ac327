"""Stable Diffusion's x4 upscaler, IF's stage III, on a small random checkpoint: diffusers' own, in tiles too."""

from __future__ import annotations

import json
import shutil

import pytest
import tiny_if
import tiny_upscaler
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionUpscalePipeline
from refusals import refused
from tiny import SD15_NOISE

from texsync import Cancelled, ambiguous_image
from texsync.backbones import latent_upscaler, memory
from texsync.backbones.latent_upscaler import NOISED, LatentUpscaler, claims
from texsync.backbones.tiled import in_tiles

PROMPTS = ["a red object", "copper"]
CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # the library's own, on new numpy
SCHEDULERS = {
    "ddim": None,
    "clipped": DDIMScheduler(
        prediction_type="v_prediction", clip_sample=True, set_alpha_to_one=False, **SD15_NOISE
    ),
    "euler": EulerDiscreteScheduler(prediction_type="v_prediction", timestep_spacing="leading", **SD15_NOISE),
}


@pytest.fixture(scope="module")
def third(tmp_path_factory):
    return tiny_upscaler.write_model(tmp_path_factory.mktemp("x4") / "x4")


@pytest.fixture
def pictures():
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(5)) * 2 - 1


@pytest.mark.parametrize("name", SCHEDULERS)
def test_it_is_diffusers_own(name, tmp_path, pictures):
    """The picture's noise and the start are drawn in the pipeline's order, so that a seed means the same."""
    folder = tiny_upscaler.write_model(tmp_path / "x4", SCHEDULERS[name])
    pipeline = StableDiffusionUpscalePipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        PROMPTS, image=pictures / 2 + 0.5, num_inference_steps=3, guidance_scale=4.0, noise_level=NOISED,
        generator=torch.Generator().manual_seed(7), output_type="pt",
    ).images  # fmt: skip
    made = LatentUpscaler(str(folder), CPU, torch.float32)(pictures, PROMPTS, steps=3, guidance=4.0, seed=7)
    assert made.shape == (2, 3, 64, 64) and made.std() > 0.01
    torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-4)


def test_where_memory_is_short_it_sees_tiles(third, pictures, monkeypatch):
    """One after the other: the same kind of picture, with nothing at their borders."""
    upscaler = LatentUpscaler(str(third), CPU, torch.float32)
    whole = upscaler(pictures, PROMPTS, steps=2, guidance=4.0, seed=7)
    need = memory.denoise_bytes(upscaler.unet.config, (7, 16, 16), torch.float32, False, CPU)
    room = int(0.6 * need / memory.SHARE) + memory.workspace_bytes(upscaler.unet)
    monkeypatch.setattr(latent_upscaler, "free_bytes", lambda device: room)
    monkeypatch.setattr(memory, "LEAST_TILE", 8)
    assert upscaler._room(16, 16, 4)[0] == 8
    tiled = upscaler(pictures, PROMPTS, steps=2, guidance=4.0, seed=7)
    assert tiled.shape == whole.shape and (tiled - whole).abs().mean() < 0.25
    monkeypatch.setattr(latent_upscaler, "free_bytes", lambda device: 1000)
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1000)
    with refused("memory", thing="enlarging a picture"):
        upscaler(pictures, PROMPTS, steps=2, guidance=4.0, seed=7)


@pytest.mark.parametrize(("size", "tile"), [((20, 33), 8), ((9, 9), 9), ((16, 40), 16), ((5, 30), 8)])
def test_tiles_of_what_does_not_look_around_are_the_whole(size, tile):
    z = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    seen = []

    def job(rows, columns):
        seen.append((rows.stop - rows.start, columns.stop - columns.start))
        return z[..., rows, columns] ** 2

    torch.testing.assert_close(in_tiles(job, size, tile), z**2)
    assert max(max(sides) for sides in seen) <= tile


@pytest.mark.parametrize("model", ["if", "sd"])
def test_it_comes_after_stage_two_or_after_any_model(model, third, tiny_model, tmp_path):
    few = {"views": ["flip"], "steps": 2, "device": "cpu", "seed": 1}
    if model == "if":
        first = tiny_if.write_stage_one(tmp_path / "one")
        second = tiny_if.write_stage_two(tmp_path / "two")
        made = ambiguous_image(PROMPTS, model=str(first), upscaler=[second, third], **few)
        assert made.image.size == (128, 128)
    else:
        made = ambiguous_image(PROMPTS, model=str(tiny_model), upscaler=str(third), **few)
        assert made.image.size == (128, 128)
        plain = ambiguous_image(PROMPTS, model=str(tiny_model), **few)
        assert plain.image.size == (32, 32)
    assert made.report["options"]["upscaler"]


WRONG = {
    "no picture": ({"unet": {"in_channels": 4}}, "model-config", 4),
    "no classes": ({"unet": {"num_class_embeds": None}}, "model-config", None),
    "other words": ({"text_encoder": {"hidden_size": 32}}, "model-config", 16),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_folder_is_told_before_weights_are_read(case, third, tmp_path, monkeypatch):
    changes, code, value = WRONG[case]
    folder = shutil.copytree(third, tmp_path / "x4")
    for part, change in changes.items():
        file = folder / part / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    monkeypatch.setattr(latent_upscaler, "load_network", lambda *_: pytest.fail("weights were read"))
    assert claims(str(folder))
    with refused(code, value=value):
        LatentUpscaler(str(folder), CPU, torch.float32)


def test_a_download_is_told_before_anything_loads(third, tiny_model, monkeypatch):
    """With its configs looked at first."""
    told, asked = [], []

    def fetch(name, *, parts, on_bytes, check, **_):
        asked.append((name, parts[-1]))
        if check is not None:
            check(third)
        on_bytes(5 * 10**6, 9 * 10**6)
        raise Cancelled("stopped")

    monkeypatch.setattr(latent_upscaler.download, "fetch", fetch)
    for name in ("owner/x4", "DeepFloyd/IF-II-M-v1.0"):
        with pytest.raises(Cancelled):
            ambiguous_image(
                PROMPTS, model="no/such", upscaler=name, on_progress=lambda *said: told.append(said[:3])
            )
    assert asked == [("owner/x4", "low_res_scheduler"), ("DeepFloyd/IF-II-M-v1.0", "image_noising_scheduler")]
    assert told == [("download", 5, 9)] * 2


def test_what_names_stand_for(third, tiny_model, tmp_path):
    assert claims("stabilityai/stable-diffusion-x4-upscaler") and not claims("DeepFloyd/IF-II-M-v1.0")
    assert not claims(str(tiny_model)) and not claims(str(tmp_path / "nowhere"))
