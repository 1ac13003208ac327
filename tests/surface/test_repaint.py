"""Selected faces alone are painted, and maps made without painting, as Blender asks for it."""

from __future__ import annotations

from array import array
from pathlib import Path

import handed
import numpy as np
import pytest
from refusals import refused

from blender_addon import handoff
from texsync.errors import InputError
from texsync.files.load import load
from texsync.surface.partial import Repaint
from texsync.surface.uv import prepare


def boxed(tmp_path, side: int, old=None) -> tuple[Repaint, object]:
    """A cube of which one side is to be painted."""
    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()))
    surface = prepare(load(path), "keep", 64)
    return Repaint(surface.uv[surface.uv_faces[2 * side : 2 * side + 2]], old), surface


def test_only_the_chosen_texels_change(tmp_path):
    """Inside the chosen side all, inside the others none, to the last bit; padding goes with the nearest side."""
    old = np.random.default_rng(0).integers(0, 256, (64, 64, 4), np.uint8)
    old[..., 3] = 255
    repaint, surface = boxed(tmp_path, 0, old)
    new = np.full((64, 64, 3), 7, np.uint8)
    mixed = repaint.apply(new, surface)
    changed = (mixed == 7).all(axis=-1)
    assert mixed.shape == (64, 64, 3) and (mixed[~changed] == old[~changed][:, :3]).all()
    chosen = np.zeros((64, 64), bool)
    chosen[64 - 32 :, : 64 // 3] = True  # the lower left cell, to its borders
    assert (
        changed[34:62, 2:19].all()
        and not (changed & ~np.pad(chosen, 1, mode="edge")[1:-1, 1:-1])[:, 23:].any()
    )
    assert not changed[:30].any()


def test_without_an_old_picture_the_rest_is_grey_and_see_through_stays(tmp_path):
    repaint, surface = boxed(tmp_path, 5)
    new = np.zeros((64, 64, 3), np.uint8)
    assert (repaint.apply(new, surface)[60, 5] == [204, 204, 204]).all()
    glass = np.zeros((64, 64, 4), np.uint8)
    repaint, surface = boxed(tmp_path, 5, glass)
    mixed = repaint.apply(new, surface)
    assert mixed.shape == (64, 64, 4) and mixed[60, 5, 3] == 0 and mixed[5, 60, 3] == 255


@pytest.mark.parametrize(
    ("uv", "old", "says"),
    [
        (np.zeros((0, 3, 2)), None, "no face is selected"),
        (
            np.zeros((1, 3, 2)),
            np.zeros((32, 32, 4), np.uint8),
            "32 x 32 texels, the new one 64 x 64; use texture_size=32",
        ),
        (np.zeros((1, 3, 2)), np.zeros((32, 64, 4), np.uint8), 'use texture_size="64x32"'),
    ],
)
def test_what_cannot_be_repainted_is_told(uv, old, says):
    with pytest.raises(InputError, match=says):
        Repaint(uv, old).check(64)


@pytest.mark.filterwarnings("ignore::texsync.errors.TexsyncWarning")
def test_the_worker_repaints(tmp_path, tiny_model):
    """Through the task that Blender calls; on UVs of its own it refuses before any work."""
    from PIL import Image

    from texsync.worker.tasks import tasks

    size = 64
    pixels = array("f", [0.2, 0.4, 0.6, 1.0] * (size * size))
    uv = handed.grid_uvs()
    quad = [uv[2 * k : 2 * k + 2] for k in range(4)]
    chosen = array("f", [number for k in (0, 1, 2, 0, 2, 3) for number in quad[k]])
    repaint = {"uv": chosen, "width": size, "height": size, "pixels": pixels}
    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=uv), repaint=repaint)
    job = {"mesh": str(path), "prompt": "stone", "model": str(tiny_model), "steps": 1, "texture_size": size}
    run = tasks()["mesh"]
    with refused("repaint-uvs"):
        run({**job, "out": str(tmp_path / "no")}, lambda *_: None)
    files = run({**job, "uvs": "keep", "out": str(tmp_path / "out")}, lambda *_: None)
    assert set(files) == {"texture.png", "look.png", "run.json"}
    picture = np.asarray(Image.open(files["texture.png"]))
    assert (picture[5, 60] == [51, 102, 153]).all() and (picture[50, 10] != [51, 102, 153]).any()


def test_the_worker_makes_only_a_map(tmp_path):
    """For modifiers that need UVs first: a new one where it is asked for, none where the mesh's own will do."""
    from texsync.worker.tasks import tasks

    path = handed.write(tmp_path / "box.texmesh", handed.cube(uv=handed.grid_uvs()))
    job = {"mesh": str(path), "texture_size": 64, "front": "auto"}
    run = tasks()["unwrap"]
    assert set(run({**job, "uvs": "auto", "out": str(tmp_path / "own")}, print)) == {"run.json"}
    files = run({**job, "uvs": "unwrap", "out": str(tmp_path / "new")}, print)
    (table,) = handoff.read_uvs(Path(files["uvs.bin"]), [24])
    assert len({tuple(table[2 * k : 2 * k + 2]) for k in range(24)}) > 12
    with refused("mesh-missing", thing="gone.texmesh"):
        run({**job, "mesh": "gone.texmesh", "out": str(tmp_path / "no")}, print)
