"""GLB: a figure of bones with a skin that moves it, for any viewer and for Blender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..glb_chunks import packed
from .features import FPS
from .rig import CHILDREN, ENDS, Rig
from .skeleton import JOINTS, PARENTS

SIDES = {
    "left": (0.149, 0.361, 0.698),
    "right": (0.769, 0.243, 0.188),
    "middle": (0.204, 0.227, 0.259),
}  # sRGB
THICK = {"head end": 0.2, "head": 0.07, "spine1": 0.15, "spine2": 0.17, "spine3": 0.19, "neck": 0.14}
FLOAT, INDEX, BYTE = 5126, 5125, 5121  # glTF's component types


class Buffer:
    """Binary data and the entries that say what is where in it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, values: np.ndarray, kind: str, component: int = FLOAT, limits: bool = False) -> int:
        """The number of a new accessor; kind: SCALAR, VEC3, VEC4 or MAT4."""
        raw = np.ascontiguousarray(values, {FLOAT: "<f4", INDEX: "<u4", BYTE: "<u1"}[component])
        self.data += bytes(-len(self.data) % 4)
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": raw.nbytes})
        self.data += raw.tobytes()
        entry = {
            "bufferView": len(self.views) - 1,
            "componentType": component,
            "count": len(raw),
            "type": kind,
        }
        if limits:
            low, high = (np.atleast_1d(f(raw, axis=0)).astype(float).tolist() for f in (np.min, np.max))
            entry |= {"min": low, "max": high}
        self.accessors.append(entry)
        return len(self.accessors) - 1


def write_glb(rig: Rig, path: Path) -> None:
    """Metres, +y up, +z forward; one animation of 20 keys a second."""
    buffer = Buffer()
    places = np.zeros((len(JOINTS), 3))
    for joint, parent in enumerate(PARENTS[1:], 1):
        places[joint] = places[parent] + rig.offsets[joint]
    places[:, 1] -= places[:, 1].min()  # the rest pose stands on the ground
    inverse = np.tile(np.eye(4), (len(JOINTS), 1, 1))
    inverse[:, 3, :3] = -places  # glTF stores columns
    nodes: list[dict[str, Any]] = []
    for joint, name in enumerate(JOINTS):
        offset = rig.offsets[joint] if joint else places[0]
        nodes.append({"name": name, "translation": offset.tolist()})
        if CHILDREN[joint]:
            nodes[-1]["children"] = list(CHILDREN[joint])
    nodes.append({"name": "figure", "mesh": 0, "skin": 0})
    whole = {
        "asset": {"version": "2.0", "generator": "texsync"},
        "scene": 0,
        "scenes": [{"nodes": [0, len(JOINTS)]}],
        "nodes": nodes,
        "skins": [{"joints": list(range(len(JOINTS))), "skeleton": 0,
                   "inverseBindMatrices": buffer.add(inverse.reshape(-1, 16), "MAT4")}],
        "meshes": [{"name": "figure", "primitives": _primitives(buffer, places)}],
        "materials": [_material(name, colour) for name, colour in SIDES.items()],
        "animations": [_animation(buffer, rig)],
    }  # fmt: skip
    whole |= {"bufferViews": buffer.views, "accessors": buffer.accessors}
    whole["buffers"] = [{"byteLength": len(buffer.data)}]
    path.write_bytes(packed(whole, buffer.data))


def _material(name: str, colour: tuple[float, ...]) -> dict[str, Any]:
    linear = [round(value**2.2, 4) for value in colour]
    look = {"baseColorFactor": [*linear, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.7}
    return {"name": name, "pbrMetallicRoughness": look}


def _animation(buffer: Buffer, rig: Rig) -> dict[str, Any]:
    times = buffer.add(np.arange(len(rig.root)) / FPS, "SCALAR", limits=True)
    samplers = [{"input": times, "output": buffer.add(rig.root, "VEC3"), "interpolation": "LINEAR"}]
    channels = [{"sampler": 0, "target": {"node": 0, "path": "translation"}}]
    for joint, turn in enumerate(rig.turns):
        if not CHILDREN[joint]:
            continue
        samplers.append({"input": times, "output": buffer.add(steady(turn.as_quat()), "VEC4"),
                         "interpolation": "LINEAR"})  # fmt: skip
        channels.append({"sampler": len(samplers) - 1, "target": {"node": joint, "path": "rotation"}})
    return {"name": "motion", "samplers": samplers, "channels": channels}


def steady(quaternions: np.ndarray) -> np.ndarray:
    """The same rotations (F, 4), none of them far from the one before: q and -q are one rotation."""
    sign = np.cumprod(np.sign((quaternions[1:] * quaternions[:-1]).sum(axis=1) + 1e-12))
    return quaternions * np.concatenate([[1.0], sign])[:, None]


def _primitives(buffer: Buffer, places: np.ndarray) -> list[dict[str, Any]]:
    found = []
    for material, side in enumerate(SIDES):
        corners, normals, bones = [], [], []
        for joint, name, start, end in _bones(places):
            if _side(end) != side:
                continue
            triangles = bone(start, end, THICK.get(name, 0.085))
            across = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
            across /= np.linalg.norm(across, axis=1, keepdims=True)
            corners.append(triangles.reshape(-1, 3))
            normals.append(np.repeat(across, 3, axis=0))
            bones += [joint] * (3 * len(triangles))
        joints = np.zeros((len(bones), 4))
        joints[:, 0] = bones
        weights = np.tile([1.0, 0, 0, 0], (len(bones), 1))
        attributes = {
            "POSITION": buffer.add(np.concatenate(corners), "VEC3", limits=True),
            "NORMAL": buffer.add(np.concatenate(normals), "VEC3"),
            "JOINTS_0": buffer.add(joints, "VEC4", BYTE),
            "WEIGHTS_0": buffer.add(weights, "VEC4"),
        }
        found.append({"attributes": attributes, "material": material, "mode": 4})
    return found


def _bones(places: np.ndarray) -> list[tuple[int, str, np.ndarray, np.ndarray]]:
    """(joint that moves it, name, from, to) of every bone in the rest pose."""
    inner = [
        (parent, JOINTS[k], places[parent], places[k]) for k, parent in enumerate(PARENTS) if parent >= 0
    ]
    return inner + [(k, f"{JOINTS[k]} end", places[k], places[k] + end) for k, end in ENDS.items()]


def _side(end: np.ndarray) -> str:
    """A bone is of the side that its end is on."""
    return "middle" if abs(end[0]) < 0.02 else "left" if end[0] > 0 else "right"


def bone(start: np.ndarray, end: np.ndarray, thick: float) -> np.ndarray:
    """(8, 3, 3) triangles of a long octahedron between two points, metres; outside is counterclockwise."""
    way = end - start
    aside = np.cross(way, [0.0, 0, 1] if abs(way[2]) < 0.9 * np.linalg.norm(way) else [1.0, 0, 0])
    aside /= np.linalg.norm(aside)
    other = np.cross(way, aside)
    other /= np.linalg.norm(other)
    middle = start + 0.3 * way
    ring = [middle + thick / 2 * (np.cos(a) * aside + np.sin(a) * other) for a in np.arange(4) * np.pi / 2]
    found = []
    for one, two in zip(ring, [*ring[1:], ring[0]], strict=True):
        found += [[start, two, one], [end, one, two]]
    return np.array(found)
