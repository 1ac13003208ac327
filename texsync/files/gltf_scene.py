"""From a glTF document to a trimesh scene in the file's order, and where in the file each piece of it stands.

trimesh's own reader passes over sparse data, fans and UVs without a material, misreads UVs in whole numbers,
and walks nodes from the last to the first.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import trimesh
from trimesh.transformations import quaternion_matrix
from trimesh.visual.material import PBRMaterial

from ..errors import InputError, TexsyncWarning
from ..picture_files import opened
from .gltf_document import PLAIN, Document
from .gltf_fields import INSTANCES
from .gltf_materials import colour_place, seen_by, uv_set
from .shape import Shape

CHANNELS = (
    *("normalTexture", "occlusionTexture", "emissiveTexture"),
    *("baseColorTexture", "metallicRoughnessTexture"),
)
FACTORS = ("name", "doubleSided", "alphaMode", "alphaCutoff", "metallicFactor", "roughnessFactor")
COLOURS = ("baseColorFactor", "emissiveFactor")


@dataclass(frozen=True)
class GltfPlaces:
    """Where the pieces of a scene stand in its file.

    nodes: number of the node that each name in the scene graph stands for.  primitives: (mesh, primitive) of each
    shape.
    """

    document: Document
    nodes: dict[str, int]
    primitives: dict[str, tuple[int, int]]


def gltf_scene(document: Document) -> tuple[trimesh.Scene, dict[str, Shape], GltfPlaces]:
    """The default scene: its nodes, a shape for every primitive of triangles, and where they are in the file.

    A mesh of several primitives is one node for each, under the node of the mesh: in trimesh a mesh has one material.
    Raises ValueError, KeyError and the like for a damaged file.
    """
    scene = trimesh.Scene()
    places = GltfPlaces(document, {}, {})
    shapes: dict[str, Shape] = {}
    of_mesh: dict[int, list[str]] = {}
    counts: dict[str | None, int] = {}
    for m, mesh in enumerate(document.tree.get("meshes", [])):
        of_mesh[m] = []
        for p, primitive in enumerate(mesh["primitives"]):
            if "POSITION" not in primitive["attributes"]:  # an extension may know where it is
                continue
            faces = document.faces(primitive)
            if len(faces) == 0:
                continue
            name = trimesh.util.unique_name(mesh.get("name") or f"mesh_{m}", shapes, counts)
            shapes[name] = _shape(document, primitive, faces)
            places.primitives[name] = (m, p)
            of_mesh[m].append(name)
            scene.geometry[name] = _trimesh(document, primitive, shapes[name])
            scene.geometry[name].metadata["from_gltf_primitive"] = len(mesh["primitives"]) > 1
    _hang(scene, document, places, of_mesh)
    return scene, shapes, places


def _shape(document: Document, primitive: dict[str, Any], faces: np.ndarray) -> Shape:
    attributes = primitive["attributes"]
    vertices = document.numbers(attributes["POSITION"])
    for accessor in (x for table in (attributes, *primitive.get("targets", [])) for x in table.values()):
        document.elements(accessor)  # a result needs all of them: what is damaged is refused at once
    place = place_of(document, primitive)
    uv_name = f"TEXCOORD_{uv_set(place)}"
    uv = seen_by(place, document.numbers(attributes[uv_name])) if uv_name in attributes else None
    normals = document.numbers(attributes["NORMAL"]) if "NORMAL" in attributes else None
    return Shape(
        vertices=vertices,
        faces=faces,
        uv=None if uv is None else uv * [1, -1] + [0, 1],
        uv_faces=None if uv is None else faces,
        normals=normals,
        normal_faces=None if normals is None else faces,
    )


def place_of(document: Document, primitive: dict[str, Any]) -> dict[str, Any]:
    """Which UVs the base colour of a primitive is on; the first where it has no picture."""
    return colour_place(document.tree["materials"][primitive["material"]]) if "material" in primitive else {}


def _trimesh(document: Document, primitive: dict[str, Any], shape: Shape) -> trimesh.Trimesh:
    number = primitive.get("material")
    visual = trimesh.visual.TextureVisuals(uv=shape.uv, material=_material(document, number))
    if "COLOR_0" in primitive["attributes"]:
        visual.vertex_attributes["color"] = document.numbers(primitive["attributes"]["COLOR_0"])
    return trimesh.Trimesh(
        shape.vertices, shape.faces, vertex_normals=shape.normals, visual=visual, process=False
    )


def _material(document: Document, number: int | None) -> Any:
    """What trimesh can hold of a material; number None is a file's silence, a dull surface."""
    said = PLAIN if number is None else document.tree["materials"][number]
    flat = {**said, **said.get("pbrMetallicRoughness", {})}
    known: dict[str, Any] = {key: flat[key] for key in FACTORS if key in flat}
    known |= {key: np.array(flat[key], np.float64) for key in COLOURS if key in flat}
    known |= {key: _picture(document, flat[key]) for key in CHANNELS if key in flat}
    return PBRMaterial(**known)


def _picture(document: Document, info: dict[str, Any]) -> Any:
    """The PIL image that a texture shows, None if it is missing or of a kind that is not read; not yet decoded."""
    texture = document.tree["textures"][info["index"]]
    found = [x["source"] for x in texture.get("extensions", {}).values() if "source" in x]
    for image in [*found, *([texture["source"]] if "source" in texture else [])]:
        picture = document.picture(image)
        try:
            if picture is not None:
                return opened(picture[0])
        except InputError:  # its bytes stay in the file as they are; only a trimesh scene lacks it
            continue
    return None


def _hang(
    scene: trimesh.Scene, document: Document, places: GltfPlaces, of_mesh: dict[int, list[str]]
) -> None:
    """Fill the scene's graph: every node of the file's scene, in the file's order."""
    world, taken = scene.graph.base_frame, {scene.graph.base_frame}
    counts: dict[str | None, int] = {}
    name_of: dict[int | None, str] = {None: world}
    worlds = _worlds(document.tree)
    for parent, number in _walk(document.tree):
        node = document.tree["nodes"][number]
        name = name_of[number] = trimesh.util.unique_name(node.get("name") or str(number), taken, counts)
        taken.add(name)
        pieces = of_mesh[node["mesh"]] if "mesh" in node else []
        _say_copies(document, node, name)
        whole = len(pieces) == 1 and not scene.geometry[pieces[0]].metadata["from_gltf_primitive"]
        scene.graph.update(
            frame_from=name_of[parent],
            frame_to=name,
            matrix=_placed_by_joints(document, node, worlds, parent)
            if "skin" in node
            else local_matrix(node),
            **({"geometry": pieces[0]} if whole else {}),
            **({"metadata": deepcopy(node["extras"])} if isinstance(node.get("extras"), dict) else {}),
        )
        places.nodes[name] = number
        for k, piece in enumerate([] if whole else pieces):
            part = trimesh.util.unique_name(f"{name}_{k}", taken, counts)
            taken.add(part)
            scene.graph.update(frame_from=name, frame_to=part, matrix=np.eye(4), geometry=piece)
            places.nodes[part] = number


def _say_copies(document: Document, node: dict[str, Any], name: str) -> None:
    """A node's copies on the graphics card have no UVs of their own, so they cannot differ."""
    said = node.get("extensions", {}).get(INSTANCES, {}).get("attributes", {})
    count = max((document.tree["accessors"][accessor]["count"] for accessor in said.values()), default=0)
    if count:
        message = (
            f"{name} stands at {count} places ({INSTANCES}); it is painted once, alone, and all show that"
        )
        warnings.warn(message, TexsyncWarning, stacklevel=2)


def _walk(tree: dict[str, Any]) -> Iterator[tuple[int | None, int]]:
    """(parent, node) of the default scene, parents first; of all nodes in a file without scenes."""
    nodes = tree.get("nodes", [])
    if tree.get("scenes"):
        roots = tree["scenes"][tree.get("scene", 0)].get("nodes", [])
    else:
        below = {child for node in nodes for child in node.get("children", [])}
        roots = [i for i in range(len(nodes)) if i not in below]
    todo: list[tuple[int | None, int]] = [(None, root) for root in reversed(roots)]
    seen = set()
    while todo:
        parent, number = todo.pop()
        if number in seen:
            raise ValueError(f"node {number} hangs in two places")
        seen.add(number)
        yield parent, number
        todo += [(number, child) for child in reversed(nodes[number].get("children", []))]


def local_matrix(node: dict[str, Any]) -> np.ndarray:
    """(4, 4) from a node to its parent."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    matrix = np.array(quaternion_matrix([w, x, y, z]))
    matrix[:3, :3] *= node.get("scale", (1, 1, 1))
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _worlds(tree: dict[str, Any]) -> dict[int | None, np.ndarray]:
    """(4, 4) from each node of the default scene to the world."""
    worlds: dict[int | None, np.ndarray] = {None: np.eye(4)}
    for parent, number in _walk(tree):
        worlds[number] = worlds[parent] @ local_matrix(tree["nodes"][number])
    return worlds


def _placed_by_joints(
    document: Document, node: dict[str, Any], worlds: dict[int | None, np.ndarray], parent: int | None
) -> np.ndarray:
    """(4, 4) from a skinned mesh to its parent: joints place it, not its own node (section 3.7.3.1).

    Only while all joints agree; a bent figure is painted as it was modelled, where its node stands.
    """
    skin = document.tree["skins"][node["skin"]]
    joints = [worlds.get(joint, np.full((4, 4), np.nan)) for joint in skin["joints"]]
    bind = np.eye(4)[None]
    if "inverseBindMatrices" in skin:
        rows = document.numbers(skin["inverseBindMatrices"])[: len(joints)]
        bind = rows.reshape(-1, 4, 4).transpose(0, 2, 1)  # they are stored column by column
    placed = np.stack(joints) @ bind
    size = np.abs(placed[0]).max()
    if (
        "children" in node
        or not np.isfinite(placed).all()
        or not np.allclose(placed, placed[0], rtol=0, atol=1e-3 * size)
    ):
        return local_matrix(node)
    try:
        return np.asarray(np.linalg.solve(worlds[parent], placed[0]))
    except np.linalg.LinAlgError:  # the parent is flat
        return local_matrix(node)
