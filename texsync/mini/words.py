"""What mini can be told: colours, patterns, materials, modifiers, things, scenes, and the words for them.

Names may have several words ("gold leaf"); every word has one token.  How captions are made of them: captions.py.
"""

from __future__ import annotations

RGB = tuple[int, int, int]

# sRGB 0..255, near what people call so in xkcd's colour survey (blog.xkcd.com, 2010, public domain), the most
# extreme ones a little tamer
COLOURS: dict[str, RGB] = {
    "red": (226, 14, 14),
    "green": (26, 166, 34),
    "blue": (12, 68, 222),
    "yellow": (253, 243, 28),
    "white": (248, 248, 246),
    "black": (14, 14, 16),
    "orange": (249, 118, 10),
    "purple": (126, 32, 156),
    "pink": (255, 133, 192),
    "brown": (102, 57, 8),
    "gray": (144, 147, 144),
    "teal": (4, 146, 134),
    "cyan": (20, 238, 244),
    "magenta": (204, 10, 140),
    "navy": (8, 26, 76),
    "maroon": (104, 6, 32),
    "olive": (110, 117, 18),
    "beige": (229, 217, 168),
    "turquoise": (24, 196, 174),
    "lavender": (198, 162, 238),
    "lime": (168, 250, 46),
    "cream": (254, 252, 200),
    "tan": (208, 176, 112),
    "violet": (152, 30, 232),
    "indigo": (56, 8, 132),
    "salmon": (252, 124, 108),
    "coral": (251, 92, 78),
    "mint": (160, 250, 180),
    "peach": (254, 182, 132),
    "charcoal": (52, 56, 56),
    "khaki": (170, 166, 100),
    "azure": (22, 155, 242),
    "mustard": (206, 179, 10),
    "emerald": (6, 158, 76),
    "plum": (88, 17, 66),
    "rose": (207, 98, 117),
    "mauve": (174, 113, 130),
    "chartreuse": (192, 246, 16),
    "sienna": (168, 86, 32),
    "ochre": (191, 144, 12),
    "amber": (253, 178, 14),
    "periwinkle": (142, 130, 252),
}

# what each says of a surface: two colours that the caption names
PATTERNS = (
    "stripes", "checks", "dots", "zigzag", "bricks", "tiles", "grid", "plaid", "stars", "hexagons", "scales", "weave",
    "diamonds", "rings", "swirls", "marble", "camouflage", "mosaic", "cracked", "speckled", "splatter", "gradient",
    "zebra", "leopard",
)  # fmt: skip

USUAL_COLOURS = {
    "zebra": ("white", "black"), "leopard": ("amber", "black"), "camouflage": ("olive", "tan"),
    "checks": ("white", "black"),
}  # fmt: skip

# and those that bring their own colours: ground, figure and an accent that few of them show
MATERIALS: dict[str, tuple[RGB, RGB, RGB]] = {
    "stone": ((104, 102, 97), (158, 156, 150), (128, 124, 116)),
    "cobblestone": ((52, 50, 48), (146, 140, 132), (112, 108, 104)),
    "granite": ((172, 160, 156), (62, 60, 62), (214, 206, 200)),
    "sandstone": ((214, 176, 122), (182, 136, 86), (230, 200, 152)),
    "slate": ((70, 78, 88), (98, 106, 116), (52, 58, 66)),
    "concrete": ((150, 150, 146), (174, 173, 168), (130, 130, 126)),
    "brick": ((206, 198, 186), (164, 66, 46), (136, 50, 38)),
    "wood": ((116, 70, 34), (178, 120, 68), (146, 94, 50)),
    "planks": ((60, 36, 18), (172, 116, 64), (136, 86, 44)),
    "bark": ((46, 32, 22), (116, 86, 62), (88, 64, 44)),
    "bamboo": ((120, 122, 46), (196, 188, 96), (160, 158, 70)),
    "rust": ((84, 40, 24), (166, 82, 34), (196, 116, 60)),
    "iron": ((78, 80, 86), (118, 120, 126), (60, 62, 68)),
    "steel": ((138, 146, 156), (192, 198, 206), (112, 120, 130)),
    "silver": ((168, 172, 178), (224, 227, 232), (140, 144, 150)),
    "copper": ((150, 76, 42), (206, 124, 78), (226, 156, 108)),
    "patina": ((62, 146, 126), (120, 196, 170), (160, 100, 60)),
    "bronze": ((112, 78, 30), (170, 126, 56), (90, 110, 80)),
    "gold": ((188, 134, 24), (244, 200, 70), (255, 226, 130)),
    "gold leaf": ((176, 118, 20), (250, 206, 82), (220, 168, 46)),
    "marble stone": ((244, 242, 238), (132, 134, 142), (214, 212, 210)),
    "terracotta": ((176, 84, 54), (206, 112, 76), (152, 68, 44)),
    "ceramic": ((226, 230, 232), (190, 206, 220), (246, 246, 244)),
    "wool": ((206, 190, 164), (240, 230, 210), (176, 156, 126)),
    "denim": ((44, 66, 112), (84, 114, 166), (30, 46, 84)),
    "leather": ((66, 36, 20), (124, 72, 42), (96, 54, 30)),
    "velvet": ((96, 8, 30), (164, 24, 54), (60, 4, 20)),
    "fur": ((108, 76, 48), (180, 138, 94), (74, 50, 30)),
    "snakeskin": ((74, 80, 36), (168, 162, 92), (38, 40, 20)),
    "dragon scales": ((16, 62, 34), (52, 146, 78), (108, 190, 110)),
    "grass": ((42, 98, 26), (104, 172, 54), (70, 134, 40)),
    "moss": ((46, 74, 24), (98, 136, 46), (70, 104, 34)),
    "leaves": ((22, 64, 20), (72, 148, 48), (118, 180, 66)),
    "sand": ((190, 156, 106), (230, 204, 152), (210, 180, 130)),
    "snow": ((208, 222, 240), (250, 252, 255), (230, 238, 248)),
    "ice": ((150, 202, 232), (232, 246, 252), (110, 176, 216)),
    "water": ((16, 92, 160), (130, 206, 232), (30, 124, 190)),
    "lava": ((34, 22, 20), (255, 122, 16), (255, 214, 60)),
    "clouds": ((92, 152, 222), (250, 251, 253), (176, 204, 238)),
    "cracked earth": ((166, 124, 84), (70, 44, 28), (188, 146, 104)),
    "mud": ((62, 42, 26), (104, 74, 48), (82, 58, 36)),
    "circuit board": ((12, 84, 48), (212, 178, 70), (24, 118, 66)),
    "basket": ((82, 50, 24), (206, 160, 100), (172, 124, 70)),
    "honeycomb": ((148, 82, 8), (246, 182, 44), (214, 138, 20)),
    "straw": ((164, 122, 46), (230, 196, 106), (200, 158, 72)),
    "chocolate": ((46, 24, 14), (98, 54, 32), (72, 40, 24)),
    "jade": ((52, 128, 92), (134, 196, 156), (86, 162, 122)),
    "obsidian": ((14, 14, 20), (58, 60, 76), (28, 28, 38)),
    "galaxy": ((16, 12, 50), (150, 60, 176), (246, 240, 255)),
    "rainbow": ((230, 40, 40), (60, 190, 70), (60, 70, 220)),
    "coral reef": ((238, 112, 92), (252, 196, 164), (186, 62, 84)),
}

# roughness, 0..1, of what is not dull
METALS = {
    "iron": 0.6,
    "steel": 0.35,
    "silver": 0.25,
    "copper": 0.3,
    "bronze": 0.4,
    "gold": 0.25,
    "gold leaf": 0.35,
}
SHINY = {
    "ceramic": 0.2,
    "ice": 0.15,
    "water": 0.1,
    "marble stone": 0.35,
    "leather": 0.6,
    "obsidian": 0.1,
    "jade": 0.3,
}

# what a word before the material does to it; MODIFIERS are those that keep its kind
MODIFIERS = (
    "weathered", "painted", "dark", "pale", "bright", "faded", "glossy", "polished", "matte", "fine", "large", "dusty",
    "wet", "rough", "smooth", "mossy", "snowy", "rusty", "muddy", "burnt", "icy", "sandy", "scratched", "horizontal",
    "vertical", "diagonal",
)  # fmt: skip
# how a second colour or material lies on the first: "blue ceramic with gold cracks"
OVERLAYS = ("cracks", "patches", "spots", "bands", "veins", "drips")

THINGS = (
    "ball", "cube", "boat", "house", "tree", "apple", "cup", "fish", "balloon", "car", "mushroom", "flower", "star",
    "heart", "umbrella", "rocket",
)  # fmt: skip
SCENES = (
    "mountains", "beach", "desert", "forest", "meadow", "night sky", "city", "underwater", "sunset", "lake", "volcano",
    "winter forest",
)  # fmt: skip

SYNONYMS: dict[str, tuple[str, ...]] = {
    "red": ("scarlet",), "yellow": ("lemon",), "white": ("ivory",), "black": ("ebony",), "gray": ("grey",),
    "brown": ("umber",), "cyan": ("aqua",), "magenta": ("fuchsia",), "maroon": ("burgundy",), "blue": ("cobalt",),
    "lavender": ("lilac",), "azure": ("sky blue",), "tan": ("caramel",),
    "stripes": ("striped", "stripe"), "checks": ("checkered", "chequered", "checkerboard", "checked"),
    "dots": ("dotted", "polka dots", "polka dot"), "zigzag": ("chevron",), "bricks": ("brickwork",),
    "tiles": ("tiled",), "plaid": ("tartan",), "stars": ("starry",), "hexagons": ("hexagonal",), "scales": ("scaly",),
    "weave": ("woven",), "diamonds": ("argyle",), "rings": ("concentric",), "swirls": ("swirly",),
    "marble": ("marbled",), "camouflage": ("camo",), "cracked": ("crackled",), "speckled": ("terrazzo",),
    "splatter": ("splattered",), "gradient": ("ombre",), "leopard": ("leopard print",), "zebra": ("zebra print",),
    "stone": ("rock", "rocky"), "cobblestone": ("paving",), "brick": ("brick wall",), "wood": ("wooden", "timber"),
    "planks": ("wooden planks", "boards"), "bark": ("tree bark",), "rust": ("rusted iron", "rusted metal", "rusted"),
    "iron": ("metal", "cast iron"), "steel": ("brushed steel", "brushed metal"), "gold": ("golden",),
    "gold leaf": ("gilded",), "copper": ("shiny copper",), "patina": ("copper with patina", "green patina"),
    "marble stone": ("white marble", "carrara marble"), "terracotta": ("clay",),
    "ceramic": ("ceramic glaze", "glazed ceramic", "porcelain"), "wool": ("knitted wool", "knitted", "knit"),
    "denim": ("jeans",), "fur": ("furry",), "snakeskin": ("snake",), "dragon scales": ("reptile",),
    "leaves": ("leafy", "foliage"), "grass": ("grassy", "lawn"), "sand": ("dune",), "water": ("ripples",),
    "lava": ("magma", "molten"), "clouds": ("cloudy",), "cracked earth": ("dry earth", "dried soil"),
    "circuit board": ("circuit", "circuits"), "basket": ("woven basket", "wicker"), "straw": ("hay", "thatch"),
    "galaxy": ("nebula", "space"), "ice": ("frozen",), "mud": ("dirt",),
    "weathered": ("old", "worn", "aged"), "bright": ("vivid", "vibrant"), "large": ("big", "huge"),
    "fine": ("small", "tiny"), "polished": ("shiny",), "muddy": ("dirty",), "burnt": ("charred",),
    "cracks": ("crackle",), "patches": ("blotches",), "spots": ("spotted",), "bands": ("lines",),
    "ball": ("sphere",), "cube": ("box",), "boat": ("ship",), "house": ("cottage",), "cup": ("mug",),
    "mushroom": ("toadstool",), "car": ("automobile",),
    "mountains": ("snowy mountains", "mountain landscape", "alps"), "beach": ("seaside", "sandy beach", "coast"),
    "desert": ("desert dunes", "sahara"), "forest": ("woodland", "pine forest"), "lake": ("lakeside",),
    "meadow": ("flower meadow", "green hills", "field"), "night sky": ("starry night", "moonlit night"),
    "city": ("city skyline", "skyline", "skyscrapers"), "underwater": ("under water", "ocean floor", "sea floor"),
    "sunset": ("sunset over the sea", "sunrise"), "volcano": ("erupting volcano",),
    "winter forest": ("snowy forest", "winter wood"),
}  # fmt: skip

NOUNS = (
    "object", "thing", "texture", "material", "surface", "bunny", "rabbit", "teapot", "monkey", "statue", "vase", "toy",
    "chair", "table", "lamp", "dragon", "cat", "dog", "bag", "crate", "barrel", "robot", "helmet", "shoe", "sculpture",
    "model", "figure", "cow", "horse", "lantern", "pot", "clutch", "wall", "bottle", "bowl", "jar", "sofa", "knot",
)  # fmt: skip
FILLERS = (
    "a", "an", "the", "of", "in", "made", "with", "and", "photo", "realistic", "detailed", "best", "quality", "very",
    "extremely", "high", "covered", "on", "view", "front", "side", "back", "top", "bottom", "style", "colour", "color",
    "colored", "coloured", "paint", "pattern", "beautiful", "light", "solid", "plain", "simple", "natural", "clean",
    "pure", "all", "over", "is", "it", "its", "to", "for", "from", "by", "at", "under", "sky", "sea", "ocean", "sun",
    "moon", "landscape", "scene", "painting", "drawing", "picture", "image", "background", "print", "fabric", "cloth",
    "skin", "some", "full", "patterned", "textured", "look", "like", "stained", "wall", "wide", "panorama", "horizon",
)  # fmt: skip


def vocabulary() -> list[str]:
    """Every word that captions use, in a fixed order."""
    names = [*COLOURS, *PATTERNS, *MATERIALS, *MODIFIERS, *OVERLAYS, *THINGS, *SCENES, *NOUNS, *FILLERS]
    names += [name for group in SYNONYMS.values() for name in group]
    return list(dict.fromkeys([word for name in names for word in name.split()] + [",", "."]))


def finishes() -> dict[str, tuple[float, float]]:
    """(metallic, roughness) of every material, by all words for it: what `texsync.json` recommends."""
    made = {name: (0.0, SHINY.get(name, 0.9)) for name in MATERIALS}
    made |= {name: (1.0, roughness) for name, roughness in METALS.items()}
    made |= {"marble": made["marble stone"], "rusty": made["rust"]}
    return made | {word: made[name] for name in MATERIALS for word in SYNONYMS.get(name, ())}
