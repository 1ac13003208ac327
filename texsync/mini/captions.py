"""What a training picture shows, drawn at random, and the many ways to say it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .words import (
    COLOURS,
    MATERIALS,
    MODIFIERS,
    NOUNS,
    OVERLAYS,
    PATTERNS,
    SCENES,
    SYNONYMS,
    THINGS,
    USUAL_COLOURS,
)

PRAISE = (
    "best quality, extremely detailed",
    "a photo of",
    "realistic",
    "detailed",
    "a beautiful",
    "high quality",
)


@dataclass(frozen=True)
class Recipe:
    """A material.  base: a pattern, a material or "plain".  colours: names, 0 to 2 of them.
    overlay: how a second colour or material (`second`) lies on it; both empty for none."""

    base: str
    colours: tuple[str, ...] = ()
    modifiers: tuple[str, ...] = ()
    overlay: str = ""
    second: str = ""


@dataclass(frozen=True)
class Scene:
    """A whole picture.  place: one of SCENES, or a colour name for an even backdrop.  thing: one of THINGS or "",
    in `colour`."""

    place: str
    thing: str = ""
    colour: str = ""


# chance alone would show each of these once in ten thousand pictures
ASKED_FOR = (
    Recipe("copper", (), ("weathered",)),
    Recipe("stone", (), ("mossy",)),
    Recipe("stone", (), (), "patches", "moss"),
    Recipe("iron", (), ("rusty",)),
    Recipe("wood", (), ("weathered",)),
    Recipe("gold", (), ("polished",)),
    Recipe("planks", (), ("snowy",)),
    Recipe("ceramic", ("blue",), (), "cracks", "gold"),
    Recipe("marble", ("white", "black")),
    Recipe("stripes", ("blue", "white")),
    Recipe("stripes", ("red", "white")),
    Recipe("dots", ("blue", "white")),
    Recipe("checks", ("red", "white")),
    Recipe("checks", ("black", "yellow")),
    Recipe("zebra"),
    Recipe("leopard"),
    Recipe("camouflage"),
    Recipe("plaid", ("red", "white")),
)


COMMON = 15  # of COLOURS, those that most prompts take theirs from


def random_recipe(rng: random.Random, patterns: float = 0.55) -> Recipe:
    """Colours, patterns and materials about alike: colour is what people ask for first.

    patterns: their share.
    """
    known = list(COLOURS)
    if rng.random() < 0.1:
        return rng.choice(ASKED_FOR)
    rest = 1 - patterns
    kind = rng.choices(("plain", "pattern", "material"), (0.3 * rest, patterns, 0.7 * rest))[0]
    modifiers = (rng.choice(MODIFIERS),) if rng.random() < 0.2 else ()
    if not modifiers and kind != "plain" and rng.random() < 0.12:
        modifiers = (rng.choice(("fine", "large")),)
    base = "plain"
    named: tuple[str, ...] = (rng.choice(known),)
    if kind == "pattern":
        base = rng.choice(PATTERNS)
        # none named: the usual ones, or any two
        count = (
            rng.choices((2, 1, 0), (0.75, 0.15, 0.1))[0] if base not in USUAL_COLOURS else rng.choice((2, 0))
        )
        named = tuple(rng.sample(known[:COMMON] if rng.random() < 0.6 else known, count))
    elif kind == "material":
        base = rng.choice(list(MATERIALS))
        named = (rng.choice(known),) if rng.random() < 0.15 else ()
    if kind != "pattern" and rng.random() < 0.1:
        seconds = (
            [*COLOURS, *MATERIALS]
            if rng.random() < 0.5
            else ["gold", "moss", "snow", "rust", "black", "white"]
        )
        second = rng.choice([name for name in seconds if name != base and name not in named])
        return Recipe(base, named, modifiers, rng.choice(OVERLAYS), second)
    return Recipe(base, named, modifiers)


def random_scene(rng: random.Random) -> Scene:
    """A place alone, or a thing in one or before an even backdrop."""
    if rng.random() < 0.25:
        return Scene(rng.choice(SCENES))
    colour = rng.choice(list(COLOURS)) if rng.random() < 0.7 else ""
    place = rng.choice(SCENES) if rng.random() < 0.5 else rng.choice(list(COLOURS))
    return Scene(place, rng.choice(THINGS), colour)


def say(name: str, rng: random.Random) -> str:
    """The name or, half of the time, one that means the same."""
    return rng.choice((name, *SYNONYMS.get(name, ()))) if rng.random() < 0.5 else name


def caption(recipe: Recipe, rng: random.Random, view: str = "") -> str:
    """One of the ways to say it; word order, nouns and filler words vary, the meaning does not."""
    noun = rng.choice(NOUNS)
    colours = rng.choice((" and ", " and ", " ", " on ")).join(say(c, rng) for c in recipe.colours)
    modifier = " ".join(say(m, rng) for m in recipe.modifiers)
    base = say(recipe.base, rng)
    if recipe.base == "plain":
        forms = ["a {m} {c} {n}", "{m} {c} {n}", "{n} in {m} {c} color", "{m} {c}", "a {n}, {m} {c}"]
    else:
        forms = ["{m} {c} {b}", "a {m} {c} {b} {n}", "a {n} made of {m} {c} {b}", "{n} with {c} {b} {m}", "{m} {b} {c}",
                 "{m} {n}, {c} {b}", "{c} {m} {b}"]  # fmt: skip
    text = rng.choice(forms).format(m=modifier, c=colours, b=base, n=noun)
    if recipe.overlay:
        over = f"{say(recipe.second, rng)} {say(recipe.overlay, rng)}"
        text += rng.choice((f" with {over}", f" covered in {over}", f" and {over}"))
    if rng.random() < 0.15:
        text = f"{rng.choice(PRAISE)} {text}"
    if view and rng.random() < 0.6:
        text += f", {view} view."
    return tidy(text)


def scene_caption(scene: Scene, rng: random.Random) -> str:
    """One of the ways to say what a whole picture shows."""
    place = say(scene.place, rng)
    if not scene.thing:
        text = rng.choice(
            ("{p}", "a {p}", "a landscape with {p}", "a painting of {p}", "a photo of a {p}", "{p} scene")
        )
        return tidy(text.format(p=place))
    thing = f"{say(scene.colour, rng) if scene.colour else ''} {say(scene.thing, rng)}"
    if scene.place in SCENES:
        forms = ["a {t} in {p}", "{t} in front of {p}", "a {t}, {p}", "{t} and {p}", "{p} with a {t}"]
    else:
        forms = [
            "a {t} on a {p} background",
            "{t}, {p} background",
            "a drawing of a {t} on {p}",
            "plain {p}, a {t}",
        ]
    return tidy(rng.choice(forms).format(t=thing, p=place))


def tidy(text: str) -> str:
    return " ".join(text.replace(" ,", ",").split())
