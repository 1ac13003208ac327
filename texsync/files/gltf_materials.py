"""What becomes of a glTF document's materials: the base colour is ours now, all else stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from .gltf_document import PLAIN
from .gltf_fields import MATERIAL, MOVE, VRM
from .json_table import Ref, leaves
from .pbr import Finish

SPECULAR = "KHR_materials_pbrSpecularGlossiness"
COLOUR_TEXTURES = ("baseColorTexture", "diffuseTexture")
SHADE = "shadeMultiplyTexture"  # of VRMC_materials_mtoon: the base colour where no light falls
COLOUR_PROPERTIES = ("_MainTex", "_ShadeTexture")  # the same in VRM 0
BLACK = 0.05  # a base colour below is no colour: the picture glows instead ("shadeless")


class Materials:
    """The materials of a tree that is being changed.

    textures: numbers of the new pictures.  titles: one each, for copies of a material that has several.
    name: for the material of what has none.  painted: (mesh, primitive) of all
    that is going to show it; a material that something else shows too is copied.  finish: instead of its own metal and
    roughness, unless those are a picture.
    """

    def __init__(
        self,
        tree: dict[str, Any],
        textures: Sequence[int],
        titles: Sequence[str],
        name: str,
        painted: set[tuple[int, int]],
        finish: Finish | None = None,
    ):
        self.tree, self.name, self.finish = tree, name, finish
        self.textures, self.titles = textures, titles
        self.original = deepcopy(tree.get("materials", []))
        self.made: dict[tuple[int | None, int | None, str, int], int] = {}
        self.taken = {
            material
            for m, mesh in enumerate(tree["meshes"])
            for p, primitive in enumerate(mesh["primitives"])
            if (m, p) not in painted
            for material in shown(primitive)
        }

    def painted(self, number: int | None, moved: int | None, place: dict[str, Any], tile: int = 0) -> int:
        """The number of material `number` with the new texture.

        tile: which of the textures.
        moved: the set that its old first UVs are now.  place: which UVs the texture is on, see `colour_place`.
        """
        key = number, moved, repr(place), tile
        if key not in self.made:
            none = {"name": self.name, **PLAIN}
            material: dict[str, Any] = deepcopy(none if number is None else self.original[number])
            old = same_picture(self.tree, colours_of(material))
            if any(one[0] == number and one[3] != tile for one in self.made):
                material["name"] = f"{material.get('name', self.name)}_{self.titles[tile]}"
            paint(material, self.textures[tile], moved, place, old)
            colour: dict[str, Any] = material["pbrMetallicRoughness"]
            if self.finish and "metallicRoughnessTexture" not in colour:
                colour.update(self.finish.factors())
            self.made[key] = self._placed(number, material)
            self._paint_properties(number, self.made[key], old, self.textures[tile])
        return self.made[key]

    def _placed(self, number: int | None, material: dict[str, Any]) -> int:
        """In the place of the original if that is free, else at the end."""
        if number is None or number in self.taken:
            self.tree.setdefault("materials", []).append(material)
            return len(self.tree["materials"]) - 1
        self.taken.add(number)
        self.tree["materials"][number] = material
        return number

    def _paint_properties(self, number: int | None, made: int, old: set[int], new: int) -> None:
        """What a VRM 0 says of its materials a second time, in the same order."""
        said = self.tree.get("extensions", {}).get(VRM, {}).get("materialProperties", [])
        if said and made == len(said):
            plain = {"name": self.name, "shader": "VRM_USE_GLTFSHADER"}
            said.append(plain if number is None else deepcopy(said[min(number, made - 1)]))
        if made >= len(said):
            return
        pictures = said[made].get("textureProperties", {})
        for key, texture in pictures.items():
            if texture in old or (key in COLOUR_PROPERTIES and texture >= 0):
                pictures[key] = new
        vectors = said[made].get("vectorProperties", {})
        white = {"_Color": [1, 1, 1, 1], "_MainTex": [0, 0, 1, 1]}  # the tint; offset and scale
        vectors.update({key: value for key, value in white.items() if key in vectors})


def shown(primitive: dict[str, Any]) -> list[int]:
    """The materials of a primitive and of its variants."""
    variants = primitive.get("extensions", {}).get("KHR_materials_variants", {}).get("mappings", [])
    own = [primitive["material"]] if "material" in primitive else []
    return own + [variant["material"] for variant in variants]


def paint(
    material: dict[str, Any], texture: int, moved: int | None, place: dict[str, Any], old: set[int]
) -> None:
    """Give a material the texture as its base colour: white, opaque, on the UVs of `place`.

    old: textures that show its base colour as it was; what glows in that picture glows in the new one.
    """
    new, glows = {"index": texture, **place}, is_shadeless(material)
    for name, info in texture_infos(material):
        if name == SHADE or (name == "emissiveTexture" and (glows or info["index"] in old)):
            info.clear()
            info.update(deepcopy(new))
        elif moved is not None and name not in COLOUR_TEXTURES and uv_set(info) == 0:
            _read_set(info, moved)
    colour = material.setdefault("pbrMetallicRoughness", {})
    colour.pop("baseColorFactor", None)
    colour["baseColorTexture"] = deepcopy(new)
    if glows:
        colour["baseColorFactor"], material["emissiveFactor"] = [0, 0, 0, 1], [1, 1, 1]
    specular = material.get("extensions", {}).get(SPECULAR)
    if specular is not None:
        specular.pop("diffuseFactor", None)
        specular["diffuseTexture"] = deepcopy(new)
    for key in ("alphaMode", "alphaCutoff"):
        material.pop(key, None)


def is_shadeless(material: dict[str, Any]) -> bool:
    """Whether its colour is all in a picture that glows, on a black surface."""
    base = material.get("pbrMetallicRoughness", {}).get("baseColorFactor", [1, 1, 1, 1])[:3]
    return "emissiveTexture" in material and max(base) < BLACK < max(material.get("emissiveFactor", [0]))


def colours_of(material: dict[str, Any]) -> set[int]:
    """Textures that are its base colour."""
    return {info["index"] for name, info in texture_infos(material) if name in COLOUR_TEXTURES}


def same_picture(tree: dict[str, Any], textures: set[int]) -> set[int]:
    """All textures of a document that show a picture which one of these shows."""
    pictures = [_sources(texture) for texture in tree.get("textures", [])]
    wanted = [pictures[texture] for texture in textures]
    return {i for i, sources in enumerate(pictures) if sources and sources in wanted}


def _sources(texture: dict[str, Any]) -> list[int]:
    return [said["source"] for said in (texture, *texture.get("extensions", {}).values()) if "source" in said]


def colour_place(material: dict[str, Any]) -> dict[str, Any]:
    """Which UVs a material's base colour is on: what its texture info says beside the texture's number."""
    infos = dict(reversed([x for x in texture_infos(material) if x[0] in COLOUR_TEXTURES]))
    glow = material.get("emissiveTexture") if is_shadeless(material) else None
    info: dict[str, Any] = glow or infos.get("baseColorTexture") or infos.get("diffuseTexture") or {}
    move = info.get("extensions", {}).get(MOVE)
    place = {"texCoord": info["texCoord"]} if info.get("texCoord") else {}
    return deepcopy(place if move is None else {**place, "extensions": {MOVE: move}})


def seen_by(place: dict[str, Any], uv: np.ndarray) -> np.ndarray:
    """The UVs (V, 2), v down, where a texture info's transform puts them."""
    move = place.get("extensions", {}).get(MOVE, {})
    cos, sin = np.cos(move.get("rotation", 0.0)), np.sin(move.get("rotation", 0.0))
    scaled = uv * move.get("scale", (1.0, 1.0))
    # counter-clockwise as one looks at the picture, as viewers have it; the extension's sample code has it mirrored
    return np.asarray(scaled @ [[cos, -sin], [sin, cos]] + move.get("offset", (0.0, 0.0)))


def reads_first_set(material: dict[str, Any]) -> bool:
    """Whether a picture other than the base colour lies on the first UVs."""
    infos = texture_infos(material)
    return any(uv_set(info) == 0 for name, info in infos if name not in COLOUR_TEXTURES)


def texture_infos(material: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(channel, texture info) of a material, those of its extensions included."""
    for container, _, kind, where in list(leaves(material, MATERIAL)):
        if kind == Ref("textures"):
            yield where.split(".")[-2], container


def uv_set(info: dict[str, Any]) -> int:
    """Which UVs a texture reads; an extension may overrule its own word."""
    said = info.get("extensions", {}).get(MOVE, {}).get("texCoord", info.get("texCoord", 0))
    return int(said)


def _read_set(info: dict[str, Any], number: int) -> None:
    info["texCoord"] = number
    move = info.get("extensions", {}).get(MOVE, {})
    if "texCoord" in move:
        move["texCoord"] = number
