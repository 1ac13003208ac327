"""What the worker can do: task name -> function.  A function of texsync's that saves a folder needs no code here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from ..errors import Refused, about, enough_memory, got, option
from ..options.declared import UNSET, Declared, declared, nearest, renamed
from ..options.kinds import PathName
from ..options.number_kinds import Flag, shape_of
from ..options.output import check_output
from ..progress import Progress
from ..tasks import FUNCTIONS, function_of, options_of

if TYPE_CHECKING:
    from ..files.formats.texmesh import Handed
    from ..tasks.textured import TexturedMesh
    from ..tasks.variants import Variants

Task = Callable[[dict[str, Any], Progress], dict[str, str]]

TEXTURED = ("mesh", "project")  # tasks that paint meshes
UNWRAP = ("mesh", "up", "front", "uvs", "texture_size")
LONGEST_LIST = 250  # characters, of the names that there are


def tasks() -> dict[str, Task]:
    """Every task of this edition of texsync: (arguments, on_progress) -> name and path of each written file.

    All take `out`, the folder to write, and `overwrite`; the rest is what the task's Python function takes.
    """
    made = {name: partial(paint, name) for name in FUNCTIONS}
    return {**made, **{name: partial(textured, name) for name in TEXTURED}, "unwrap": unwrap}


def paint(task: str, arguments: dict[str, Any], on_progress: Progress) -> dict[str, str]:
    """A task that is one function of texsync's."""
    out, overwrite, rest = _place(arguments)
    result = _called(task, rest, on_progress)
    on_progress("save", 0, 1, None)
    result.save(out, overwrite=overwrite)
    return listed(out)


def textured(task: str, arguments: dict[str, Any], on_progress: Progress) -> dict[str, str]:
    """A task that textures a mesh.  A mesh file gives what the shell gives; a .texmesh what its sender needs:

    texture.png; look.png, what four views show; uvs.bin (see `files.formats.texmesh.new_uvs`), only if there is a new
    map; run.json.
    """
    from ..files.formats.texmesh import ENDING, read_handed

    out, overwrite, rest = _place(arguments)
    source = PathName()("mesh", rest.get("mesh"))
    handed = read_handed(source) if source.suffix == f".{ENDING}" else None
    if handed and rest.get("atlas", "one") != "one":
        raise Refused.options_together(
            f"{about('atlas')} {got(rest['atlas'])} on a mesh of another program's, which takes one texture",
            f"use {option('atlas', 'one')}",
        )
    if handed and handed.repaint and task == "mesh":
        _check_repaint(handed, rest)
    result = _called(task, rest, on_progress)
    on_progress("save", 0, 1, None)
    if handed is None:
        result.save(out, overwrite=overwrite)
    else:
        save_handed(result, handed, out, overwrite)
    return listed(out)


def save_handed(result: TexturedMesh | Variants, handed: Handed, out: Path, overwrite: bool) -> None:
    """Write texture.png, look.png, uvs.bin if the map is new, and run.json: all or nothing.

    Of several variants texture.png is the first, and each is in seed_<seed>/texture.png.
    """
    from PIL import Image

    from ..files.formats.texmesh import new_uvs
    from ..record.atomic import atomic_folder
    from ..record.facts import recorded, write_record
    from ..show.sheet import grid
    from ..tasks.textured import TexturedMesh, record
    from .previews import SHOWN, SIDE

    made = [result] if isinstance(result, TexturedMesh) else list(result)
    images = [one.texture for one in made]
    if handed.repaint:
        images = [handed.repaint.apply(one.texture, one.surface) for one in made]
    uvs = new_uvs(handed, made[0].loaded, made[0].surface)
    with atomic_folder(out, overwrite=overwrite) as place:
        Image.fromarray(images[0]).save(place / "texture.png")
        for one, image in zip(made, images, strict=True) if len(made) > 1 else ():
            (place / f"seed_{one.report['seed']}").mkdir()
            Image.fromarray(image).save(place / f"seed_{one.report['seed']}" / "texture.png")
        some = made[0].views[:: max(1, len(made[0].views) // SHOWN)]
        grid(some[:SHOWN], SIDE, SHOWN).save(place / "look.png")
        if uvs is not None:
            (place / "uvs.bin").write_bytes(uvs)
        write_record(record(made[0]) if len(made) == 1 else recorded(result.report), place)


def unwrap(arguments: dict[str, Any], on_progress: Progress) -> dict[str, str]:
    """Only the map of a .texmesh: uvs.bin if the policy `uvs` asks for a new one.

    arguments: mesh, uvs, texture_size, up, front as for `mesh`.  For senders whose modifiers need UVs first.
    """
    from ..files.formats.texmesh import new_uvs, read_handed
    from ..files.load import load
    from ..record.atomic import atomic_folder
    from ..record.facts import write_record
    from ..surface.uv import prepare

    out, overwrite, rest = _place(arguments)
    on_progress("mesh", 0, 1, None)
    said: dict[str, Any] = {n: one for n, one in declared(options_of("mesh")).items() if n in UNWRAP}
    _check(said, rest)
    given = {"mesh": "", **{name: one.default for name, one in said.items() if name != "mesh"}, **rest}
    mesh, up, front = (given[name] for name in ("mesh", "up", "front"))
    texels = said["texture_size"].kind("texture size", given["texture_size"])
    handed, size = read_handed(mesh), max(shape_of(texels))
    loaded = load(mesh, up, front)
    surface = prepare(loaded, given["uvs"], size)
    uvs = new_uvs(handed, loaded, surface)
    with atomic_folder(out, overwrite=overwrite) as place:
        if uvs is not None:
            (place / "uvs.bin").write_bytes(uvs)
        write_record({"task": "unwrap", "new": uvs is not None}, place)
    on_progress("mesh", 1, 1, None)
    return listed(out)


def listed(folder: Path) -> dict[str, str]:
    """Name -> path of all files in a folder of results; of those in a folder of its own: seed_1/rabbit.glb."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): str(file) for file in files}


def _check_repaint(handed: Handed, arguments: dict[str, Any]) -> None:
    """What can be known to be wrong before any work."""
    assert handed.repaint is not None
    if arguments.get("uvs") != "keep":
        raise Refused.repaint_uvs(
            f"only selected {about('faces')} are to be painted, but not on the mesh's own UVs",
            f"use {option('uvs', 'keep')}",
        )
    said: Any = declared(options_of("mesh"))["texture_size"]
    handed.repaint.check(shape_of(said.kind("texture size", arguments.get("texture_size", said.default))))


def _place(arguments: dict[str, Any]) -> tuple[Path, bool, dict[str, Any]]:
    """(out, overwrite, all other arguments); raises InputError if there is no place to write to."""
    rest = dict(arguments)
    out, overwrite = rest.pop("out", None), Flag()("overwrite", rest.pop("overwrite", False))
    if not isinstance(out, str) or not out:
        raise Refused.arguments(f"the job has no {about('out')} folder", 'add "out": "path of a folder"')
    return check_output(PathName()("output folder", out).absolute(), overwrite), overwrite, rest


def _called(task: str, arguments: dict[str, Any], on_progress: Progress) -> Any:
    """The task's result; an argument that it does not take, or needs, is the sender's mistake."""
    said = {name: one for name, one in declared(options_of(task)).items() if "worker" in one.doors}
    arguments = renamed(arguments, said)
    _check(said, arguments)
    for name, one in said.items():
        if one.default is UNSET and name not in arguments:
            raise Refused.arguments(f"the job has no {about(name)}", f'add "{name}": ...')
    with enough_memory(options_of(task).SMALLER):
        return function_of(task)(**arguments, on_progress=on_progress)


def _check(known: Mapping[str, Declared], arguments: Mapping[str, Any]) -> None:
    """Raises InputError for a name that there is not."""
    for name in arguments:
        if name not in known:
            message = f"the job's arguments have no {name[:60]!r}{nearest(name[:60], known)}"
            names = shorten(", ".join(known), LONGEST_LIST, placeholder=" ...")
            raise Refused.arguments(message, f"known: {names}", thing=name[:60])
