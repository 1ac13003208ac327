"""Files as bytes, so that machines that share no disk can work for one batch."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..options.declared import declared
from ..tasks import options_of
from .table import JobLine

SIDE = re.compile(rb"(?im)^\s*(?:mtllib|map_\w+|bump|disp|decal|refl|norm|comment\s+TextureFile)\s+(.+?)\s*$")
DEEPEST = 3  # files that files name that files name


def inputs(job: JobLine) -> dict[str, bytes]:
    """Path to content of every file that a job's options name, and of those that these name; what is not there is
    left out, and missed by the task."""
    found: dict[str, bytes] = {}
    for name, said in declared(options_of(job.task)).items():
        if said.file and name in job.options:
            value = job.options[name]
            for one in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(one, str):
                    _collect(Path(one), found, DEEPEST)
    return found


def _collect(path: Path, found: dict[str, bytes], deep: int) -> None:
    if str(path) in found or not path.is_file():
        return
    found[str(path)] = data = path.read_bytes()
    if deep:
        for name in _named(path, data):
            _collect(path.parent / name, found, deep - 1)


def _named(path: Path, data: bytes) -> list[str]:
    """The names of other files in a mesh file or material library."""
    kind = path.suffix.lower()
    if kind == ".gltf":
        try:
            tree = json.loads(data)
            parts = [*tree.get("buffers", []), *tree.get("images", [])]
            uris = [part.get("uri", "") for part in parts]
        except (ValueError, AttributeError, TypeError):
            return []
        return [unquote(uri) for uri in uris if isinstance(uri, str) and uri and not uri.startswith("data:")]
    if kind not in (".obj", ".mtl", ".ply"):
        return []
    lines = [line.decode("utf-8", "replace") for line in SIDE.findall(data)]
    # options such as "-s 1 1 1" stand before a texture's name, which may have blanks
    return [name for line in lines for name in (line, line.split()[-1]) if name]


def unpacked(job: JobLine, files: Mapping[str, bytes], place: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """(the job's options with files at `place`, path there to path before)."""
    homes = sorted({str(Path(path).parent) for path in files})
    moved: dict[str, str] = {}
    for path, data in files.items():
        home = max((one for one in homes if path.startswith(one)), key=len)
        root = next(one for one in homes if home.startswith(one))  # keeps "textures/wood.png" below its mesh
        target = place / str(homes.index(root)) / Path(path).relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        moved[path] = str(target)

    def there(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [there(one) for one in value]
        return moved.get(value, value) if isinstance(value, str) else value

    known = declared(options_of(job.task))
    options = {name: there(value) if known[name].file else value for name, value in job.options.items()}
    return options, {target: path for path, target in moved.items()}


def packed(folder: Path) -> bytes:
    """A folder's files as one zip file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:  # pictures and GLB hardly shrink
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return made.getvalue()


def unpack_folder(data: bytes, folder: Path) -> None:
    """The files of `packed` into a folder that is there."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
