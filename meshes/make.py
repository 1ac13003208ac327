"""Regenerate the meshes of this folder that are our own: `python meshes/make.py [folder]`.

Everything is a formula, nothing is random: the same library versions write the same files.
Needs numpy, trimesh and scikit-image.  Axes: +y up, +z front, except the printed part, which stands on z = 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from skimage.measure import marching_cubes
from trimesh.transformations import rotation_matrix, translation_matrix
from trimesh.visual.material import PBRMaterial
from trimesh.visual.texture import TextureVisuals

# ---- boxes with bevels and their three islands: a strip of four sides and two caps -----------------------------


@dataclass(frozen=True)
class Island:
    """Polygons that lie flat together.  corners: list of (n, 3); flat: the same polygons, (n, 2), from (0, 0) up."""

    corners: list[np.ndarray]
    flat: list[np.ndarray]

    @property
    def size(self) -> np.ndarray:
        """(2,) width and height in the units of the mesh."""
        return np.concatenate(self.flat).max(axis=0)


def bevelled_box(
    size: tuple[float, float, float], bevel: float, pose: np.ndarray | None = None
) -> list[Island]:
    """A box around the origin, moved by pose (4, 4).  The strip of its sides runs around its longest axis."""
    order = np.argsort(size, kind="stable")
    axes = np.eye(3)[order]  # rows: two short axes, then the long one
    axes[0] *= np.sign(np.linalg.det(axes))  # keep it right-handed, so that every polygon faces outwards
    half, core = np.asarray(size)[order] / 2, np.asarray(size)[order] / 2 - bevel
    islands = [side_strip(half, core), *(cap(half, core, sign) for sign in (1, -1))]
    pose = np.eye(4) if pose is None else pose
    turn = pose[:3, :3] @ axes.T
    return [Island([c @ turn.T + pose[:3, 3] for c in i.corners], i.flat) for i in islands]


def side_strip(half: np.ndarray, core: np.ndarray) -> Island:
    """Four sides and the four bevels between them, unrolled from left to right; height = the long axis."""
    (a, b), (ca, cb), cz = half[:2], core[:2], core[2]
    outline = np.array([(a, -cb), (a, cb), (ca, b), (-ca, b), (-a, cb), (-a, -cb), (-ca, -b), (ca, -b)])
    corners, flat, left = [], [], 0.0
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        right = left + np.hypot(*(end - start))
        corners.append(np.array([(*start, -cz), (*end, -cz), (*end, cz), (*start, cz)]))
        flat.append(np.array([(left, 0), (right, 0), (right, 2 * cz), (left, 2 * cz)]))
        left = right
    return Island(corners, flat)


def cap(half: np.ndarray, core: np.ndarray, sign: int) -> Island:
    """One end with an apron of four bevels and four corner triangles folded flat around it."""
    (a, b, z), (ca, cb, cz) = half, core
    slope = np.sqrt(2) * (z - cz)
    flip = np.array([1, sign, sign])  # half a turn around x makes the other end
    corners = [np.array([(-ca, -cb, z), (ca, -cb, z), (ca, cb, z), (-ca, cb, z)])]
    flat = [corners[0][:, :2]]
    for quarter in range(4):
        along, out = (ca, cb) if quarter % 2 else (cb, ca)
        tip = (b if quarter % 2 else a, along)
        c, s = np.round([np.cos(quarter * np.pi / 2), np.sin(quarter * np.pi / 2)])
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        edge = np.array([(out, -along, z), (tip[0], -along, cz), (tip[0], along, cz), (out, along, z)])
        far = out + slope
        edge_flat = np.array([(out, -along), (far, -along), (far, along), (out, along)])
        next_tip = a if quarter % 2 else b
        corner = np.array([(out, along, z), (tip[0], along, cz), (out, next_tip, cz)])
        corner_flat = np.array([(out, along), (far, along), (out, along + slope)])
        corners += [edge @ turn.T, corner @ turn.T]
        flat += [edge_flat @ turn[:2, :2].T, corner_flat @ turn[:2, :2].T]
    lowest = np.concatenate(flat).min(axis=0)
    return Island([c * flip for c in corners], [f - lowest for f in flat])


def shelves(sizes: np.ndarray, width: float, gap: float) -> tuple[np.ndarray, float]:
    """Stand rectangles (n, 2) in rows, tallest first.  Returns their lower left corners (n, 2) and the height used."""
    places, x, y, row = np.zeros_like(sizes), gap, gap, 0.0
    for i in np.argsort(-sizes[:, 1], kind="stable"):
        if x + sizes[i, 0] + gap > width:
            x, y, row = gap, y + row + gap, 0.0
        places[i], x, row = (x, y), x + sizes[i, 0] + gap, max(row, sizes[i, 1])
    return places, y + row + gap


def layout(islands: list[Island], gap: float = 0.008) -> tuple[np.ndarray, float]:
    """One scale for all islands, the largest that fits the unit square with that gap.  Returns corners, scale."""
    sizes = np.array([i.size for i in islands])
    low, high = 0.0, 1 / sizes.max()
    for _ in range(40):
        scale = (low + high) / 2
        fits = sizes[:, 0].max() * scale + 2 * gap <= 1 and shelves(sizes * scale, 1.0, gap)[1] <= 1
        low, high = (scale, high) if fits else (low, scale)
    return shelves(sizes * low, 1.0, gap)[0], low


def mesh_of(islands: list[Island], material: PBRMaterial) -> trimesh.Trimesh:
    """Triangles with flat shading: every polygon owns its vertices."""
    places, scale = layout([upright(i) for i in islands])
    vertices, uv, faces = [], [], []
    for island, place in zip(map(upright, islands), places, strict=True):
        for polygon, flat in zip(island.corners, island.flat, strict=True):
            first = sum(map(len, vertices))
            faces += [(first, first + i, first + i + 1) for i in range(1, len(polygon) - 1)]
            vertices.append(polygon)
            uv.append(flat * scale + place)
    visual = TextureVisuals(uv=np.concatenate(uv), material=material)
    return trimesh.Trimesh(np.concatenate(vertices), np.array(faces), visual=visual, process=False)


def upright(island: Island) -> Island:
    """The island turned by a quarter, not mirrored, if it is wider than tall: rows pack better so."""
    width, height = island.size
    if width <= height:
        return island
    return Island(island.corners, [np.stack([height - f[:, 1], f[:, 0]], axis=1) for f in island.flat])


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


# ---- sheets: surfaces of revolution and tubes on a grid of (u, v) ------------------------------------------------


def sheet(points: np.ndarray, material: PBRMaterial | None = None) -> trimesh.Trimesh:
    """Triangles on points (rows, columns, 3): u runs along the columns, v up the rows by arc length."""
    rows, columns = points.shape[:2]
    step = np.linalg.norm(np.diff(points, axis=0), axis=-1).max(axis=1)
    v = np.concatenate([[0], np.cumsum(step)]) / step.sum()
    u = np.linspace(0, 1, columns)
    uv = np.stack(np.broadcast_arrays(u[None], v[:, None]), axis=-1).reshape(-1, 2)
    i = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    faces = np.concatenate(
        [np.stack([i, i + 1, i + columns + 1], 1), np.stack([i, i + columns + 1, i + columns], 1)]
    )
    flat = points.reshape(-1, 3)
    a, b, c = (flat[faces[:, k]] for k in range(3))
    faces = faces[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12]  # poles have no second triangle
    visual = TextureVisuals(uv=uv * 0.98 + 0.01, material=material) if material else None
    return trimesh.Trimesh(flat, faces, visual=visual, process=False)


def lathe(profile: list[tuple[float, float]], material: PBRMaterial, sides: int = 32) -> trimesh.Trimesh:
    """Turn (radius, y) around y.  A profile that climbs on the outside faces outwards."""
    around = np.linspace(0, 2 * np.pi, sides + 1)
    around[-1] = 0.0  # the seam closes exactly
    r, y = np.array(profile, float).T
    x, z = r[:, None] * np.sin(around), r[:, None] * np.cos(around)
    return sheet(np.stack([x, np.broadcast_to(y[:, None], x.shape), z], axis=-1), material)


def tube(path: np.ndarray, radius: float, sides: int, material: PBRMaterial | None = None) -> trimesh.Trimesh:
    """A round tube around path (n, 3), closed if the path ends where it starts."""
    closed = np.allclose(path[0], path[-1])
    padded = (
        np.concatenate([path[-2:-1], path, path[1:2]]) if closed else np.pad(path, ((1, 1), (0, 0)), "edge")
    )
    tangent = padded[2:] - padded[:-2]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    one = np.cross(tangent, reference(path))
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    two = np.cross(tangent, one)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    angle[-1] = 0.0
    ring = np.cos(angle)[None, :, None] * one[:, None] + np.sin(angle)[None, :, None] * two[:, None]
    return sheet(path[:, None] + radius * ring, material)


def reference(path: np.ndarray) -> np.ndarray:
    """A direction per point that a tube may twist along with: away from the middle of the path."""
    away = path - path.mean(axis=0)
    return away / np.linalg.norm(away, axis=1, keepdims=True)


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


# ---- a printed part: hexahedra glued at shared corners, their free sides are the surface --------------------------


def plate_cells(length: float, width: float, hole: float, thick: float, n: int) -> list[np.ndarray]:
    """Hexahedra (8, 3) of a plate [0, length] x [-width/2, width/2] x [0, thick] with a round hole in its middle."""
    s = np.linspace(-1, 1, n + 1)[:-1]
    one = np.ones(n)
    square = np.concatenate([np.stack(p, 1) for p in ((one, s), (-s, one), (-one, -s), (s, -one))])
    angle = -np.pi / 4 + np.arange(4 * n) * (np.pi / 2 / n)
    circle = hole * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    middle = np.array([length / 2, 0])
    rings = [circle + middle, square * [length / 2, width / 2] + middle]
    cells = []
    for i in range(4 * n):
        j = (i + 1) % (4 * n)
        base = np.array([rings[0][i], rings[1][i], rings[1][j], rings[0][j]])
        cells.append(np.concatenate([np.column_stack([base, np.full(4, z)]) for z in (0.0, thick)]))
    return cells


def block_cells(length: float, width: float, height: float, n: int) -> list[np.ndarray]:
    """Hexahedra of a plain block, n of them along y."""
    cells = []
    for low, high in zip(
        *(np.linspace(-width / 2, width / 2, n + 1)[s] for s in (slice(-1), slice(1, None))), strict=True
    ):
        base = [(0, low), (length, low), (length, high), (0, high)]
        cells.append(np.array([(*p, z) for z in (0.0, height) for p in base]))
    return cells


def free_sides(cells: list[np.ndarray]) -> trimesh.Trimesh:
    """The sides that belong to one hexahedron only, as triangles facing outwards."""
    sides = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    points, index = np.unique(np.round(np.concatenate(cells), 6), axis=0, return_inverse=True)
    quads = index.reshape(-1, 8)[:, sides].reshape(-1, 4)
    _, which, count = np.unique(np.sort(quads, axis=1), axis=0, return_inverse=True, return_counts=True)
    free = quads[count[which.ravel()] == 1]
    mesh = trimesh.Trimesh(points, np.concatenate([free[:, [0, 1, 2]], free[:, [0, 2, 3]]]), process=False)
    mesh.remove_unreferenced_vertices()
    return mesh


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


# ---- a rabbit: blended solids, then marching cubes ----------------------------------------------------------------

Field = Callable[[np.ndarray], np.ndarray]


def ellipsoid(
    centre: tuple[float, float, float], radii: tuple[float, float, float], lean: float = 0.0
) -> Field:
    """Approximate signed distance to an ellipsoid that leans back by that many radians around x."""
    c, s = np.cos(lean), np.sin(lean)
    turn = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])

    def distance(p: np.ndarray) -> np.ndarray:
        q = (p - np.array(centre)) @ turn / np.array(radii)
        length = np.linalg.norm(q, axis=-1)
        slope = np.linalg.norm(q / np.array(radii), axis=-1)
        return length * (length - 1) / np.maximum(slope, 1e-9)

    return distance


def blend(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Union of two distances with a fillet of that width (polynomial smooth minimum)."""
    h = np.clip(0.5 + (b - a) / (2 * width), 0, 1)
    return b * (1 - h) + a * h - width * h * (1 - h)


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
