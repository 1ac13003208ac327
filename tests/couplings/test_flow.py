"""Rectified flow: the same update as everywhere, on a model whose answers are exact, under every coupling."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from zoo import ALL_COUPLINGS, ALL_VIEWS, PAIRS, SYNC_SDES, alone, close, model, predictor_for, start_for

from texsync.couplings import Independent, SyncSDE, make
from texsync.errors import InputError
from texsync.loop import sample
from texsync.schedule import Flow
from texsync.views.plane import identity

SPANS = Flow.straight(shift=3.0).spans(8)
LEVELLED = [replace(span, scale=1.0, scale_next=1.0) for span in SPANS]
"""The same shares of signal and noise, at the size of 1 that Stable Diffusion's x has."""
UNLIKE = ("syncdiffusion",)  # its gradient step is in units of x


def run(views, coupling, spans=SPANS, chunk=64, which=slice(None), x=None):
    predict = predictor_for(views, chunk, which)
    x = start_for(views)[which] if x is None else x
    *_, (_, x, z) = sample(predict, views, coupling, spans, x)
    return x


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("steps", [1, 4, 28])
def test_one_view_alone_is_the_librarys_own_run(steps, shift):
    """Timesteps, and Euler's steps along the velocity eps - x0."""
    theirs = FlowMatchEulerDiscreteScheduler(shift=shift)
    theirs.set_timesteps(steps)
    spans = Flow.straight(shift).spans(steps)
    assert [span.t for span in spans] == pytest.approx(theirs.timesteps.tolist(), abs=1e-3)
    x = start = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))

    def velocity(x, t):
        return torch.tanh(x.roll(1, -1) + float(t) / 500) - 0.3 * x

    for t in theirs.timesteps:
        x = theirs.step(velocity(x, t), t, x).prev_sample

    def predict(y, span):
        return y + span.signal * velocity(y.float(), span.t)

    *_, (_, ours, _) = sample(predict, identity(4, 4), make("none"), spans, start)
    torch.testing.assert_close(ours, x, atol=1e-4, rtol=1e-4)


def test_a_straight_step_is_eulers():
    """signal' x0 + noise' eps = x + (s' - s)(eps - x0)."""
    x, eps = torch.randn(2, 1, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for span in SPANS[1:]:
        x0 = span.tweedie(x, eps)
        assert span.signal + span.noise == pytest.approx(1)
        assert close(span.ddim(x0, eps), x + (span.noise_next - span.noise) * (eps - x0))


@pytest.mark.parametrize(("view", "name"), [(v, c) for v, c in PAIRS if c not in UNLIKE])
def test_paths_differ_only_in_the_size_of_x(view, name):
    """A coupled run on the straight line is, level by level, the run at unit size: the pull is one and the same."""
    views, coupling = ALL_VIEWS[view], ALL_COUPLINGS[name]
    straight = sample(predictor_for(views), views, coupling, SPANS, SPANS[0].scale * start_for(views))
    levelled = sample(predictor_for(views), views, coupling, LEVELLED, start_for(views))
    for (span, x, _), (_, y, _) in zip(straight, levelled, strict=True):
        assert close(x, span.scale_next * y, 1e-5)


@pytest.mark.parametrize("name", [name for name in ALL_COUPLINGS if name != "csg"])
def test_one_view_alone_is_plain_flow(name):
    views = ALL_VIEWS["uneven"]
    single, which = alone(views), slice(0, 1)
    predict, x = predictor_for(views, which=which), start_for(views)[:1]
    expected = x
    for span in SPANS:
        eps = predict(expected, span)
        expected = span.ddim(span.tweedie(expected, eps), eps)
    *_, (_, coupled, _) = sample(predict, single, ALL_COUPLINGS[name], SPANS, x)
    assert close(coupled, expected, 1e-6)


@pytest.mark.parametrize("name", SYNC_SDES)
def test_chunks_do_not_matter_and_no_strength_is_no_coupling(name):
    views, coupling = ALL_VIEWS["surface"], SYNC_SDES[name]
    assert close(run(views, coupling, chunk=1), run(views, coupling), 1e-6)
    silent = replace(coupling, strength=0.0)
    assert torch.equal(run(views, silent), run(views, Independent()))


def test_it_ends_at_the_right_mean_and_spread():
    """Of 4000 pictures of the closed-form model, in 60 steps."""
    gauss, spans = model(3, 3), Flow.straight().spans(60)
    mean = gauss.means["rust"]
    x = torch.randn(4000, *mean.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for span in spans:
        eps = gauss.eps(x, mean.expand_as(x), span)
        x = span.ddim(span.tweedie(x, eps), eps)
    spread = gauss.axes @ gauss.variances.diag() @ gauss.axes.T
    assert (x.mean(0) - mean).abs().max() < 0.05
    assert (torch.cov(x.flatten(1).T) - spread).abs().max() < 0.05


def test_coupled_views_come_together():
    """Views of one line that overlap disagree less, as with the usual path."""
    views = ALL_VIEWS["windows"]
    apart = [
        (views.agree(x) - x).square().mean()
        for x in (run(views, Independent()), run(views, SyncSDE(until=0.0)))
    ]
    assert apart[1] < 0.3 * apart[0]


@pytest.mark.parametrize("shift", [0.0, -1.0, float("nan")])
def test_a_shift_that_makes_no_sense_is_refused(shift):
    with pytest.raises(InputError, match="shift"):
        Flow.straight(shift)
