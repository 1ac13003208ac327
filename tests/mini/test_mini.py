"""The embedded model: an ordinary folder, data that says what it shows, and pictures that follow words and depth."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import trimesh
from safetensors import safe_open

from texsync import TexsyncWarning, texture_mesh
from texsync.backbones.by_name import load_model
from texsync.backbones.conditions import Conditions
from texsync.backbones.folder import read_model
from texsync.backbones.locate import find_model
from texsync.files.load import load
from texsync.mini import export, models
from texsync.mini.data import material_samples, scene_samples
from texsync.mini.models import build_tokenizer, load_parts, save_folder
from texsync.mini.near import near_words
from texsync.mini.shapes import shots
from texsync.mini.train_vae import turn
from texsync.surface.cameras import Camera
from texsync.surface.pixels import depth_condition, look
from texsync.surface.types import Surface

FOLDER = find_model("mini")
MESHES = Path(__file__).parents[2] / "meshes"
NETWORKS = ("unet", "controlnet", "vae", "text_encoder")
LIMIT = 30e6  # bytes, all files of the model together
# what the edition that the code trains says otherwise than the one that is shipped


@pytest.fixture(scope="module")
def mini():
    return load_model("mini", device="cpu")


@pytest.fixture(scope="module")
def rabbit():
    """One look at the rabbit's front, 256 pixels: (mask (S, S), condition (1, 3, S, S))."""
    mesh = load(MESHES / "rabbit.obj")
    nothing = np.zeros((1, 2)), np.zeros_like(mesh.faces)
    pixels = look(Surface(mesh.vertices, mesh.faces, mesh.normals, *nothing, mesh.part), [Camera(0)], 256)
    return pixels.mask[0], depth_condition(pixels)


# ---- the folder -------------------------------------------------------------------------------------------------


def test_the_folder_is_small_and_holds_no_code():
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= LIMIT
    assert {file.suffix for file in files} <= {".json", ".safetensors"}
    assert {folder.name for folder in FOLDER.iterdir() if folder.is_dir()} == {
        *("unet", "vae", "text_encoder", "tokenizer", "scheduler", "controlnet")
    }
    for file in FOLDER.rglob("*.safetensors"):
        with safe_open(file, "pt") as weights:
            assert all(weights.get_slice(name).get_dtype() == "F16" for name in weights.keys())  # noqa: SIM118


def test_the_advice_is_complete():
    """Nothing is left to the defaults, which are Stable Diffusion's, but what means none in every model."""
    said = json.loads((FOLDER / "texsync.json").read_text())
    advice = read_model(FOLDER).advice
    assert set(said) == set(vars(advice)) - {
        "clip_skip",
        "guidance_rescale",
        "sampler",
    }  # its scheduler is what it was trained for
    assert advice.view_size == models.PIXELS and advice.prompt_prefix == ""
    assert advice.pictures == {
        "view_size": models.PIXELS,
        "steps": 20,
    }  # an outline wants more steps than a pattern


def test_diffusers_own_pipeline_paints_the_same_picture(mini, rabbit):
    """Loaded as the model card says, no number format named; same noise, same words, same picture."""
    from diffusers import StableDiffusionControlNetPipeline

    _, control = rabbit
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(FOLDER, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(3))
    theirs = pipeline(
        "a red object",
        image=control,
        num_inference_steps=4,  # of 1000: else diffusers steps to other levels than it starts from
        guidance_scale=3.0,
        latents=noise,
        output_type="pt",
    ).images
    ours = paint(mini, "a red object", control, steps=4, seed=3, view="")
    assert theirs.shape == ours.shape == (1, 3, 256, 256)
    assert (theirs - ours).abs().max() < 1e-4


def test_the_code_builds_what_is_shipped():
    """Every weight has its place in the networks that training starts from, and none is missing."""
    unet = models.build_unet()
    built = {
        "unet": unet,
        "controlnet": models.build_controlnet(unet),
        "vae": models.build_vae(),
        "text_encoder": models.build_text_encoder(build_tokenizer()),
    }
    for name, shipped in load_parts(FOLDER, NETWORKS).items():
        built[name].load_state_dict(shipped.state_dict())
        assert all(torch.isfinite(weight).all() for weight in shipped.parameters()), name


def test_saving_again_changes_nothing(tmp_path):
    """The folder is what `save_folder` writes, file by file; of the weights, one part is enough."""
    save_folder(tmp_path, load_parts(FOLDER, ("text_encoder",)))
    made = [file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()]
    assert len(made) >= 7
    for file in made:
        new, old = (tmp_path / file).read_bytes(), (FOLDER / file).read_bytes()
        same = weights_alike if file.suffix == ".safetensors" else configs_alike
        assert new == old or same(new, old), file


def test_the_autoencoder_is_as_it_was_trained(tmp_path, monkeypatch):
    """Shipping rounds its weights as autocast did, and has done so."""
    own = models.build_vae()
    save_folder(tmp_path / "work", load_parts(FOLDER, NETWORKS[:2]) | {"vae": own}, torch.float32)
    save_folder(tmp_path / "work", load_parts(FOLDER, ("text_encoder",)), torch.float32)
    monkeypatch.setattr(
        "sys.argv", ["export", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    )
    export.main()
    for folder in (tmp_path / "out", FOLDER):
        weights = safetensors.torch.load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
        assert all(torch.equal(weight, weight.bfloat16().half()) for weight in weights.values())
        assert weights["decoder.conv_in.weight"].dtype == torch.float16
    rounded = load_parts(tmp_path / "out", ("vae",))["vae"].state_dict()
    for name, weight in own.state_dict().items():
        torch.testing.assert_close(rounded[name], weight, rtol=2**-7, atol=1e-6)


def weights_alike(one: bytes, other: bytes) -> bool:
    """But for the last bit: near words are mixed in the order of a processor."""
    new, old = safetensors.torch.load(one), safetensors.torch.load(other)
    alike = new.keys() == old.keys() and all(new[k].dtype == old[k].dtype for k in old)
    return alike and all(torch.allclose(new[k].float(), old[k].float(), rtol=1e-3, atol=1e-6) for k in old)


def configs_alike(one: bytes, other: bytes) -> bool:
    return unversioned(one) == unversioned(other)


def unversioned(config: bytes) -> dict:
    """A config without the versions of the libraries that wrote it."""
    return {key: value for key, value in json.loads(config).items() if not key.endswith("_version")}


def test_the_shipped_tokenizer_has_that_vocabulary(mini):
    assert mini.text.tokenizer.get_vocab() == build_tokenizer().get_vocab()


def test_near_words_are_mixtures_of_known_ones(mini):
    """Their vectors lie where near.json says, so that "crimson" reads much like a dark red."""
    vocabulary = mini.text.tokenizer.get_vocab()
    vectors = mini.parts.text_encoder.get_input_embeddings().weight.float()
    for word, mixture in list(near_words().items())[::25]:
        wanted = sum(weight * vectors[vocabulary[known]] for known, weight in mixture.items())
        assert (vectors[vocabulary[word]] - wanted).abs().max() < 2e-3, word


# ---- pictures ---------------------------------------------------------------------------------------------------


def paint(
    model, prompt: str, control: torch.Tensor, steps: int = 8, seed: int = 0, view: str = ", front view."
):
    """One view (1, 3, 256, 256) of plain DDIM."""
    predict = model.predictor(Conditions([prompt + view], control=control, guidance=model.advice.guidance), 1)
    x = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(seed))
    for span in model.schedule.spans(steps):
        eps = predict(x, span)
        x = span.ddim(span.tweedie(x, eps), eps)
    return model.decode(x)


@pytest.fixture(scope="module")
def red_and_blue(mini, rabbit):
    """{"red": (3, 256, 256), "blue": ...}, eight steps from one noise."""
    return {name: paint(mini, f"a {name} object", rabbit[1])[0] for name in ("red", "blue")}


@pytest.mark.parametrize("name", ["red", "blue"])
def test_the_object_stands_out_from_the_backdrop(red_and_blue, rabbit, name):
    """On a real mesh that it was never trained on; the difference follows the silhouette."""
    mask, picture = rabbit[0], red_and_blue[name]
    backdrop = picture[:, ~mask].median(dim=1).values
    difference = (picture - backdrop[:, None, None]).norm(dim=0)
    assert difference[mask].mean() > 0.1
    assert difference[mask].mean() > 2 * difference[~mask].mean()


def test_a_red_object_is_redder_than_a_blue_one(red_and_blue, rabbit):
    red, blue = (red_and_blue[name][:, rabbit[0]].mean(dim=1) for name in ("red", "blue"))
    assert red[0] - blue[0] > 0.1 and blue[2] - red[2] > 0.1


@pytest.fixture(scope="module")
def some_pictures():
    """(6, 3, 96, 96): four pieces of things, two scenes."""
    rng = random.Random(3)
    samples = material_samples(shots(6, 128, seed=2, views_each=3), 4, 96, rng) + scene_samples(2, 96, rng)
    return torch.stack([sample.picture for sample in samples])


def test_a_picture_survives_the_autoencoder(mini, some_pictures):
    """Encoded and decoded, a picture of the training kind is close to itself, its mean colour closer."""
    back = mini.decode(mini.encode(some_pictures))
    assert (back - some_pictures).abs().mean() < 0.05
    assert (back - some_pictures).mean(dim=(2, 3)).abs().max() < 0.05


@pytest.mark.parametrize("k", range(1, 8))
def test_turning_the_latent_turns_the_picture(mini, some_pictures, k):
    """decode(T z) is T decode(z) for flips and quarter turns, much better than any other T' would do."""
    latents = mini.encode(some_pictures)
    straight, turned = mini.decode(latents), mini.decode(turn(latents, k))
    error = (turned - turn(straight, k)).square().mean()
    assert error < 0.0025  # 26 dB
    assert error < 0.2 * (turned - straight).square().mean()


QUICK = {"device": "cpu", "steps": 1, "view_size": 64, "texture_size": 64}


def test_plain_words_raise_no_warning():
    """Warnings are errors here: neither the prompt nor what is added to it is unknown to mini."""
    assert texture_mesh(trimesh.creation.box(), "weathered copper", **QUICK).texture.shape == (64, 64, 3)


def test_unknown_words_are_named():
    """And what they might have been meant to be."""
    with pytest.warns(
        TexsyncWarning, match="know: kwyjibo, cooper; use others; spelt alike: cooper .perhaps copper"
    ):
        texture_mesh(trimesh.creation.box(), "a kwyjibo cooper object", **QUICK)


def test_words_beyond_the_last_token_are_read_in_further_chunks():
    """Warnings are errors here, and what comes after mini's 24 tokens changes the picture."""
    long = "a blue object " * 7
    told, plain = (
        texture_mesh(trimesh.creation.box(), text, **QUICK) for text in (long + "made of red wood", long)
    )
    assert not torch.equal(torch.as_tensor(told.texture), torch.as_tensor(plain.texture))
