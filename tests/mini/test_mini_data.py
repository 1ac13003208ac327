"""What mini learns from: words, captions that say what is shown, materials that agree from all sides, scenes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
import trimesh

from texsync.mini import models, words
from texsync.mini.captions import Recipe, Scene, caption, random_recipe, random_scene, scene_caption
from texsync.mini.data import material_samples, on_shot, scene_samples, swatch, swatch_samples
from texsync.mini.fields import cells, inside, near, unfold
from texsync.mini.materials import albedo
from texsync.mini.models import build_tokenizer
from texsync.mini.near import near_words
from texsync.mini.patterns import FIELDS as PATTERN_FIELDS
from texsync.mini.scenes import PLACES, draw
from texsync.mini.shapes import as_surface, shots
from texsync.mini.stuff import FIELDS as MATERIAL_FIELDS
from texsync.mini.things import THINGS as DRAWN
from texsync.mini.things import USUAL
from texsync.mini.words import COLOURS, MATERIALS, MODIFIERS, OVERLAYS, PATTERNS, SCENES, SYNONYMS, THINGS
from texsync.surface.cameras import Camera
from texsync.surface.pixels import look, project

NAMES = {*COLOURS, *PATTERNS, *MATERIALS, *MODIFIERS, *OVERLAYS, *THINGS, *SCENES}

# ---- words ------------------------------------------------------------------------------------------------------


def test_there_is_as_much_as_was_promised():
    assert len(COLOURS) >= 40 and len(PATTERNS) + len(MATERIALS) >= 40 and len(MODIFIERS) >= 20
    assert len(SCENES) >= 8 and len(THINGS) >= 10 and len(near_words()) >= 900


def test_the_vocabulary_has_each_word_once():
    vocabulary = [*words.vocabulary(), *near_words()]
    assert len(set(vocabulary)) == len(vocabulary) == len({word.lower() for word in vocabulary})
    tokenizer = build_tokenizer()
    assert len(tokenizer) == len(vocabulary) + len(models.SPECIAL)
    for word in vocabulary:
        (token,) = tokenizer(word, add_special_tokens=False)["input_ids"]
        assert tokenizer.convert_ids_to_tokens(token) == word


def test_near_words_are_mixtures_of_words_in_captions():
    known = {*words.vocabulary()}
    for word, mixture in near_words().items():
        assert set(mixture) <= known and abs(sum(mixture.values()) - 1) < 0.01, word


def test_a_synonym_means_one_thing():
    assert set(SYNONYMS) <= NAMES
    every = [synonym for group in SYNONYMS.values() for synonym in group]
    assert len(set(every)) == len(every)
    assert not set(every) & NAMES


def seeded_captions(count: int):
    for seed in range(count):
        rng = random.Random(seed)
        recipe = random_recipe(rng)
        yield recipe, caption(recipe, rng, rng.choice(("front", "side", "back", "top", "bottom", "")))


def seeded_scenes(count: int):
    for seed in range(count):
        rng = random.Random(seed)
        scene = random_scene(rng)
        yield scene, scene_caption(scene, rng)


def test_captions_hold_known_words_that_all_fit():
    tokenizer = build_tokenizer()
    captions = [text for _, text in seeded_captions(3000)] + [text for _, text in seeded_scenes(1000)]
    tokens = tokenizer(captions)["input_ids"]
    assert not any(tokenizer.unk_token_id in ids for ids in tokens)
    assert max(map(len, tokens)) <= tokenizer.model_max_length


def said(name: str, text: str) -> bool:
    """Whether a text has a name or a synonym of it, as whole words."""
    padded = f" {text.replace(',', ' ').replace('.', ' ')} "
    return any(f" {form} " in padded for form in (name, *SYNONYMS.get(name, ())))


def test_captions_say_what_their_recipe_is():
    """Every colour, base, modifier and overlay by name or by a synonym; no colour that is none of it."""
    for recipe, text in seeded_captions(2000):
        meant = [*recipe.colours, recipe.base, *recipe.modifiers, recipe.overlay, recipe.second]
        assert all(said(name, text) for name in meant if name and name != "plain"), (recipe, text)
        rest, forms = text, [form for name in meant for form in (name, *SYNONYMS.get(name, ())) if form]
        for form in sorted(forms, key=len, reverse=True):
            rest = rest.replace(form, "")
        assert not any(f" {other} " in f" {rest} " for other in set(COLOURS) - set(meant)), (recipe, text)


def test_captions_of_scenes_say_what_is_shown():
    for scene, text in seeded_scenes(1000):
        assert all(said(name, text) for name in (scene.place, scene.thing, scene.colour) if name), (
            scene,
            text,
        )


def test_all_names_come_up():
    recipes = [recipe for recipe, _ in seeded_captions(4000)]
    assert {recipe.base for recipe in recipes} == {"plain", *PATTERNS, *MATERIALS}
    assert {m for recipe in recipes for m in recipe.modifiers} == set(MODIFIERS)
    assert {recipe.overlay for recipe in recipes} == {"", *OVERLAYS}
    scenes = [scene for scene, _ in seeded_scenes(1000)]
    assert {scene.place for scene in scenes} >= set(SCENES) and {scene.thing for scene in scenes} == {
        "",
        *THINGS,
    }


def test_a_seed_is_a_caption():
    assert list(seeded_captions(50)) == list(seeded_captions(50))
    assert len({text for _, text in seeded_captions(50)}) > 45


# ---- materials --------------------------------------------------------------------------------------------------


def points(count: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(count, 3, generator=generator) * 2 - 1
    return p, torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)


def recipe_of(base: str, *modifiers: str) -> Recipe:
    return Recipe(
        base, () if base in MATERIALS else ("red", "blue")[: 1 if base == "plain" else 2], modifiers
    )


def test_every_name_has_its_function():
    assert set(PATTERN_FIELDS) == set(PATTERNS) and set(MATERIAL_FIELDS) == set(MATERIALS)
    assert set(PLACES) == set(SCENES) and set(DRAWN) == set(USUAL) == set(THINGS)


@pytest.mark.parametrize("base", ["plain", *PATTERNS, *MATERIALS])
def test_materials_are_colours(base):
    """In [0, 1]; a function of the spot alone, of the seed, and of nothing else."""
    p, n = points()
    shuffled = torch.randperm(len(p), generator=torch.Generator().manual_seed(1))
    recipe = recipe_of(base)
    colour = albedo(recipe, p, n, 3)
    assert colour.shape == (len(p), 3) and colour.min() >= 0 and colour.max() <= 1
    assert torch.equal(colour, albedo(recipe, p, n, 3))
    assert (albedo(recipe, p[shuffled], n[shuffled], 3) - colour[shuffled]).abs().max() < 5e-3
    assert not torch.equal(colour, albedo(recipe, p, n, 4))
    assert colour.std(dim=0).max() > 1e-3  # no paint is quite even


@pytest.mark.parametrize("modifier", MODIFIERS)
def test_modifiers_keep_colours_in_range(modifier):
    p, n = points()
    for base in ("plain", "stripes", "copper"):
        colour = albedo(recipe_of(base, modifier), p, n, 3)
        assert colour.min() >= 0 and colour.max() <= 1 and torch.isfinite(colour).all()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_covers_some_and_leaves_some(overlay):
    p, n = points(2000)
    cover = (
        (albedo(Recipe("plain", ("white",), (), overlay, "black"), p, n, 5).mean(dim=1) < 0.5).float().mean()
    )
    assert 0.01 < cover < 0.9


@pytest.mark.parametrize("name", COLOURS)
def test_a_plain_colour_is_that_colour(name):
    wanted = torch.tensor(COLOURS[name]) / 255
    means = torch.stack([albedo(Recipe("plain", (name,)), *points(), seed).mean(dim=0) for seed in range(8)])
    assert (means.mean(dim=0) - wanted).abs().max() < 0.07


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_show_both_colours(name):
    mix = torch.cat([PATTERN_FIELDS[name](spot(), dice, 1.0) for dice in map(dice_of, range(4))])
    assert mix.min() >= 0 and mix.max() <= 1
    assert (mix < 0.4).float().mean() > 0.05 and (mix > 0.6).float().mean() > 0.02


def spot():
    from texsync.mini.fields import Spot

    p, n = points(1500)
    return Spot(p, unfold(p, n), n)


def dice_of(seed: int):
    from texsync.mini.fields import Dice

    return Dice(seed)


def test_the_soft_step_is_a_pixel_wide():
    x = torch.tensor([-1.0, 0.0, 1.0])
    assert inside(x).tolist() == [0.0, 0.5, 1.0]
    assert near(torch.tensor([0.9, 1.1, -0.1]), 1.0).tolist() == pytest.approx([-0.1, 0.1, -0.1], abs=1e-6)


def test_cells_have_borders_between_them():
    """Distance to the nearest point grows until the border, where the two nearest are equally far."""
    p, _ = points(3000)
    distance, border, value = cells(p, dice_of(0), 0.5)
    assert distance.min() >= 0 and border.min() >= 0 and (value >= 0).all() and (value <= 1).all()
    assert distance.max() < 0.5 * 3**0.5 and len(value.unique()) > 20


def test_unfolding_is_upright_on_the_sides():
    p = torch.tensor([[1.0, 2.0, 3.0]] * 3)
    assert unfold(p, torch.eye(3)).tolist() == [[3.0, 2.0], [1.0, 3.0], [1.0, 2.0]]


@pytest.mark.parametrize("base", ["plain", "stripes", "bricks", "marble", "wood", "camouflage"])
def test_two_views_agree_about_a_point(base):
    """Where both see the same spot their pictures have the same colour, up to what a pixel's width changes."""
    ball = as_surface(trimesh.creation.icosphere(subdivisions=4))
    size = 128
    pixels = look(ball, [Camera(0), Camera(40)], size)
    first, second = (pixels.mask[i] for i in range(2))
    place, normal = pixels.position[0][first], pixels.normal[0][first]
    column, row = (project([pixels.cameras[1]], place, size)[0, :, k].long() for k in range(2))
    there = pixels.position[1][row, column]
    same = second[row, column] & ((there - place).norm(dim=1) < 0.02)
    assert same.sum() > 1000
    one, other = (
        albedo(recipe_of(base), p[same], n[same], 4)
        for p, n in ((place, normal), (there, pixels.normal[1][row, column]))
    )
    assert (one - other).abs().mean() < 0.06
    assert (one - other.roll(500, 0)).abs().mean() > 2 * (one - other).abs().mean()


# ---- pictures ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def some_shots():
    return shots(6, 64, seed=2, views_each=3)


def test_training_pictures_are_what_they_say(some_shots):
    """Sizes, ranges and backdrop; a plain picture's mean colour follows its recipe."""
    for sample in material_samples(some_shots, 40, 48, random.Random(0)):
        assert sample.picture.shape == (3, 48, 48) and sample.condition.shape == (48, 48)
        assert sample.picture.min() >= 0 and sample.picture.max() <= 1 and sample.condition.max() <= 1
        mask = sample.condition > 0
        away = torch.nn.functional.max_pool2d(mask.float()[None], 7, 1, 3)[0] == 0  # from the blurred rim
        backdrop = sample.picture[:, away]
        assert not away.any() or (backdrop.max() - backdrop.min() < 1e-4 and 0.4 < backdrop.mean() < 0.6)


def test_a_plain_picture_has_its_colour(some_shots):
    for name in ("red", "teal", "cream"):
        sample = on_shot(Recipe("plain", (name,)), some_shots[0], 64, random.Random(0))
        mean = sample.picture[:, sample.condition > 0].mean(dim=1)
        assert (mean - torch.tensor(COLOURS[name]) / 255).abs().max() < 0.15


def test_a_seed_is_a_batch(some_shots):
    one, two, other = (
        torch.stack([s.picture for s in material_samples(some_shots, 4, 64, random.Random(seed))])
        for seed in (5, 5, 6)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)
    again = shots(6, 64, seed=2, views_each=3)
    assert all(torch.equal(a.condition, b.condition) for a, b in zip(some_shots, again, strict=True))


def test_captions_name_the_view_that_is_shown(some_shots):
    """Where a caption speaks of a view it is the right one."""
    backs = [replace(shot, view="back") for shot in some_shots]
    rng = random.Random(1)
    captions = [sample.caption(rng) for sample in material_samples(backs, 20, 32, rng)]
    assert sum("back view" in text for text in captions) > 4
    assert not any("front view" in text for text in captions)


@pytest.mark.parametrize("place", SCENES)
def test_places_are_pictures_of_their_own(place):
    picture = draw(Scene(place), 32, random.Random(0))
    assert picture.shape == (3, 32, 32) and picture.min() >= 0 and picture.max() <= 1
    assert picture.std() > 0.05
    other = "meadow" if place == "beach" else "beach"
    assert (draw(Scene(other), 32, random.Random(0)) - picture).abs().mean() > 0.03


@pytest.mark.parametrize("thing", THINGS)
def test_things_have_the_colour_that_is_said(thing):
    """Blue on yellow, and nothing beside the thing that the empty place does not have."""
    picture, alone = (draw(Scene("yellow", t, "blue"), 64, random.Random(2)) for t in (thing, ""))
    covered = (picture - alone).abs().amax(dim=0) > 0.02
    assert 0.02 < covered.float().mean() < 0.6
    blue = (picture[2] - picture[0] > 0.2) & covered
    assert blue.float().sum() > 0.15 * covered.sum()
    assert (picture[:, ~covered].mean(dim=1) - torch.tensor(COLOURS["yellow"]) / 255).abs().max() < 0.12


def test_a_seed_is_a_scene():
    one, two = ([s.picture for s in scene_samples(3, 32, random.Random(4))] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_swatches_fill_the_picture_in_the_two_colours_said():
    sample = swatch(Recipe("checks", ("red", "blue")), 64, random.Random(3))
    assert sample.picture.shape == (3, 64, 64) and sample.condition is None
    named = torch.tensor([COLOURS[name] for name in ("red", "blue")]) / 255
    away = torch.cdist(sample.picture.reshape(3, -1).T, named).min(dim=1).values
    assert (away < 0.15).float().mean() > 0.8


def test_most_swatches_are_patterns():
    samples = swatch_samples(60, 8, random.Random(6))
    assert sum(s.subject.base in PATTERNS for s in samples) > 0.6 * len(samples)
