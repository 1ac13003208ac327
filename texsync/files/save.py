"""Give the scene back as it was, with a new base colour texture: as a trimesh scene, as GLB and as OBJ.

Frame, scale, node names, hierarchy, vertex order, normals and the materials' other channels stay.  Where a UV seam
needs a vertex twice, the copies follow after all the old ones.  If the user's own UVs were painted on, they go back
unchanged; otherwise pictures in other channels (normal map and so on) keep using the old UVs, as a second set.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, TexsyncWarning
from ..show.png import stamped_png
from .corners import corner_uvs as corner_uvs
from .corners import keeps_own, keeps_part
from .corners import keeps_uvs as keeps_uvs
from .glb import glb_bytes
from .gltf_patch import patched
from .mtl import channels
from .obj_write import Library, obj_text, said_before
from .path import EXPORT_AGAIN, reason
from .pbr import maps, painted, see_through
from .shape import as_trimesh, with_faces
from .stamp import stamped_glb

if TYPE_CHECKING:
    import trimesh

    from ..surface.texture import Texture
    from ..surface.types import Surface
    from .loaded import Loaded, Part
    from .mtl import Mtl

LONGEST_NAME = 80  # characters of a picture's own name: disks take 255 bytes in all


def textured_scene(loaded: Loaded, surface: Surface, texture: Texture) -> trimesh.Scene:
    """The scene as it was, with the new UVs and base colour.

    surface: what `uv.prepare` made of `loaded`.  texture: `.image` (S, S, 3) uint8, row 0 on top.
    Warns (TexsyncWarning) of what a GLB or OBJ cannot carry over.
    """
    from PIL import Image

    _warn_of_losses(loaded)
    return _scene(loaded, surface, Image.fromarray(texture.image))


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

    The GLB holds the texture; the OBJ, in world coordinates and with the file's vertex order, names it.
    formats: which of them; an OBJ has its library and texture with it.  about: what is kept inside GLB and PNG, see
    `files.stamp`.  Returns the paths, GLB first, without other pictures of an OBJ's materials.
    """
    from PIL import Image

    picture = stamped_png(Image.fromarray(texture.image), about or {})
    name = f"{stem}_texture.png"
    files: dict[str, bytes] = {}
    more: dict[str, bytes] = {}
    if {"glb", "obj"} & set(formats):
        _warn_of_losses(loaded)
    if "glb" in formats:
        model = _glb(loaded, surface, picture, stem)
        files[f"{stem}.glb"] = stamped_glb(model, about) if about else model
    if "obj" in formats:
        library, more = _library(loaded, surface, stem)
        name = library.picture
        obj = obj_text(loaded, surface, f"{stem}.mtl", library)  # fills the library
        files[f"{stem}.obj"] = obj.encode("utf-8", "replace")
        files[f"{stem}.mtl"] = library.text().encode("utf-8", "replace")
    if {"obj", "png"} & set(formats):
        files[name] = picture
    for file, content in (files | more).items():
        (Path(folder) / file).write_bytes(content)
    return [Path(folder) / file for file in files]


def rehearse(loaded: Loaded, surface: Surface) -> None:
    """Make what `save_model` writes, but for the rows of numbers in the OBJ, with a texture of one texel.

    So whatever cannot be given back is refused before the work.  Raises InputError.
    """
    from PIL import Image

    picture = BytesIO()
    Image.new("RGB", (1, 1)).save(picture, "PNG")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is lost is said when it is
            library, _ = _library(loaded, surface, loaded.stem)
            said_before(loaded, library)
            library.text()
            _glb(loaded, surface, picture.getvalue(), loaded.stem)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever a wrong assumption leads to
        raise InputError(f"{loaded.stem} could not be saved again ({reason(error)})", EXPORT_AGAIN) from error


def _library(loaded: Loaded, surface: Surface, stem: str) -> tuple[Library, dict[str, bytes]]:
    """The OBJ's materials, none yet, and the pictures of other channels that go with them, by name."""
    more = _copied_pictures(loaded, surface, stem)
    names = {file: name for file, (name, _) in more.items()}
    return Library(f"{stem}_texture.png", f"{stem}_material", names), dict(more.values())


def _copied_pictures(loaded: Loaded, surface: Surface, stem: str) -> dict[str, tuple[str, bytes]]:
    """The other pictures of an OBJ file's materials, that go beside the result: by their name in the file, new name
    and content.

    Those that lie on UVs which are no longer there do not come along: an OBJ has one map only.
    """
    if loaded.obj is None:
        return {}
    copied: dict[str, tuple[str, bytes]] = {}
    lost: set[str] = set()
    for material in _used_mtl(loaded):
        for _, _, file in material.pictures():
            data = material.read(file) if keeps_own(loaded, surface) else None
            if data is None:
                lost.add(file)
            elif file not in copied:
                copied[file] = _free_name(file, stem, {name for name, _ in copied.values()}), data
    if lost:
        message = f"{loaded.stem}.mtl loses its other MTL pictures ({', '.join(sorted(lost))}): "
        message += "not there" if keeps_own(loaded, surface) else "made for the old UVs"
        warnings.warn(message, TexsyncWarning, stacklevel=4)
    return copied


def _free_name(file: str, stem: str, taken: set[str]) -> str:
    """A name without blanks and not too long, for a copy of a picture beside the result."""
    name = f"{stem}_{'_'.join(Path(file.replace(chr(92), '/')).name.split())[-LONGEST_NAME:]}"
    while name in taken | {f"{stem}_texture.png"}:
        name = f"{stem}_{name}"
    return name


def _glb(loaded: Loaded, surface: Surface, png: bytes, stem: str) -> bytes:
    """A file of its own format with the picture in it; other formats as trimesh writes their scene."""
    if loaded.gltf is None:
        return glb_bytes(_scene(loaded, surface, None), png, stem)
    for image, said in enumerate(loaded.gltf.document.tree.get("images", [])):
        if loaded.gltf.document.picture(image) is None:
            message = f"{loaded.stem} loses its picture {said.get('uri', image)}, which is not there"
            warnings.warn(message, TexsyncWarning, stacklevel=3)
    return patched(loaded, loaded.gltf, surface, png, stem)


def _scene(loaded: Loaded, surface: Surface, image: Any) -> trimesh.Scene:
    """The scene with new UVs; every mesh of the job has a material with base colour `image`."""
    import trimesh

    old = loaded.scene
    scene = trimesh.Scene(
        graph=old.graph.copy(),
        metadata=deepcopy(old.metadata),
        camera=old.camera.copy() if old.has_camera else None,
    )
    shown = {old.graph[node][1] for node in old.graph.nodes_geometry} - {part.shape for part in loaded.parts}
    scene.geometry.update({name: old.geometry[name].copy() for name in old.geometry if name in shown})
    for part in loaded.parts:
        name, kept = part.shape, keeps_part(loaded, surface, part)
        if name in scene.geometry and not kept:  # an instance that got texels of its own
            name = trimesh.util.unique_name(name, scene.geometry)
            scene.graph.transforms.node_data[part.node]["geometry"] = name
        if name not in scene.geometry:
            _put(scene, part, name, _meshes(loaded, surface, part, kept, image))
    return scene


def _put(scene: trimesh.Scene, part: Part, name: str, meshes: list[trimesh.Trimesh]) -> None:
    """Show a mesh at the part's node; pieces go below the node, as trimesh shows the primitives of a glTF mesh."""
    import trimesh

    if len(meshes) == 1:
        scene.geometry[name] = meshes[0]
        return
    del scene.graph.transforms.node_data[part.node]["geometry"]
    for k, mesh in enumerate(meshes):
        mesh.metadata["from_gltf_primitive"] = True
        piece = name if k == 0 else trimesh.util.unique_name(name, scene.geometry)
        scene.geometry[piece] = mesh
        node = trimesh.util.unique_name(f"{part.node}_{k}", scene.graph.nodes)
        scene.graph.update(frame_from=part.node, frame_to=node, matrix=np.eye(4), geometry=piece)


def _meshes(loaded: Loaded, surface: Surface, part: Part, kept: bool, image: Any) -> list[trimesh.Trimesh]:
    """One part with the UVs of the surface: a trimesh for each of its materials, all with the same vertices."""
    from trimesh.visual import TextureVisuals

    shape, source = loaded.shapes[part.shape], loaded.scene.geometry[part.shape]
    names, which = shape.materials
    materials = [_painted(loaded, part, name, image) for name in names]
    if kept:
        whole = as_trimesh(shape)
    else:
        corners = corner_uvs(loaded, surface, part)
        whole = as_trimesh(shape, surface.uv, corners, keep_old=any(map(maps, materials)))
    whole.metadata.update(deepcopy(source.metadata))
    whole.units = source.units
    meshes = [whole] if len(names) == 1 else [with_faces(whole, which == k) for k in range(len(names))]
    for mesh, material in zip(meshes, materials, strict=True):
        mesh.visual = TextureVisuals(uv=whole.visual.uv, material=material)
    return meshes


def _painted(loaded: Loaded, part: Part, name: str | None, image: Any) -> Any:
    """The material of that name in an OBJ file, or the one that trimesh has read, with the new colour."""
    if loaded.obj is None:
        material = getattr(loaded.scene.geometry[part.shape].visual, "material", None)
        return painted(material, image, loaded.stem, finish=loaded.finish)
    more = channels(loaded.obj.materials[name]) if name in loaded.obj.materials else {}
    return painted(None, image, name or loaded.stem, more, loaded.finish)


def _warn_of_losses(loaded: Loaded) -> None:
    """One warning for each thing that the result cannot have."""
    used = {part.shape for part in loaded.parts}
    visuals = [g.visual for name, g in loaded.scene.geometry.items() if name in used]
    materials = [getattr(visual, "material", None) for visual in visuals]
    glassy = any(map(see_through, materials)) or not all(m.is_opaque() for m in _used_mtl(loaded))
    lost = {
        "transparency and cut-outs; the new texture is opaque": glassy,
        "vertex colours; the texture has the colour now": any(map(has_colours, visuals)),
        **{what: True for what in (loaded.obj.lost if loaded.obj else ())},
    }
    for what, is_lost in lost.items():
        if is_lost:
            warnings.warn(f"{loaded.stem} loses its {what}", TexsyncWarning, stacklevel=4)


def _used_mtl(loaded: Loaded) -> list[Mtl]:
    """The materials of an OBJ file that any face has."""
    if loaded.obj is None:
        return []
    names = dict.fromkeys(name for part in loaded.parts for name in loaded.shapes[part.shape].materials[0])
    return [loaded.obj.materials[name] for name in names if name in loaded.obj.materials]


def has_colours(visual: Any) -> bool:
    """Whether a trimesh visual has a colour for each vertex or face."""
    return visual.kind in ("vertex", "face") or "color" in getattr(visual, "vertex_attributes", {})
