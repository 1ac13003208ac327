"""Windows of any width, masks, and ways of seeing: what each family promises beyond the laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from refusals import refused
from torch.nn import functional
from zoo import CHANNELS, close, model, start_for

from texsync.backbones.conditions import Conditions
from texsync.couplings import Independent, SyncSDE
from texsync.errors import InputError
from texsync.loop import sample
from texsync.schedule import Schedule
from texsync.views import ambiguous, feathered, latest, masks, segments, windows
from texsync.views.masks import COMPOSITIONS
from texsync.views.shuffle import NAMES, RIGID, commutes, shown, table, view_of


def number(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("loop", [False, True])
def test_windows_cover_any_width_at_any_overlap(loop):
    for width in range(6, 20):
        for step in range(1, 6):
            views = windows(width, 6, 6, step, loop=loop)
            assert views.covered.all()
            first = views.look.indices.reshape(views.shape)[:, 0, 0] % width
            gaps = np.diff(sorted({*first, width if loop else width - 6}))
            assert loop or first.max() == width - 6
            assert (gaps <= step).all() and set(views.look.indices // width) == set(range(6))


def test_a_loop_goes_round_the_longer_side():
    z = number(1, 6, 13)
    last = windows(13, 6, 6, 4, loop=True).f(z)[-1]
    assert torch.equal(last, z.roll(-12, 2)[..., :6])
    upright = z.transpose(1, 2)
    assert torch.equal(windows(6, 13, 6, 4, loop=True).f(upright)[-1], last.transpose(1, 2))


def test_one_window_of_a_loop_joins_its_ends():
    """Window 5 of 0 to 3, the bridge and three that tidy up: it hears both ends and is free between them."""
    views = windows(24, 8, 8, 4, loop=True)
    known = views.prefix(1).mask[:, 0, 0]
    assert known[:4].sum(1).tolist() == [0, 4, 4, 4]
    assert known[4].tolist() == [1, 1, 0, 0, 0, 0, 1, 1] and known[5:].all()


def test_windows_below_each_other_hear_each_other():
    known = windows(14, 14, 8, 6).prefix(1).mask[:, 0]
    assert known[2, :2].all() and not known[2, 2:].any()  # under the first one: its upper two rows
    assert known[3, :2].all() and known[3, :, :2].all()


def test_the_ends_of_a_loop_meet_like_any_two_windows():
    views = windows(32, 8, 8, 4, loop=True)
    words = [""] * views.shape[0]
    predict = model(8, 8).predictor(Conditions(words, words, guidance=1.0))

    def steps(coupling):
        """Mean square difference of every column to the one before, the first to the last."""
        found = []
        for seed in range(20):
            spans = Schedule.scaled_linear().spans(20)
            *_, (_, x, _) = sample(predict, views, coupling, spans, start_for(views, seed))
            wide = latest(views).f_inv(x)
            found.append((wide - wide.roll(1, -1)).square().mean((0, 1)))
        return torch.stack(found).mean(0)

    coupled, free = steps(SyncSDE(memory=1, until=0.0)), steps(Independent())
    inside, ends = coupled[[12, 16, 20]], coupled[[28, 0, 4]]
    assert ends.max() < inside.mean() < 0.6 * free[[12, 16, 20]].mean()


def test_later_windows_lie_on_top():
    views = windows(12, 6, 6, 3)
    x = torch.arange(1.0, 4.0)[:, None, None, None].expand(3, 1, 6, 6)
    assert latest(views).f_inv(x)[0, 0].tolist() == [1.0] * 3 + [2.0] * 3 + [3.0] * 6


def test_feathered_windows_fade_into_each_other():
    views = feathered(windows(12, 6, 6, 3))
    x = torch.arange(1.0, 4.0, dtype=torch.float64)[:, None, None, None].expand(3, 1, 6, 6)
    row = views.f_inv(x)[0, 2]
    assert row[0] == 1 and row[-1] == 3 and (row.diff() >= 0).all() and row.diff().max() <= 0.5
    z = number(2, 6, 12)
    assert close(views.f_inv(views.f(z)), z)


def test_masks_share_every_cell():
    things = torch.stack([torch.tensor([[0.0, 0.5, 1.0, 1.0]]), torch.tensor([[0.0, 0.5, 0.25, 1.0]])])
    parts = masks(things, "parts").blend_weight[:, 0, 0]
    assert close(parts.sum(0), torch.ones(4))
    assert parts.tolist() == [[1, 0.25, 0, 0], [0, 0.25, 0.75, 0], [0, 0.5, 0.25, 1]]


def test_compositions_of_masks():
    soft = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole, parts, mean = (masks(soft, kind).blend_weight[:, 0] for kind in COMPOSITIONS)
    assert close(whole[:-1], parts) and close(whole[-1], torch.ones(3, 4))
    assert close(mean[1:], parts[1:]) and close(mean[0], torch.ones(3, 4))


def test_a_thing_hears_only_what_it_does_not_own():
    hard = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]]])
    views = masks(hard)
    known = views.prefix().mask[:, 0]
    assert torch.equal(known[1].float(), 1 - hard[0]) and known[2].all() and not known[0].any()
    x = number(3, CHANNELS, 2, 3)
    told = views.prefix().reference(x)
    assert torch.equal(told[2], torch.where(hard[0] > 0, x[1], x[0]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.zeros(0, 4, 4), r"masks have shape \(0, 4, 4\); give \(M, h, w\)"),
        (torch.zeros(4, 4), "masks have shape"),
        (torch.full((1, 2, 2), 255.0), "mask values run from 255 to 255; give shares"),
        (torch.full((1, 2, 2), torch.nan), "mask values run from nan"),
    ],
)
def test_masks_that_are_none_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        masks(wrong)


def test_segments_of_a_motion():
    views = segments(3)
    assert views.shape == (3, 1, 120) and views.canvas == (1, 300)
    with refused("motion-length", thing="segments", value=120):
        segments(3, overlap=120)


@pytest.mark.parametrize("name", NAMES)
def test_every_way_of_seeing_is_a_permutation_at_every_size(name):
    by = {"patches": 8, "jigsaw": 4}.get(name, 1)
    for size in range(by, 49, by):
        cells, sign = table(name, size)
        assert abs(sign) == 1 and np.array_equal(np.sort(cells.ravel()), np.arange(size**2))
        views = ambiguous(("identity", f"{name}+rotate90+negate"), size)
        z = number(1, size, size)
        assert torch.equal(views.f(z)[1], view_of(z, f"{name}+rotate90+negate"))
        assert torch.equal(views.spread(views.f(z)), 2 * z)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("patches", 20, "patches cannot cut 20 pixels into 8; use 16 or 24, a multiple of 8"),
        ("flip+jigsaw", 3, "jigsaw cannot cut 3 pixels into 4; use 4, a multiple of 4"),
        ("rotate45", 8, "unknown view 'rotate45'; use one of identity, rotate90"),
        ("flip+", 8, "unknown view ''"),
    ],
)
def test_views_that_cannot_be_are_refused(name, size, message):
    with pytest.raises(InputError) as caught:
        ambiguous(("identity", name), size)
    assert str(caught.value).startswith(message)


def test_views_are_what_their_names_say():
    z = number(2, 8, 8)
    assert torch.equal(view_of(z, "rotate90"), z.rot90(1, (-2, -1)))
    assert torch.equal(view_of(z, "rotate90+rotate90+rotate180"), z)
    assert torch.equal(view_of(z, "flip"), z.flip(-2)) and torch.equal(view_of(z, "mirror"), z.flip(-1))
    assert torch.equal(view_of(z, "flip+mirror"), view_of(z, "rotate180"))
    assert torch.equal(view_of(z, "negate+flip"), -z.flip(-2))
    skewed = view_of(z, "skew")
    for column in range(8):
        slip = int(1.5 * (column - 4))
        assert torch.equal(skewed[..., column], z[..., column].roll(slip, -1))
    turned, middle = view_of(z, "inner_circle"), slice(2, 6)
    assert torch.equal(turned[:, middle, middle], z[:, middle, middle].rot90(2, (-2, -1)))
    assert torch.equal(turned[:, 0], z[:, 0]) and torch.equal(turned[:, :, -1], z[:, :, -1])
    assert close(shown(z, "negate"), 1 - z)


def test_a_puzzle_moves_whole_pieces():
    """Seen from where they come to lie, the pieces are as they were: turned or shifted, not broken."""
    size = 32
    cells, _ = table("jigsaw", size)
    assert (cells != np.arange(size**2).reshape(size, size)).all()
    beside = np.abs(np.diff(cells, axis=1))
    assert np.isin(beside, (1, size)).mean() > 0.8
    assert not np.array_equal(cells, table("jigsaw", size, seed=1)[0])


@pytest.mark.parametrize("name", RIGID)
def test_turns_and_mirrors_commute_with_an_autoencoder(name):
    def decode(z):
        return functional.interpolate(z, scale_factor=4, mode="bilinear")

    z = number(1, 3, 8, 8)
    assert commutes(name) and commutes(f"{name}+flip") and not commutes(f"{name}+negate")
    assert close(decode(view_of(z, name)), view_of(decode(z), name))


def test_pieces_do_not_commute():
    assert not any(
        commutes(name) for name in ("skew", "negate", "patches", "pixels", "jigsaw", "inner_circle")
    )
    with refused("option-choice", thing="view", value="turn"):
        commutes("turn")


def test_a_larger_picture_is_cut_like_the_canvas():
    z = number(1, 16, 16)
    for name in ("pixels", "patches", "pixels+rotate90"):
        large = z.repeat_interleave(4, -1).repeat_interleave(4, -2)
        small = view_of(z, name, seed=3).repeat_interleave(4, -1).repeat_interleave(4, -2)
        assert torch.equal(view_of(large, name, cells=16, seed=3), small)
    with refused("size-unfit", thing="picture", value=16):
        view_of(z[:, :8], "flip")
