"""What mini can be told: colours, materials, modifiers, and how captions are composed of them."""

from __future__ import annotations

import random
from dataclasses import dataclass

# sRGB 0..255. The twelve basic names lie near what people call so in xkcd's colour survey (blog.xkcd.com, 2010), a
# little less saturated; CSS's brown is red to most eyes and its green is dark
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (226, 18, 18),
    "green": (28, 158, 38),
    "blue": (18, 68, 220),
    "yellow": (252, 238, 35),
    "white": (245, 245, 242),
    "black": (22, 22, 24),
    "orange": (248, 122, 14),
    "purple": (126, 34, 156),
    "pink": (254, 138, 192),
    "brown": (106, 60, 12),
    "gray": (138, 140, 138),
    "teal": (6, 142, 132),
    "cyan": (30, 215, 225),
    "magenta": (220, 30, 200),
    "navy": (20, 30, 95),
    "maroon": (115, 15, 30),
    "olive": (115, 120, 25),
    "beige": (225, 210, 175),
    "turquoise": (65, 205, 190),
    "lavender": (190, 170, 230),
    "lime": (150, 225, 30),
    "cream": (250, 240, 205),
    "tan": (205, 170, 120),
    "violet": (150, 85, 220),
    "indigo": (65, 25, 140),
    "salmon": (245, 135, 115),
    "coral": (250, 110, 80),
    "mint": (165, 235, 195),
    "peach": (250, 205, 165),
    "charcoal": (52, 55, 60),
    "khaki": (190, 178, 115),
    "azure": (70, 160, 235),
}

SYNONYMS: dict[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet"),
    "green": ("emerald",),
    "blue": ("cobalt",),
    "yellow": ("lemon",),
    "black": ("ebony",),
    "white": ("ivory",),
    "brown": ("chocolate",),
    "gray": ("grey",),
    "purple": ("plum",),
    "pink": ("rose",),
    "tan": ("caramel",),
    "stone": ("rock",),
    "wood": ("wooden", "oak"),
    "rust": ("rusted", "rusty"),
    "stripes": ("striped",),
    "checks": ("checkered", "chequered", "checkerboard"),
    "dots": ("dotted", "spotted"),
    "moss": ("mossy",),
    "bricks": ("brick",),
    "marble": ("marbled",),
    "gold": ("golden",),
    "iron": ("steel", "metal"),
    "cracked": ("crackled",),
    "weathered": ("old", "worn", "aged"),
    "cobblestone": ("cobbles",),
}

# two-colour patterns take the caption's colours; the other materials bring their own
PATTERNS = ("stripes", "checks", "dots", "marble", "bricks", "camouflage", "mosaic", "cracked", "speckled")
MATERIALS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "stone": ((150, 148, 142), (105, 103, 98)),
    "wood": ((170, 112, 62), (105, 62, 30)),
    "rust": ((150, 70, 30), (85, 42, 26)),
    "copper": ((190, 108, 62), (140, 72, 42)),
    "gold": ((230, 180, 60), (180, 125, 30)),
    "silver": ((200, 203, 208), (150, 154, 162)),
    "iron": ((120, 122, 128), (84, 86, 92)),
    "moss": ((82, 120, 40), (48, 78, 26)),
    "grass": ((95, 160, 50), (50, 105, 30)),
    "sand": ((222, 195, 145), (192, 160, 110)),
    "terracotta": ((196, 98, 66), (160, 74, 48)),
    "granite": ((165, 155, 152), (70, 66, 68)),
    "leather": ((110, 62, 36), (70, 38, 22)),
    "snow": ((246, 249, 253), (216, 226, 240)),
    "lava": ((30, 22, 22), (250, 110, 20)),
    "cobblestone": ((135, 130, 124), (62, 60, 58)),
}
MODIFIERS = ("weathered", "painted", "mossy", "dark", "pale", "glossy", "matte", "fine", "large")
NOUNS = (
    "object", "thing", "texture", "material", "surface", "bunny", "teapot", "monkey", "statue", "vase", "ball",
    "toy", "chair", "table", "lamp", "car", "dragon", "cat", "dog", "bag", "crate", "barrel", "house", "robot",
    "helmet", "shoe", "cup", "sculpture", "model", "figure", "cow", "horse", "lantern", "box", "pot", "clutch",
)  # fmt: skip
FILLERS = (
    "a", "an", "the", "of", "in", "made", "with", "and", "photo", "realistic", "detailed", "best", "quality",
    "extremely", "high", "covered", "on", "view", "front", "side", "back", "top", "bottom", "style", "colour", "color",
    "colored", "coloured", "paint", "pattern", "texture", "beautiful", "bright", "light", "very", "solid", "plain",
    "simple", "shiny", "patina", "natural", "clean", "bag", "pure", "all", "over", "is", "it", "its", "to", "for",
)  # fmt: skip


def vocabulary() -> list[str]:
    """Every word that mini has a token for, in a fixed order."""
    words = [*COLOURS, *PATTERNS, *MATERIALS, *MODIFIERS, *NOUNS, *FILLERS]
    words += [word for group in SYNONYMS.values() for word in group] + [",", "."]
    return list(dict.fromkeys(words))


@dataclass(frozen=True)
class Recipe:
    """What a caption stands for.  base: a pattern, a material or "plain".  colours: names, 0 to 2 of them."""

    base: str
    colours: tuple[str, ...] = ()
    modifier: str = ""


def random_recipe(rng: random.Random) -> Recipe:
    """Half plain colours, a quarter patterns, a quarter materials: colour is what people ask for first."""
    kind = rng.choices(("plain", "pattern", "material"), (0.4, 0.27, 0.33))[0]
    modifier = rng.choice(MODIFIERS) if rng.random() < 0.25 else ""
    if kind == "plain":
        return Recipe("plain", (rng.choice(list(COLOURS)),), modifier)
    if kind == "pattern":
        count = 2 if rng.random() < 0.75 else 1
        return Recipe(rng.choice(PATTERNS), tuple(rng.sample(list(COLOURS), count)), modifier)
    colours = (rng.choice(list(COLOURS)),) if rng.random() < 0.2 else ()
    return Recipe(rng.choice(list(MATERIALS)), colours, modifier)


def caption(recipe: Recipe, rng: random.Random, view: str = "") -> str:
    """One of the ways to say it; word order, nouns and filler words vary, the meaning does not."""

    def say(word: str) -> str:
        return rng.choice((word, *SYNONYMS.get(word, ()))) if rng.random() < 0.5 else word

    noun = rng.choice(NOUNS)
    colours = " and ".join(say(c) for c in recipe.colours)
    modifier = say(recipe.modifier) if recipe.modifier else ""
    if recipe.base == "plain":
        text = rng.choice(
            (
                f"a {modifier} {colours} {noun}",
                f"{modifier} {colours} {noun}",
                f"{noun} in {modifier} {colours} color",
            )
        )
    else:
        base = say(recipe.base)
        text = rng.choice(
            (
                f"{modifier} {colours} {base}",
                f"a {modifier} {colours} {base} {noun}",
                f"a {noun} made of {modifier} {colours} {base}",
                f"{noun} with {colours} {base} {modifier}",
                f"{modifier} {base} {colours}",
            )
        )
    if rng.random() < 0.15:
        text = (
            rng.choice(("best quality, extremely detailed", "a photo of", "realistic", "detailed"))
            + " "
            + text
        )
    if view and rng.random() < 0.6:
        text += f", {view} view."
    return " ".join(text.split())
