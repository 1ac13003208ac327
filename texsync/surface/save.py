"""Give the scene back as it was, with a new base colour texture: as a trimesh scene, as GLB and as OBJ.

Frame, scale, node names, hierarchy, vertex order, normals and the materials' other channels stay.  Where a UV seam
needs a vertex twice, the copies follow after all the old ones.  If the user's own UVs were painted on, they go back
unchanged; otherwise pictures in other channels (normal map and so on) keep using the old UVs, as a second set.
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import TexsyncWarning
from .corners import corner_uvs as corner_uvs
from .corners import keeps_uvs as keeps_uvs
from .folder import atomic_folder as atomic_folder
from .glb import glb_bytes
from .gltf_patch import patched
from .materials import maps, mtl, mtl_maps, painted, see_through
from .shape import as_trimesh

if TYPE_CHECKING:
    import trimesh

    from .load import Loaded, Part
    from .texture import Texture
    from .types import Surface


def textured_scene(loaded: Loaded, surface: Surface, texture: Texture) -> trimesh.Scene:
    """The scene as it was, with the new UVs and base colour.

    surface: what `uv.prepare` made of `loaded`.  texture: `.image` (S, S, 3) uint8, row 0 on top.
    Warns (TexsyncWarning) of what a GLB or OBJ cannot carry over.
    """
    from PIL import Image

    return _scene(loaded, surface, Image.fromarray(texture.image))


def save_model(
    loaded: Loaded, surface: Surface, texture: Texture, folder: str | Path, stem: str
) -> list[Path]:
    """Write <stem>.glb, <stem>.obj, <stem>.mtl and <stem>_texture.png into a folder that exists.

    The GLB holds the texture; the OBJ, in world coordinates and with the file's vertex order, names it.
    Returns the paths, GLB first.
    """
    from PIL import Image

    folder = Path(folder)
    names = [f"{stem}.glb", f"{stem}.obj", f"{stem}.mtl", f"{stem}_texture.png"]
    glb, obj, library, picture = paths = [folder / name for name in names]
    Image.fromarray(texture.image).save(picture)
    glb.write_bytes(_glb(loaded, surface, picture.read_bytes(), stem))
    material = f"{stem}_material".replace(" ", "_")
    library.write_text(mtl(_first_material(loaded), material, picture.name), encoding="utf-8")
    obj.write_text(obj_text(loaded, surface, library.name, material), encoding="utf-8")
    return paths


def _glb(loaded: Loaded, surface: Surface, png: bytes, stem: str) -> bytes:
    """A file of its own format with the picture in it; other formats as trimesh writes their scene."""
    if loaded.gltf is None:
        return glb_bytes(_scene(loaded, surface, None), png, stem)
    _warn_of_losses(loaded)
    for image, said in enumerate(loaded.gltf.document.tree.get("images", [])):
        if loaded.gltf.document.picture(image) is None:
            message = f"{loaded.stem} loses its picture {said.get('uri', image)}, which is not there"
            warnings.warn(message, TexsyncWarning, stacklevel=3)
    return patched(loaded, loaded.gltf, surface, png, stem)


def _scene(loaded: Loaded, surface: Surface, image: Any) -> trimesh.Scene:
    """The scene with new UVs; every mesh of the job has a material with base colour `image`."""
    import trimesh

    kept = keeps_uvs(loaded, surface)
    _warn_of_losses(loaded)
    old = loaded.scene
    scene = trimesh.Scene(
        graph=old.graph.copy(),
        metadata=deepcopy(old.metadata),
        camera=old.camera.copy() if old.has_camera else None,
    )
    shown = {old.graph[node][1] for node in old.graph.nodes_geometry} - {part.shape for part in loaded.parts}
    scene.geometry.update({name: old.geometry[name].copy() for name in old.geometry if name in shown})
    for part in loaded.parts:
        name = part.shape
        if name in scene.geometry and not kept:  # an instance that got texels of its own
            name = trimesh.util.unique_name(name, scene.geometry)
            scene.graph.transforms.node_data[part.node]["geometry"] = name
        if name not in scene.geometry:
            scene.geometry[name] = _mesh(loaded, surface, part, kept, image)
    return scene


def _mesh(loaded: Loaded, surface: Surface, part: Part, kept: bool, image: Any) -> trimesh.Trimesh:
    """One part as a trimesh with the UVs of the surface."""
    from trimesh.visual import TextureVisuals

    shape, source = loaded.shapes[part.shape], loaded.scene.geometry[part.shape]
    material = getattr(source.visual, "material", None)
    if kept:
        mesh = as_trimesh(shape)
    else:
        corners = corner_uvs(loaded, surface, part)
        mesh = as_trimesh(shape, surface.uv, corners, keep_old=bool(maps(material)))
    mesh.visual = TextureVisuals(uv=mesh.visual.uv, material=painted(material, image, loaded.stem))
    mesh.metadata.update(deepcopy(source.metadata))
    mesh.units = source.units
    return mesh


def _warn_of_losses(loaded: Loaded) -> None:
    """One warning for each thing that the result cannot have."""
    used = {part.shape for part in loaded.parts}
    visuals = [g.visual for name, g in loaded.scene.geometry.items() if name in used]
    materials = [getattr(visual, "material", None) for visual in visuals]
    lost = {
        "transparency and cut-outs; the new texture is opaque": any(map(see_through, materials)),
        "other MTL pictures (bump and the like)": any(map(mtl_maps, materials)),
        "vertex colours; the texture has the colour now": any(map(has_colours, visuals)),
    }
    for what, is_lost in lost.items():
        if is_lost:
            warnings.warn(f"{loaded.stem} loses its {what}", TexsyncWarning, stacklevel=4)


def has_colours(visual: Any) -> bool:
    """Whether a trimesh visual has a colour for each vertex or face."""
    return visual.kind in ("vertex", "face") or "color" in getattr(visual, "vertex_attributes", {})


def _first_material(loaded: Loaded) -> Any:
    return getattr(loaded.scene.geometry[loaded.parts[0].shape].visual, "material", None)


def obj_text(loaded: Loaded, surface: Surface, library: str, material: str) -> str:
    """All parts in world coordinates, one `o` each, one material.  Vertices are in the file's order."""
    lines = ["# texsync", f"mtllib {library}"]
    lines += [f"v {row}" for part in loaded.parts for row in _numbers(_world(loaded, part))]
    uv = loaded.uv if loaded.uv is not None and keeps_uvs(loaded, surface) else surface.uv
    lines += [f"vt {row}" for row in _numbers(uv)]
    normals, starts = _world_normals(loaded)
    lines += [f"vn {row}" for row in _numbers(normals)]
    lines.append(f"usemtl {material}")
    for part, start in zip(loaded.parts, starts, strict=True):
        lines.append("o " + " ".join(_display_name(loaded, part).split()))
        lines += _face_lines(loaded, surface, part, start)
    return "\n".join(lines) + "\n"


def _world(loaded: Loaded, part: Part) -> np.ndarray:
    """(n, 3) vertices of a part in the file's world; untouched, to the last bit, where nothing moves them."""
    vertices = loaded.shapes[part.shape].vertices
    if np.array_equal(part.transform, np.eye(4)):
        return vertices
    return vertices @ part.transform[:3, :3].T + part.transform[:3, 3]


def _world_normals(loaded: Loaded) -> tuple[np.ndarray, list[int]]:
    """All normals that files came with, turned into the world, and where each part's begin; -1 for none."""
    tables, starts, total = [np.zeros((0, 3))], [], 0
    for part in loaded.parts:
        normals = loaded.shapes[part.shape].normals
        if normals is None:
            starts.append(-1)
            continue
        # the cofactor matrix is the inverse transpose up to a factor, and exists for flattened parts too
        a, b, c = part.transform[:3, :3]
        turned = normals @ np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)]).T
        tables.append(turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-300))
        starts.append(total)
        total += len(normals)
    return np.concatenate(tables), starts


def _face_lines(loaded: Loaded, surface: Surface, part: Part, normal_start: int) -> list[str]:
    shape = loaded.shapes[part.shape]
    v = (shape.faces + part.vertices.start + 1).tolist()
    t = (corner_uvs(loaded, surface, part) + 1).tolist()
    if shape.normal_faces is None:
        return [f"f {a}/{d} {b}/{e} {c}/{f}" for (a, b, c), (d, e, f) in zip(v, t, strict=True)]
    n = (shape.normal_faces + normal_start + 1).tolist()
    return [
        f"f {a}/{d}/{g} {b}/{e}/{h} {c}/{f}/{i}"
        for (a, b, c), (d, e, f), (g, h, i) in zip(v, t, n, strict=True)
    ]


def _display_name(loaded: Loaded, part: Part) -> str:
    """The node's name, but for primitives of one glTF mesh, whose nodes trimesh names at random."""
    primitive = loaded.scene.geometry[part.shape].metadata.get("from_gltf_primitive")
    return part.shape if primitive else part.node


def _numbers(table: np.ndarray) -> list[str]:
    """Rows as text that reads back to the same numbers; as few digits as the file's own precision needs."""
    single = table.astype(np.float32)
    digits = 9 if np.array_equal(single, table) else 17
    row = " ".join([f"%.{digits}g"] * table.shape[1])
    return [row % tuple(values) for values in table.tolist()]
