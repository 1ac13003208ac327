"""What becomes of a mesh's material: base colour is ours now, all other channels stay."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from PIL.Image import Image
from trimesh.visual.material import PBRMaterial

from ..errors import InputError, TexsyncWarning
from ..picture_files import decoded

MAPS = ("metallicRoughnessTexture", "normalTexture", "occlusionTexture", "emissiveTexture")
PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")
METALLIC, ROUGHNESS = 0.0, 0.9  # where the file says nothing: a dull, non-metallic surface


class Finish(NamedTuple):
    """How the painted surface takes light, 0..1 each."""

    metallic: float
    roughness: float

    def factors(self) -> dict[str, float]:
        """As glTF says it."""
        return {"metallicFactor": self.metallic, "roughnessFactor": self.roughness}


def finish_of(prompt: str, materials: Mapping[str, Sequence[float]]) -> Finish | None:
    """The finish of the first material that a prompt names, the longest name where several begin; None if none.

    materials: (metallic, roughness) by name, a word or several.
    """
    words = re.findall(r"\w+", prompt.lower())
    names = {tuple(re.findall(r"\w+", name.lower())): finish for name, finish in materials.items()}
    for start in range(len(words)):
        for length in sorted(set(map(len, names)) - {0}, reverse=True):
            found = names.get(tuple(words[start : start + length]))
            if found is not None:
                return Finish(*map(float, found))
    return None


def painted(
    material: Any,
    image: Image | None,
    name: str,
    more: dict[str, Any] | None = None,
    finish: Finish | None = None,
) -> Any:
    """A PBRMaterial with `image` as base colour and everything else of `material`.

    name: for a material that has none.  Base colour factor is white and the surface opaque, since the texture has no
    alpha.  What had no PBR material gets metallic 0, roughness 0.9 and both sides, since OBJ and STL know no culling;
    `more` overrules that, and `finish` all but a picture of metal and roughness.
    """
    if not isinstance(material, PBRMaterial):
        dull = dict(metallicFactor=METALLIC, roughnessFactor=ROUGHNESS, doubleSided=True)
        dull |= {**(more or {}), **(finish.factors() if finish else {})}
        return PBRMaterial(name=name_of(material) or name, baseColorTexture=image, **dull)
    kept = {key: getattr(material, key) for key in ("emissiveFactor", "doubleSided")}
    kept |= {key: readable(getattr(material, key), f"{key} of {name}") for key in maps(material)}
    kept["name"] = name_of(material) or name
    factors = {key: getattr(material, key) for key in ("metallicFactor", "roughnessFactor")}
    factors = {key: None if value is None else float(value) for key, value in factors.items()}
    if finish and "metallicRoughnessTexture" not in maps(material):
        factors |= finish.factors()
    return PBRMaterial(**kept, **factors, baseColorTexture=image)


def maps(material: Any) -> tuple[str, ...]:
    """Which of its channels, other than base colour, are pictures."""
    return tuple(key for key in MAPS if getattr(material, key, None) is not None)


def readable(picture: Any, name: str) -> Image | None:
    """A picture, or its bytes, decoded so that saving it cannot fail; None, with a warning, if that is impossible."""
    try:
        whole = decoded(picture, name)
        return whole if whole.mode in PNG_MODES else whole.convert("RGB")
    except InputError as error:
        warnings.warn(f"{error.message}; the result goes without it", TexsyncWarning, stacklevel=2)
        return None


def see_through(material: Any) -> bool:
    """Whether its base colour decides what is cut out or transparent."""
    return getattr(material, "alphaMode", None) in ("MASK", "BLEND")


def mtl_lines(material: Any, picture: str, finish: Finish | None = None) -> list[str]:
    """The lines of an MTL file for a trimesh material: metal and roughness of `finish`, else as they were, colour from
    `picture`."""
    lines = ["Ka 1 1 1", "Kd 1 1 1", "Ks 0 0 0"]
    for key, word in (("metallicFactor", "Pm"), ("roughnessFactor", "Pr")):
        value = finish.factors()[key] if finish else getattr(material, key, None)
        if value is not None:
            lines.append(f"{word} {float(value):g}")
    glow = getattr(material, "emissiveFactor", None)
    if glow is not None and any(glow):
        lines.append("Ke " + " ".join(f"{float(x):g}" for x in glow))
    return [*lines, "d 1", "illum 2", f"map_Kd {picture}"]


def name_of(material: Any) -> str | None:
    """Its name, None if it has none of its own."""
    name = getattr(material, "name", None)
    unnamed = not isinstance(name, str) or name == "material_0"  # trimesh's word for one without a name
    return None if unnamed else name
