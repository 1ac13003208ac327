"""glTF files written by hand, with what trimesh's writer cannot say."""

from __future__ import annotations

import json
import struct
from io import BytesIO

import numpy as np
from PIL import Image

KINDS = {"f": 5126, "B": 5121, "H": 5123, "I": 5125}
SHAPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}


class Maker:
    """A tree and a buffer to put arrays into."""

    def __init__(self):
        self.tree = {"asset": {"version": "2.0", "generator": "by hand"}, "accessors": [], "bufferViews": []}
        self.body = b""

    def view(self, data: bytes, **more) -> int:
        self.body += bytes(-len(self.body) % 4)
        said = {"buffer": 0, "byteOffset": len(self.body), "byteLength": len(data), **more}
        self.body += data
        self.tree["bufferViews"].append(said)
        return len(self.tree["bufferViews"]) - 1

    def accessor(self, table, kind: str = "f", view: int | None = None, **more) -> int:
        """Number of an accessor for an array of floats "f", bytes "B", shorts "H" or longs "I"."""
        table = np.ascontiguousarray(table, kind)
        said = {"componentType": KINDS[kind], "count": len(table), "type": SHAPES[table.shape[1:]]}
        said["bufferView"] = self.view(table.tobytes()) if view is None else view
        self.tree["accessors"].append({**said, **more})
        return len(self.tree["accessors"]) - 1

    def bounded(self, table, **more) -> int:
        """As POSITION and times need it: with the smallest and the largest of each column."""
        table = np.asarray(table, np.float32)
        low, high = np.atleast_1d(table.min(axis=0)).tolist(), np.atleast_1d(table.max(axis=0)).tolist()
        return self.accessor(table, min=low, max=high, **more)

    def picture(self, colour) -> int:
        """Number of an image of one colour."""
        file = BytesIO()
        Image.new("RGB", (2, 2), colour).save(file, "PNG")
        image = {
            "bufferView": self.view(file.getvalue()),
            "mimeType": "image/png",
            "extras": {"colour": colour},
        }
        self.tree.setdefault("images", []).append(image)
        return len(self.tree["images"]) - 1

    def write(self, path):
        """As .glb, or as .gltf with the buffer in a file of a name that needs quoting."""
        body = self.body + bytes(-len(self.body) % 4)
        self.tree["buffers"] = [{"byteLength": len(body)}]
        if path.suffix == ".gltf":
            (path.parent / "its data.bin").write_bytes(body)
            self.tree["buffers"][0]["uri"] = "its%20data.bin"
            path.write_text(json.dumps(self.tree))
            return path
        text = json.dumps(self.tree).encode()
        text += b" " * (-len(text) % 4)
        size = 28 + len(text) + len(body)
        head = struct.pack("<4s2I", b"glTF", 2, size) + struct.pack("<I4s", len(text), b"JSON")
        path.write_bytes(head + text + struct.pack("<I4s", len(body), b"BIN\0") + body)
        return path


def column(rings: int = 3, sides: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A square column along y: vertices with a seam, UVs (v down) and faces."""
    turn, height = np.meshgrid(np.arange(sides + 1) / sides, np.arange(rings) / (rings - 1))
    u, v = turn.ravel(), height.ravel()
    vertices = np.stack([np.sin(2 * np.pi * u), 2 * v, np.cos(2 * np.pi * u)], axis=1)
    i = (np.arange(rings - 1)[:, None] * (sides + 1) + np.arange(sides)).ravel()
    up = i + sides + 1
    faces = np.concatenate([np.stack([i, i + 1, up + 1], 1), np.stack([i, up + 1, up], 1)])
    return vertices, np.stack([0.1 + 0.8 * u, 0.9 - 0.8 * v], axis=1), faces


def worm() -> Maker:
    """Skinned, animated and morphing, with tangents, a second UV map, lines, a camera, a light and notes everywhere."""
    made = Maker()
    vertices, uv, faces = column()
    normals = vertices * [1, 0, 1]
    both = np.concatenate([vertices, normals], axis=1).astype(np.float32)
    mixed = made.view(both.tobytes(), byteStride=24, target=34962)
    tangents = np.stack([normals[:, 2], 0 * uv[:, 0], -normals[:, 0], 1 + 0 * uv[:, 0]], axis=1)
    up = vertices[:, 1] / 2
    position = made.bounded(vertices, view=mixed)
    attributes = {
        "POSITION": position,
        "NORMAL": made.accessor(normals, view=mixed, byteOffset=12),
        "TANGENT": made.accessor(tangents),
        "TEXCOORD_0": made.accessor(uv),
        "TEXCOORD_1": made.accessor(uv[:, ::-1]),
        "JOINTS_0": made.accessor(np.stack([0 * up, up > 0, 0 * up, 0 * up], axis=1), "B"),
        "WEIGHTS_0": made.accessor(np.stack([1 - up, up, 0 * up, 0 * up], axis=1)),
        "_HEAT": made.accessor(up, extras={"unit": "K"}),
    }
    bulge = made.bounded(0.25 * normals * (up == 0.5)[:, None])
    target = {"POSITION": bulge, "NORMAL": made.accessor(0 * normals)}
    shared = {key: attributes[key] for key in ("POSITION", "NORMAL", "TANGENT", "TEXCOORD_0", "TEXCOORD_1")}
    lines = {
        "attributes": shared,
        "mode": 1,
        "indices": made.accessor([0, 5, 5, 10], "H"),
        "material": 0,
    }
    made.tree |= {
        "meshes": [
            {
                "name": "skin of the worm",
                "primitives": [
                    {
                        "attributes": attributes,
                        "indices": made.accessor(faces.ravel(), "H"),
                        "material": 0,
                        "targets": [target],
                        "extras": {"kind": "body"},
                    },
                ],
                "weights": [0.0],
                "extras": {"targetNames": ["bulge"]},
            },
            {"name": "bristles", "primitives": [lines]},
        ],
        "skins": [{"joints": [2, 3], "inverseBindMatrices": _bind(made), "skeleton": 2, "name": "bones"}],
        "cameras": [
            {"type": "perspective", "perspective": {"yfov": 0.7, "znear": 0.1}, "name": name} for name in "ab"
        ],
        "nodes": [
            {"name": "worm", "children": [2, 5], "extras": {"age": 3}},
            {"name": "body", "mesh": 0, "skin": 0},
            {"name": "tail", "children": [3, 4]},
            {"name": "head", "translation": [0, 1, 0], "rotation": [0, 0, 0, 1]},
            {"name": "eye", "camera": 1, "extensions": {"KHR_lights_punctual": {"light": 0}}},
            {"name": "bristles", "mesh": 1},
        ],
        "scenes": [{"nodes": [0, 1], "name": "garden", "extras": {"wet": True}}],
        "scene": 0,
        "extensions": {"KHR_lights_punctual": {"lights": [{"type": "point", "name": "lamp"}]}},
        "extensionsUsed": ["KHR_lights_punctual", "KHR_materials_clearcoat", "KHR_texture_transform"],
    }
    _materials(made)
    _motion(made)
    return made


def _bind(made: Maker) -> int:
    matrices = np.tile(np.eye(4), (2, 1, 1))
    matrices[1, 3, 1] = -1.0  # column by column: the head's joint is one up
    return made.accessor(matrices)


def _materials(made: Maker) -> None:
    made.tree["samplers"] = [
        {"wrapS": 33071, "wrapT": 33648, "magFilter": 9728},
        {"name": "of the old colour"},
    ]
    colours = ((128, 128, 255), (0, 200, 0), (10, 20, 30), (0, 80, 200))
    pictures = [made.picture(colour) for colour in colours]
    made.tree["textures"] = [{"source": picture, "sampler": int(picture == 2)} for picture in pictures]
    made.tree["materials"] = [
        {
            "name": "wet",
            "doubleSided": True,
            "normalTexture": {"index": 0, "scale": 0.25},
            "occlusionTexture": {"index": 1, "strength": 0.5, "texCoord": 1},
            "emissiveFactor": [0.1, 0.2, 0.3],
            "pbrMetallicRoughness": {
                "baseColorTexture": {"index": 2},
                "baseColorFactor": [1, 0, 0, 1],
                "metallicRoughnessTexture": {
                    "index": 3,
                    "extensions": {"KHR_texture_transform": {"offset": [0.5, 0], "texCoord": 0}},
                },
                "metallicFactor": 0.5,
            },
            "extensions": {
                "KHR_materials_clearcoat": {"clearcoatFactor": 0.75, "clearcoatTexture": {"index": 1}}
            },
            "extras": {"slime": 9},
        }
    ]


def _motion(made: Maker) -> None:
    times = made.bounded([0, 0.5, 1.0])
    turns = made.accessor([[0, 0, 0, 1], [0, 0, 0.6, 0.8], [0, 0, 0, 1]])
    bulges = made.accessor([0.0, 1.0, 0.0])
    samplers = [
        {"input": times, "output": turns, "interpolation": "LINEAR"},
        {"input": times, "output": bulges},
    ]
    channels = [
        {"sampler": 0, "target": {"node": 3, "path": "rotation"}},
        {"sampler": 1, "target": {"node": 1, "path": "weights"}},
    ]
    made.tree["animations"] = [
        {"name": "crawl", "samplers": samplers, "channels": channels, "extras": {"loops": 1}}
    ]
