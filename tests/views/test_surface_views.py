"""The compiled surface views against a slow reference, and against scenes whose answer is known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from refusals import refused
from zoo import CAMERAS, FINE, LATENT, TEXELS, blob, blob_pixels, blob_views, make_surface

from texsync.errors import InputError
from texsync.surface.cameras import Camera
from texsync.surface.pixels import Pixels, look, visible
from texsync.surface.types import Surface
from texsync.views import shared_noise, surface_views

CUTOFF = math.cos(math.radians(80))


class Slow:
    """What a pixel is told, one pixel, one earlier view, one candidate at a time."""

    def __init__(self, texels: int, exponent: float = 1.0, space: str = "surface"):
        self.p, self.fine = blob_pixels(LATENT), blob_pixels(FINE)
        self.exponent = exponent
        self.place = (self.p.position if space == "surface" else self.p.uv).double()
        self.grid = [(n, y, x) for n in range(len(CAMERAS)) for y in range(LATENT) for x in range(LATENT)]
        self.texel = {at: self.texel_of(at, texels) for at in self.grid if self.p.mask[at]}
        self.first: dict[tuple, tuple] = {}
        for at in self.grid:
            if at in self.texel:
                self.first.setdefault(self.texel[at], at)
        self.trusted = {at for at in self.texel if self.may_speak(at)}

    def texel_of(self, at, texels):
        u, v = self.p.uv[at].tolist()
        return min(int(v * texels), texels - 1), min(int(u * texels), texels - 1)

    def may_speak(self, at):
        n, y, x = at
        k = FINE // LATENT
        whole = bool(self.fine.mask[n, y * k : (y + 1) * k, x * k : (x + 1) * k].all())
        return whole and self.p.facing[at].item() >= CUTOFF

    def opinion(self, j, texel):
        """(the pixels of view j that speak for a texel, how much they are believed), or None."""
        hits = [at for at in self.texel if at[0] == j and self.texel[at] == texel]
        if hits:
            hits = [at for at in hits if at in self.trusted]
            return (
                (hits, np.mean([self.p.facing[at].item() ** self.exponent for at in hits])) if hits else None
            )
        here = self.first[texel]
        point, normal = self.p.position[here], self.p.normal[here]
        outward = -normal if self.p.behind[here] else normal
        seen, facing, where = visible(self.fine, point[None], outward[None], self.p.face[here][None])
        if not (seen[j, 0] and facing[j, 0] >= CUTOFF):
            return None
        column, row, depth = (where[j, 0] * torch.tensor([LATENT / FINE, LATENT / FINE, 1])).tolist()
        if (j, int(row), int(column)) not in self.trusted:
            return None
        mine = [at for at in self.trusted if at[0] == j]
        near = min(mine, key=lambda at: (self.place[at] - self.place[here]).norm().item())
        apart = depth * 2 * math.tan(math.pi / 6) / LATENT / facing[j, 0].item()
        if (self.p.position[near] - point).norm().item() > 1.5 * apart:
            return None
        return [at for at in mine if self.texel[at] == self.texel[near]], facing[j, 0].item() ** self.exponent

    def told(self, at, x):
        """The facing-weighted mean over earlier views at one pixel of scalar pictures x (N, h, w), or None."""
        if at not in self.texel:
            return None
        opinions = [self.opinion(j, self.texel[at]) for j in range(at[0])]
        opinions = [
            (np.mean([x[q].item() for q in pixels]), weight) for pixels, weight in filter(None, opinions)
        ]
        total = sum(weight for _, weight in opinions)
        return sum(value * weight for value, weight in opinions) / total if opinions else None


@pytest.mark.parametrize(
    ("texels", "exponent", "space"), [(TEXELS, 1.0, "surface"), (14, 2.0, "surface"), (TEXELS, 1.0, "uv")]
)
def test_what_is_told_is_what_the_slow_reference_says(texels, exponent, space):
    slow = Slow(texels, exponent, space)
    x = torch.randn(
        len(CAMERAS), 1, LATENT, LATENT, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    prefix = blob_views(texels=texels, exponent=exponent, space=space).prefix()
    told = prefix.reference(x)
    answers = {at: slow.told(at, x[:, 0]) for at in slow.grid}
    assert sum(answer is not None for answer in answers.values()) > 120
    for (n, y, column), answer in answers.items():
        assert prefix.mask[n, 0, y, column] == (answer is not None)
        assert told[n, 0, y, column].item() == pytest.approx(answer or 0.0, abs=1e-5)


def test_background_pixels_are_alone():
    views, mask = blob_views(), blob_pixels(LATENT).mask
    background = ~mask.flatten().numpy()
    assert not views.prefix().mask[:, 0][~mask].any()
    cells = views.look.indices[background]
    assert len(set(cells)) == background.sum()
    assert not set(cells) & set(views.look.indices[~background])
    x = torch.randn(len(CAMERAS), 3, LATENT, LATENT, dtype=torch.float64)
    lonely = (~mask)[:, None].expand_as(x)
    assert torch.equal(views.agree(x)[lonely], x[lonely])


def test_silhouettes_and_steep_sights_have_no_say():
    pixels, fine = blob_pixels(LATENT), blob_pixels(FINE)
    whole = torch.nn.functional.avg_pool2d(fine.mask.float(), FINE // LATENT) == 1
    silent = pixels.mask & (~whole | (pixels.facing < CUTOFF))
    weight = abs(blob_views().merge).sum(axis=0).reshape(pixels.mask.shape)
    assert silent.sum() > 50
    assert (weight[silent.numpy()] == 0).all()
    assert (weight[(pixels.mask & ~silent).numpy()] > 0).all()
    counted = abs(blob_views(inside=0.0).merge).sum(axis=0).reshape(pixels.mask.shape)
    assert (counted[(pixels.mask & ~whole & (pixels.facing >= CUTOFF)).numpy()] > 0).all()


def plate(low: tuple, high: tuple, where: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An upright rectangle at depth z = low[2], facing +z, mapped on a square of the texture at `where`."""
    (x0, y0, z), (x1, y1, _) = low, high
    corners = np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]])
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * 0.4 + np.array(where)
    return corners, np.array([[0, 1, 2], [0, 2, 3]]), uv


def scene(*plates, side: float = 30) -> tuple[Pixels, Pixels]:
    """Rectangles seen from the front and from `side` degrees to the side."""
    corners, uv = (np.concatenate([plate[part] for plate in plates]) for part in (0, 2))
    surface = make_surface(corners, np.concatenate([f + 4 * i for i, (_, f, _) in enumerate(plates)]), uv)
    cameras = (Camera(0), Camera(side))
    return look(surface, cameras, 32), look(surface, cameras, 256)


def told_by_first(pixels: Pixels, fine: Pixels, **options) -> tuple[np.ndarray, np.ndarray]:
    """For the pixels of view 1: whether known, and the point (P, 3) in view 0 they are told about."""
    views = surface_views(pixels, fine, 512, **options)
    prefix = views.prefix(None, "best-facing")
    told = prefix.reference(pixels.position.permute(0, 3, 1, 2).double())[1]
    return prefix.mask[1, 0].numpy() > 0, told.permute(1, 2, 0).numpy()


def test_a_pixel_is_told_about_its_own_point():
    pixels, fine = scene(plate((-0.6, -0.6, 0), (0.6, 0.6, 0), (0.05, 0.05)))
    known, told = told_by_first(pixels, fine)
    gap = np.linalg.norm(told - pixels.position[1].numpy(), axis=-1)[known]
    assert known.sum() > 0.7 * pixels.mask[1].sum()
    assert gap.max() < 1.1 * 4 * math.tan(math.pi / 6) / 32  # about one latent pixel at distance 2


def test_what_is_hidden_from_a_view_is_not_told_by_it():
    """A small plate hides the middle of a large one; from the side one looks behind it."""
    back, front = (
        plate((-0.8, -0.8, -0.5), (0.8, 0.8, 0), (0.05, 0.05)),
        plate((-0.3, -0.3, 0.4), (0.3, 0.3, 0), (0.55, 0.05)),
    )
    pixels, fine = scene(back, front)
    known, told = told_by_first(pixels, fine)
    position = pixels.position[1].numpy()
    on_back = pixels.mask[1].numpy() & (position[..., 2] < 0)
    # the shadow that the front view's eye (0, 0, 2) casts through the small plate onto the large one
    hidden = on_back & (abs(position[..., :2]) < 0.3 * 2.5 / 1.6 - 0.1).all(axis=-1)
    assert hidden.sum() > 20
    assert not known[hidden].any()
    assert known[on_back & ~hidden].mean() > 0.4
    assert (told[known & on_back][:, 2] < -0.4).all()  # and what is told comes from the large plate


def test_a_thin_board_has_two_sides():
    """The back lies within the tolerance of the depth test of the front, and still is another surface."""
    face, back = (
        plate((-0.5, -0.5, 0.002), (0.5, 0.5, 0), (0.05, 0.05)),
        plate((-0.5, -0.5, -0.002), (0.5, 0.5, 0), (0.55, 0.05)),
    )
    pixels, fine = scene(face, back, side=180)
    assert (pixels.position[1, ..., 2][pixels.mask[1]] < 0).all()
    assert not told_by_first(pixels, fine)[0].any()


def test_a_strap_thinner_than_a_pixel_is_not_told_the_colour_of_what_is_behind_it():
    """In front of a bag, between two pixel centres of the front view, whose pixels there all show the bag."""
    bag, strap = (
        plate((-0.8, -0.8, 0), (0.8, 0.8, 0), (0.05, 0.05)),
        plate((-0.025, -0.7, 0.3), (0.025, 0.7, 0), (0.55, 0.05)),
    )
    pixels, fine = scene(bag, strap)
    assert not (pixels.position[0, ..., 2] > 0.2).any()
    on_strap = pixels.position[1, ..., 2].numpy() > 0.2
    assert on_strap.sum() > 10
    assert not told_by_first(pixels, fine)[0][on_strap].any()
    known, told = told_by_first(pixels, fine, reach=100.0)
    assert known[on_strap].any() and (told[known & on_strap][:, 2] < 0.1).all()


def test_a_view_whose_pixel_is_on_the_silhouette_has_no_say_about_the_texels_there():
    """A plate one pixel wide: seen everywhere, believed nowhere."""
    pixels, fine = scene(plate((0.01, -0.7, 0), (0.06, 0.7, 0), (0.05, 0.05)))
    assert pixels.mask[1].sum() > 10
    assert not told_by_first(pixels, fine)[0].any()
    assert told_by_first(pixels, fine, inside=0.0)[0].sum() > 10


def test_mirrored_halves_share_texels():
    """Overlapping UVs: two plates on one part of the map see each other's pixels."""
    left, right = (
        plate((-0.7, -0.3, 0), (-0.1, 0.3, 0), (0.05, 0.05)),
        plate((0.1, -0.3, 0), (0.7, 0.3, 0), (0.05, 0.05)),
    )
    pixels, fine = scene(left, right)
    views = surface_views(pixels, fine, 8)
    cells = views.look.indices.reshape(pixels.mask.shape)[0]
    x = pixels.position[0, ..., 0].numpy()
    on = pixels.mask[0].numpy()
    assert set(cells[on & (x < 0)]) & set(cells[on & (x > 0)])
    flat = views.f(torch.ones(1, *views.canvas, dtype=torch.float64))
    assert torch.allclose(views.agree(flat), flat)


def test_a_view_that_sees_nothing_says_nothing():
    pixels, fine = (
        dataclasses.replace(p, face=p.face.clone()) for p in (blob_pixels(LATENT), blob_pixels(FINE))
    )
    for p in (pixels, fine):
        p.face[0] = -1
    views = surface_views(pixels, fine, TEXELS)
    assert not views.prefix(1).mask[1].any()
    assert views.prefix(1).mask[2].any()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("facing_cutoff_deg", 0),
        ("facing_cutoff_deg", 91),
        ("exponent", -1),
        ("exponent", math.nan),
        ("space", "world"),
    ]
    + [("inside", 1.5), ("reach", -1), ("texels", 0)],
)
def test_bad_options_are_refused(option, value):
    options = {"texels": TEXELS, option: value}
    with pytest.raises(InputError, match=f"{option} is {value}; give "):
        surface_views(blob_pixels(LATENT), blob_pixels(FINE), **options)


def test_views_that_do_not_fit_are_refused():
    with refused("views-wrong", thing="views", value=128):
        surface_views(blob_pixels(FINE), blob_pixels(LATENT), TEXELS)


def sheet(bend: float, uv_scale: float = 0.9) -> Surface:
    """An open sheet with one set of UVs, bent around the y axis by so many degrees."""
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(-0.6, 0.6, 25), np.linspace(-0.6, 0.6, 25)))
    corner = (np.arange(24)[:, None] * 25 + np.arange(24)).ravel()
    right, up = corner + 1, corner + 25
    faces = np.concatenate([np.stack([corner, right, up], 1), np.stack([right, up + 1, up], 1)])
    turn = math.radians(bend) * x / 1.2
    radius = 1.2 / math.radians(bend)
    place = np.column_stack([radius * np.sin(turn), y, radius * (np.cos(turn) - 1) + 0.2])
    return make_surface(place, faces, np.stack([x, y], 1) / 1.2 * uv_scale + 0.5)


@pytest.mark.parametrize("bend", [1, 60, 120])
def test_the_two_sides_of_an_open_sheet_hear_each_other(bend):
    """From behind one sees the same texels, so the back is told what the front knows about its own points."""
    surface = sheet(bend)
    pixels, fine = (look(surface, (Camera(0), Camera(180)), size) for size in (32, 256))
    assert pixels.behind[1][pixels.mask[1]].all()
    known, told = told_by_first(pixels, fine)
    speaking = (surface_views(pixels, fine, 512).blend_weight[1, 0].numpy() > 0) & pixels.mask[1].numpy()
    assert known[speaking].mean() > 0.8
    gap = np.linalg.norm(told - pixels.position[1].numpy(), axis=-1)[known]
    assert gap.max() < 2 * 4 * math.tan(math.pi / 6) / 32


def test_two_cameras_of_one_crop_are_one():
    """In what they agree on, and in the noise that they start from."""
    window = dict(centre=(0.1, 0.1), zoom=1.5, target=(0.1, 0.0, 0.0), roll_deg=20)
    one, other = Camera(20, 10, **window), Camera(60)
    views = {
        cameras: surface_views(look(blob(), cameras, 16), look(blob(), cameras, 128), 256)
        for cameras in ((one,), (one, one), (one, one, other))
    }
    x = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    alone, twice = views[(one,)], views[(one, one)]
    assert torch.allclose(alone.agree(x[None])[0], twice.agree(torch.stack([x, x]))[0], atol=1e-6)
    assert torch.allclose(twice.agree(torch.stack([x, x]))[0], twice.agree(torch.stack([x, x]))[1], atol=1e-6)
    noise = shared_noise(views[(one, one, other)], 2, torch.Generator().manual_seed(1))
    shared = noise[0] == noise[1]
    assert shared[:, look(blob(), [one], 16).mask[0]].float().mean() > 0.9
