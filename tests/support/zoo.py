"""Every family of views and every coupling, small: the laws run over all of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from texsync.backbones.conditions import Conditions
from texsync.backbones.gaussian import Gaussian
from texsync.couplings import (
    CSG,
    Coupling,
    Independent,
    MultiDiffusion,
    SyncDiffusion,
    SyncMVD,
    SyncSDE,
    SyncTweedies,
    VisualAnagrams,
)
from texsync.errors import InputError
from texsync.surface.cameras import Camera
from texsync.surface.pixels import Pixels, look
from texsync.surface.point_pixels import PointPixels
from texsync.surface.types import Surface
from texsync.views import (
    Views,
    ambiguous,
    flip,
    identity,
    lookup,
    masks,
    point_views,
    rotations,
    segments,
    surface_views,
    unequal,
    windows,
)

CAMERAS = (
    Camera(0),
    Camera(45),
    Camera(340, 25),
    Camera(105, 10, 1.6, 75, (0.05, -0.1), 1.1, target=(0.1, 0.0, -0.1), roll_deg=30),
)
LATENT, FINE, TEXELS = 16, 128, 256
CHANNELS = 2
PROMPTS = ("brick", "rust", "moss")


@cache
def blob() -> Surface:
    """A two-lobed body with a waist, so that its lobes hide each other; longitude and latitude are its UVs."""
    rings, spokes = 24, 48
    v, u = (
        grid.ravel()
        for grid in np.meshgrid(np.linspace(0.02, 0.98, rings), np.linspace(0, 1, spokes), indexing="ij")
    )
    polar, turn = np.pi * v, 2 * np.pi * (u + 0.03)
    radius = 0.72 + 0.2 * np.cos(2 * turn) * np.sin(polar) + 0.08 * np.sin(5 * polar + turn)
    ray = np.stack([np.sin(polar) * np.sin(turn), -np.cos(polar), np.sin(polar) * np.cos(turn)], axis=1)
    corner = (np.arange(rings - 1)[:, None] * spokes + np.arange(spokes - 1)).ravel()
    right, up = corner + 1, corner + spokes
    faces = np.concatenate([np.stack([corner, right, up], 1), np.stack([right, up + 1, up], 1)])
    return make_surface(radius[:, None] * ray, faces, np.stack([u, v], axis=1))


def make_surface(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray) -> Surface:
    """One part, UVs per vertex, smooth normals from the winding."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], np.cross(b - a, c - a))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Surface(vertices, faces, normals, uv, faces, np.zeros(len(faces), np.int64))


@cache
def blob_pixels(size: int) -> Pixels:
    return look(blob(), CAMERAS, size)


@cache
def blob_views(**options) -> Views:
    return surface_views(blob_pixels(LATENT), blob_pixels(FINE), options.pop("texels", TEXELS), **options)


@cache
def cloud_pixels(size: int) -> PointPixels:
    """The blob as a cloud of its corners, which nobody knows the inner side of."""
    seen = blob_pixels(size)
    corner = seen.bary.argmax(-1)[..., None]
    faces = torch.as_tensor(seen.surface.faces)[seen.face.clamp(min=0)]
    point = torch.where(seen.mask, faces.gather(-1, corner)[..., 0], -1)
    shared = {name: getattr(seen, name) for name in ("cameras", "position", "normal", "depth", "facing")}
    return PointPixels(**shared, point=point, centres=seen.surface.vertices, spread=0.01 * seen.mask)


def negated(size: int) -> Views:
    """A picture, and its negative turned upside down."""
    cells = np.arange(size * size).reshape(size, size)
    return lookup(
        np.stack([cells, cells[::-1]]),
        (size, size),
        np.stack([np.ones((size, size)), -np.ones((size, size))]),
    )


def discs(soft: bool) -> torch.Tensor:
    """Two masks (2, 6, 7) that overlap a little."""
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), indexing="ij")
    apart = torch.stack([(y - 2) ** 2 + (x - 1.5) ** 2, (y - 3) ** 2 + (x - 4) ** 2]).sqrt()
    return torch.exp(-(apart**2) / 6) if soft else (apart < 2).float()


PLANE_VIEWS = {
    "identity": identity(5, 6, count=3),
    "windows": windows(12, 6, 6, 2),
    "grid": windows(9, 9, 5, 2),
    "flip": flip(6),
    "rotations": rotations(5),
    "negated": negated(6),
    "uneven": windows(13, 8, 6, 4),
    "loop": windows(13, 6, 6, 4, loop=True),
    "segments": segments(3, 12, 4),
    "masks": masks(discs(soft=False)),
    "masks-soft": masks(discs(soft=True)),
    "ambiguous": ambiguous(("identity", "rotate90+negate", "skew", "jigsaw+mirror", "patches"), 8),
}
ONE_TO_ONE = ("identity", "flip", "rotations", "negated", "ambiguous")
"""Every view shows every cell once, and all are believed alike."""
ALL_VIEWS = {
    **PLANE_VIEWS,
    "segments-unequal": unequal((9, 12, 7), 4, fade=True),
    "surface": blob_views(),
    "surface-uv": blob_views(space="uv"),
    "points": point_views(cloud_pixels(LATENT // 2), cloud_pixels(FINE // 2), inside=0.5),
    "surface-coarse": blob_views(texels=12, exponent=3.0, facing_cutoff_deg=70.0, inside=0.0),
}
SYNC_SDES = {
    "syncsde": SyncSDE(integrator="paper", until=0.0),
    "syncsde-exact": SyncSDE(until=0.0, integrator="exact"),
    "syncsde-held": SyncSDE(until=0.0, integrator="exact", fade="none"),
    "syncsde-first": SyncSDE(until=0.0, integrator="paper", fade="first"),
    "syncsde-best": SyncSDE(integrator="paper", until=0.2, blend="best-facing"),
    "syncsde-neighbour": SyncSDE(integrator="paper", until=0.0, memory=1, strength=3.0),
    "syncsde-exact-best": SyncSDE(integrator="exact", blend="best-facing", memory=2),
}
AVERAGING = {
    "synctweedies": SyncTweedies(until=0.0),
    "multidiffusion": MultiDiffusion(until=0.0),
    "visual-anagrams": VisualAnagrams(until=0.0),
    "syncmvd": SyncMVD(until=0.0),
    "syncdiffusion": SyncDiffusion(decode=lambda latents: (latents + 2) / 4, until=0.0, weight=0.3, first=3),
}
ALL_COUPLINGS = {"none": Independent(), **AVERAGING, **SYNC_SDES, "csg": CSG(strength=4.0)}


def defined(views: Views, coupling: Coupling) -> bool:
    """May this coupling be used with these views?"""
    try:
        coupling.check(views)
    except InputError:
        return False
    return True


PAIRS = [(v, c) for v in ALL_VIEWS for c in ALL_COUPLINGS if defined(ALL_VIEWS[v], ALL_COUPLINGS[c])]


@cache
def model(height: int, width: int) -> Gaussian:
    """A closed-form model of smooth pictures, a mean per prompt; "" is the mean of nothing."""
    draw = torch.Generator().manual_seed(7)
    y, x = (grid.ravel() for grid in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
    place = torch.stack([y, x], dim=1).double()
    smooth = torch.exp(-torch.cdist(place, place) / 3.0)
    cov = torch.kron(torch.tensor([[0.5, 0.2], [0.2, 0.3]], dtype=torch.float64), smooth)
    means = {p: torch.randn(CHANNELS, height, width, generator=draw, dtype=torch.float64) for p in PROMPTS}
    return Gaussian({**means, "": torch.zeros(CHANNELS, height, width)}, cov)


def three_channels() -> Gaussian:
    """One whose latents are pictures."""
    means = {p: torch.full((3, 6, 6), value) for p, value in (("rust", 1.0), ("moss", -1.0), ("", 0.0))}
    return Gaussian(means, 0.1 * torch.eye(3 * 6 * 6, dtype=torch.float64))


def prompts_for(views: Views) -> list[str]:
    return [PROMPTS[i % len(PROMPTS)] for i in range(views.shape[0])]


def predictor_for(views: Views, chunk: int = 64, which: slice = slice(None)):
    """The model's noise predictor for all views, or for some of them."""
    prompts = prompts_for(views)[which]
    return model(*views.shape[1:]).predictor(Conditions(prompts, guidance=1.5), chunk)


def start_for(views: Views, seed: int = 0) -> torch.Tensor:
    """Independent unit normal pictures, (N, C, h, w) float64."""
    draw = torch.Generator().manual_seed(seed)
    count, height, width = views.shape
    return torch.randn(count, CHANNELS, height, width, generator=draw, dtype=torch.float64)


def alone(views: Views, i: int = 0) -> Views:
    """View i without the others."""
    pixels = views.shape[1] * views.shape[2]
    part = slice(i * pixels, (i + 1) * pixels)
    return Views(views.look[part], views.merge[:, part], (1, *views.shape[1:]), views.canvas, views.shares)


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-10) -> bool:
    """Equal up to rounding, absolute."""
    return a.shape == b.shape and bool(((a - b).abs() <= tolerance).all())


def tiny_diffusion():
    """Random weights in Stable Diffusion's layout."""
    import tempfile
    from pathlib import Path

    import tiny

    from texsync.backbones.by_name import load_model

    with tempfile.TemporaryDirectory() as folder:
        return load_model(tiny.write_model(Path(folder) / "tiny"), "none", device="cpu"), [
            "red",
            "copper",
            "red",
        ]


def tiny_deepfloyd():
    """Random weights in DeepFloyd IF's layout."""
    import tempfile
    from pathlib import Path

    import tiny_if

    from texsync.backbones.by_name import load_model

    with tempfile.TemporaryDirectory() as folder:
        return load_model(tiny_if.write_stage_one(Path(folder) / "tiny"), device="cpu"), [
            "red",
            "blue",
            "red",
        ]


BACKBONES = {
    "gaussian": lambda: (three_channels(), ["rust", "moss", "rust"]),
    "diffusion": tiny_diffusion,
    "deepfloyd": tiny_deepfloyd,
}
"""Name to what makes a small one, and three prompts for it."""
