"""Give the scene back as it was, with a new base colour texture: as a trimesh scene, as GLB and as OBJ.

Frame, scale, node names, hierarchy, vertex order, normals and the materials' other channels stay.  Where a UV seam
needs a vertex twice, the copies follow after all the old ones.  If the user's own UVs were painted on, they go back
unchanged; otherwise pictures in other channels (normal map and so on) keep using the old UVs, as a second set.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from ..errors import InputError, Refused, TexsyncWarning, about
from ..show.png import stamped_png
from ..surface.texture import Texture
from ..surface.types import Surface
from .atlas import picture_names, pictures, tile_of_material
from .corners import keeps_own
from .loaded import Loaded
from .mtl import Library
from .obj_write import obj_text
from .painted_scene import hang, painted_scene
from .path import EXPORT_AGAIN, reason
from .stamp import stamped_glb

LONGEST_NAME = 80  # characters of a picture's own name: disks take 255 bytes in all


def textured_scene(loaded: Loaded, surface: Surface, texture: Texture) -> trimesh.Scene:
    """The scene as it was, with the new UVs and base colour.

    surface: what `uv.prepare` made of `loaded`.  texture: `.image` (H, W, 3) uint8, row 0 on top.
    Warns (TexsyncWarning) of what a GLB or OBJ cannot carry over.
    """
    _warn_of_losses(loaded)
    scene, pieces = painted_scene(loaded, surface, _images(surface, texture))
    hang(scene, pieces)
    return scene


def save_model(
    loaded: Loaded,
    surface: Surface,
    texture: Texture,
    folder: str | Path,
    stem: str,
    *,
    formats: Collection[str] = ("glb", "obj", "png"),
    about: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write <stem>.glb, <stem>.obj, <stem>.mtl and <stem>_texture.png into a folder that exists.

    Where the surface has `Squares` there is a picture for each, see `atlas.picture_names`.
    The GLB holds the texture; the OBJ, in world coordinates and with the file's vertex order, names it.
    formats: which of them; an OBJ has its library and texture with it.  about: what is kept inside GLB and PNG, see
    `files.stamp`.  Returns the paths, GLB first, without other pictures of an OBJ's materials.
    """
    pngs = [stamped_png(image, about or {}) for image in _images(surface, texture)]
    files: dict[str, bytes] = {}
    more: dict[str, bytes] = {}
    if {"glb", "obj"} & set(formats):
        _warn_of_losses(loaded)
    if "glb" in formats:
        model = loaded.source.painted(loaded, surface, pngs)
        files[f"{stem}.glb"] = stamped_glb(model, about) if about else model
    if "obj" in formats:
        library, more = _library(loaded, surface, stem)
        obj = obj_text(loaded, surface, f"{stem}.mtl", library)  # fills the library
        files[f"{stem}.obj"] = obj.encode("utf-8", "replace")
        files[f"{stem}.mtl"] = library.text().encode("utf-8", "replace")
    if {"obj", "png"} & set(formats):
        files |= dict(zip(picture_names(stem, surface), pngs, strict=True))
    for file, content in (files | more).items():
        (Path(folder) / file).write_bytes(content)
    return [Path(folder) / file for file in files]


def rehearse(loaded: Loaded, surface: Surface) -> None:
    """Make what `save_model` writes, but for the rows of numbers in the OBJ, with a texture of one texel.

    So whatever cannot be given back is refused before the work.  Raises InputError.
    """
    picture = BytesIO()
    Image.new("RGB", (1, 1)).save(picture, "PNG")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is lost is said when it is
            library, _ = _library(loaded, surface, loaded.stem)
            for part in loaded.parts:
                loaded.source.sections(loaded, part, library)
            library.text()
            loaded.source.painted(loaded, surface, [picture.getvalue()] * surface.across)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever a wrong assumption leads to
        raise Refused.mesh_damaged(
            f"{about(loaded.stem)} could not be saved again ({reason(error)})", EXPORT_AGAIN
        ) from error


def _library(loaded: Loaded, surface: Surface, stem: str) -> tuple[Library, dict[str, bytes]]:
    """The OBJ's materials, none yet, and the pictures of other channels that go with them, by name."""
    kept = keeps_own(
        loaded, surface
    )  # else they lie on UVs that are no longer there: an OBJ has one map only
    there = loaded.source.other_pictures(loaded)
    lost = [file for file, data in there.items() if data is None or not kept]
    if lost:
        message = f"{loaded.stem}.mtl loses its other MTL pictures ({', '.join(sorted(lost))}): "
        message += "not there" if kept else "made for the old UVs"
        warnings.warn(message, TexsyncWarning, stacklevel=3)
    names: dict[str, str] = {}
    more: dict[str, bytes] = {}
    for file, data in there.items():
        if data is not None and kept:
            names[file] = _free_name(file, stem, {*more, *picture_names(stem, surface)})
            more[names[file]] = data
    return _with_pictures(
        Library(f"{stem}_texture.png", f"{stem}_material", names), loaded, surface, stem
    ), more


def _with_pictures(library: Library, loaded: Loaded, surface: Surface, stem: str) -> Library:
    """The same, and which of several pictures a material has."""
    if surface.squares is None:
        return library
    if surface.squares.udim:
        return replace(library, picture=f"{stem}_texture.<UDIM>.png")
    files = picture_names(stem, surface)
    tiles = {
        (part.node, name): k
        for part in loaded.parts
        for name, k in tile_of_material(loaded, surface, part).items()
    }
    return replace(library, pictures={key: files[k] for key, k in tiles.items()})


def _images(surface: Surface, texture: Texture) -> list[Image.Image]:
    return [Image.fromarray(np.ascontiguousarray(image)) for image in pictures(texture.image, surface)]


def _free_name(file: str, stem: str, taken: set[str]) -> str:
    """A name without blanks and not too long, for a copy of a picture beside the result."""
    name = f"{stem}_{'_'.join(Path(file.replace(chr(92), '/')).name.split())[-LONGEST_NAME:]}"
    while name in taken:
        name = f"{stem}_{name}"
    return name


def _warn_of_losses(loaded: Loaded) -> None:
    """One warning for each thing that the result cannot have."""
    for what in loaded.source.lost(loaded):
        warnings.warn(f"{loaded.stem} loses its {what}", TexsyncWarning, stacklevel=4)
