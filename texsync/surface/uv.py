"""Which UV map a job paints on: the user's where it can hold a picture, a new one by xatlas otherwise.

A map is usable when all faces that have UVs lie in one unit tile (which may be any tile), and
nearly all of the surface has room on it. Places that share texels are legal, mirrored halves for
instance, and are kept with a warning; parts that share texels with *other parts* come from separate textures,
and get a new map unless the user insists, as do maps of which most texels stand for three places or more.
"""

from __future__ import annotations

import warnings

import numpy as np

from ..errors import Refused, TexsyncWarning, about, option
from ..options.geometry import UVS
from .beside import placement
from .charts import PADDING, charts
from .faces import areas, two_sided
from .texels import covered_share, parts_sharing, uv_texels
from .types import Mesh, Squares, Surface
from .udim import udim_tiles, why_no_udim
from .uncut import uncut

WHOLE_FACES = 20_000  # xatlas grows charts at a cost far above linear, so larger meshes go in pieces
PIECE_FACES = 4_000
OVERLAP = 0.01  # of the map; below that it is rasterising noise
LEAST_COVERED = 0.03  # of the map; below that few texels carry the picture
MEETINGS = 2**24  # of rays with faces when counting what shares a place
NAMED = 5  # parts in a line
FILLED, SMALLEST_SIDE = 0.6, 64  # of a new map, usually; texels
PLACES = 512  # a side, to look for free room
MULTIPLE = 2.2  # places a texel may stand for on average; mirrored halves, 2, are somebody's intent


def prepare(mesh: Mesh, policy: str = "auto", texture_size: int = 1024) -> Surface:
    """The surface with the UVs to paint on, all in one unit square.

    policy: "auto" keeps usable UVs, "keep" insists on them, "unwrap" makes new ones.  texture_size: texels a side.
    Warns (TexsyncWarning) where a map is replaced or shares texels.
    Raises InputError on another policy, and for "keep" where the UVs cannot hold a texture.
    """
    return surface_of(mesh, *map_of(mesh, policy, texture_size))


def map_of(mesh: Mesh, policy: str, texture_size: int) -> tuple[np.ndarray, np.ndarray]:
    """The UVs to paint on, and which of them each corner has; see `prepare`."""
    UVS("uvs", policy)
    if policy != "unwrap":
        judged = mesh if mesh.uv_faces is None else only(mesh, _mapped(mesh))
        trouble = why_unusable(judged)
        if trouble and policy == "keep":
            raise Refused.uvs_unusable(
                f"{about(mesh.stem)} cannot keep its UVs: {trouble}",
                f"use {option('uvs', 'unwrap')} or mend the map",
            )
        if not trouble and (policy == "keep" or not _wastes_or_shares(judged)):
            return _completed(mesh, *_own(judged), policy, texture_size)
        if trouble and mesh.uv is not None:
            message = f"{mesh.stem}: new UV map, because {trouble}{_kept_as_tiles(mesh)}"
            warnings.warn(message, TexsyncWarning, stacklevel=3)
    return _new(mesh, texture_size)


def _kept_as_tiles(mesh: Mesh) -> str:
    """What keeps UVs of UDIM tiles, "" for others."""
    if why_no_udim(mesh) or len(udim_tiles(mesh)[0]) < 2:
        return ""
    numbers = ", ".join(map(str, udim_tiles(mesh)[0][:NAMED]))
    return f"; {option('atlas', 'udim')} keeps the UDIM tiles {numbers}"


def _mapped(mesh: Mesh) -> np.ndarray:
    """(F,) bool: faces with UVs of their own."""
    if mesh.uv_faces is None:
        return np.zeros(len(mesh.faces), bool)
    return np.asarray((mesh.uv_faces >= 0).all(axis=1))


def only(mesh: Mesh, chosen: np.ndarray) -> Mesh:
    """Some faces of a mesh."""
    if chosen.all():
        return mesh
    return Mesh(
        stem=mesh.stem,
        vertices=mesh.vertices,
        faces=mesh.faces[chosen],
        normals=mesh.normals,
        part=mesh.part[chosen],
        uv=mesh.uv,
        uv_faces=None if mesh.uv_faces is None or not chosen.any() else mesh.uv_faces[chosen],
        polygon=None if mesh.polygon is None else mesh.polygon[chosen],
        names=mesh.names,
    )


def _completed(
    mesh: Mesh, uv: np.ndarray, own_faces: np.ndarray, policy: str, texture_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The user's map with new charts, of the same density, for the faces that have none; warns of them.

    The user's charts stay as they are, to the bit, where there is room beside them; else all of them get smaller, which
    "keep" refuses (InputError).
    """
    mapped = _mapped(mesh)
    if mapped.all():
        return uv, own_faces
    rest, own = only(mesh, ~mapped), areas(mesh.vertices[mesh.faces[mapped]]).sum()
    density = np.sqrt(areas(uv[own_faces]).sum() / own)  # lengths on the map over lengths in space
    area = areas(mesh.vertices[rest.faces]).sum()
    side = int(np.clip(texture_size * density * np.sqrt(area / FILLED), SMALLEST_SIDE, texture_size))
    new, new_faces = _new(rest, side)
    new = (new - new.min(axis=0)) * density / np.sqrt(areas(new[new_faces]).sum() / area)
    taken = uv_texels(uv, own_faces, PLACES)[0] >= 0
    place = placement(taken, new.max(axis=0), PADDING / texture_size)
    who = _who(mesh, ~mapped)
    if place.others < 1 and policy == "keep":
        raise Refused.uvs_unusable(
            f"{about(mesh.stem)} cannot keep its UVs: {who} and there is no room for new ones beside the others",
            f"use {option('uvs', 'auto')}, which makes the others smaller, or mend the map",
        )
    room = "" if place.others == 1 else f", which are now {100 * place.others:.0f} % as large to make room"
    message = f"{mesh.stem}: {who}; new ones are beside the others{room}"
    warnings.warn(message, TexsyncWarning, stacklevel=3)
    uv_faces = np.zeros_like(mesh.faces)
    uv_faces[mapped], uv_faces[~mapped] = own_faces, new_faces + len(uv)
    return np.concatenate([uv * place.others, new * place.scale + place.at]), uv_faces


def _who(mesh: Mesh, lacking: np.ndarray) -> str:
    """'Bolt has no UVs', '3 of 12 faces of Box have no UVs'."""
    names = list(dict.fromkeys(mesh.names[k] for k in np.unique(mesh.part[lacking])))
    said = []
    for name in names[:NAMED]:
        mine = np.isin(mesh.part, [k for k in range(len(mesh.names)) if mesh.names[k] == name])
        whole = lacking[mine].all()
        said.append(name if whole else f"{(mine & lacking).sum()} of {mine.sum()} faces of {name}")
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(said)}{more} {'has' if said == names[:1] else 'have'} no UVs"


def _new(mesh: Mesh, texture_size: int) -> tuple[np.ndarray, np.ndarray]:
    """A new map; where the file has polygons, none of them is cut."""
    uv, uv_faces = unwrap(mesh.vertices, mesh.faces, texture_size)
    if mesh.polygon is None:
        return uv, uv_faces
    return uncut(mesh.vertices, mesh.faces, mesh.polygon, uv, uv_faces, texture_size)


def surface_of(mesh: Mesh, uv: np.ndarray, uv_faces: np.ndarray, squares: Squares | None = None) -> Surface:
    """The mesh with a map."""
    return Surface(*two_sided(mesh.vertices, mesh.faces, mesh.normals), uv, uv_faces, mesh.part, squares)


def why_unusable(mesh: Mesh) -> str:
    """What keeps the user's UVs from holding a texture; empty if nothing does."""
    if mesh.uv is None or mesh.uv_faces is None:
        return "there are none"
    corners = mesh.uv[mesh.uv_faces]
    tile = np.floor(corners.mean(axis=1))
    low, high = corners.min((0, 1)) - tile.min(0), corners.max((0, 1)) - tile.min(0)
    if (low < -1e-4).any() or (high > 1 + 1e-4).any():
        return "they tile or spread over several unit squares, and one texture cannot paint those apart"
    area = areas(mesh.vertices[mesh.faces])
    room = area[areas(corners) > 1e-12].sum() / max(area.sum(), 1e-300)
    if room < 0.99:
        return f"{100 * (1 - room):.0f} % of the surface has no room on the map"
    return ""


def _own(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """The user's UVs, moved by whole tiles into the unit square."""
    assert mesh.uv is not None and mesh.uv_faces is not None
    used = mesh.uv[mesh.uv_faces]
    inside = used.max() <= 1 + 1e-4 and used.min() >= -1e-4
    return mesh.uv if inside else mesh.uv - np.floor(np.median(used, axis=(0, 1))), mesh.uv_faces


def _wastes_or_shares(mesh: Mesh) -> bool:
    """Whether a new map is made because the map is all but empty, different parts share texels, or most places do.

    Warns of that, and of less sharing.
    """
    uv, uv_faces = _own(mesh)
    drawn = areas(uv[uv_faces]).sum()
    # coarser where hundreds of faces lie on each other, each of which every ray meets
    whole = covered_share(uv, uv_faces, int(np.sqrt(MEETINGS / max(drawn, 1)).clip(64, 512)))
    why = _why_new(mesh, uv, uv_faces, whole, drawn)
    if why:
        message = f"{mesh.stem}: new UV map, because {why}; {option('uvs', 'keep')} keeps it"
        warnings.warn(message, TexsyncWarning, stacklevel=3)
    elif drawn > whole * (1 + OVERLAP) + 0.002:
        share = 100 * (1 - whole / drawn)
        message = (
            f"{mesh.stem}: {share:.0f} % of the UV map is used more than once (mirrored or overlapping); "
            f"those places will show the same texels; {option('uvs', 'unwrap')} gives each its own"
        )
        warnings.warn(message, TexsyncWarning, stacklevel=3)
    return bool(why)


def _why_new(mesh: Mesh, uv: np.ndarray, uv_faces: np.ndarray, whole: float, drawn: float) -> str:
    """What is wrong with a map, "" if nothing is.  whole, drawn: areas, shared places counted once, and each."""
    if whole < LEAST_COVERED:
        return f"its own uses only {100 * whole:.2g} % of the texture, as for a palette of colours"
    apart = whole * parts_sharing(uv, uv_faces, mesh.part)
    if apart > whole * (1 + OVERLAP) + OVERLAP**2:
        return f"its parts share {100 * (1 - whole / apart):.0f} % of theirs"
    if drawn > whole * MULTIPLE:
        return f"a texel stands for {drawn / whole:.1f} places on average"
    return ""


def unwrap(vertices: np.ndarray, faces: np.ndarray, texture_size: int) -> tuple[np.ndarray, np.ndarray]:
    """A new map: uv (U, 2) in the unit square and uv_faces (F, 3), with padding between islands.

    Vertices that share a place are joined first, or every seam of an old map would cut the new one.
    Raises InputError if xatlas finds no room for the charts, or cannot do this mesh.
    """
    welded, pieces = _weld(vertices)[faces], _pieces(vertices[faces].mean(axis=1))
    given = []
    for piece in pieces:
        used, local = np.unique(welded[piece], return_inverse=True)
        given.append((vertices[used], local.reshape(-1, 3)))
    tables, uv_faces, start = [], np.zeros_like(faces), 0
    for piece, (uv, corners) in zip(pieces, charts(given, texture_size), strict=True):
        tables.append(uv)
        uv_faces[piece] = corners + start
        start += len(uv)
    return np.concatenate(tables), uv_faces


def _weld(vertices: np.ndarray) -> np.ndarray:
    """(V,) the first vertex that stands where each one stands."""
    _, first, inverse = np.unique(vertices.round(9), axis=0, return_index=True, return_inverse=True)
    return first[inverse.ravel()]


def _pieces(centres: np.ndarray) -> list[np.ndarray]:
    """Faces in compact groups: all of a small mesh in one, a large one halved along its longest side."""
    todo, done = [np.arange(len(centres))], []
    while todo:
        piece = todo.pop()
        if len(piece) <= (PIECE_FACES if len(centres) > WHOLE_FACES else WHOLE_FACES):
            done.append(piece)
            continue
        longest = np.ptp(centres[piece], axis=0).argmax()
        ordered = piece[np.argsort(centres[piece, longest], kind="stable")]
        todo += [ordered[: len(piece) // 2], ordered[len(piece) // 2 :]]
    return done
