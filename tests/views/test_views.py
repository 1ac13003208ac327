"""What every family of views promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import rebaked
from refusals import refused
from zoo import ALL_VIEWS, CHANNELS, PLANE_VIEWS, alone, close, start_for

from texsync.errors import InputError
from texsync.views import Views, flip, noise, rotations, shared_noise, windows

every_view = pytest.mark.parametrize("views", ALL_VIEWS.values(), ids=ALL_VIEWS)
plane_view = pytest.mark.parametrize("views", PLANE_VIEWS.values(), ids=PLANE_VIEWS)
every_prefix = pytest.mark.parametrize(
    ("memory", "blend"),
    [(None, "mean"), (1, "mean"), (2, "best-facing"), (None, "best-facing")],
    ids=lambda v: str(v),
)


def canvas_for(views: Views, seed: int = 1) -> torch.Tensor:
    return torch.randn(
        CHANNELS, *views.canvas, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


@every_view
def test_spread_is_the_adjoint_of_f(views):
    z, x = canvas_for(views), start_for(views)
    assert close((views.f(z) * x).sum(), (z * views.spread(x)).sum(), 1e-9)


@plane_view
def test_round_trip(views):
    z = canvas_for(views)
    assert views.covered.all()
    assert close(views.f_inv(views.f(z)), z)


@pytest.mark.parametrize("name", ["surface", "surface-uv", "surface-coarse"])
def test_round_trip_where_views_only_speak_of_what_they_hit(name):
    """Between its hits a view speaks for the nearest hit texel, so only texels that all speakers hit come back."""
    views = ALL_VIEWS[name]
    hits = abs(views.look.T).tocsr()
    foreign = views.merge.copy()
    foreign.data = 1.0 * (foreign.data > 0)
    own = np.asarray((foreign - foreign.multiply(hits)).sum(axis=1)).ravel() == 0
    own &= views.covered.numpy()
    z = canvas_for(views)
    assert own.sum() > 0.5 * len(own)
    assert close(views.f_inv(views.f(z))[:, own], z[:, own])


@plane_view
def test_agreeing_twice_changes_nothing(views):
    once = views.agree(start_for(views))
    assert close(views.agree(once), once)


@every_view
def test_agreement_is_a_mean(views):
    """It keeps what all pictures say alike, and never leaves the range of what they say."""
    flat = views.f(torch.ones(1, *views.canvas, dtype=torch.float64))
    assert close(views.agree(flat), flat)
    x = start_for(views)
    assert views.agree(x).abs().max() <= x.abs().max() + 1e-12
    where = views.covered
    assert close(views.f_inv(flat)[0][where], torch.ones(int(where.sum()), dtype=torch.float64))
    assert (views.f_inv(x)[:, ~where] == 0).all()


@every_view
def test_uncovered_pixels_keep_their_own_value(views):
    x = start_for(views)
    unseen = ~views.seen.expand_as(x)
    assert torch.equal(views.agree(x)[unseen], x[unseen])


@every_view
def test_one_view_is_told_nothing(views):
    assert not alone(views).prefix().mask.any()
    assert not views.prefix().mask[0].any()


@every_view
@every_prefix
def test_told_is_the_prefix_baked_and_looked_at(views, memory, blend):
    x = start_for(views)
    prefix = views.prefix(memory, blend)
    told = prefix.reference(x)
    for i in range(len(x)):
        expected, known = rebaked(views, x, i, memory, blend)
        assert close(told[i], expected)
        assert torch.equal(prefix.mask[i].double(), known)


@every_view
@every_prefix
def test_nobody_hears_later_views_or_forgotten_ones(views, memory, blend):
    prefix = views.prefix(memory, blend)
    matrix = prefix.matrix.tocoo()
    pixels = views.shape[1] * views.shape[2]
    assert (matrix.row // pixels > matrix.col // pixels).all()
    speakers = np.unique(np.stack([matrix.row, matrix.col // pixels]), axis=1)[0]
    assert memory is None or np.bincount(speakers).max() <= memory
    if blend == "best-facing":
        assert np.diff(prefix.matrix.indptr).max() <= 1


@every_view
def test_a_prefix_is_made_once(views):
    assert views.prefix(None, "mean") is views.prefix()
    assert views.prefix(1) is not views.prefix()


@every_view
def test_narrow_numbers_come_back_narrow(views):
    x = start_for(views).half()
    assert views.agree(x).dtype == views.prefix().reference(x).dtype == torch.float16
    assert close(views.f_inv(x).double(), views.f_inv(x.double()), 2e-3)


@every_view
def test_noise_is_the_same_for_all_who_look_at_a_cell(views):
    x = noise(views, CHANNELS, torch.Generator().manual_seed(3))
    assert x.shape == (views.shape[0], CHANNELS, *views.shape[1:])
    z = torch.randn(CHANNELS, *views.canvas, generator=torch.Generator().manual_seed(3))
    assert torch.equal(x, views.f(z))


@every_view
def test_shared_noise_is_white_in_every_view_and_shared_between_them(views):
    x = shared_noise(views, 1, torch.Generator().manual_seed(3))
    again = shared_noise(views, 1, torch.Generator().manual_seed(3))
    assert torch.equal(x, again)
    for picture in x:  # no number appears twice within a picture, so it is white
        assert len(picture.abs().unique()) == picture.numel()
    prefix = views.prefix(None, "best-facing")
    told = prefix.reference(x)
    for picture, heard, known in zip(x, told, prefix.mask > 0, strict=True):
        assert (picture == heard)[known].sum() == len(
            heard[known].unique()
        )  # each number told is taken up, once


def test_many_draws_of_shared_noise_are_unit_normal():
    views = ALL_VIEWS["surface"]
    x = shared_noise(views, 400, torch.Generator().manual_seed(0)).double()
    assert x.mean(dim=1).abs().max() < 5.5 / 20
    assert (x.var(dim=1) - 1).abs().max() < 5.5 * (2 / 400) ** 0.5


def test_families_show_what_their_names_say():
    z = torch.arange(2 * 9 * 9.0).view(2, 9, 9)
    assert torch.equal(flip(9).f(z), torch.stack([z, z.flip(-2)]))
    assert torch.equal(rotations(9).f(z), torch.stack([z.rot90(k, (-2, -1)) for k in range(4)]))
    cut = windows(9, 9, 5, 2).f(z)
    assert len(cut) == 9 and torch.equal(cut[5], z[:, 2:7, 4:9])


def test_a_wide_image_of_the_paper_has_thirteen_windows():
    assert windows(256, 64, 64, 16).shape == (13, 64, 64)


@pytest.mark.parametrize(
    ("side", "message"),
    [
        (
            (256, 32, 64, 16),
            "a canvas of 256 x 32 cells is smaller than a window of 64; make both sides at least 64",
        ),
        ((256, 64, 64, 64), "windows of 64 cells overlap by 0; use an overlap of 1 to 63 cells"),
        ((256, 64, 64, 0), "windows of 64 cells overlap by 64; use an overlap"),
        ((256, 64, 64, 70), "windows of 64 cells overlap by -6; use an overlap"),
    ],
)
def test_windows_that_do_not_fit_are_refused(side, message):
    with pytest.raises(InputError, match=message):
        windows(*side)


@pytest.mark.parametrize(("memory", "blend"), [(0, "mean"), (-1, "best-facing"), (None, "first")])
def test_unknown_prefixes_are_refused(memory, blend):
    with refused("views-wrong", thing="memory"):
        flip(4).prefix(memory, blend)
