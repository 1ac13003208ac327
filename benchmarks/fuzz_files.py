"""Thousands of damaged mesh files: each is loaded and saved, or refused in one line, in bounded time.

python benchmarks/fuzz_files.py [--count 2000] [--seed 0]
Prints, per format: files, how many were saved, refused when read and refused by the rehearsal of saving, faults
(anything but an InputError of one line, or a warning that leaked), and the longest time in seconds.
"""

from __future__ import annotations

import argparse
import io
import json
import struct
import sys
import time
import warnings
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import trimesh
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import handed
from gltf_zoo import Maker, worm

from texsync.errors import InputError, TexsyncWarning
from texsync.files.load import load
from texsync.files.save import rehearse, save_model
from texsync.surface.types import Surface

TEXTURE = SimpleNamespace(image=np.zeros((4, 4, 3), np.uint8))
VALUES: list[Any] = [None, True, "x", "", [], {}, [0], {"index": 0}, 0, 1, -1, 2, 3, 7, 1.5, -0.5, 255]
VALUES += [
    10**6,
    10**9,
    2**31,
    2**63,
    10**30,
    1e300,
    1e-300,
    float("nan"),
    float("inf"),
    "../x.png",
    "data:,x",
]
WORDS = [
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1e300",
    "-1",
    "0",
    "9",
    "99999999999",
    "x",
    "",
    "1/2/3",
    "//",
    "1//",
    "-9/-9",
]
WORDS += [
    "usemtl",
    "f",
    "#",
    "newmtl",
    "\0",
    "\ud83d",
    "../../etc/passwd",
    "3 3",
    "int",
    "list",
    "float",
    "double",
]


def originals() -> dict[str, Any]:
    """What to damage, by kind: a Maker for glTF, else the bytes of files by name, the mesh first."""
    ball = trimesh.creation.icosphere(subdivisions=1)
    cube = trimesh.creation.box()
    cube.visual.vertex_colors = [255, 0, 0, 255]
    png = io.BytesIO()
    Image.new("RGB", (4, 4), (9, 9, 200)).save(png, "PNG")
    box = "".join(f"v {x} {y} {z}\n" for x, y, z in handed.CORNERS)
    box += "vt 0.1 0.1\nvt 0.9 0.1\nvt 0.9 0.9\nvt 0.1 0.9\nvn 0 0 1\nvn 1 0 0\nmtllib m.mtl\no box\ng sides\ns 1\n"
    for k, side in enumerate(handed.SIDES):
        corners = " ".join(f"{v + 1}/{c + 1}/{k % 2 + 1}" for c, v in enumerate(side))
        box += f"usemtl paint {k % 2}\nf {corners}\n"
    mtl = "newmtl paint 0\nKd 1 0 0\nNs 10\nPm 0.5\nPr 0.25\nKe 0 0 1\nillum 2\nd 0.5\nmap_Kd n.png\n"
    mtl += "norm -bm 0.5 n.png\nnewmtl paint 1\nKd 0 1 0\nmap_Ke -o 0 0 0 n.png\nbump n.png\nTr 0.5\n"
    side = {"m.mtl": mtl.encode(), "n.png": png.getvalue()}
    made = {kind: {f"a.{kind}": _exported(ball, kind)} for kind in ("off", "stl")}
    return {
        **{"glb": worm(), "gltf": worm(), "vrm": figure()},
        "obj": {"a.obj": box.encode(), **side},
        "mtl": {"a.obj": box.encode(), **side},
        "ply": {"a.ply": _exported(cube, "ply", encoding="ascii")},
        "ply, binary": {"a.ply": _exported(cube, "ply")},
        **made,
        "stl, text": {"a.stl": _exported(ball, "stl_ascii")},
    }


def _exported(mesh: trimesh.Trimesh, kind: str, **more: Any) -> bytes:
    file = io.BytesIO()
    mesh.export(file, file_type=kind, **more)
    return file.getvalue()


def figure() -> Maker:
    """The worm as a VRM, with its instances, variants and a picture as WebP."""
    made = worm()
    shift = made.accessor(np.eye(3))
    made.tree["nodes"][5]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": shift}}}
    body = made.tree["meshes"][0]["primitives"][0]
    body["extensions"] = {"KHR_materials_variants": {"mappings": [{"material": 0, "variants": [0]}]}}
    made.tree["textures"][2]["extensions"] = {"EXT_texture_webp": {"source": 2}}
    made.tree["materials"][0]["extensions"]["VRMC_materials_mtoon"] = {"shadeMultiplyTexture": {"index": 2}}
    made.tree["extensions"]["VRM"] = {
        "meta": {"texture": -1},
        "materialProperties": [{"name": "wet", "textureProperties": {"_MainTex": 2, "_BumpMap": 0}}],
    }
    return made


def damaged_tree(tree: Any, rng: np.random.Generator) -> Any:
    """A copy in which a value or three are dropped, moved or of another kind, at any depth."""
    tree = deepcopy(tree)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        places = list(_places(tree))
        container, key = places[rng.integers(len(places))]
        way = rng.integers(5)
        if way == 0 and isinstance(container, dict):
            del container[key]
        elif way == 1 and isinstance(container[key], (int, float)):
            container[key] = container[key] + [1, -1, 1000, 0.5][rng.integers(4)]
        elif way == 2:
            container[key] = deepcopy(places[rng.integers(len(places))][0])
        else:
            container[key] = deepcopy(VALUES[rng.integers(len(VALUES))])
    return tree


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in range(len(value)) if isinstance(value, list) else list(value):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def damaged_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Flipped bytes, most often near the beginning, odd numbers, cuts and repeats."""
    array = bytearray(data)
    reach = len(array) if rng.random() < 0.5 else min(len(array), 300)
    way, at = rng.integers(4), int(rng.integers(reach))
    if way == 0:
        return bytes(array[:at])
    if way == 1:
        return bytes(array[:at] + array[at // 2 :])
    if way == 2:
        array[at : at + 4] = [b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f"][rng.integers(4)]
        return bytes(array)
    for at in rng.integers(reach, size=int(rng.integers(1, 8))):
        array[at] = rng.integers(256)
    return bytes(array)


def damaged_text(data: bytes, rng: np.random.Generator) -> bytes:
    """Words replaced, lines dropped, doubled and cut."""
    lines = data.decode("latin-1").split("\n")
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        at = int(rng.integers(len(lines))) if rng.random() < 0.6 else int(rng.integers(min(12, len(lines))))
        words, way = lines[at].split(" "), rng.integers(5)
        if way == 0:
            lines[at] = ""
        elif way == 1:
            lines.insert(at, lines[rng.integers(len(lines))])
        else:
            words[rng.integers(len(words))] = WORDS[rng.integers(len(WORDS))]
            lines[at] = " ".join(words)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def write(folder: Path, kind: str, made: Any, rng: np.random.Generator) -> Path:
    """Put one damaged file, and what goes with it, into a folder."""
    if kind == "texmesh":
        path = handed.write(folder / "a.texmesh", handed.cube(uv=handed.grid_uvs()), repaint=None)
        line, _, body = path.read_bytes().partition(b"\n")
        tree = damaged_tree(json.loads(line), rng)
        data = json.dumps(tree).encode() + b"\n" + body
        path.write_bytes(data if rng.random() < 0.8 else damaged_bytes(data, rng))
    elif isinstance(made, Maker):
        path = folder / f"a.{kind}"
        copy = deepcopy(made)
        whole = bytes(-len(copy.body) % 4) + copy.body
        copy.tree["buffers"] = [{"byteLength": len(whole)}]
        if kind == "gltf":
            (folder / "its data.bin").write_bytes(copy.body)
            copy.tree["buffers"][0]["uri"] = "its%20data.bin"
        text = json.dumps(damaged_tree(copy.tree, rng)).encode()
        data = text if kind == "gltf" else _glb(text, copy.body)
        path.write_bytes(data if rng.random() < 0.8 else damaged_bytes(data, rng))
    else:
        for name, data in made.items():
            (folder / name).write_bytes(data)
        path = folder / next(iter(made))
        victim = folder / ("m.mtl" if kind == "mtl" else path.name)
        harm = damaged_bytes if "binary" in kind or kind == "stl" or rng.random() < 0.2 else damaged_text
        victim.write_bytes(harm(victim.read_bytes(), rng))
        if kind == "mtl" and rng.random() < 0.3:
            (folder / "n.png").write_bytes(damaged_bytes(made["n.png"], rng))
    return path


def _glb(text: bytes, body: bytes) -> bytes:
    text, body = text + b" " * (-len(text) % 4), body + bytes(-len(body) % 4)
    head = struct.pack("<4s2I", b"glTF", 2, 28 + len(text) + len(body)) + struct.pack(
        "<I4s", len(text), b"JSON"
    )
    return head + text + struct.pack("<I4s", len(body), b"BIN\0") + body


def islands(loaded: Any) -> Surface:
    """Every face an island of its own."""
    count = len(loaded.faces)
    corner = np.stack([np.arange(count), np.zeros(count)], axis=1) / (count + 1)
    uv = (corner[:, None] + np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]) / (count + 1)).reshape(-1, 2)
    return _surface(loaded, uv, np.arange(3 * count).reshape(-1, 3))


def _surface(loaded: Any, uv: np.ndarray, uv_faces: np.ndarray) -> Surface:
    return Surface(loaded.vertices, loaded.faces, loaded.normals, uv, uv_faces, loaded.part)


def outcome(path: Path, own: bool) -> str:
    """The fate of a file: "saved", "refused", "rehearsal", or what went wrong."""
    stage, out = "refused", path.parent / "out"
    out.mkdir(exist_ok=True)
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        try:
            loaded = load(path)
            kept = own and loaded.uv is not None
            surface = _surface(loaded, loaded.uv, loaded.uv_faces) if kept else islands(loaded)
            stage = "rehearsal"
            rehearse(loaded, surface)
            stage = "saving"
            for file in save_model(loaded, surface, TEXTURE, out, "out", about={"prompt": "x"}):
                assert file.stat().st_size
            answer = "saved"
        except InputError as error:
            told = stage != "saving" and "\n" not in str(error) and error.remedy and len(str(error)) < 400
            answer = stage if told else f"{stage}: message {error}"
        except BaseException as error:
            answer = f"{stage}: {type(error).__name__}: {error}"
    strange = [w for w in leaked if not issubclass(w.category, TexsyncWarning)]
    return f"{stage}: warning {strange[0].message}" if strange else answer


def cases(count: int, seed: int, folder: Path) -> Iterator[tuple[str, int, str, float]]:
    """(kind, number, fate, seconds) of one damaged file after the other; a file depends on seed and number only."""
    made = {**originals(), "texmesh": None}
    for number in range(count):
        kind = list(made)[number % len(made)]
        rng = np.random.default_rng((seed, number))
        path = write(folder, kind, made[kind], rng)
        start = time.perf_counter()
        fate = outcome(path, own=bool(rng.random() < 0.5))
        yield kind, number, fate, time.perf_counter() - start


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    columns = ("files", "saved", "refused", "rehearsal", "faults")
    table: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, number, fate, seconds in cases(asked.count, asked.seed, Path(folder)):
            row = table.setdefault(kind, dict.fromkeys((*columns, "longest"), 0))
            row["longest"] = max(row["longest"], seconds)
            row["files"] += 1
            row[fate if fate in columns else "faults"] += 1
            if fate not in ("saved", "refused"):
                print(kind, number, fate)
    print(f"{'format':13}" + "".join(f"{name:>10}" for name in columns) + f"{'longest s':>11}")
    for kind, row in table.items():
        print(f"{kind:13}" + "".join(f"{row[name]:10.0f}" for name in columns) + f"{row['longest']:11.2f}")


if __name__ == "__main__":
    main()
