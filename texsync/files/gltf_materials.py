"""What becomes of a glTF document's materials: the base colour is ours now, all else stays."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from .gltf import PLAIN
from .gltf_fields import MATERIAL, MOVE
from .kinds import Ref, leaves

SPECULAR = "KHR_materials_pbrSpecularGlossiness"
COLOUR_TEXTURES = ("baseColorTexture", "diffuseTexture")


class Materials:
    """The materials of a tree that is being changed.

    texture: number of the new picture.  name: for the material of what has none.  painted: (mesh, primitive) of all
    that is going to show it; a material that something else shows too is copied.
    """

    def __init__(self, tree: dict[str, Any], texture: int, name: str, painted: set[tuple[int, int]]):
        self.tree, self.texture, self.name = tree, texture, name
        self.original = deepcopy(tree.get("materials", []))
        self.made: dict[tuple[int | None, int | None], int] = {}
        self.taken = {
            material
            for m, mesh in enumerate(tree["meshes"])
            for p, primitive in enumerate(mesh["primitives"])
            if (m, p) not in painted
            for material in shown(primitive)
        }

    def painted(self, number: int | None, moved: int | None) -> int:
        """The number of material `number` with the new texture; moved: the set that its old first UVs are now."""
        if (number, moved) not in self.made:
            none = {"name": self.name, **PLAIN}
            material = deepcopy(none if number is None else self.original[number])
            paint(material, self.texture, moved)
            self.made[number, moved] = self._placed(number, material)
        return self.made[number, moved]

    def _placed(self, number: int | None, material: dict[str, Any]) -> int:
        """In the place of the original if that is free, else at the end."""
        if number is None or number in self.taken:
            self.tree.setdefault("materials", []).append(material)
            return len(self.tree["materials"]) - 1
        self.taken.add(number)
        self.tree["materials"][number] = material
        return number


def shown(primitive: dict[str, Any]) -> list[int]:
    """The materials of a primitive and of its variants."""
    variants = primitive.get("extensions", {}).get("KHR_materials_variants", {}).get("mappings", [])
    own = [primitive["material"]] if "material" in primitive else []
    return own + [variant["material"] for variant in variants]


def paint(material: dict[str, Any], texture: int, moved: int | None) -> None:
    """Give a material the texture as its base colour: white, opaque, on the first UVs."""
    if moved is not None:
        for name, info in texture_infos(material):
            if name not in COLOUR_TEXTURES and uv_set(info) == 0:
                _read_set(info, moved)
    colour = material.setdefault("pbrMetallicRoughness", {})
    colour.pop("baseColorFactor", None)
    colour["baseColorTexture"] = {"index": texture}
    specular = material.get("extensions", {}).get(SPECULAR)
    if specular is not None:
        specular.pop("diffuseFactor", None)
        specular["diffuseTexture"] = {"index": texture}
    for key in ("alphaMode", "alphaCutoff"):
        material.pop(key, None)


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
