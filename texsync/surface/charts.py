"""UV charts by xatlas, in a process of its own.

xatlas can wait for ever while it ends its threads (a wake-up that comes a moment too early is lost), and it crashes on
some meshes.  In this process either would take everything down; a process of its own ends without tidying up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Refused, about, got, option

PADDING = 4  # texels between islands
COMMAND = ("-m", __name__)
GIVEN, MADE = "given.npz", "made.npz"
Piece = tuple[np.ndarray, np.ndarray]


def charts(pieces: Sequence[Piece], texture_size: int) -> list[Piece]:
    """For each piece its map (U, 2) and the corners (F, 3) into it, faces in their order; all in one unit square.

    pieces: points (V, 3) to unwrap, or (V, 2) of charts that only need a place, and faces (F, 3).
    texture_size: texels a side, which the padding between islands is measured in.
    Raises InputError if the charts find no room or xatlas cannot do this mesh, MemoryError if there is too little.
    """
    import xatlas  # noqa: F401  if it is missing that is the installation's fault, not the mesh's

    arrays: dict[str, Any] = {f"points{i}": points.astype(np.float32) for i, (points, _) in enumerate(pieces)}
    arrays |= {f"faces{i}": faces.astype(np.uint32) for i, (_, faces) in enumerate(pieces)}
    with tempfile.TemporaryDirectory(prefix="texsync-") as folder:
        np.savez(Path(folder) / GIVEN, size=texture_size, **arrays)
        said = _run(folder)
        if not (Path(folder) / MADE).exists():
            raise _why(*said)
        with np.load(Path(folder) / MADE) as made:
            if made["count"] != 1:
                raise Refused.uvs_room(
                    f"the new {about('UV map')} needs {made['count']} textures of {got(texture_size)} texels",
                    f"raise {option('texture_size')}",
                )
            # one scale for u and v, so that texels stay square
            stretch = made["sides"] / made["sides"].max()
            return [
                (made[f"uv{i}"] * stretch, made[f"corners{i}"].astype(np.int64)) for i in range(len(pieces))
            ]


def _run(folder: str) -> tuple[int, str]:
    """Exit status, negative for a signal, and what was said on stderr."""
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    done = subprocess.run(
        [sys.executable, *COMMAND],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    return done.returncode, done.stderr


def _why(status: int, said: str) -> Exception:
    """What a process that left no map died of."""
    if "bad_alloc" in said or "MemoryError" in said:
        return MemoryError("no room for the new UV map")
    if "Traceback" in said:
        return RuntimeError(said.strip().splitlines()[-1])
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return Refused.uvs_impossible(
        f"xatlas cannot unwrap this {about('mesh')} ({how})",
        f"unwrap it in another program, or use {option('uvs', 'keep')}",
    )


def main() -> None:
    """The other process: `GIVEN` in the working folder to `MADE`."""
    import xatlas

    _end_with_parent()
    given = np.load(GIVEN)
    atlas, options, pack = xatlas.Atlas(), xatlas.ChartOptions(), xatlas.PackOptions()
    pieces = range((len(given.files) - 1) // 2)
    for i in pieces:
        points, faces = given[f"points{i}"], given[f"faces{i}"]
        (atlas.add_mesh if points.shape[1] == 3 else atlas.add_uv_mesh)(points, faces)
    options.max_iterations = 1
    pack.padding, pack.resolution, pack.bilinear = PADDING, int(given["size"]), True
    atlas.generate(options, pack)
    made = {"count": atlas.atlas_count, "sides": np.array([atlas.width, atlas.height], float)}
    for i in pieces:
        _, corners, uv = atlas.get_mesh(i)
        made |= {f"corners{i}": corners, f"uv{i}": uv.astype(float)}
    np.savez("half_written.npz", **made)
    os.replace("half_written.npz", MADE)
    os._exit(0)  # freeing the atlas is where xatlas may hang


def _end_with_parent() -> None:
    """On Linux a process can ask for it; elsewhere this one ends by itself once the map is done."""
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


if __name__ == "__main__":
    main()
