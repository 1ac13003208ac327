"""What becomes of a mesh's material: base colour is ours now, all other channels stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

MAPS = ("metallicRoughnessTexture", "normalTexture", "occlusionTexture", "emissiveTexture")
METALLIC, ROUGHNESS = 0.0, 0.9  # where the file says nothing: a dull, non-metallic surface


def painted(material: Any, image: Image | None, name: str) -> Any:
    """A PBRMaterial with `image` as base colour and everything else of `material`.

    name: for a material that has none.  Base colour factor is white and the surface opaque, since the texture has no
    alpha.  What had no PBR material gets metallic 0, roughness 0.9 and both sides: OBJ and STL know no culling.
    """
    from trimesh.visual.material import PBRMaterial

    if not isinstance(material, PBRMaterial):
        return PBRMaterial(
            name=_name(material) or name,
            metallicFactor=METALLIC,
            roughnessFactor=ROUGHNESS,
            doubleSided=True,
            baseColorTexture=image,
        )
    kept = {key: getattr(material, key) for key in (*MAPS, "emissiveFactor", "doubleSided")}
    kept["name"] = _name(material) or name
    factors = {key: getattr(material, key) for key in ("metallicFactor", "roughnessFactor")}
    factors = {key: None if value is None else float(value) for key, value in factors.items()}
    return PBRMaterial(**kept, **factors, baseColorTexture=image)


def maps(material: Any) -> tuple[str, ...]:
    """Which of its channels, other than base colour, are pictures."""
    return tuple(key for key in MAPS if getattr(material, key, None) is not None)


def mtl_maps(material: Any) -> tuple[str, ...]:
    """Pictures, other than the colour, that an MTL file names; their files are not copied."""
    kwargs = getattr(material, "kwargs", None) or {}
    return tuple(key for key in kwargs if key in ("bump", "disp", "norm", "refl") or key.startswith("map_"))


def see_through(material: Any) -> bool:
    """Whether its base colour decides what is cut out or transparent."""
    return getattr(material, "alphaMode", None) in ("MASK", "BLEND")


def mtl(material: Any, name: str, picture: str) -> str:
    """The text of an MTL file: shininess and metal as they were, colour from `picture`."""
    lines = [f"newmtl {name}", "Ka 1 1 1", "Kd 1 1 1"]
    kwargs = getattr(material, "kwargs", None) or {}
    specular, shine = kwargs.get("ks"), kwargs.get("ns")
    lines.append("Ks " + (" ".join(f"{x:g}" for x in specular) if isinstance(specular, list) else "0 0 0"))
    if isinstance(shine, (int, float)):
        lines.append(f"Ns {shine:g}")
    for key, word in (("metallicFactor", "Pm"), ("roughnessFactor", "Pr")):
        if getattr(material, key, None) is not None:
            lines.append(f"{word} {float(getattr(material, key)):g}")
    return "\n".join([*lines, "d 1", "illum 2", f"map_Kd {picture}", ""])


def _name(material: Any) -> str | None:
    name = getattr(material, "name", None)
    unnamed = not isinstance(name, str) or name == "material_0"  # trimesh's word for one without a name
    return None if unnamed else name
