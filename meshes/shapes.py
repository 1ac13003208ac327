"""Building blocks of our own meshes: bevelled boxes, sheets and tubes, glued hexahedra, blended solids.

Everything is a formula, nothing is random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh
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
    mesh = trimesh.Trimesh(flat, faces, visual=visual, process=False)
    mesh.remove_unreferenced_vertices()  # the last one of a pole: without a face it has no normal
    return mesh


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


# ---- hexahedra glued at shared corners, their free sides are the surface -----------------------------------------


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


# ---- solids as signed distances, blended -------------------------------------------------------------------------

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
