"""The embedded model: an ordinary folder, data that says what it shows, and pictures that follow words and depth."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from safetensors import safe_open

from texsync import TexsyncWarning, texture_mesh
from texsync.backbones.diffusion import load_diffusion
from texsync.backbones.folder import PARTS, read_model
from texsync.backbones.locate import find_model
from texsync.mini import models, words
from texsync.mini.data import make_batch
from texsync.mini.materials import MATERIAL_FIELDS, PATTERN_FIELDS, albedo
from texsync.mini.models import build_tokenizer, load_parts, save_folder
from texsync.mini.shapes import as_surface, shots
from texsync.mini.words import (
    COLOURS,
    MATERIALS,
    MODIFIERS,
    PATTERNS,
    SYNONYMS,
    Recipe,
    caption,
    random_recipe,
)
from texsync.surface.cameras import Camera
from texsync.surface.load import load
from texsync.surface.pixels import depth_condition, look, project
from texsync.surface.types import Surface

FOLDER = find_model("mini")
MESHES = Path(__file__).parents[1] / "meshes"
NETWORKS = ("unet", "controlnet", "vae", "text_encoder")
LIMIT = 30e6  # bytes, all files of the model together


@pytest.fixture(scope="module")
def mini():
    return load_diffusion("mini", device="cpu")


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
    assert {folder.name for folder in FOLDER.iterdir() if folder.is_dir()} == {*PARTS, "controlnet"}
    for file in FOLDER.rglob("*.safetensors"):
        with safe_open(file, "pt") as weights:
            assert all(weights.get_slice(name).get_dtype() == "F16" for name in weights.keys())  # noqa: SIM118


def test_the_advice_is_complete():
    """Nothing is left to the defaults, which are Stable Diffusion's."""
    said = json.loads((FOLDER / "texsync.json").read_text())
    recommended = read_model(FOLDER).recommended
    assert set(said) == set(vars(recommended))
    assert recommended.view_size == models.PIXELS and recommended.prompt_prefix == ""


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
        num_inference_steps=3,
        guidance_scale=4.0,
        latents=noise,
        output_type="pt",
    ).images
    ours = paint(mini, "a red object", control, steps=3, seed=3, view="")
    assert theirs.shape == ours.shape == (1, 3, 256, 256)
    assert (theirs - ours).abs().max() < 2e-3


def test_the_code_builds_what_is_shipped():
    """Every weight has its place in the networks that training starts from, and none is missing."""
    tokenizer, unet = build_tokenizer(), models.build_unet()
    built = {
        "unet": unet,
        "controlnet": models.build_controlnet(unet),
        "vae": models.build_vae(),
        "text_encoder": models.build_text_encoder(tokenizer),
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
        assert new == old or json.loads(new) == json.loads(old), file


# ---- words ------------------------------------------------------------------------------------------------------


def test_the_vocabulary_has_each_word_once():
    vocabulary = words.vocabulary()
    assert len(set(vocabulary)) == len(vocabulary) == len({word.lower() for word in vocabulary})
    tokenizer = build_tokenizer()
    assert len(tokenizer) == len(vocabulary) + len(models.SPECIAL)
    for word in vocabulary:
        (token,) = tokenizer(word, add_special_tokens=False)["input_ids"]
        assert tokenizer.convert_ids_to_tokens(token) == word


def test_the_shipped_tokenizer_has_that_vocabulary(mini):
    assert mini.text.tokenizer.get_vocab() == build_tokenizer().get_vocab()


def test_a_synonym_means_one_thing():
    names = {*COLOURS, *PATTERNS, *MATERIALS, *MODIFIERS}
    assert set(SYNONYMS) <= names
    every = [synonym for group in SYNONYMS.values() for synonym in group]
    assert len(set(every)) == len(every)
    assert not set(every) & {*COLOURS, *PATTERNS, *MATERIALS}


def seeded_captions(count: int):
    for seed in range(count):
        rng = random.Random(seed)
        recipe = random_recipe(rng)
        yield recipe, caption(recipe, rng, rng.choice(("front", "side", "back", "top", "bottom", "")))


def test_captions_hold_known_words_that_all_fit(mini):
    captions = [text for _, text in seeded_captions(3000)]
    tokens = mini.text.tokenizer(captions)["input_ids"]
    assert not any(mini.text.tokenizer.unk_token_id in ids for ids in tokens)
    assert max(map(len, tokens)) <= mini.text.length


def test_captions_say_what_their_recipe_is():
    """Every colour, base and modifier by name or by a synonym; nothing that is none of it."""
    said = {name: {name, *SYNONYMS.get(name, ())} for name in (*COLOURS, *PATTERNS, *MATERIALS, *MODIFIERS)}
    bases = set()
    for recipe, text in seeded_captions(1000):
        spoken = set(text.replace(",", " ").replace(".", " ").split())
        meant = [*recipe.colours, *([recipe.base] if recipe.base != "plain" else []), recipe.modifier]
        for name in filter(None, meant):
            assert said[name] & spoken, (recipe, text)
        for other in set(COLOURS) - set(recipe.colours) - {recipe.base}:
            assert not said[other] & spoken, (recipe, text)
        bases.add(recipe.base)
    assert bases == {"plain", *PATTERNS, *MATERIALS}


def test_a_seed_is_a_caption():
    assert list(seeded_captions(50)) == list(seeded_captions(50))
    assert len({text for _, text in seeded_captions(50)}) > 45


# ---- data -------------------------------------------------------------------------------------------------------


def points(count: int = 500) -> torch.Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1


BASES = ("plain", *PATTERNS, *MATERIALS)


def recipe_of(base: str, modifier: str = "") -> Recipe:
    return Recipe(
        base, () if base in MATERIALS else ("red", "blue") if base != "plain" else ("red",), modifier
    )


def test_every_base_has_a_field():
    assert set(PATTERN_FIELDS) == set(PATTERNS) and set(MATERIAL_FIELDS) == set(MATERIALS)


@pytest.mark.parametrize("base", BASES)
def test_materials_are_colours(base):
    """In [0, 1] whatever the modifier; a function of the point alone, of the seed, and of nothing else."""
    p = points()
    shuffled = torch.randperm(len(p), generator=torch.Generator().manual_seed(1))
    for seed, modifier in enumerate(("", *MODIFIERS)):
        recipe = recipe_of(base, modifier)
        colour = albedo(recipe, p, seed)
        assert colour.shape == (len(p), 3) and colour.min() >= 0 and colour.max() <= 1
        assert torch.equal(colour, albedo(recipe, p, seed))
        assert (albedo(recipe, p[shuffled], seed) - colour[shuffled]).abs().max() < 2e-3
        assert not torch.equal(colour, albedo(recipe, p, seed + 100))
    assert albedo(recipe_of(base), p, 5).std(dim=0).max() > 1e-3  # no paint is quite even


@pytest.mark.parametrize("name", COLOURS)
def test_a_plain_colour_is_that_colour(name):
    wanted = torch.tensor(COLOURS[name]) / 255
    means = torch.stack([albedo(Recipe("plain", (name,)), points(), seed).mean(dim=0) for seed in range(8)])
    assert (means.mean(dim=0) - wanted).abs().max() < 0.07


@pytest.mark.parametrize("base", ["plain", "stripes", "marble", "wood", "moss", "camouflage"])
def test_two_views_agree_about_a_point(base):
    """Where both see the same spot their pictures have the same colour, up to what a pixel's width changes."""
    ball = as_surface(trimesh.creation.icosphere(subdivisions=4))
    size = 128
    pixels = look(ball, [Camera(0), Camera(40)], size)
    first, second = (pixels.mask[i] for i in range(2))
    place = pixels.position[0][first]
    column, row = (project([pixels.cameras[1]], place, size)[0, :, k].long() for k in range(2))
    there = pixels.position[1][row, column]
    same = second[row, column] & ((there - place).norm(dim=1) < 0.02)
    assert same.sum() > 1000
    one, other = (albedo(recipe_of(base), p[same], 4) for p in (place, there))
    assert (one - other).abs().mean() < 0.03
    assert (one - other.roll(500, 0)).abs().mean() > 2 * (one - other).abs().mean()


@pytest.fixture(scope="module")
def some_shots():
    return shots(6, 64, seed=2, views_each=3)


def test_training_pictures_are_what_they_say(some_shots):
    """Sizes, ranges, masks and backdrop; a picture's mean colour follows its recipe."""
    batch = make_batch(some_shots, 24, 48, random.Random(0))
    assert batch.pictures.shape == batch.conditions.shape == (24, 3, 48, 48)
    assert batch.masks.shape == (24, 1, 48, 48) and batch.masks.dtype == torch.bool
    for pictures in (batch.pictures, batch.conditions):
        assert pictures.min() >= 0 and pictures.max() <= 1
    assert torch.equal(batch.conditions[:, :1] > 0, batch.masks)
    assert len(batch.captions) == len(batch.recipes) == 24
    outside = (
        torch.nn.functional.max_pool2d(batch.masks.float(), 5, 1, 2)[:, 0] == 0
    )  # away from the blurred rim
    for picture, empty in zip(batch.pictures, outside, strict=True):
        backdrop = picture[:, empty]
        assert not empty.any() or (backdrop.max() - backdrop.min() < 1e-4 and 0.4 < backdrop.mean() < 0.6)
    for picture, mask, recipe in zip(batch.pictures, batch.masks, batch.recipes, strict=True):
        if recipe.base == "plain" and not recipe.modifier:
            wanted = torch.tensor(COLOURS[recipe.colours[0]]) / 255
            assert (picture[:, mask[0]].mean(dim=1) - wanted).abs().max() < 0.3


def test_a_seed_is_a_batch(some_shots):
    one, two = (make_batch(some_shots, 4, 64, random.Random(5)) for _ in range(2))
    assert torch.equal(one.pictures, two.pictures) and one.captions == two.captions
    again = shots(6, 64, seed=2, views_each=3)
    assert all(torch.equal(a.condition, b.condition) for a, b in zip(some_shots, again, strict=True))
    assert not torch.equal(one.pictures, make_batch(some_shots, 4, 64, random.Random(6)).pictures)


def test_captions_name_the_view_that_is_shown(some_shots):
    """Where a caption speaks of a view it is the right one."""
    backs = [replace(shot, view="back") for shot in some_shots]
    captions = make_batch(backs, 20, 32, random.Random(1)).captions
    assert sum("back view" in text for text in captions) > 4
    assert not any("front view" in text for text in captions)


# ---- pictures ---------------------------------------------------------------------------------------------------


def paint(
    model, prompt: str, control: torch.Tensor, steps: int = 8, seed: int = 0, view: str = ", front view."
):
    """One view (1, 3, 256, 256) of plain DDIM."""
    predict = model.predictor([prompt + view], [""], control, chunk=1)
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


def test_a_picture_survives_the_autoencoder(mini, some_shots):
    """Encoded and decoded, a picture of the training kind is close to itself, its mean colour closer."""
    pictures = make_batch(some_shots, 4, 64, random.Random(3)).pictures
    back = mini.decode(mini.encode(pictures))
    assert (back - pictures).abs().mean() < 0.05
    assert (back - pictures).mean(dim=(2, 3)).abs().max() < 0.05


QUICK = {"device": "cpu", "steps": 1, "view_size": 64, "texture_size": 64}


def test_plain_words_raise_no_warning():
    """Warnings are errors here: neither the prompt nor what is added to it is unknown to mini."""
    assert texture_mesh(trimesh.creation.box(), "weathered copper", **QUICK).texture.shape == (64, 64, 3)


def test_unknown_words_are_named():
    with pytest.warns(TexsyncWarning, match="does not know: chartreuse, flamingo; use others"):
        texture_mesh(trimesh.creation.box(), "a chartreuse flamingo object", **QUICK)


def test_words_beyond_the_last_token_are_named():
    with pytest.warns(TexsyncWarning, match="longer than the 24 tokens .* not read: '.*made of red wood'"):
        texture_mesh(trimesh.creation.box(), "a blue object " * 7 + "and made of red wood", **QUICK)
