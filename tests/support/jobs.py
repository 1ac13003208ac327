"""Jobs on glTF files: what to paint on, what came of it."""

from __future__ import annotations

import json
import struct
from copy import deepcopy
from io import BytesIO
from types import SimpleNamespace

import numpy as np
from gltf_zoo import Maker, column
from PIL import Image

from texsync.files.gltf_document import Document, read_gltf
from texsync.files.gltf_prune import used
from texsync.files.load import load
from texsync.files.save import save_model
from texsync.surface.types import Surface

TEXTURE = SimpleNamespace(image=np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3))
KINDS = ("accessors", "bufferViews", "images", "textures", "samplers")


def painted_on(loaded, uv, uv_faces) -> Surface:
    return Surface(loaded.vertices, loaded.faces, loaded.normals, uv, uv_faces, loaded.part)


def own_uvs(loaded) -> Surface:
    """Painted on the UVs that the file has."""
    return painted_on(loaded, loaded.uv, loaded.uv_faces)


def new_uvs(loaded) -> Surface:
    """A map where every face is an island of its own."""
    count = len(loaded.faces)
    corner = np.stack([np.arange(count), np.zeros(count)], axis=1) / (count + 1)
    uv = (corner[:, None] + np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]) / (count + 1)).reshape(-1, 2)
    return painted_on(loaded, uv, np.arange(3 * count).reshape(-1, 3))


def whole_uvs(loaded) -> Surface:
    """A map without seams: one UV a vertex."""
    uv = loaded.vertices[:, :2] / 2.2 + 0.5
    return painted_on(loaded, uv, loaded.faces)


def saved(path, uvs, folder="out") -> tuple[Document, Document]:
    """(the file, the result) of a job on that file."""
    loaded = load(path)
    (path.parent / folder).mkdir(exist_ok=True)
    glb = save_model(loaded, uvs(loaded), TEXTURE, path.parent / folder, path.stem)[0]
    result = read_gltf(glb)
    check_references(result)
    return read_gltf(path), result


def check_references(document) -> None:
    """Every number in the file refers to something, and all of it can be read."""
    for kind in KINDS:
        count = len(document.tree.get(kind, []))
        assert used(document.tree, kind) <= set(range(count))
    for accessor in range(len(document.tree["accessors"])):
        document.elements(accessor)
    for image in range(len(document.tree["images"])):
        assert document.picture(image) is not None


def without(tree, *keys) -> dict:
    return {key: value for key, value in tree.items() if key not in (*KINDS, "buffers", *keys)}


def values(document, numbers) -> list:
    """Accessors as bytes and as what is said of them; a list, or {name: accessor}."""
    if isinstance(numbers, dict):
        return {name: values(document, [number])[0] for name, number in numbers.items()}
    said = [deepcopy(document.tree["accessors"][number]) for number in numbers]
    dropped = ("bufferView", "byteOffset", "sparse")
    return [
        ({k: v for k, v in one.items() if k not in dropped}, document.elements(number).tobytes())
        for one, number in zip(said, numbers, strict=True)
    ]


def moving(document) -> list:
    """The bytes of all that moves: animations and skins."""
    tree = document.tree
    samplers = [sampler for animation in tree["animations"] for sampler in animation["samplers"]]
    numbers = [sampler[key] for sampler in samplers for key in ("input", "output")]
    return values(document, numbers + [skin["inverseBindMatrices"] for skin in tree["skins"]])


def picture(document, info) -> bytes:
    """The pixels that a texture shows."""
    found = document.picture(document.tree["textures"][info["index"]]["source"])
    return np.array(Image.open(BytesIO(found[0]))).tobytes()


def plain(**primitive) -> Maker:
    """One column without material: node 0, mesh 0."""
    made = Maker()
    vertices, uv, faces = column()
    attributes = {"POSITION": made.bounded(vertices), "TEXCOORD_0": made.accessor(uv)}
    said = {"attributes": attributes, "indices": made.accessor(faces.ravel(), "H"), **primitive}
    made.tree |= {
        "meshes": [{"name": "column", "primitives": [said]}],
        "nodes": [{"mesh": 0, "name": "post"}],
    }
    made.tree |= {"scenes": [{"nodes": [0]}], "scene": 0}
    return made


def triangles(document, mesh=0) -> np.ndarray:
    """(F, 3, 3) the corners of the first primitive's triangles."""
    primitive = document.tree["meshes"][mesh]["primitives"][0]
    return document.numbers(primitive["attributes"]["POSITION"])[document.faces(primitive)]


def written(tmp_path, loaded, surface, stem="thing"):
    """What the GLB and the OBJ say: (JSON of the GLB, its path, the OBJ's path)."""
    glb, obj, library, picture = save_model(loaded, surface, TEXTURE, tmp_path, stem)
    assert all(path.is_file() for path in (glb, obj, library, picture))
    return tree_of(glb), glb, obj


def tree_of(glb) -> dict:
    data = glb.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack("<I", data[12:16])[0]])


def lines(path, keyword) -> list[list[float]]:
    """The numbers of all lines that begin with keyword."""
    rows = [line.split() for line in path.read_text().splitlines()]
    return [[float(x) for x in row[1:]] for row in rows if row and row[0] == keyword]
