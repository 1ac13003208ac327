"""Regenerate the meshes of this folder that are our own: `python meshes/make.py [folder]`.

Everything is a formula, nothing is random: the same library versions write the same files.
Needs numpy, trimesh and scikit-image.  Axes: +y up, +z front, except the printed part, which stands on z = 0.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import trimesh
from shapes import (
    Field,
    Island,
    bevelled_box,
    blend,
    block_cells,
    ellipsoid,
    free_sides,
    lathe,
    mesh_of,
    plate_cells,
    tube,
)
from skimage.measure import marching_cubes
from trimesh.transformations import rotation_matrix, translation_matrix
from trimesh.visual.material import PBRMaterial


def crate() -> trimesh.Trimesh:
    """A wooden crate: box, posts, rails, one brace per side, lid planks and a name plate on the front."""
    width, height, depth, beam = 1.2, 0.9, 0.9, 0.12
    at = translation_matrix
    parts = bevelled_box((width - 0.08, height - 0.08, depth - 0.08), 0.01)
    across, deep = width / 2 - beam / 2, depth / 2 - beam / 2
    for x in (-across, across):
        for z in (-deep, deep):
            parts += bevelled_box((beam, height, beam), 0.015, at((x, 0, z)))
        for y in (-height / 2 + beam / 2, height / 2 - beam / 2):
            parts += bevelled_box((beam * 0.8, beam, depth - 2 * beam), 0.015, at((x, y, 0)))
    for y in (-height / 2 + beam / 2, height / 2 - beam / 2):
        for z in (-deep, deep):
            parts += bevelled_box((width - 2 * beam, beam, beam * 0.8), 0.015, at((0, y, z)))
    for sign in (1, -1):
        parts += brace(width - 2 * beam, height - 2 * beam, beam, at((0, 0, sign * (depth / 2 - 0.035))))
        quarter = rotation_matrix(np.pi / 2, (0, 1, 0))
        parts += brace(
            depth - 2 * beam, height - 2 * beam, beam, at((sign * (width / 2 - 0.035), 0, 0)) @ quarter
        )
    for z in np.linspace(-0.33, 0.33, 4):
        parts += bevelled_box((width - 0.02, 0.05, 0.2), 0.012, at((0, height / 2 + 0.025, z)))
    parts += bevelled_box((0.36, 0.2, 0.03), 0.008, at((0, 0, depth / 2 + 0.012)))
    wood = PBRMaterial(
        name="wood", baseColorFactor=[150, 110, 70, 255], metallicFactor=0.0, roughnessFactor=0.8
    )
    return mesh_of(parts, wood)


def brace(width: float, height: float, beam: float, pose: np.ndarray) -> list[Island]:
    """A plank along the diagonal of an opening of that width and height."""
    turn = rotation_matrix(np.arctan2(height, width), (0, 0, 1))
    return bevelled_box((np.hypot(width, height) - 0.1, beam * 0.8, 0.05), 0.01, pose @ turn)


def knot() -> trimesh.Trimesh:
    """A trefoil, upright, facing +z."""
    t = np.linspace(0, 2 * np.pi, 193)
    t[-1] = 0.0
    path = (
        np.stack([np.sin(t) + 2 * np.sin(2 * t), np.cos(t) - 2 * np.cos(2 * t), -np.sin(3 * t)], axis=1) / 3
    )
    mesh = tube(path, 0.2, 16)
    mesh.merge_vertices()
    return mesh


# ---- a room's corner: parts, nested nodes, four materials --------------------------------------------------------


def materials() -> dict[str, PBRMaterial]:
    """Name -> material; metal and roughness differ so that a tool that drops them is caught."""

    def make(name: str, colour: tuple[int, int, int], metallic: float, roughness: float) -> PBRMaterial:
        factors = {"metallicFactor": metallic, "roughnessFactor": roughness}
        return PBRMaterial(name=name, baseColorFactor=[*colour, 255], doubleSided=True, **factors)

    return {
        "oak": make("oak", (160, 120, 80), 0.0, 0.65),
        "brass": make("brass", (200, 170, 90), 1.0, 0.3),
        "linen": make("linen", (230, 220, 200), 0.0, 0.95),
        "porcelain": make("porcelain", (240, 240, 245), 0.0, 0.12),
    }


def table_scene() -> trimesh.Scene:
    """A table (five parts), on it a lamp that leans on an elbow and a cup: nodes four deep."""
    scene, kinds, at = trimesh.Scene(), materials(), translation_matrix
    turn = rotation_matrix
    scene.graph.update(frame_from="world", frame_to="table", matrix=at((0, 0, 0)))

    def add(
        name: str, mesh: trimesh.Trimesh, parent: str, pose: np.ndarray, geometry: str | None = None
    ) -> None:
        scene.add_geometry(mesh, name, geometry or name, parent_node_name=parent, transform=pose)

    add("table_top", mesh_of(bevelled_box((1.4, 0.06, 0.8), 0.015), kinds["oak"]), "table", at((0, 0.7, 0)))
    for i, (x, z) in enumerate([(-0.6, 0.3), (0.6, 0.3), (-0.6, -0.3), (0.6, -0.3)]):
        leg = mesh_of(bevelled_box((0.08, 0.68, 0.08), 0.01), kinds["oak"])
        add(f"table_leg_{i + 1}", leg, "table", at((x, 0.34, z)))
    scene.graph.update(
        frame_from="table", frame_to="lamp", matrix=at((-0.4, 0.73, -0.1)) @ turn(0.35, (0, 1, 0))
    )
    foot = [
        (0, 0),
        (0.14, 0),
        (0.15, 0.01),
        (0.14, 0.03),
        (0.03, 0.05),
        (0.018, 0.08),
        (0.018, 0.42),
        (0, 0.42),
    ]
    add("lamp_foot", lathe(foot, kinds["brass"]), "lamp", np.eye(4))
    scene.graph.update(
        frame_from="lamp", frame_to="lamp_elbow", matrix=at((0, 0.42, 0)) @ turn(-0.5, (0, 0, 1))
    )
    arm = [(0, -0.02), (0.025, -0.015), (0.03, 0), (0.02, 0.02), (0.014, 0.04), (0.014, 0.22), (0, 0.22)]
    add("lamp_arm", lathe(arm, kinds["brass"], 16), "lamp_elbow", np.eye(4))
    shade = [(0.2, 0), (0.09, 0.2), (0.08, 0.2), (0.19, 0)]
    add("lamp_shade", lathe([*shade, shade[0]], kinds["linen"]), "lamp_elbow", at((0, 0.12, 0)))
    scene.graph.update(
        frame_from="table", frame_to="cup", matrix=at((0.3, 0.73, 0.12)) @ turn(-0.6, (0, 1, 0))
    )
    bowl = [
        (0, 0),
        (0.05, 0),
        (0.055, 0.01),
        (0.075, 0.06),
        (0.085, 0.14),
        (0.078, 0.14),
        (0.068, 0.06),
        (0, 0.02),
    ]
    add("cup_bowl", lathe(bowl, kinds["porcelain"]), "cup", np.eye(4))
    t = np.linspace(-0.45, 0.55, 17) * np.pi
    handle = np.stack([0.065 + 0.06 * np.cos(t), 0.075 + 0.045 * np.sin(t), np.zeros_like(t)], axis=1)
    add("cup_handle", tube(handle, 0.011, 10, kinds["porcelain"]), "cup", np.eye(4))
    return scene


def bracket() -> trimesh.Trimesh:
    """An angle bracket in millimetres, z up, watertight: base plate and upright, one screw hole each."""
    thick, width, n = 5.0, 40.0, 12
    base = [c + [thick, 0, 0] for c in plate_cells(45.0, width, 8.0, thick, n)]
    stand = []
    for cell in plate_cells(35.0, width, 6.0, thick, n):
        x, y, z = cell.T
        stand.append(np.stack([thick - z, y, thick + x], axis=1))  # a quarter turn around y
    mesh = free_sides(base + stand + block_cells(thick, width, thick, n))
    mesh.apply_transform(rotation_matrix(-np.pi / 2, (0, 0, 1)))  # open towards -y, the front where z is up
    mesh.vertices = np.round(mesh.vertices, 6)
    return mesh


def rabbit_field(points: np.ndarray) -> np.ndarray:
    """Signed distance-like field of a sitting rabbit that looks along +z; points (..., 3) -> (...)."""
    mirrored = np.abs(points[..., :1])
    points = np.concatenate([mirrored, points[..., 1:]], axis=-1)  # left and right are the same
    solids: list[tuple[Field, float]] = [
        (ellipsoid((0, 0.42, -0.1), (0.34, 0.42, 0.42), 0.25), 0.0),  # body
        (ellipsoid((0, 0.5, 0.16), (0.22, 0.32, 0.22)), 0.1),  # chest
        (ellipsoid((0.26, 0.24, -0.12), (0.16, 0.24, 0.3)), 0.05),  # haunch
        (ellipsoid((0.25, 0.06, 0.14), (0.09, 0.06, 0.22)), 0.04),  # hind foot
        (ellipsoid((0.11, 0.2, 0.34), (0.075, 0.2, 0.08)), 0.05),  # foreleg
        (ellipsoid((0.11, 0.05, 0.4), (0.08, 0.05, 0.11)), 0.04),  # paw
        (ellipsoid((0, 0.95, 0.22), (0.22, 0.21, 0.25)), 0.08),  # head
        (ellipsoid((0.1, 0.9, 0.36), (0.1, 0.09, 0.1)), 0.05),  # cheek
        (ellipsoid((0, 0.95, 0.46), (0.045, 0.035, 0.03)), 0.02),  # nose
        (ellipsoid((0.17, 1.01, 0.34), (0.05, 0.06, 0.055)), 0.012),  # eye
        (ellipsoid((0.12, 1.36, 0.1), (0.085, 0.32, 0.05), 0.25), 0.05),  # ear
        (ellipsoid((0, 0.22, -0.54), (0.12, 0.12, 0.11)), 0.03),  # tail
    ]
    field = solids[0][0](points)
    for solid, width in solids[1:]:
        field = blend(field, solid(points), width) if width else np.minimum(field, solid(points))
    groove = ellipsoid((0.125, 1.4, 0.15), (0.045, 0.22, 0.035), 0.25)(points)
    return np.maximum(field, -groove)


def rabbit(step: float = 0.026) -> trimesh.Trimesh:
    """The rabbit as one watertight mesh.  step: edge of a marching cube."""
    low, high = np.array([-0.6, -0.1, -0.8]), np.array([0.6, 1.8, 0.7])
    axes = [np.arange(a, b, step) for a, b in zip(low, high, strict=True)]
    field = rabbit_field(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
    # a value next to zero puts three vertices into one corner of a cube: keep a little away
    field = np.where(np.abs(field) < step / 40, np.copysign(step / 40, field), field)
    vertices, faces, _, _ = marching_cubes(field, 0.0, spacing=(step,) * 3)
    mesh = trimesh.Trimesh(vertices + low, faces[:, ::-1])
    if mesh.volume < 0:
        mesh.invert()
    return mesh


def write_obj(mesh: trimesh.Trimesh, path: Path, note: str) -> None:
    """Positions and triangles only, with one comment line on top."""
    lines = [f"# {note}", f"o {path.stem}"]
    lines += ["v {:.5f} {:.5f} {:.5f}".format(*v) for v in mesh.vertices]
    lines += ["f {} {} {}".format(*(f + 1)) for f in mesh.faces]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(folder: Path) -> None:
    """Write every file of our own into the folder."""
    box = trimesh.Scene()
    box.add_geometry(crate(), "crate", "crate")
    (folder / "crate.glb").write_bytes(box.export(file_type="glb", include_normals=True))
    (folder / "table_scene.glb").write_bytes(table_scene().export(file_type="glb", include_normals=True))
    bracket().export(folder / "bracket.stl")
    knot().export(folder / "knot.ply")
    write_obj(rabbit(), folder / "rabbit.obj", "Sitting rabbit, CC0 1.0, made by make.py")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
