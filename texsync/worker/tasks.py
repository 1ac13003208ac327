"""What the worker can do: task name -> function.  A function of texsync's that saves a folder needs no code here."""

from __future__ import annotations

import json
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..options import MARK, MESH_KINDS, MeshOptions, check_output, path, yes
from ..progress import Progress

if TYPE_CHECKING:
    from ..files.formats.texmesh import Handed
    from ..tasks.textured import TexturedMesh

Task = Callable[[dict[str, Any], Progress], dict[str, str]]

HELP = "texsync --help has the names"
UNWRAP = {"mesh": "", "up": "auto", "front": "auto", "uvs": "auto", "texture_size": 1024}
FUNCTIONS = {
    "wide": "wide_image",
    "mask": "masked_image",
    "edit": "edit_image",
    "ambiguous": "ambiguous_image",
    "motion": "long_motion",
}


def tasks() -> dict[str, Task]:
    """Every task of this edition of texsync: (arguments, on_progress) -> name and path of each written file.

    All take `out`, the folder to write, and `overwrite`; the rest is what the task's Python function takes.
    """
    from importlib import import_module

    package = import_module(__package__.partition(".")[0])
    there = {name: attribute for name, attribute in FUNCTIONS.items() if attribute in package.__all__}
    made: dict[str, Task] = {"mesh": mesh, "unwrap": unwrap}
    return made | {name: _function(package, attribute) for name, attribute in there.items()}


def _function(package: Any, attribute: str) -> Task:
    """A task that is one function of texsync's."""

    def run(arguments: dict[str, Any], on_progress: Progress) -> dict[str, str]:
        out, overwrite, rest = _place(arguments)
        result = _called(getattr(package, attribute), rest, on_progress)
        on_progress("save", 0, 1, None)
        result.save(out, overwrite=overwrite)
        return listed(out)

    return run


def mesh(arguments: dict[str, Any], on_progress: Progress) -> dict[str, str]:
    """`texture_mesh` on a file.  A mesh file gives what the shell gives; a .texmesh what its sender needs:

    texture.png; uvs.bin (see `files.formats.texmesh.new_uvs`), only if there is a new map; run.json.
    """
    from ..files.formats.texmesh import ENDING, read_handed
    from ..tasks.mesh import texture_mesh

    out, overwrite, rest = _place(arguments)
    source = path("mesh", rest.get("mesh"))
    handed = read_handed(source) if source.suffix == f".{ENDING}" else None
    if handed and handed.repaint:
        _check_repaint(handed, rest)
    result = _called(texture_mesh, rest, on_progress)
    on_progress("save", 0, 1, None)
    if handed is None:
        result.save(out, overwrite=overwrite)
    else:
        save_handed(result, handed, out, overwrite)
    return listed(out)


def save_handed(result: TexturedMesh, handed: Handed, out: Path, overwrite: bool) -> None:
    """Write texture.png, uvs.bin if the map is new, and run.json: all or nothing."""
    from PIL import Image

    from ..files.formats.texmesh import new_uvs
    from ..record.atomic import atomic_folder
    from ..record.facts import dump
    from ..tasks.textured import record

    image = result.texture
    if handed.repaint:
        image = handed.repaint.apply(image, result.surface)
    uvs = new_uvs(handed, result.loaded, result.surface)
    with atomic_folder(out, overwrite=overwrite) as place:
        Image.fromarray(image).save(place / "texture.png")
        if uvs is not None:
            (place / "uvs.bin").write_bytes(uvs)
        (place / "run.json").write_text(dump(record(result), indent=2) + "\n")


def unwrap(arguments: dict[str, Any], on_progress: Progress) -> dict[str, str]:
    """Only the map of a .texmesh: uvs.bin if the policy `uvs` asks for a new one.

    arguments: mesh, uvs, texture_size, up, front as for `mesh`.  For senders whose modifiers need UVs first.
    """
    from ..files.formats.texmesh import new_uvs, read_handed
    from ..files.load import load
    from ..record.atomic import atomic_folder
    from ..surface.uv import prepare

    out, overwrite, rest = _place(arguments)
    on_progress("mesh", 0, 1, None)
    mesh, up, front, uvs, size = (rest.pop(name, default) for name, default in UNWRAP.items())
    if rest:
        raise InputError(f"the job's arguments are wrong (unwrap has no {min(rest)!r})", HELP)
    handed, size = read_handed(mesh), MESH_KINDS["texture_size"]("texture size", size)
    loaded = load(mesh, up, front)
    surface = prepare(loaded, uvs, size)
    uvs = new_uvs(handed, loaded, surface)
    with atomic_folder(out, overwrite=overwrite) as place:
        if uvs is not None:
            (place / "uvs.bin").write_bytes(uvs)
        (place / MARK).write_text(json.dumps({"task": "unwrap", "new": uvs is not None}) + "\n")
    on_progress("mesh", 1, 1, None)
    return listed(out)


def listed(folder: Path) -> dict[str, str]:
    """Name -> path of all files in a folder of results."""
    return {file.name: str(file) for file in sorted(folder.iterdir())}


def _check_repaint(handed: Handed, arguments: dict[str, Any]) -> None:
    """What can be known to be wrong before any work."""
    assert handed.repaint is not None
    if arguments.get("uvs") != "keep":
        raise InputError(
            "only selected faces are to be painted, but not on the mesh's own UVs", "keep your UVs"
        )
    size = arguments.get("texture_size", MeshOptions.defaults()["texture_size"])
    handed.repaint.check(MESH_KINDS["texture_size"]("texture size", size))


def _place(arguments: dict[str, Any]) -> tuple[Path, bool, dict[str, Any]]:
    """(out, overwrite, all other arguments); raises InputError if there is no place to write to."""
    rest = dict(arguments)
    out, overwrite = rest.pop("out", None), yes("overwrite", rest.pop("overwrite", False))
    if not isinstance(out, str) or not out:
        raise InputError("the job has no out folder", 'add "out": "path of a folder"')
    return check_output(path("output folder", out).absolute(), overwrite), overwrite, rest


def _called(function: Callable, arguments: dict[str, Any], on_progress: Progress) -> Any:
    """The function's result; an argument that it does not take is the sender's mistake."""
    try:
        signature(function).bind(**arguments, on_progress=on_progress)
    except TypeError as error:
        raise InputError(f"the job's arguments are wrong ({error})", HELP) from error
    try:
        return function(**arguments, on_progress=on_progress)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise InputError(f"the job's arguments are wrong ({error})", HELP) from error
