"""Make docs/pictures/in-context.png anew with the code as it is: `python docs/make_context_pictures.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import texsync
from texsync.files.load import load
from texsync.show.png import to_image
from texsync.show.render import render
from texsync.show.sheet import side_by_side
from texsync.surface.cameras import Camera

ROOT = Path(__file__).parents[1]
EARS = 0.15  # height from which faces are repainted, the mesh having radius 1
CAMERA = Camera(35, 12)


def shown(result: texsync.TexturedMesh):
    return to_image(render(result.surface, result.texture, [CAMERA], 320, 0.3)[0])


def main() -> None:
    said = {"texture_size": 512}
    with tempfile.TemporaryDirectory() as place:
        first = texsync.texture_mesh(ROOT / "meshes" / "rabbit.obj", "weathered copper", **said)
        mesh = first.save(Path(place) / "rabbit", formats="obj") / "rabbit.obj"
        loaded = load(mesh)
        high = np.flatnonzero(loaded.vertices[loaded.faces].mean(axis=1)[:, 1] > EARS)
        numbers = Path(place) / "faces.txt"
        numbers.write_text("\n".join(map(str, high)))
        part = texsync.texture_mesh(mesh, "mossy stone", repaint=f"faces:{numbers}", seed=3, **said)
        all_of_it = texsync.texture_mesh(mesh, "mossy stone", start="own", start_noise=0.6, seed=3, **said)
    pictures = [shown(one) for one in (first, part, all_of_it)]
    side_by_side(pictures).save(ROOT / "docs" / "pictures" / "in-context.png", optimize=True)


if __name__ == "__main__":
    main()
