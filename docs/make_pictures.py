"""Make every picture in the README and in docs/ anew with the code as it is: `python docs/make_pictures.py`."""

from __future__ import annotations

from pathlib import Path

import texsync
from texsync.show.render import SHADE, render
from texsync.show.sheet import contact_sheet
from texsync.surface.cameras import Camera
from texsync.tasks.textured import sheet

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
HERO = (
    ("rabbit.obj", "zebra"),
    ("teapot.obj", "blue ceramic with gold cracks"),
    ("crate.glb", "red and white bricks"),
    ("monkey.obj", "leopard print"),
    ("table_scene.glb", "wood"),
    ("knot.ply", "red and white stripes"),
)
SIDES = (Camera(30, 20), Camera(210, 20))


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    rows: dict = {"": [], " ": []}
    for mesh, prompt in HERO:
        result = texsync.texture_mesh(ROOT / "meshes" / mesh, prompt)
        for row, picture in zip(
            rows.values(), render(result.surface, result.texture, SIDES, 320, SHADE), strict=True
        ):
            row.append(picture)
        if mesh == "rabbit.obj":
            sheet(result).save(PICTURES / "views.png", optimize=True)
    contact_sheet(rows, [prompt for _, prompt in HERO], side=230).save(PICTURES / "hero.png", optimize=True)


if __name__ == "__main__":
    main()
